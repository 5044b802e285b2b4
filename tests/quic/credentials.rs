//! Doors: who may start a server where, who may connect, and what they may do.

use afflux_testkit::command::Afflux;
use afflux_testkit::peer::{Hello, Peer, endpoint};
use afflux_testkit::process::Plan;
use afflux_types::ErrorKind;
use afflux_wire::Frame;
use afflux_wire::message::{Answer, Command, From, ListStreams};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::support::{BINARY, World, produce, records, subscribe};

const ADMIN: &str = "the-secret-of-the-admin";
const CAMERA: &str = "the-secret-of-the-camera";
const READER: &str = "the-secret-of-the-reader";

/// A world in which `admin` may do everything, `camera` produce to `cam-*`, `reader` consume.
fn guarded(more: &str) -> (World, tempfile::TempDir) {
    let secrets = tempfile::tempdir().unwrap();
    let mut config = String::from(more);
    for (name, secret, rights, streams) in [
        ("admin", ADMIN, "\"admin\", \"produce\", \"consume\"", "*"),
        ("camera", CAMERA, "\"produce\"", "cam-*"),
        ("reader", READER, "\"consume\"", "*"),
    ] {
        let file = secrets.path().join(name);
        std::fs::write(&file, format!("{secret}\n")).unwrap();
        config.push_str(&format!(
            "\n[[tokens]]\nname = \"{name}\"\nsecret_file = \"{}\"\nrights = [{rights}]\nstreams = [\"{streams}\"]\n",
            file.display()
        ));
    }
    (World::with_config(&config), secrets)
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let world = World::start();
    let refused = Plan::new(BINARY, world.data_dir())
        .stderr(world.file("second.stderr"))
        .try_start();
    let refused = refused.unwrap_err();
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("error:"), "{}", refused.stderr);
    assert!(
        refused.stderr.contains(world.data_dir().to_str().unwrap()),
        "{}",
        refused.stderr
    );
    // Nor may anybody check, let alone repair, what is in use.
    let checked = Afflux::new(BINARY).run(&["check", world.data_dir().to_str().unwrap()]);
    checked.fails(1);
}

#[test]
fn other_machines_are_not_served_without_credentials() {
    let dir = tempfile::tempdir().unwrap();
    for (quic, http, key) in [
        ("0.0.0.0:0", "127.0.0.1:0", "quic.listen"),
        ("[::]:0", "127.0.0.1:0", "quic.listen"),
        ("127.0.0.1:0", "0.0.0.0:0", "http.listen"),
    ] {
        let plan = Plan::new(BINARY, dir.path().join("data"));
        let plan = plan.listen(quic.parse().unwrap(), http.parse().unwrap());
        let refused = plan.try_start().unwrap_err();
        assert!(
            matches!(refused.status.code(), Some(1 | 2)),
            "{}",
            refused.status
        );
        assert!(refused.stderr.contains(key), "{}", refused.stderr);
        assert!(
            refused.stderr.contains("token"),
            "no word on what to do: {}",
            refused.stderr
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_open_what_they_name_and_nothing_else() {
    let (world, _secrets) = guarded("");
    let peer = world.peer().await;
    for name in ["cam-1", "orders"] {
        let command = Command::CreateStream(records(name, 1));
        peer.admin_with_token(command, ADMIN).await.unwrap();
    }
    let from = Some(From::TrimHorizon(true));
    for (activity, token, allowed) in [
        (produce("cam-1", 0), CAMERA, true),
        (produce("orders", 0), CAMERA, false),
        (subscribe("cam-1", 0, from), CAMERA, false),
        (subscribe("cam-1", 0, from), READER, true),
        (produce("cam-1", 0), READER, false),
        (produce("orders", 0), ADMIN, true),
        (produce("orders", 0), "", false),
        (produce("orders", 0), "not-one-of-the-secrets", false),
        (produce("orders", 0), &ADMIN[1..], false),
    ] {
        let what = format!("{activity:?} with {token:?}");
        let mut exchange = peer.open_with_token(activity, token).await;
        match exchange.frame().await {
            Frame::ProduceOpened(_) | Frame::SubscribeOpened(_) => {
                assert!(allowed, "{what} was allowed")
            }
            Frame::Failure(failure) => {
                assert!(!allowed, "{what} was refused: {failure:?}");
                assert_eq!(
                    failure.kind,
                    u32::from(ErrorKind::Denied.code()),
                    "{what}: {failure:?}"
                );
                // An error must not carry what opens the door.
                assert!(!failure.message.contains("secret"), "{failure:?}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    for token in [CAMERA, READER, ""] {
        let refused = peer
            .admin_with_token(Command::CreateStream(records("new", 1)), token)
            .await;
        assert_eq!(
            refused.unwrap_err().kind,
            u32::from(ErrorKind::Denied.code())
        );
    }
}

#[test]
fn the_program_takes_its_token_from_the_environment() {
    let (world, _secrets) = guarded("");
    world.afflux.run(&["stream", "create", "orders"]).fails(1);
    let admin = world.afflux.env("AFFLUX_TOKEN", ADMIN);
    admin.run(&["stream", "create", "orders"]).ok();
    let reader = world.afflux.env("AFFLUX_TOKEN", READER);
    reader.run_with(&["put", "orders"], b"line\n").fails(1);
    reader.run(&["stream", "describe", "orders"]).ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_certificates_open_what_the_token_of_their_name_opens() {
    let dir = tempfile::tempdir().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let config = format!("[tls]\nclient_ca = \"{}\"\n", file.display());
    let (world, _secrets) = guarded(&config);

    let certificate = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Some((certificate.der().clone(), key))
    };
    let connect = async |certificate| {
        let hello = Hello {
            certificate,
            ..Hello::default()
        };
        Peer::try_connect(&endpoint(), world.server.quic(), hello).await
    };
    let admin = connect(certificate("admin")).await.unwrap();
    admin.create(records("cam-1", 1)).await;
    let camera = connect(certificate("camera")).await.unwrap();
    assert!(matches!(
        camera.open(produce("cam-1", 0)).await.frame().await,
        Frame::ProduceOpened(_)
    ));
    camera
        .open(subscribe("cam-1", 0, Some(From::Latest(true))))
        .await
        .fails(ErrorKind::Denied)
        .await;
    let stranger = connect(certificate("stranger")).await.unwrap();
    stranger
        .open(produce("cam-1", 0))
        .await
        .fails(ErrorKind::Denied)
        .await;
    let list = stranger
        .admin(Command::ListStreams(ListStreams::default()))
        .await;
    assert!(list.is_err() || matches!(list, Ok(Answer::Streams(list)) if list.streams.is_empty()));

    // Signed by somebody else: not even the handshake, or nothing behind it.
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["admin".to_owned()]).unwrap();
    let forged = params.self_signed(&key).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    if let Ok(peer) = connect(Some((forged.der().clone(), key))).await {
        let closed =
            afflux_testkit::wait::ends("the forger is thrown out", peer.connection().closed());
        closed.await;
    }
}
