use super::*;

/// The SHA-256 of "correct horse battery".
fn token(name: &str, secret: &str, rights: &[Right], streams: &[&str]) -> Token {
    let digest = Sha256::digest(secret.as_bytes());
    Token {
        name: name.to_owned(),
        sha256: Some(digest.iter().map(|byte| format!("{byte:02x}")).collect()),
        secret_file: None,
        rights: rights.to_vec(),
        streams: streams.iter().map(|text| (*text).to_owned()).collect(),
    }
}

fn config(tokens: Vec<Token>) -> Config {
    Config {
        tokens,
        ..Config::default()
    }
}

fn name(text: &str) -> StreamName {
    StreamName::new(text).unwrap()
}

#[test]
fn without_credentials_everybody_may_do_everything() {
    let access = Access::new(&config(vec![])).unwrap();
    let identity = access.identify("", None).unwrap();
    assert!(identity.require_on(Right::Admin, &name("a")).is_ok());
    assert_eq!(identity.name(), "anonymous");
}

#[test]
fn a_credential_closes_the_server_for_everybody_else() {
    let config = Config {
        credentials: vec![key::tests::credential("KEY", &["*"], &["*"])],
        ..Config::default()
    };
    let access = Access::new(&config).unwrap();
    assert!(!access.is_open());
    assert!(access.identify("", None).is_err());
    assert!(access.key("KEY").is_some() && access.key("key").is_none());
}

#[test]
fn a_token_allows_its_rights_on_its_streams_and_no_more() {
    let access = Access::new(&config(vec![
        token(
            "cameras",
            "correct horse battery",
            &[Right::Produce],
            &["camera-*"],
        ),
        token("ops", "staple correct horse", &[Right::Admin], &["*"]),
    ]))
    .unwrap();
    let identity = access.identify("correct horse battery", None).unwrap();
    assert_eq!(identity.name(), "cameras");
    assert!(
        identity
            .require_on(Right::Produce, &name("camera-1"))
            .is_ok()
    );
    for (right, stream) in [(Right::Produce, "orders"), (Right::Consume, "camera-1")] {
        let error = identity.require_on(right, &name(stream)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
    }
    for secret in ["", "correct horse batter", "wrong"] {
        assert_eq!(
            access.identify(secret, None).unwrap_err().kind(),
            ErrorKind::Denied
        );
    }
}

#[test]
fn tokens_that_prove_nothing_are_refused() {
    let good = token("a", "s", &[Right::Produce], &["*"]);
    let cases = [
        Token {
            sha256: None,
            ..good.clone()
        },
        Token {
            sha256: Some("zz".repeat(32)),
            ..good.clone()
        },
        Token {
            sha256: Some("+1".repeat(32)),
            ..good.clone()
        },
        Token {
            rights: vec![],
            ..good.clone()
        },
        Token {
            name: String::new(),
            ..good.clone()
        },
        Token {
            streams: vec!["a/b".to_owned()],
            ..good.clone()
        },
        Token {
            secret_file: Some("x".into()),
            ..good.clone()
        },
        Token {
            sha256: None,
            secret_file: Some("/does/not/exist".into()),
            ..good.clone()
        },
    ];
    for token in cases {
        assert!(
            Access::new(&config(vec![token.clone()])).is_err(),
            "{token:?} was accepted"
        );
    }
    assert!(Access::new(&config(vec![good.clone(), good])).is_err());
}

#[test]
fn short_secrets_in_files_are_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "fifteen chars!!\n").unwrap();
    let token = Token {
        sha256: None,
        secret_file: Some(file.path().into()),
        ..token("a", "s", &[Right::Produce], &["*"])
    };
    let error = Access::new(&config(vec![token.clone()])).unwrap_err();
    assert!(error.message().contains("15 characters"), "{error}");
    std::fs::write(file.path(), "sixteen chars!!!\n").unwrap();
    let access = Access::new(&config(vec![token])).unwrap();
    assert!(access.identify("sixteen chars!!!", None).is_ok());
}

#[test]
fn addresses_beyond_loopback_need_credentials() {
    let mut open = config(vec![]);
    assert!(check_addresses(&open).is_ok());
    open.quic.listen = SocketAddr::from(([0, 0, 0, 0], 4433));
    let error = check_addresses(&open).unwrap_err();
    assert!(error.message().contains("[[tokens]]"), "{error}");
    open.tokens = vec![token("a", "s", &[Right::Produce], &["*"])];
    assert!(check_addresses(&open).is_ok());
    open.http.listen = SocketAddr::from(([192, 0, 2, 1], 80));
    let error = check_addresses(&open).unwrap_err();
    assert!(error.message().contains("metrics"), "{error}");
    let mut signed = open.clone();
    signed.credentials = vec![key::tests::credential("KEY", &["*"], &["*"])];
    assert!(check_addresses(&signed).is_ok());
    open.tokens.push(token("m", "t", &[Right::Metrics], &["*"]));
    assert!(check_addresses(&open).is_ok());
}

#[test]
fn loopback_is_recognised_in_every_spelling() {
    for (address, loopback) in [
        ("127.0.0.1:1", true),
        ("127.9.9.9:1", true),
        ("[::1]:1", true),
        ("[::ffff:127.0.0.1]:1", true),
        ("0.0.0.0:1", false),
        ("[::]:1", false),
        ("192.0.2.1:1", false),
    ] {
        assert_eq!(is_loopback(address.parse().unwrap()), loopback, "{address}");
    }
}
