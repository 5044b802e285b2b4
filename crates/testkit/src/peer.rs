//! A client that keeps no rules: a bare QUIC connection that sends any bytes and reads the answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use afflux_entry::{BatchBuilder, Header, Kind, Producer};
use afflux_types::ErrorKind;
use afflux_wire::message::{
    self, Activity, AdminRequest, Command, CreateStream, Failure, Open, StreamDescription,
    StreamRef,
};
use afflux_wire::{ALPN, Decoder, EntryLimits, Frame, Item, Stamped};
use bytes::{Bytes, BytesMut};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{
    ClientConfig, Connection, Endpoint, ReadError, RecvStream, SendStream, TransportConfig, VarInt,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};

use crate::wait;

/// A connection that anything can be sent on.
#[derive(Clone, Debug)]
pub struct Peer {
    endpoint: Endpoint,
    connection: Connection,
}

/// What a client says of itself in the handshake.
#[derive(Debug)]
pub struct Hello {
    /// The name of the protocol.
    pub alpn: Vec<u8>,
    /// A certificate and its private key, both as DER.
    pub certificate: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    /// How often an idle connection shows that it lives; never, if absent.
    pub keep_alive: Option<Duration>,
    /// Bytes that the server may send on one stream before somebody reads them; quinn's own
    /// choice, if absent.
    pub window: Option<u32>,
}

impl Default for Hello {
    fn default() -> Self {
        Self {
            alpn: ALPN.to_vec(),
            certificate: None,
            keep_alive: Some(Duration::from_secs(1)),
            window: None,
        }
    }
}

impl Hello {
    fn config(self) -> ClientConfig {
        let provider = Arc::new(ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring speaks TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyServer(provider)));
        let mut tls = match self.certificate {
            None => tls.with_no_client_auth(),
            Some((certificate, key)) => tls
                .with_client_auth_cert(vec![certificate], key)
                .unwrap_or_else(|error| panic!("the client's certificate: {error}")),
        };
        tls.alpn_protocols = vec![self.alpn];
        let quic = QuicClientConfig::try_from(tls).expect("TLS 1.3 has the suite that QUIC needs");
        let mut transport = TransportConfig::default();
        transport.keep_alive_interval(self.keep_alive);
        if let Some(window) = self.window {
            transport.stream_receive_window(window.into());
        }
        let mut config = ClientConfig::new(Arc::new(quic));
        config.transport_config(Arc::new(transport));
        config
    }
}

/// One bidirectional stream of a [`Peer`].
#[derive(Debug)]
pub struct Exchange {
    /// The direction to the server.
    pub send: SendStream,
    /// The direction from the server.
    pub recv: RecvStream,
    decoder: Decoder,
}

/// How the server answered.
#[derive(Debug)]
pub enum Answer {
    /// With a frame or an entry.
    Item(Item),
    /// By ending the stream in order.
    End,
    /// By resetting the stream with this code.
    Reset(u64),
    /// By closing the connection, or it was lost.
    Closed(String),
}

impl Peer {
    /// Connects to a server and trusts whatever certificate it shows.
    ///
    /// # Panics
    /// If the handshake fails.
    pub async fn connect(server: SocketAddr) -> Self {
        let connected = Self::try_connect(&endpoint(), server, Hello::default()).await;
        connected.unwrap_or_else(|error| panic!("connect to {server}: {error}"))
    }

    /// Connects from an endpoint, which many connections may share.
    ///
    /// # Errors
    /// Why the handshake failed.
    ///
    /// # Panics
    /// If the server does not answer at all.
    pub async fn try_connect(
        endpoint: &Endpoint,
        server: SocketAddr,
        hello: Hello,
    ) -> Result<Self, String> {
        let connecting = endpoint
            .connect_with(hello.config(), server, "localhost")
            .unwrap_or_else(|error| panic!("connect to {server}: {error}"));
        let connection = wait::ends("the handshake is over", connecting).await;
        Ok(Self {
            endpoint: endpoint.clone(),
            connection: connection.map_err(|error| error.to_string())?,
        })
    }

    /// Opens a stream without saying what for.
    ///
    /// # Panics
    /// If the connection is closed.
    pub async fn open_raw(&self) -> Exchange {
        let opened = wait::ends("a stream is opened", self.connection.open_bi()).await;
        let (send, recv) = opened.unwrap_or_else(|error| panic!("open a stream: {error}"));
        Exchange {
            send,
            recv,
            decoder: Decoder::new(Stamped::Yes, EntryLimits::all()),
        }
    }

    /// Opens a stream for `activity`.
    pub async fn open(&self, activity: Activity) -> Exchange {
        self.open_with_token(activity, "").await
    }

    /// Opens a stream for `activity` with a bearer token.
    pub async fn open_with_token(&self, activity: Activity, token: &str) -> Exchange {
        let mut exchange = self.open_raw().await;
        exchange.say(&open(activity, token)).await;
        exchange
    }

    /// Sends one command and returns its answer.
    ///
    /// # Errors
    /// The server's refusal.
    ///
    /// # Panics
    /// If the server answers otherwise.
    pub async fn admin(&self, command: Command) -> Result<message::Answer, Failure> {
        self.admin_with_token(command, "").await
    }

