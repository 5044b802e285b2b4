//! HTTP with nothing above it, by the library that the product uses, in a process of its own: reads the
//! same requests and answers bytes of the same sizes.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{ETAG, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

use crate::args::{BenchBareHttp, HttpVersion, Output};
use crate::printer::Printer;

/// What may wait in one HTTP/2 answer: as much as in the product.
const SEND_BUFFER_BYTES: usize = 256 << 10;

/// A running server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Bare {
    child: Child,
    pub(crate) authority: String,
}

impl Bare {
    /// Starts a server that answers every request with `answer` over HTTP/1.1.
    pub(crate) fn whole(answer: &Bytes) -> Result<Self> {
        Self::turns(std::slice::from_ref(answer))
    }

    /// Starts a server that answers requests over HTTP/1.1 with `answers` in turn, on each connection
    /// from another one on.
    pub(crate) fn turns(answers: &[Bytes]) -> Result<Self> {
        Self::start("1", answers)
    }

    /// Starts a server that answers every request over HTTP/2 with `frames`, again and again.
    pub(crate) fn frames(frames: &[Bytes]) -> Result<Self> {
        Self::start("2", frames)
    }

    fn start(version: &str, frames: &[Bytes]) -> Result<Self> {
        let program = std::env::current_exe().context("find this program")?;
        let child = Command::new(program)
            .args(["bench", "bare-http", version])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start a bare server")?;
        let mut bare = Self {
            child,
            authority: String::new(),
        };
        let mut stdin = bare.child.stdin.take().context("take its input")?;
        for frame in frames {
            let len = u32::try_from(frame.len()).context("a frame of 4 GiB")?;
            stdin.write_all(&len.to_be_bytes())?;
            stdin.write_all(frame)?;
        }
        drop(stdin);
        let stdout = bare.child.stdout.take().context("take its output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        ensure!(!line.is_empty(), "a bare server ended early");
        bare.authority = serde_json::from_str(&line).with_context(|| format!("read {line:?}"))?;
        Ok(bare)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The hidden command: a server that answers with what its standard input holds, until it is killed.
pub(crate) fn serve(args: &BenchBareHttp) -> Result<()> {
    let mut input = Vec::new();
    std::io::stdin()
        .read_to_end(&mut input)
        .context("read the answer")?;
    let frames: Arc<[Bytes]> = split(input.into())?.into();
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let authority = listener.local_addr()?.to_string();
        let mut printer = Printer::new(Output::Json);
        printer.result(&authority, String::new)?;
        for number in 0.. {
            let (stream, _) = listener.accept().await.context("accept")?;
            stream.set_nodelay(true)?;
            let frames = Arc::clone(&frames);
            match args.http {
                HttpVersion::One => tokio::spawn(turns(stream, frames, number)),
                HttpVersion::Two => tokio::spawn(pushed(stream, frames)),
            };
        }
        Ok(())
    })
}

/// Takes lengths and frames apart.
fn split(mut input: Bytes) -> Result<Vec<Bytes>> {
    let mut frames = Vec::new();
    while let Some((len, _)) = input.split_first_chunk() {
        let len = usize::try_from(u32::from_be_bytes(*len))?;
        ensure!(input.len() >= 4 + len, "the last frame is cut");
        let frame = input.split_to(4 + len);
        frames.push(frame.slice(4..));
    }
    ensure!(input.is_empty() && !frames.is_empty(), "no frames");
    Ok(frames)
}

async fn turns(stream: TcpStream, answers: Arc<[Bytes]>, first: usize) {
    let next = AtomicUsize::new(first);
    let service = service_fn(move |request: Request<Incoming>| {
        let turn = next.fetch_add(1, Ordering::Relaxed) % answers.len().max(1);
        let answer = answers.get(turn).cloned().unwrap_or_default();
        async move {
            read(request.into_body()).await?;
            let mut response = Response::new(Full::new(answer));
            // So that it can be a store which keeps nothing.
            let tag = HeaderValue::from_static("\"bare\"");
            response.headers_mut().insert(ETAG, tag);
            Ok::<_, hyper::Error>(response)
        }
    });
    // A client that goes away is the usual end.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn pushed(stream: TcpStream, frames: Arc<[Bytes]>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let frames = Arc::clone(&frames);
        async move {
            read(request.into_body()).await?;
            Ok::<_, hyper::Error>(Response::new(Cycle { frames, next: 0 }))
        }
    });
    let _ = http2::Builder::new(TokioExecutor::new())
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn read(mut body: Incoming) -> Result<(), hyper::Error> {
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}

/// Frames from the first to the last, without end.
struct Cycle {
    frames: Arc<[Bytes]>,
    next: usize,
}

impl Body for Cycle {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.frames.get(self.next).cloned();
        self.next = (self.next + 1) % self.frames.len().max(1);
        Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_split_where_they_were_joined() {
        let joined = [&[0, 0, 0, 2][..], b"ab", &[0, 0, 0, 0], &[0, 0, 0, 1], b"c"].concat();
        assert_eq!(split(joined.clone().into()).unwrap(), ["ab", "", "c"]);
        let cut = joined[..joined.len() - 1].to_vec();
        assert!(split(cut.into()).is_err());
        assert!(split(Bytes::new()).is_err());
    }
}
