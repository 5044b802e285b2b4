//! HTTP/1.1: health and metrics, with a bound on everything a client can hold.
//!
//! Routes are one function from a request to an answer; the Kinesis APIs join here.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use afflux_types::{Error, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::auth::is_loopback;
use crate::config::Right;
use crate::error::row;
use crate::server::{Readiness, State};
use crate::shutdown::Stopping;

/// A request's head, and the silence between two requests, must end within this.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of a request's head; enough for signed requests.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Requests that are under way get this long when the server stops.
const DRAIN: Duration = Duration::from_secs(2);
/// After a failed accept, mostly for want of file descriptors, others get time to close some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds the HTTP address.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::unavailable(format!("listen on the TCP address {address}")).with_source(error)
    })
}

/// Serves connections until the switch is turned, then lets requests end.
pub(crate) async fn serve(listener: TcpListener, state: Arc<State>, mut stopping: Stopping) {
    let most = usize::try_from(state.config.limits.http_connections).unwrap_or(usize::MAX);
    let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    loop {
        while let Some(ended) = connections.try_join_next() {
            state.count_panic("http connection", ended);
        }
        let accepted = tokio::select! {
            () = stopping.wait() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let (state, stopping) = (Arc::clone(&state), stopping.clone());
                connections.spawn(async move {
                    connection(stream, state, stopping).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept an HTTP connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN, drained).await;
    connections.shutdown().await;
}

type Place = tokio::sync::OwnedSemaphorePermit;

/// The next connection, once there is a place for it; others wait in the kernel's queue.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, Place)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn connection(stream: TcpStream, state: Arc<State>, mut stopping: Stopping) {
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move {
            let response = answer(&request, &state);
            state.metrics.requested(response.status().as_u16());
            Ok::<_, Infallible>(response)
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stopping.wait() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

/// Routes one request. Bodies are not read: hyper closes a connection that sends one.
fn answer(request: &Request<Incoming>, state: &State) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if !matches!(path, "/health/live" | "/health/ready" | "/metrics") {
        let paths = "/health/live, /health/ready and /metrics are here";
        return text(
            StatusCode::NOT_FOUND,
            format!("{path} does not exist; {paths}\n"),
        );
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let problem = format!("{path} answers GET and HEAD only\n");
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, problem);
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match path {
        "/health/live" => text(StatusCode::OK, "alive\n".to_owned()),
        "/health/ready" => match state.readiness() {
            Readiness::Ready => text(StatusCode::OK, "ready\n".to_owned()),
            Readiness::Not(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        _ => match authorize(request, state).and_then(|()| render(state)) {
            Ok(metrics) => metrics,
            Err(error) => refuse(&error),
        },
    }
}

/// Whoever can reach a loopback address may read the metrics; others need the right.
fn authorize(request: &Request<Incoming>, state: &State) -> Result<()> {
    if is_loopback(state.config.http.listen) {
        return Ok(());
    }
    let header = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let secret = header
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    state
        .access
        .identify(secret.trim(), None)?
        .require(Right::Metrics)
}

fn render(state: &State) -> Result<Response<Full<Bytes>>> {
    let metrics = state
        .metrics
        .encode()
        .map_err(|error| Error::internal("write the metrics").with_source(error))?;
    let mut response = text(StatusCode::OK, metrics);
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    );
    Ok(response)
}

fn refuse(error: &Error) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(row(error.kind()).http_status);
    let status = match status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR) {
        // HTTP tells "prove who you are" from "you may not".
        StatusCode::FORBIDDEN => StatusCode::UNAUTHORIZED,
        status => status,
    };
    let mut response = text(status, format!("{error}\n"));
    if status == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(hyper::header::WWW_AUTHENTICATE, scheme);
    }
    response
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
