use afflux_deliver::CatalogLogin;

use super::*;

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

/// The documented file with its keys, not its prose, uncommented.
fn uncommented() -> String {
    let keys = Config::documented_toml();
    let lines = keys.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if !key.starts_with(' ') && !key.is_empty() => key,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn deployed_file_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/config.toml");
    let deployed = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        deployed,
        Config::documented_toml(),
        "write it again with: afflux serve --print-config > deploy/config.toml"
    );
}

#[test]
fn documented_values_are_the_defaults() {
    let layer = Layer::from_toml(&uncommented()).unwrap();
    let mut config = Config::resolve(layer).unwrap();
    assert_eq!(config.tokens.remove(0).name, "cameras");
    assert_eq!(config.credentials.remove(0).access_key_id, "ORDERS");
    assert_eq!(config.role_aliases.remove(0).seconds, 3_600);
    assert_eq!(config.buckets.remove(0).name, "lake");
    assert_eq!(config.endpoints.remove(0).timeout_seconds, 180);
    assert_eq!(config.functions.remove(0).timeout_seconds, 60);
    let kafka = config.kafka.remove(0);
    assert_eq!(
        (kafka.timeout_seconds, kafka.message_bytes_max),
        (60, 1_000_000)
    );
    config.tables.remove(0).settings().unwrap();
    assert_eq!(config.catalogs.remove(0).timeout_seconds, 60);
    assert_eq!(config, Config::default());
    let commented = Layer::from_toml(&Config::documented_toml()).unwrap();
    assert_eq!(Config::resolve(commented).unwrap(), Config::default());
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let file = file(
        "data_dir = 'f'\n[quic]\nlisten = '127.0.0.1:1'\nmtu_max = 1300\nwindow_bytes = 65536\n",
    );
    let flags = Flags {
        quic: Some(SocketAddr::from(([127, 0, 0, 1], 3))),
        ..Flags::default()
    };
    let environment = variables(&[
        ("AFFLUX_QUIC_LISTEN", "127.0.0.1:2"),
        ("AFFLUX_QUIC_MTU_MAX", "1400"),
        ("AFFLUX_SERVER", "example.org:4433"),
        ("HOME", "/root"),
    ]);
    let config = Config::load(flags, environment, Some(file.path())).unwrap();
    assert_eq!(config.quic.listen.port(), 3);
    assert_eq!(config.quic.mtu_max, 1_400);
    assert_eq!(config.quic.window_bytes, 65_536);
    assert_eq!(config.data_dir, Path::new("f"));
    assert_eq!(
        config.quic.socket_buffer_bytes,
        Quic::default().socket_buffer_bytes
    );
}

#[test]
fn unknown_keys_are_refused_by_name() {
    let file = file("[quic]\nlissten = 'x'\n");
    let error = Config::load(Flags::default(), [], Some(file.path())).unwrap_err();
    assert!(error.chain().contains("lissten"), "{error:?}");
    let error = Config::load(
        Flags::default(),
        variables(&[("AFFLUX_LIMITS_X", "1")]),
        None,
    )
    .unwrap_err();
    assert_eq!(
        error.message(),
        "environment variable AFFLUX_LIMITS_X names no configuration key"
    );
}

#[test]
fn values_outside_their_limits_name_key_and_limit() {
    let environment = variables(&[("AFFLUX_QUIC_MTU_MAX", "40000")]);
    let error = Config::load(Flags::default(), environment, None).unwrap_err();
    assert_eq!(
        error.message(),
        "configuration key quic.mtu_max is 40000; it must be 1200 to 32700"
    );
    let environment = variables(&[
        ("AFFLUX_STORAGE_SEGMENT_BYTES_MIN", "33554432"),
        ("AFFLUX_STORAGE_SEGMENT_BYTES_MAX", "1048576"),
    ]);
    assert!(Config::load(Flags::default(), environment, None).is_err());
}

#[test]
fn choices_are_read_from_the_environment() {
    let environment = variables(&[
        ("AFFLUX_HTTP_TLS", "required"),
        ("AFFLUX_KINESIS_THROTTLED", "false"),
        ("AFFLUX_AWS_REGION", "eu-central-1"),
    ]);
    let config = Config::load(Flags::default(), environment, None).unwrap();
    assert_eq!(config.http.tls, HttpTls::Required);
    assert!(!config.kinesis.throttled);
    for (name, value, says) in [
        ("AFFLUX_HTTP_TLS", "on", "is not a choice for TLS"),
        ("AFFLUX_KINESIS_THROTTLED", "1", "neither true nor false"),
        ("AFFLUX_AWS_REGION", "Europe", "aws.region"),
        ("AFFLUX_AWS_ACCOUNT", "1234", "twelve digits"),
    ] {
        let error = Config::load(Flags::default(), variables(&[(name, value)]), None).unwrap_err();
        assert!(error.message().contains(says), "{error}");
    }
}

