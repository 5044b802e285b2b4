//! The client's side of HTTP: connections that are kept, and requests in the shape of the API.
//!
//! Our own server takes requests without a signature on loopback. Other servers of the kind ask for one
//! and do not verify it, so that they get one that means nothing.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use afflux_aws::document::Format;
use afflux_aws::kinesis::TARGET_PREFIX;

/// A signature of the right form.
const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/kinesis/aws4_request, \
     SignedHeaders=host;x-amz-date, \
     Signature=0000000000000000000000000000000000000000000000000000000000000000";
const SIGNATURE_DATE: &str = "20260101T000000Z";

/// The server that is measured, and how it is spoken to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Host and port.
    authority: String,
    format: Format,
    signature: Signature,
}

/// Whether requests carry a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signature {
    Absent,
    /// Of the right form, and false.
    Formal,
}

/// One HTTP/1.1 connection.
#[derive(Debug)]
pub(super) struct Connection {
    target: Target,
    requests: http1::SendRequest<Full<Bytes>>,
}

/// One HTTP/2 connection.
#[derive(Debug)]
pub(super) struct Multiplexed {
    target: Target,
    requests: http2::SendRequest<Full<Bytes>>,
}

impl Target {
    pub(super) fn new(authority: impl Into<String>, format: Format, signature: Signature) -> Self {
        Self {
            authority: authority.into(),
            format,
            signature,
        }
    }

    /// The server behind a URL.
    pub(super) fn foreign(url: &str, format: Format) -> Result<Self> {
        let uri: Uri = url
            .parse()
            .with_context(|| format!("{url:?} is not a URL"))?;
        ensure!(
            uri.scheme_str() == Some("http"),
            "{url:?} does not start with http://"
        );
        let host = uri
            .host()
            .with_context(|| format!("{url:?} names no host"))?;
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        Ok(Self::new(authority, format, Signature::Formal))
    }

    /// How bodies are written.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// The same requests to another address.
    pub(super) fn at(&self, authority: impl Into<String>) -> Self {
        Self {
            authority: authority.into(),
            ..self.clone()
        }
    }

    /// Opens an HTTP/1.1 connection.
    pub(super) async fn connect(&self) -> Result<Connection> {
        let io = TokioIo::new(self.stream().await?);
        let (requests, connection) = http1::handshake(io).await.context("speak HTTP/1.1")?;
        // It ends with the last handle of its requests, and every request sees its errors.
        tokio::spawn(connection);
        Ok(Connection {
            target: self.clone(),
            requests,
        })
    }

    /// Opens an HTTP/2 connection, by prior knowledge. Windows and frames are hyper's defaults, which
    /// are also those of SDKs that are built on it.
    pub(super) async fn connect_http2(&self) -> Result<Multiplexed> {
        let io = TokioIo::new(self.stream().await?);
        let handshake = http2::handshake(TokioExecutor::new(), io).await;
        let (requests, connection) = handshake.context("speak HTTP/2")?;
        tokio::spawn(connection);
        Ok(Multiplexed {
            target: self.clone(),
            requests,
        })
    }

    async fn stream(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(&self.authority).await;
        let stream = stream.with_context(|| format!("connect to {}", self.authority))?;
        stream.set_nodelay(true).context("send without delay")?;
        Ok(stream)
    }

    fn request(&self, uri: &str, operation: &str, body: Bytes) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header(CONTENT_TYPE, self.format.content_type())
            .header("x-amz-target", format!("{TARGET_PREFIX}.{operation}"));
        if self.signature == Signature::Formal {
            request = request
                .header(AUTHORIZATION, SIGNATURE)
                .header("x-amz-date", SIGNATURE_DATE);
        }
        if uri == "/" {
            request = request.header(HOST, &self.authority);
        }
        request.body(Full::new(body)).context("make a request")
    }
}

impl Connection {
    /// Sends a request and waits for the head of its answer, which must be a success.
    pub(super) async fn send(
        &mut self,
        operation: &'static str,
        body: Bytes,
    ) -> Result<Response<Incoming>> {
        let request = self.target.request("/", operation, body)?;
        self.requests.ready().await.context("use a connection")?;
        let answer = self.requests.send_request(request).await;
        succeed(operation, answer.context(operation)?).await
    }

    /// Sends a request; returns the whole body of its answer.
    pub(super) async fn ask(&mut self, operation: &'static str, body: Bytes) -> Result<Bytes> {
        let answer = self.send(operation, body).await?;
        let body = answer.into_body().collect().await.context(operation)?;
        Ok(body.to_bytes())
    }
}

impl Multiplexed {
    /// Sends a request and waits for the head of its answer, which must be a success.
    pub(super) async fn send(
        &mut self,
        operation: &'static str,
        body: Bytes,
    ) -> Result<Response<Incoming>> {
        let uri = format!("http://{}/", self.target.authority);
        let request = self.target.request(&uri, operation, body)?;
        self.requests.ready().await.context("use a connection")?;
        let answer = self.requests.send_request(request).await;
        succeed(operation, answer.context(operation)?).await
    }
}

async fn succeed(operation: &str, answer: Response<Incoming>) -> Result<Response<Incoming>> {
    let status = answer.status();
    if status == StatusCode::OK {
        return Ok(answer);
    }
    let body = answer.into_body().collect().await?.to_bytes();
    let text = String::from_utf8_lossy(&body);
    anyhow::bail!("{operation} was answered {status}: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_another_server() {
        let target = Target::foreign("http://localhost", Format::Json).unwrap();
        assert_eq!(target.authority, "localhost:80");
        let target = Target::foreign("http://127.0.0.1:4567/", Format::Json).unwrap();
        assert_eq!(target.authority, "127.0.0.1:4567");
        let request = target.request("/", "PutRecord", Bytes::new()).unwrap();
        assert!(request.headers().contains_key(AUTHORIZATION));
        for wrong in ["https://localhost", "localhost:4567", "no url"] {
            assert!(Target::foreign(wrong, Format::Json).is_err(), "{wrong}");
        }
    }

    #[test]
    fn requests_to_our_own_server_have_no_signature() {
        let target = Target::new("127.0.0.1:1", Format::Cbor, Signature::Absent);
        let request = target.request("/", "PutRecord", Bytes::new()).unwrap();
        let headers = request.headers();
        assert!(!headers.contains_key(AUTHORIZATION));
        assert_eq!(headers["x-amz-target"], "Kinesis_20131202.PutRecord");
        assert_eq!(headers[CONTENT_TYPE], "application/x-amz-cbor-1.1");
    }
}
