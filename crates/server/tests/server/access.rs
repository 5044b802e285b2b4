//! Credentials: who gets in, what they may do, and what the server refuses to start with.

use afflux_server::config::{Right, Token};
use afflux_server::{Config, Server};
use afflux_types::{Clock, ErrorKind};
use afflux_wire::Frame;
use afflux_wire::message::{
    Activity, Answer, Command, CreateStream, From, ListStreams, Produce, Start, StreamKind,
    Subscribe,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use sha2::{Digest, Sha256};

use crate::support::{Peer, Running, admin, config, create, stream_ref};

const SECRET: &str = "correct horse battery staple";

/// A token with the digest of `secret`.
pub(crate) fn token(name: &str, secret: &str, rights: &[Right], streams: &[&str]) -> Token {
    let digest = Sha256::digest(secret.as_bytes());
    Token {
        name: name.to_owned(),
        sha256: Some(digest.iter().map(|byte| format!("{byte:02x}")).collect()),
        secret_file: None,
        rights: rights.to_vec(),
        streams: streams.iter().map(|text| (*text).to_owned()).collect(),
    }
}

fn with_tokens(config: &mut Config) {
    config.tokens = vec![
        token(
            "ops",
            SECRET,
            &[Right::Admin, Right::Produce, Right::Consume],
            &["*"],
        ),
        token("cameras", "camera secret", &[Right::Produce], &["camera-*"]),
    ];
}

fn produce(stream: &str) -> Activity {
    Activity::Produce(Produce {
        stream: stream.to_owned(),
        ..Produce::default()
    })
}

#[tokio::test]
async fn a_configured_token_is_asked_for_also_on_loopback() {
    let running = Running::start_with(with_tokens).await;
    let stranger = running.connect().await;
    let failure = stranger.open(produce("orders")).await.failure().await;
    assert_eq!(failure.error_kind(), ErrorKind::Denied);
    let guesser = Peer::with_token(&running.server, "a guess").await;
    let failure = guesser.open(produce("orders")).await.failure().await;
    assert_eq!(failure.error_kind(), ErrorKind::Denied);
    assert!(
        !failure.message.contains("guess"),
        "a secret is repeated: {failure:?}"
    );
    let ops = Peer::with_token(&running.server, SECRET).await;
    create(&ops, "orders", StreamKind::Records).await;
}

#[tokio::test]
async fn each_right_holds_for_its_activities_and_streams() {
    let running = Running::start_with(with_tokens).await;
    let ops = Peer::with_token(&running.server, SECRET).await;
    create(&ops, "camera-1", StreamKind::Records).await;
    create(&ops, "orders", StreamKind::Records).await;
    let camera = Peer::with_token(&running.server, "camera secret").await;
    let mut channel = camera.open(produce("camera-1")).await;
    assert!(matches!(channel.frame().await, Frame::ProduceOpened(_)));
    // A producer needs the shard map of its own stream.
    assert!(
        admin(&camera, Command::DescribeStream(stream_ref("camera-1")))
            .await
            .is_ok()
    );

    let start = Some(Start {
        from: Some(From::Latest(true)),
    });
    let subscribe = Subscribe {
        stream: "camera-1".to_owned(),
        start,
        ..Subscribe::default()
    };
    for activity in [produce("orders"), Activity::Subscribe(subscribe)] {
        let failure = camera.open(activity).await.failure().await;
        assert_eq!(failure.error_kind(), ErrorKind::Denied, "{failure:?}");
    }
    let camera_2 = CreateStream {
        stream: "camera-2".to_owned(),
        ..CreateStream::default()
    };
    for command in [
        Command::CreateStream(camera_2),
        Command::DeleteStream(stream_ref("camera-1")),
        Command::DescribeStream(stream_ref("orders")),
        Command::ListConsumers(stream_ref("camera-1")),
    ] {
        let error = admin(&camera, command.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{command:?}");
    }
    let Ok(Answer::Streams(list)) =
        admin(&camera, Command::ListStreams(ListStreams::default())).await
    else {
        panic!("a token may list what it sees");
    };
    let names: Vec<&str> = list
        .streams
        .iter()
        .map(|stream| stream.stream.as_str())
        .collect();
    assert_eq!(names, ["camera-1"]);
}

#[tokio::test]
async fn an_address_beyond_loopback_needs_credentials() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.quic.listen = "0.0.0.0:0".parse().unwrap();
    let error = Server::start(config.clone(), Clock::system())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("[[tokens]]"), "{error}");
    assert!(!config.data_dir.exists(), "a refused start touches nothing");
    with_tokens(&mut config);
    let server = Server::start(config, Clock::system()).await.unwrap();
    let ops = Peer::with_token(&server, SECRET).await;
    create(&ops, "orders", StreamKind::Records).await;
    server.shutdown().await.unwrap();
}

/// An authority and a client certificate for `name` that it signed.
fn issue(name: &str) -> (String, crate::support::Own) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    (pem, (vec![certificate.der().clone()], key))
}

#[tokio::test]
async fn a_client_certificate_stands_for_the_token_that_it_names() {
    let (authority, camera) = issue("cameras");
    let (_, forged) = issue("cameras");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority).unwrap();
    let running = Running::start_with(|config| {
        let mut cameras = token("cameras", "", &[Right::Produce], &["camera-*"]);
        cameras.sha256 = None;
        config.tokens = vec![token("ops", SECRET, &[Right::Admin], &["*"]), cameras];
        config.tls.client_ca = file.path().into();
    })
    .await;
    let ops = Peer::with_token(&running.server, SECRET).await;
    create(&ops, "camera-1", StreamKind::Records).await;
    let peer = Peer::try_connect(&running.server, "", Some(camera))
        .await
        .unwrap();
    let mut channel = peer.open(produce("camera-1")).await;
    assert!(matches!(channel.frame().await, Frame::ProduceOpened(_)));
    let failure = peer.open(produce("orders")).await.failure().await;
    assert_eq!(failure.error_kind(), ErrorKind::Denied);
    // With TLS 1.3 a client learns of its refusal after it has finished its own part.
    if let Ok(peer) = Peer::try_connect(&running.server, "", Some(forged)).await {
        peer.connection.closed().await;
    }
}