    /// As [`Peer::admin`], with a bearer token.
    ///
    /// # Errors
    /// The server's refusal.
    ///
    /// # Panics
    /// If the server answers otherwise.
    pub async fn admin_with_token(
        &self,
        command: Command,
        token: &str,
    ) -> Result<message::Answer, Failure> {
        let request = AdminRequest {
            command: Some(command),
        };
        let mut exchange = self.open_with_token(Activity::Admin(request), token).await;
        exchange.finish();
        match exchange.frame().await {
            Frame::AdminResponse(response) => {
                Ok(response.answer.expect("an answer says something"))
            }
            Frame::Failure(failure) => Err(failure),
            other => panic!("expected the answer to a command, got {other:?}"),
        }
    }

    /// Creates a stream.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn create(&self, stream: CreateStream) {
        let name = stream.stream.clone();
        if let Err(failure) = self.admin(Command::CreateStream(stream)).await {
            panic!("create stream {name}: {failure:?}");
        }
    }

    /// Describes a stream.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn describe(&self, stream: &str) -> StreamDescription {
        let command = Command::DescribeStream(StreamRef {
            stream: stream.to_owned(),
        });
        match self.admin(command).await {
            Ok(message::Answer::Stream(description)) => description,
            other => panic!("describe stream {stream}: {other:?}"),
        }
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The endpoint, for more connections.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl Exchange {
    /// Sends a frame.
    ///
    /// # Panics
    /// As [`Exchange::bytes`].
    pub async fn say(&mut self, frame: &Frame) {
        self.bytes(frame.encode()).await;
    }

    /// Sends bytes; a server that has stopped listening is no failure.
    ///
    /// # Panics
    /// If the connection hangs.
    pub async fn bytes(&mut self, bytes: Bytes) {
        let _ = wait::ends("bytes are sent", self.send.write_chunk(bytes)).await;
    }

    /// Ends the direction to the server.
    pub fn finish(&mut self) {
        let _ = self.send.finish();
    }

    /// Resets the direction to the server.
    pub fn reset(&mut self) {
        let _ = self.send.reset(VarInt::from_u32(0));
    }

    /// The server's next answer.
    ///
    /// # Panics
    /// If none comes, or it is not the protocol.
    pub async fn next(&mut self) -> Answer {
        loop {
            match self.decoder.next() {
                Ok(Some(item)) => return Answer::Item(item),
                Ok(None) => {}
                Err(error) => panic!("the server breaks the protocol: {error}"),
            }
            let chunk =
                wait::ends("the server answers", self.recv.read_chunk(64 << 10, true)).await;
            match chunk {
                Ok(Some(chunk)) => self.decoder.push(chunk.bytes),
                Ok(None) => {
                    self.decoder
                        .finish()
                        .unwrap_or_else(|error| panic!("the server's answer is cut: {error}"));
                    return Answer::End;
                }
                Err(ReadError::Reset(code)) => return Answer::Reset(code.into_inner()),
                Err(error) => return Answer::Closed(error.to_string()),
            }
        }
    }

    /// The server's next answer, which must be a frame.
    ///
    /// # Panics
    /// If it is something else.
    pub async fn frame(&mut self) -> Frame {
        match self.next().await {
            Answer::Item(Item::Frame(frame)) => frame,
            other => panic!("expected a frame, got {other:?}"),
        }
    }

    /// The server's next answer, which must be a failure of `kind`.
    ///
    /// # Panics
    /// If it is something else.
    pub async fn fails(&mut self, kind: ErrorKind) -> Failure {
        match self.frame().await {
            Frame::Failure(failure) => {
                assert_eq!(failure.kind, u32::from(kind.code()), "{failure:?}");
                assert!(!failure.message.is_empty(), "a failure without a word");
                failure
            }
            other => panic!("expected a failure of kind {}, got {other:?}", kind.name()),
        }
    }
}

/// The first frame of a stream.
#[must_use]
pub fn open(activity: Activity, token: &str) -> Frame {
    Frame::Open(Open {
        token: token.to_owned(),
        activity: Some(activity),
    })
}

/// An unstamped entry with one record for each pair of key and data.
#[must_use]
pub fn batch(records: &[(&str, &[u8])], producer: Option<Producer>) -> Bytes {
    let mut builder = BatchBuilder::default();
    for (key, data) in records {
        builder.push(key.as_bytes(), None, data);
    }
    let (body, count) = builder.take();
    entry(
        &Header::for_body(Kind::Batch, count, producer, None, &[&body]),
        &body,
    )
}

/// The bytes of an entry.
#[must_use]
pub fn entry(header: &Header, body: &[u8]) -> Bytes {
    let mut bytes = BytesMut::from(header.encode().as_slice());
    bytes.extend_from_slice(body);
    bytes.freeze()
}

/// An endpoint on loopback.
///
/// # Panics
/// If no socket can be made.
#[must_use]
pub fn endpoint() -> Endpoint {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Endpoint::client(address).unwrap_or_else(|error| panic!("make a QUIC endpoint: {error}"))
}

/// Accepts every certificate: the tests are about what comes after.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