#[test]
fn credentials_are_read_and_their_secrets_never_shown() {
    let text = "[[credentials]]\naccess_key_id = 'A'\nsecret = 'swordfish'\nactions = ['*']\n";
    let layer = Layer::from_toml(text).unwrap();
    let credential = layer.credentials.unwrap().remove(0);
    assert_eq!(credential.streams, ["*"]);
    assert_eq!(credential.secret.as_ref().unwrap().expose(), "swordfish");
    assert!(!format!("{credential:?}").contains("swordfish"));
    assert!(Layer::from_toml(&text.replace("actions", "rights")).is_err());
}

#[test]
fn tokens_are_read_with_their_rights() {
    let text = "[[tokens]]\nname = 'a'\nsha256 = '00'\nrights = ['produce', 'consume']\n";
    let layer = Layer::from_toml(text).unwrap();
    let token = layer.tokens.unwrap().remove(0);
    assert_eq!(token.rights, [Right::Produce, Right::Consume]);
    assert_eq!(token.streams, ["*"]);
    assert!(Layer::from_toml(&text.replace("consume", "rule")).is_err());
}

#[test]
fn a_catalog_shows_a_token_or_what_oauth_gives_a_client_and_hides_both() {
    let catalog = |more: &str| {
        let text = format!("[[catalogs]]\nname = 'lake'\nuri = 'https://a'\n{more}");
        let layer = Layer::from_toml(&text).unwrap();
        let config = Config::resolve(layer).unwrap();
        config.catalogs[0].settings()
    };
    assert_eq!(catalog("").unwrap().login, CatalogLogin::None);
    let token = catalog("secret = 'hidden'").unwrap();
    assert_eq!(token.login, CatalogLogin::Token("hidden".to_owned()));
    let client = catalog("client_id = 'me'\nsecret = 'hidden'\nscope = 'all'").unwrap();
    let login = CatalogLogin::Credential {
        credential: "me:hidden".to_owned(),
        uri: None,
        scope: Some("all".to_owned()),
    };
    assert_eq!(client.login, login);
    assert!(!format!("{token:?}{client:?}").contains("hidden"));
    for (more, says) in [
        ("client_id = 'me'", "catalog \"lake\""),
        ("timeout_seconds = 301", "301; allowed are 1 to 300"),
    ] {
        let error = catalog(more).unwrap_err();
        assert!(error.message().contains(says), "{}", error.message());
    }
}

#[test]
fn the_password_of_an_endpoint_comes_with_a_name_and_is_not_shown() {
    let endpoint = |more: &str| {
        let text = format!("[[endpoints]]\nurl = 'https://a'\n{more}");
        let config = Config::resolve(Layer::from_toml(&text).unwrap()).unwrap();
        assert!(!format!("{config:?}").contains("hidden"));
        config.endpoints[0].settings()
    };
    assert_eq!(endpoint("").unwrap().login, None);
    let login = endpoint("username = 'me'\nsecret = 'hidden'")
        .unwrap()
        .login;
    let login = login.unwrap();
    assert_eq!((&*login.username, &*login.password), ("me", "hidden"));
    for more in ["username = 'me'", "secret = 'hidden'", "secret_env = 'X'"] {
        let error = endpoint(more).unwrap_err();
        assert!(
            error.message().contains("endpoint \"https://a\""),
            "{error:?}"
        );
    }
}

#[test]
fn a_kafka_cluster_has_bounds_and_a_password_that_is_not_shown() {
    let cluster = |more: &str| {
        let text = format!("[[kafka]]\nname = 'events'\nbrokers = ['a:9092']\n{more}");
        let config = Config::resolve(Layer::from_toml(&text).unwrap()).unwrap();
        assert!(!format!("{config:?}").contains("hidden"));
        config.kafka[0].settings()
    };
    assert_eq!(cluster("").unwrap().login, None);
    let login = cluster("username = 'me'\nsecret = 'hidden'").unwrap().login;
    assert_eq!(login.unwrap().password, "hidden");
    for (more, message) in [
        (
            "timeout_seconds = 901",
            "timeout_seconds of Kafka cluster \"events\" is 901; allowed are 1 to 900",
        ),
        (
            "message_bytes_max = 999",
            "message_bytes_max of Kafka cluster \"events\" is 999; allowed are 1000 to 16777216",
        ),
        (
            "secret = 'hidden'",
            "Kafka cluster \"events\" has a secret and no username",
        ),
    ] {
        assert_eq!(cluster(more).unwrap_err().message(), message);
    }
}
