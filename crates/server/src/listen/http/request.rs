//! One request, from its head to its answer.

use std::sync::Arc;
use std::time::Duration;

use afflux_aws::document::Format;
use afflux_aws::kinesis::{Code, Error};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode, Version};
use tokio::sync::OwnedSemaphorePermit;

use super::idle::Busy;
use super::reply::Reply;
use super::{Endpoint, body, headers, local};
use crate::aws::{self, About, Answer, Answered, Asked, Payload, Way};

/// Answers a request. `busy` ends with the last byte of the answer.
pub(super) async fn answer(
    request: Request<Incoming>,
    way: Way,
    endpoint: &Endpoint,
    busy: Busy,
) -> Response<Reply> {
    let begun = endpoint.clock.elapsed();
    let (head, incoming) = request.into_parts();
    let (response, about) = if local::is_here(head.uri.path()) {
        let response = local::answer(&head, &endpoint.state);
        (response.map(whole), None)
    } else if is_for_services(&head) {
        serve(&head, incoming, way, endpoint).await
    } else {
        let response = local::missing(head.uri.path());
        (response.map(whole), None)
    };
    let status = response.status();
    let metrics = &endpoint.state.metrics;
    metrics.requested(status.as_u16());
    if let Some(about) = &about {
        metrics.operated(about.service, about.operation, status.as_u16());
    }
    tracing::debug!(
        peer = %way.peer,
        method = %head.method,
        path = head.uri.path(),
        version = ?head.version,
        operation = about.as_ref().map(|about| about.operation),
        caller = about.as_ref().and_then(|about| about.caller.as_ref()).map(aws::Caller::name),
        status = status.as_u16(),
        micros = endpoint.clock.elapsed().saturating_sub(begun).as_micros(),
        "request"
    );
    let state = Arc::clone(&endpoint.state);
    response.map(|payload| Reply::new(payload, busy, state, &endpoint.stopping))
}

/// Services are asked at the root, and wherever somebody names an operation of theirs.
fn is_for_services(head: &Parts) -> bool {
    head.uri.path() == "/" || head.headers.contains_key(aws::TARGET)
}

async fn serve(
    head: &Parts,
    incoming: Incoming,
    way: Way,
    endpoint: &Endpoint,
) -> (Response<Payload>, Option<About>) {
    let mut response = Response::new(Payload::Whole(Bytes::new()));
    headers::identify(response.headers_mut());
    if endpoint.state.access.is_open() && headers::is_foreign(&head.headers) {
        *response.status_mut() = StatusCode::FORBIDDEN;
        let why = "scripts of other sites may not use a server without [[credentials]]\n";
        return (response.map(|_| whole(why.to_owned())), None);
    }
    if headers::is_preflight(&head.method, &head.headers) {
        headers::allow(&head.headers, response.headers_mut());
        return (response, None);
    }
    headers::share(&head.headers, response.headers_mut());
    let seconds = endpoint.state.config.limits.http_body_seconds;
    let patience = Duration::from_secs(seconds);
    let (answer, about) = match body::read(incoming, &endpoint.bodies, patience).await {
        Ok(body::Whole { bytes, share }) => {
            endpoint.state.metrics.received(bytes.len());
            let asked = Asked {
                head,
                body: bytes,
                access: &endpoint.state.access,
                way,
                now: endpoint.clock.wall(),
            };
            ask(asked, share, endpoint).await
        }
        Err(failure) => {
            tracing::debug!(error = %failure, "a request without its body");
            if head.version < Version::HTTP_2 {
                // What is left of the body would be taken for the next request.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            (refuse(&failure, head), None)
        }
    };
    *response.status_mut() = answer.status;
    if let Some(content_type) = answer.content_type {
        let value = HeaderValue::from_static(content_type);
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    (response.map(|_| answer.payload), about)
}

/// Asks the service. The body's share of the memory is given back when the operation has ended.
async fn ask(
    asked: Asked<'_>,
    share: Option<OwnedSemaphorePermit>,
    endpoint: &Endpoint,
) -> (Answer, Option<About>) {
    let head = asked.head;
    let answered = endpoint.state.api.answer(asked).await;
    drop(share);
    match answered {
        Some(Answered { answer, about }) => (answer, Some(about)),
        None => {
            let problem = local::missing(head.uri.path());
            let answer = Answer {
                status: problem.status(),
                content_type: Some("text/plain; charset=utf-8"),
                payload: whole(problem.into_body()),
            };
            (answer, None)
        }
    }
}

/// Says why the body was not taken, in the format of the request.
fn refuse(failure: &body::Failure, head: &Parts) -> Answer {
    let content_type = head.headers.get(CONTENT_TYPE);
    let format = content_type
        .and_then(|value| value.to_str().ok())
        .and_then(Format::from_content_type)
        .unwrap_or(Format::Json);
    let (status, code) = match failure {
        body::Failure::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Code::Validation),
        body::Failure::TooSlow(_) => (StatusCode::REQUEST_TIMEOUT, Code::ServiceUnavailable),
        body::Failure::NoMemory => (StatusCode::SERVICE_UNAVAILABLE, Code::ServiceUnavailable),
        body::Failure::Broken(_) => (StatusCode::BAD_REQUEST, Code::Serialization),
    };
    Answer {
        status,
        ..Answer::error(&Error::new(code, failure.to_string()), format)
    }
}

fn whole(text: String) -> Payload {
    Payload::Whole(text.into())
}
