//! Answers about the server itself: health and metrics.

use afflux_types::{Error, Result};
use hyper::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use crate::auth::is_loopback;
use crate::config::Right;
use crate::error::row;
use crate::server::{Readiness, State};

/// Whether a path is one of the server's own.
pub(super) fn is_here(path: &str) -> bool {
    matches!(path, "/health/live" | "/health/ready" | "/metrics")
}

/// Answers a request for such a path. Bodies are not read: a connection that sends one is closed.
pub(super) fn answer(request: &Parts, state: &State) -> Response<String> {
    let path = request.uri.path();
    if request.method != Method::GET && request.method != Method::HEAD {
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

/// Answers a request for a path that does not exist.
pub(super) fn missing(path: &str) -> Response<String> {
    let paths = "/health/live, /health/ready, /metrics and the AWS-compatible APIs are here";
    text(
        StatusCode::NOT_FOUND,
        format!("{path} does not exist; {paths}\n"),
    )
}

/// An answer for people.
pub(super) fn text(status: StatusCode, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whoever can reach a loopback address may read the metrics; others need the right.
fn authorize(request: &Parts, state: &State) -> Result<()> {
    if is_loopback(state.config.http.listen) {
        return Ok(());
    }
    let header = request
        .headers
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

fn render(state: &State) -> Result<Response<String>> {
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

fn refuse(error: &Error) -> Response<String> {
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
