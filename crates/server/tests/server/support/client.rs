//! A client of a few lines: QUIC and the frames of the wire crate, and no cleverness.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use afflux_server::{Fingerprint, Server};
use afflux_wire::message::{Activity, Open};
use afflux_wire::{ALPN, Decoder, EntryLimits, EntryRope, Frame, Item, Stamped};
use bytes::Bytes;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, RecvStream, SendStream, TransportConfig,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};

/// One connection.
pub(crate) struct Peer {
    pub(crate) connection: Connection,
    pub(crate) token: String,
    _endpoint: Endpoint,
}

/// A client certificate with its key.
pub(crate) type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Peer {
    pub(crate) async fn connect(server: &Server) -> Self {
        Self::try_connect(server, "", None).await.unwrap()
    }

    pub(crate) async fn with_token(server: &Server, token: &str) -> Self {
        Self::try_connect(server, token, None).await.unwrap()
    }

    pub(crate) async fn try_connect(
        server: &Server,
        token: &str,
        own: Option<Own>,
    ) -> Result<Self, ConnectionError> {
        let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let config = client_config(Pinned::new(server.fingerprint()), own);
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, server.quic_addr().port()));
        let connection = endpoint
            .connect_with(config, to, "localhost")
            .unwrap()
            .await?;
        Ok(Self {
            connection,
            token: token.to_owned(),
            _endpoint: endpoint,
        })
    }

    /// Opens a QUIC stream and says what for.
    pub(crate) async fn open(&self, activity: Activity) -> Channel {
        let mut channel = self.raw().await;
        let open = Open {
            token: self.token.clone(),
            activity: Some(activity),
        };
        channel.send_frame(open).await;
        channel
    }

    /// Opens a QUIC stream and says nothing yet.
    pub(crate) async fn raw(&self) -> Channel {
        let (send, recv) = self.connection.open_bi().await.unwrap();
        let decoder = Decoder::new(Stamped::Yes, EntryLimits::all());
        Channel {
            send,
            recv,
            decoder,
        }
    }
}

/// One QUIC stream.
pub(crate) struct Channel {
    pub(crate) send: SendStream,
    pub(crate) recv: RecvStream,
    decoder: Decoder,
}

impl Channel {
    pub(crate) async fn send_frame(&mut self, frame: impl Into<Frame>) {
        self.send_bytes(frame.into().encode()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: Bytes) {
        self.send.write_chunk(bytes).await.unwrap();
    }

    /// The next frame or entry; `None` when the server has ended its direction.
    pub(crate) async fn item(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.decoder.next().unwrap() {
                return Some(item);
            }
            match self.recv.read_chunk(usize::MAX, true).await.unwrap() {
                Some(chunk) => self.decoder.push(chunk.bytes),
                None => {
                    self.decoder.finish().unwrap();
                    return None;
                }
            }
        }
    }

    pub(crate) async fn frame(&mut self) -> Frame {
        match self.item().await {
            Some(Item::Frame(frame)) => frame,
            other => panic!("{other:?} instead of a frame"),
        }
    }

    /// The next entry; frames that only report are skipped.
    pub(crate) async fn entry(&mut self) -> EntryRope {
        loop {
            match self.item().await {
                Some(Item::Entry(entry)) => return entry,
                Some(Item::Frame(Frame::Progress(_))) => {}
                other => panic!("{other:?} instead of an entry"),
            }
        }
    }

    /// The failure that ends the stream; what comes before is skipped.
    pub(crate) async fn failure(&mut self) -> afflux_wire::message::Failure {
        loop {
            match self.item().await {
                Some(Item::Frame(Frame::Failure(failure))) => return failure,
                Some(_) => {}
                None => panic!("the stream ended without a failure"),
            }
        }
    }
}

fn client_config(verifier: Arc<Pinned>, own: Option<Own>) -> ClientConfig {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&verifier.provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut tls = match own {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
    };
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    // However slow the machine is, only the server's time-outs count.
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(None);
    config.transport_config(Arc::new(transport));
    config
}

/// Trusts the one certificate with a fingerprint.
#[derive(Debug)]
pub(crate) struct Pinned {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn new(fingerprint: Fingerprint) -> Arc<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Arc::new(Self {
            fingerprint,
            provider,
        })
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let digest: [u8; 32] = Sha256::digest(end_entity).into();
        if digest == *self.fingerprint.as_bytes() {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General("another certificate".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
