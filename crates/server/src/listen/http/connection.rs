//! The life of one connection: TLS or not, HTTP/1.1 or HTTP/2, and when it ends.
//!
//! The first byte tells TLS from plain HTTP, and the first bytes inside tell HTTP/2 from HTTP/1.1. What
//! was negotiated as ALPN does not count: there are clients that speak HTTP/2 inside TLS without it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::idle::Pulse;
use super::request;
use super::stall::Stalling;
use super::{Device, Endpoint};
use crate::auth::is_loopback;
use crate::aws::Way;
use crate::config::{HttpTls, Limits};

/// Bytes of a request's head in HTTP/1.1, and the most that is read ahead of a body.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Bytes of a request's head in HTTP/2, with 32 for each header.
const HEADER_LIST_BYTES_MAX: u32 = 64 << 10;
/// Bytes that may be under way on one HTTP/2 request. They are taken as they arrive, so that this
/// bounds the throughput at this much per round trip (20 MB/s at 100 ms), not the size of a body.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// As much for a whole connection: what a client that is not read from can make us hold.
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// Large frames spare work for large bodies, small ones let requests of a connection alternate.
const FRAME_BYTES_MAX: u32 = 64 << 10;
/// What may wait in one HTTP/2 answer before its service is asked for more.
const SEND_BUFFER_BYTES: usize = 256 << 10;
/// An HTTP/2 client that answers no ping has gone without saying so.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// A connection that nobody uses gets this long to close in order.
const FAREWELL: Duration = Duration::from_secs(1);

/// The first byte of a TLS connection: a record that holds a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// Both versions of HTTP, with their bounds.
pub(super) fn protocol(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Slow heads are cut by the connection's pulse, which knows a first head from an idle connection.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(u32::try_from(limits.http_streams).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// Serves a connection to its end.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, endpoint: Arc<Endpoint>) {
    let mut stopping = endpoint.stopping.clone();
    let port = stream.local_addr().map_or(0, |address| address.port());
    let opened = tokio::select! {
        () = stopping.wait() => return,
        opened = open(stream, peer, &endpoint) => opened,
    };
    match opened {
        Ok(Some(Opened::Plain(io))) => {
            let encrypted = false;
            let way = Way {
                peer,
                encrypted,
                port,
            };
            speak(io, way, None, endpoint).await;
        }
        Ok(Some(Opened::Tls(io))) => {
            let encrypted = true;
            let way = Way {
                peer,
                encrypted,
                port,
            };
            let device = io.get_ref().1.peer_certificates();
            let device = device.and_then(|chain| chain.first()).cloned();
            speak(io, way, device.map(Arc::new), endpoint).await;
        }
        Ok(None) => {}
        Err(error) => tracing::debug!(%peer, %error, "an HTTP connection did not come about"),
    }
}

type Tls = tokio_rustls::server::TlsStream<Stalling<TcpStream>>;

/// A connection that is ready for HTTP.
enum Opened {
    Plain(Stalling<TcpStream>),
    Tls(Box<Tls>),
}

/// Finds out whether the client speaks TLS, and shakes hands; none if it may not speak as it does.
async fn open(
    stream: TcpStream,
    peer: SocketAddr,
    endpoint: &Endpoint,
) -> io::Result<Option<Opened>> {
    let limits = &endpoint.state.config.limits;
    let patience = Duration::from_secs(limits.handshake_seconds);
    stream.set_nodelay(true)?;
    let mut first = [0];
    if timeout(patience, stream.peek(&mut first)).await?? == 0 {
        return Ok(None);
    }
    let io = Stalling::new(stream, Duration::from_secs(limits.http_idle_seconds));
    if first == [TLS_HANDSHAKE] {
        let tls = timeout(patience, endpoint.tls.accept(io)).await??;
        return Ok(Some(Opened::Tls(Box::new(tls))));
    }
    if may_be_plain(endpoint.state.config.http.tls, peer) {
        return Ok(Some(Opened::Plain(io)));
    }
    timeout(patience, refuse_plain(io)).await??;
    Ok(None)
}

pub(super) fn may_be_plain(tls: HttpTls, peer: SocketAddr) -> bool {
    match tls {
        HttpTls::Auto => is_loopback(peer),
        HttpTls::Optional => true,
        HttpTls::Required => false,
    }
}

/// Tells who speaks plain HTTP to come back with TLS, in the version that everybody can show.
async fn refuse_plain(mut io: Stalling<TcpStream>) -> io::Result<()> {
    // What was sent must be read, or else the kernel takes the answer back.
    let mut ignored = [0; 4_096];
    let _ = io.read(&mut ignored).await?;
    let body = "this port asks for TLS: use https\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    io.write_all(answer.as_bytes()).await?;
    io.shutdown().await
}

/// Serves requests until the client has gone, nobody uses the connection, or the server stops.
async fn speak<I>(io: I, way: Way, device: Option<Device>, endpoint: Arc<Endpoint>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &endpoint.state.config.limits;
    let first = Duration::from_secs(limits.handshake_seconds);
    let idle = Duration::from_secs(limits.http_idle_seconds);
    let mut stopping = endpoint.stopping.clone();
    let pulse = Arc::new(Pulse::default());
    let service = service_fn({
        let (endpoint, pulse) = (Arc::clone(&endpoint), Arc::clone(&pulse));
        move |asked| {
            let (endpoint, busy) = (Arc::clone(&endpoint), pulse.begin());
            let device = device.clone();
            async move {
                let answer = request::answer(asked, way, device.as_ref(), &endpoint, busy);
                Ok::<_, Infallible>(answer.await)
            }
        }
    });
    let serving = endpoint
        .protocol
        .serve_connection(TokioIo::new(io), service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = pulse.stops(first, idle) => {
            serving.as_mut().graceful_shutdown();
            timeout(FAREWELL, serving).await.unwrap_or(Ok(()))
        }
        () = stopping.wait() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %way.peer, %error, "an HTTP connection ended early");
    }
}
