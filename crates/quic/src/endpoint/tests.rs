use std::net::IpAddr;

use afflux_wire::transport::Profile;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, VarInt};

use super::*;
use crate::{Side, transport_config};

const BUFFER_BYTES: usize = 4 << 20;

/// Both ends of a connection, and the client's endpoint, which may not be dropped.
struct Pair {
    endpoint: Endpoint,
    client: Connection,
    server: Connection,
}

impl Pair {
    async fn connect(address: IpAddr, profile: &Profile) -> Self {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = key.cert.der().clone();
        let private = rustls_pki_types::PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], private.into())
            .unwrap();
        let mut server =
            ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
        server.transport_config(Arc::new(transport_config(profile, Side::Server).unwrap()));
        let config = EndpointConfig::default();
        let server = bind((address, 0).into(), BUFFER_BYTES, config, Some(server)).unwrap();

        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate).unwrap();
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
        client.transport_config(Arc::new(transport_config(profile, Side::Client).unwrap()));
        let peer = server.local_addr().unwrap();
        let local = local_address(peer);
        let endpoint = bind(local, BUFFER_BYTES, EndpointConfig::default(), None).unwrap();
        let connecting = endpoint.connect_with(client, peer, "localhost").unwrap();
        let accept = async { server.accept().await.unwrap().await.unwrap() };
        let (client, server) = tokio::join!(connecting, accept);
        Self {
            client: client.unwrap(),
            endpoint,
            server,
        }
    }

    /// Sends bytes there, one piece, and returns whether they came whole.
    async fn transfer(&self, bytes: usize) -> bool {
        let sent: Vec<u8> = (0_u8..251).cycle().take(bytes).collect();
        let send = async {
            let (mut send, _) = self.client.open_bi().await.unwrap();
            send.write_all(&sent).await.unwrap();
            send.finish().unwrap();
        };
        let receive = async {
            let (_, mut receive) = self.server.accept_bi().await.unwrap();
            receive.read_to_end(bytes).await.unwrap()
        };
        let ((), received) = tokio::join!(send, receive);
        received == sent
    }
}

#[tokio::test]
async fn packets_grow_to_the_bound_of_the_profile() {
    for profile in [Profile::NETWORK, Profile::LOOPBACK] {
        let pair = Pair::connect(Ipv4Addr::LOCALHOST.into(), &profile).await;
        // The search stops when less than twenty bytes are left to find.
        let found = profile.mtu_discovered_max - 20;
        while pair.client.stats().path.current_mtu < found {
            assert!(pair.transfer(1 << 20).await);
        }
        assert!(pair.client.stats().path.current_mtu <= profile.mtu_discovered_max);
    }
}

#[tokio::test]
async fn bytes_arrive_over_ipv6() {
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        // Machines without IPv6 exist, and there is nothing to see on them.
        return;
    }
    let pair = Pair::connect(Ipv6Addr::LOCALHOST.into(), &Profile::LOOPBACK).await;
    for _ in 0..8 {
        assert!(pair.transfer(1 << 20).await);
    }
}

#[tokio::test]
async fn a_connection_survives_the_move_to_another_socket() {
    let pair = Pair::connect(Ipv4Addr::LOCALHOST.into(), &Profile::LOOPBACK).await;
    let before = pair.endpoint.local_addr().unwrap();
    assert!(pair.transfer(1 << 20).await);
    rebind(
        &pair.endpoint,
        local_address(pair.client.remote_address()),
        BUFFER_BYTES,
    )
    .unwrap();
    assert_ne!(pair.endpoint.local_addr().unwrap(), before);
    assert!(pair.transfer(1 << 20).await);
    pair.client.close(VarInt::from_u32(0), b"");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address, BUFFER_BYTES, EndpointConfig::default(), None).unwrap_err();
    assert_eq!(error.kind(), afflux_types::ErrorKind::Unavailable);
    assert!(error.message().contains(&address.to_string()));
}
