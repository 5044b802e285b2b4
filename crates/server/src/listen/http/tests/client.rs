//! Clients: bytes over a socket, and hyper over plain TCP and TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Running;

/// Which HTTP a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// A connection for requests one after the other.
pub(super) enum Client {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    pub(super) async fn plain(to: SocketAddr, version: Version) -> Self {
        Self::over(TcpStream::connect(to).await.unwrap(), version).await
    }

    /// Over TLS, offering `alpn`, and speaking `version` whatever is chosen.
    pub(super) async fn tls(running: &Running, alpn: &[&str], version: Version) -> Self {
        let tls = connector(running, alpn);
        let stream = TcpStream::connect(running.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        Self::over(tls.connect(name, stream).await.unwrap(), version).await
    }

    async fn over<I>(io: I, version: Version) -> Self
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(io);
        match version {
            Version::One => {
                let (client, connection) = http1::handshake(io).await.unwrap();
                tokio::spawn(connection);
                Self::One(client)
            }
            Version::Two => {
                let (client, connection) = http2::Builder::new(TokioExecutor::new())
                    .initial_stream_window_size(65_535)
                    .handshake(io)
                    .await
                    .unwrap();
                tokio::spawn(connection);
                Self::Two(client)
            }
        }
    }

    pub(super) async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::One(client) => {
                // HTTP/2 has none: its clients name the host elsewhere.
                let host = HeaderValue::from_static("localhost");
                request.headers_mut().insert(HOST, host);
                client.ready().await?;
                client.send_request(request).await
            }
            Self::Two(client) => client.send_request(request).await,
        }
    }

    /// Sends a request and returns status and body of the answer.
    pub(super) async fn ask(&mut self, request: Request<Full<Bytes>>) -> (u16, String) {
        let answer = self.send(request).await.unwrap();
        let status = answer.status().as_u16();
        (status, text(answer).await)
    }
}

pub(super) fn connector(running: &Running, alpn: &[&str]) -> TlsConnector {
    let certificate = running.dir.path().join("data/tls/cert.pem");
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(certificate).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config).into()
}

pub(super) async fn text(answer: Response<Incoming>) -> String {
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// A request for an operation.
pub(super) fn call(operation: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post("http://localhost/")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
        .body(Full::new(body.into()))
        .unwrap()
}

/// Sends bytes and returns everything that comes back until the server closes the connection.
pub(super) async fn exchange(to: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}
