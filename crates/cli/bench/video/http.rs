//! The client's side of HTTP/1.1: one connection that is kept.

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// An answer of an operation is no longer.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// A connection.
#[derive(Debug)]
pub(super) struct Http {
    authority: String,
    requests: http1::SendRequest<Full<Bytes>>,
}

impl Http {
    pub(super) async fn connect(authority: &str) -> Result<Self> {
        let stream = TcpStream::connect(authority).await;
        let stream = stream.with_context(|| format!("connect to {authority}"))?;
        stream.set_nodelay(true)?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (requests, connection) = handshake.context("speak HTTP/1.1")?;
        // It ends with the last handle of its requests, and every request sees its errors.
        tokio::spawn(connection);
        Ok(Self {
            authority: authority.to_owned(),
            requests,
        })
    }

    /// Sends an operation's input; returns its answer as it comes.
    pub(super) async fn post(&mut self, path: &str, input: &Value) -> Result<Incoming> {
        let body = serde_json::to_vec(input)?;
        let request = Request::post(path).header(CONTENT_TYPE, "application/json");
        self.send(request, body.into()).await
    }

    /// Sends an operation's input; returns its output.
    pub(super) async fn call(&mut self, path: &str, input: &Value) -> Result<Value> {
        let answer = self.post(path, input).await?;
        let answer = whole(answer).await?;
        serde_json::from_slice(&answer).with_context(|| format!("read the answer of {path}"))
    }

    /// Fetches something; returns it as it comes.
    pub(super) async fn get(&mut self, path: &str) -> Result<Incoming> {
        self.send(Request::get(path), Bytes::new()).await
    }

    /// Fetches text.
    pub(super) async fn text(&mut self, path: &str) -> Result<String> {
        let bytes = whole(self.get(path).await?).await?;
        String::from_utf8(bytes.into()).with_context(|| format!("read {path}"))
    }

    async fn send(
        &mut self,
        request: hyper::http::request::Builder,
        body: Bytes,
    ) -> Result<Incoming> {
        let request = request
            .header(HOST, &self.authority)
            .body(Full::new(body))?;
        let path = request.uri().path().to_owned();
        self.requests.ready().await.context("use a connection")?;
        let answer = self.requests.send_request(request).await;
        let answer = answer.with_context(|| format!("ask for {path}"))?;
        let status = answer.status();
        if status == StatusCode::OK {
            return Ok(answer.into_body());
        }
        let text = whole(answer.into_body()).await?;
        bail!(
            "{path} was answered {status}: {}",
            String::from_utf8_lossy(&text)
        )
    }
}

/// A whole body.
pub(super) async fn whole(body: Incoming) -> Result<Bytes> {
    let body = http_body_util::Limited::new(body, ANSWER_BYTES_MAX);
    let body = body.collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("read an answer: {error}"))?;
    Ok(body.to_bytes())
}
