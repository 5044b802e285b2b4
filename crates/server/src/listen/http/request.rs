//! One request, from its head to its answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, EXPECT, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};
use tokio::sync::OwnedSemaphorePermit;

use super::idle::Busy;
use super::reply::Reply;
use super::{Device, Endpoint, body, headers, local, page, role};
use crate::aws::{self, About, Answer, Answered, Asked, Body, Payload, Refusal, Running, Way};

/// Answers a request. `busy` ends with the last byte of the answer.
pub(super) async fn answer(
    request: Request<Incoming>,
    way: Way,
    device: Option<&Device>,
    endpoint: &Endpoint,
    busy: Busy,
) -> Response<Reply> {
    let begun = endpoint.clock.elapsed();
    let (head, incoming) = request.into_parts();
    let (response, about) = if local::is_here(head.uri.path()) {
        let response = local::answer(&head, &endpoint.state);
        (response.map(whole), None)
    } else if let Some(alias) = role::alias(head.uri.path()) {
        let response = role::answer(alias, &head, device, endpoint);
        (response.map(Payload::Whole), None)
    } else if page::is_here(&head) {
        (page::answer(&head).map(Payload::Whole), None)
    } else if let Some(running) = endpoint.state.api.open(&head) {
        (play(&head, running).await, None)
    } else if endpoint.state.api.takes(&head) {
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

async fn serve(
    head: &Parts,
    incoming: Incoming,
    way: Way,
    endpoint: &Endpoint,
) -> (Response<Payload>, Option<About>) {
    let mut response = Response::new(Payload::Whole(Bytes::new()));
    let id = headers::identify(response.headers_mut());
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
    let (answer, about) = match take(head, incoming, endpoint).await {
        Ok((body, share)) => {
            let asked = Asked {
                head,
                body,
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
            let refusal = Refusal::Body(failure.fault(), failure.to_string());
            let refused = endpoint.state.api.refuse(head, refusal);
            (refused.unwrap_or_else(|| nowhere(head)), None)
        }
    };
    write(answer, &mut response);
    headers::repeat(&id, response.headers_mut());
    (response, about)
}

/// The body, with its share of the memory, or what reads it.
async fn take(
    head: &Parts,
    incoming: Incoming,
    endpoint: &Endpoint,
) -> Result<(Body, Option<OwnedSemaphorePermit>), body::Failure> {
    if endpoint.state.api.reads(head) {
        let waits = head.headers.contains_key(EXPECT);
        let arriving = body::Arriving::new(incoming, waits, endpoint);
        return Ok((Body::Arriving(arriving), None));
    }
    let seconds = endpoint.state.config.limits.http_body_seconds;
    let patience = Duration::from_secs(seconds);
    let body::Whole { bytes, share } = body::read(incoming, &endpoint.bodies, patience).await?;
    endpoint.state.metrics.received(bytes.len());
    Ok((Body::Whole(bytes), share))
}

/// Answers a player, from wherever its script comes: what it may see is in its URL.
async fn play(head: &Parts, running: Running) -> Response<Payload> {
    let mut response = Response::new(Payload::Whole(Bytes::new()));
    headers::open(response.headers_mut());
    match head.method {
        Method::GET | Method::HEAD => write(running.await, &mut response),
        Method::OPTIONS => headers::allow(&head.headers, response.headers_mut()),
        _ => {
            let allowed = HeaderValue::from_static("GET, HEAD, OPTIONS");
            response.headers_mut().insert(ALLOW, allowed);
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        }
    }
    response
}

fn write(answer: Answer, response: &mut Response<Payload>) {
    *response.status_mut() = answer.status;
    if let Some(content_type) = answer.content_type {
        let value = HeaderValue::from_static(content_type);
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    response.headers_mut().extend(answer.headers);
    *response.body_mut() = answer.payload;
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
        None => (nowhere(head), None),
    }
}

/// The answer where there is no service.
fn nowhere(head: &Parts) -> Answer {
    let problem = local::missing(head.uri.path());
    let status = problem.status().as_u16();
    Answer::whole(
        status,
        Some("text/plain; charset=utf-8"),
        problem.into_body().into(),
    )
}

fn whole(text: String) -> Payload {
    Payload::Whole(text.into())
}
