//! Who is trusted, and what happens when nobody answers.

use afflux_client::{Client, Config, Token, Trust};
use afflux_types::ErrorKind;
use sha2::{Digest, Sha256};

use crate::support::{Server, name, serve};

#[tokio::test]
async fn a_server_with_the_pinned_fingerprint_is_trusted_and_no_other() {
    let server = serve(1);
    let fingerprint: [u8; 32] = Sha256::digest(&server.certificate).into();
    let mut config = server.config();
    config.trust = Trust::Fingerprint(fingerprint);
    let client = Client::connect(config.clone()).await.unwrap();
    client.describe_stream(&name("s")).await.unwrap();

    config.trust = Trust::Fingerprint([7; 32]);
    let error = Client::connect(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.chain().contains("07070707"), "{}", error.chain());
}

#[tokio::test]
async fn a_certificate_authority_is_checked_with_the_name() {
    let server = serve(1);
    let pem = {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(&server.certificate);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    };
    let mut config = server.config();
    config.trust = Trust::Authority(pem);
    config.server_name = Some("elsewhere".into());
    let error = Client::connect(config.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);

    config.server_name = Some("localhost".into());
    let client = Client::connect(config).await.unwrap();
    client.describe_stream(&name("s")).await.unwrap();
}

#[tokio::test]
async fn any_certificate_is_accepted_only_from_this_machine() {
    let config = Config::new("192.0.2.1:7000", Trust::LoopbackAny);
    let error = Client::connect(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn a_wrong_token_is_denied_by_the_server_and_never_printed() {
    let server = serve(1);
    "other".clone_into(&mut server.shared.token.lock());
    let client = server.client().await;
    let error = client.describe_stream(&name("s")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(!format!("{client:?}").contains("secret"));
    assert!(!format!("{:?}", Token::new("secret")).contains("secret"));
}

#[tokio::test]
async fn a_request_goes_through_after_the_server_has_restarted() {
    let mut server = serve(1);
    let client = server.client().await;
    client.describe_stream(&name("s")).await.unwrap();
    server.restart().await;
    client.describe_stream(&name("s")).await.unwrap();
}

#[tokio::test]
async fn a_connection_survives_a_change_of_network() {
    let server = serve(1);
    let client = server.client().await;
    client.describe_stream(&name("s")).await.unwrap();
    client.migrate().await.unwrap();
    client.describe_stream(&name("s")).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let mut config = Server::start().config();
    config.server = "127.0.0.1:1".into();
    config.retry.connect_timeout = std::time::Duration::from_millis(50);
    let error = Client::connect(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(Client::new(Config::new("nowhere", Trust::LoopbackAny)).is_err());
}
