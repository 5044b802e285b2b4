//! The seam between HTTP and the services: what a service says of itself, gets, and answers.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use afflux_aws::document::Format;
use afflux_aws::sigv4;
use afflux_types::Result;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;

use super::permission::Resource;
use crate::auth::Key;
use crate::listen::http::Arriving;

/// A service whose operations are named by a header, or by the path.
pub(crate) trait Service: Send + Sync + 'static {
    /// What requests are signed for and what stands before the operation in actions: `kinesis`.
    fn name(&self) -> &'static str;

    /// Whether a request names an operation of this service, or one that it might have.
    fn takes(&self, head: &Parts) -> bool;

    /// Whether the operation reads the body of a request while it arrives.
    fn reads(&self, _head: &Parts) -> bool {
        false
    }

    /// Finds the operation of a request.
    ///
    /// # Errors
    /// The answer to a request that names none.
    fn route(&self, head: &Parts, body: &Body) -> Result<Route, Answer>;

    /// Reads a request whose caller is known, without doing anything yet.
    ///
    /// # Errors
    /// The service's own, for a body that it does not take.
    fn prepare(&self, call: Call<'_>) -> Result<Prepared, Answer>;

    /// Says in the service's words why a request is not taken.
    fn refuse(&self, refusal: Refusal, format: Format) -> Answer;

    /// Answers a request whose right is in its URL; none if it is no such request.
    fn open(&self, _head: &Parts) -> Option<Running> {
        None
    }
}

/// An answer that is being made.
pub(crate) type Running = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// The body of a request.
#[derive(Debug)]
pub(crate) enum Body {
    /// It is there.
    Whole(Bytes),
    /// Its service reads it.
    Arriving(Arriving),
}

/// Why a request is not taken, whatever it asks for.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It is not signed as it should be.
    Signature(sigv4::Error),
    /// Its caller may not do this.
    Access(String),
    /// Its body did not come.
    Body(BodyFault, String),
}

/// What is wrong with a body that did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFault {
    TooLarge,
    TooSlow,
    NoMemory,
    Broken,
}

/// An operation and the format of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// One of the names that the service knows, never a text of the request: metrics are kept by it.
    pub(crate) operation: &'static str,
    pub(crate) format: Format,
}

/// A request as a service gets it.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) operation: &'static str,
    pub(crate) format: Format,
    pub(crate) head: &'a Parts,
    /// The URL, without a path, at which the client reaches the server.
    pub(crate) base: &'a str,
    pub(crate) body: Body,
    pub(crate) caller: Caller,
}

/// Who signed a request. Without credentials on a loopback address it is anybody.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(super) Option<Arc<Key>>);

impl Caller {
    /// The access key id; the name for logs.
    pub(crate) fn name(&self) -> &str {
        self.0.as_ref().map_or("anonymous", |key| key.id())
    }

    /// The key of the caller's credential; none if it needs none.
    pub(super) fn key(&self) -> Option<&Key> {
        self.0.as_deref()
    }

    /// Whether the caller's credential binds it to actions and streams.
    pub(crate) fn is_bound(&self) -> bool {
        self.0.is_some()
    }
}

/// A request that was understood and waits for leave to run.
pub(crate) struct Prepared {
    /// What the operation touches; none if it is about nothing in particular, or if the caller is not
    /// bound.
    pub(crate) resource: Option<Resource>,
    /// Runs the operation. Nothing happens before it is polled.
    ///
    /// # Cancel safety
    /// It is dropped when the client goes away; what must not stop half-way runs in a task of its own.
    pub(crate) run: Running,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

/// What a request is answered with.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<&'static str>,
    /// What else is in the head.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) payload: Payload,
}

/// The body of an answer.
pub(crate) enum Payload {
    Whole(Bytes),
    /// Frames for as long as there are any, of so many bytes together if that is known.
    Frames(Box<dyn Frames>, Option<u64>),
}

impl Answer {
    /// An answer whose body is there.
    pub(crate) fn whole(status: u16, content_type: Option<&'static str>, body: Bytes) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            content_type,
            headers: Vec::new(),
            payload: Payload::Whole(body),
        }
    }

    /// Success, with a body in the format of the request.
    pub(crate) fn ok(format: Format, body: Bytes) -> Self {
        Self::whole(200, Some(format.content_type()), body)
    }

    /// Success, with a body that is made while it is sent.
    pub(crate) fn frames(content_type: &'static str, frames: Box<dyn Frames>) -> Self {
        Self {
            payload: Payload::Frames(frames, None),
            ..Self::whole(200, Some(content_type), Bytes::new())
        }
    }
}

impl Body {
    /// The body, if it is there.
    pub(crate) fn whole(&self) -> Option<&Bytes> {
        match self {
            Self::Whole(bytes) => Some(bytes),
            Self::Arriving(_) => None,
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(body) => write!(f, "Whole({} bytes)", body.len()),
            Self::Frames(..) => f.write_str("Frames"),
        }
    }
}

/// A body that is made while it is sent.
///
/// A frame is asked for when the client's windows have room for one. Nothing is asked for while they
/// have none, so that a slow client costs its service a cursor that stands still. It is dropped when
/// the client goes away, and when the server stops.
pub(crate) trait Frames: Send {
    /// The next frame; none at the end. After an error the client sees that the body is cut.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>>;
}

/// Frames from a function that gives one after the other, from a state that goes in and comes back.
pub(crate) fn frames<S, F, N>(state: S, next: F) -> Box<dyn Frames>
where
    S: Send + 'static,
    F: FnMut(S) -> N + Send + 'static,
    N: Future<Output = Option<(Bytes, S)>> + Send + 'static,
{
    Box::new(Unfold {
        state: Some(state),
        pending: Box::pin(None),
        next,
    })
}

struct Unfold<S, F, N> {
    /// Absent while a frame is being made, and after the last one.
    state: Option<S>,
    /// In one place for all frames, so that none of them costs an allocation.
    pending: Pin<Box<Option<N>>>,
    next: F,
}

impl<S, F, N> Frames for Unfold<S, F, N>
where
    S: Send,
    F: FnMut(S) -> N + Send,
    N: Future<Output = Option<(Bytes, S)>> + Send,
{
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        if let Some(state) = self.state.take() {
            self.pending.set(Some((self.next)(state)));
        }
        let Some(pending) = self.pending.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let made = ready!(pending.poll(cx));
        self.pending.set(None);
        Poll::Ready(made.map(|(frame, state)| {
            self.state = Some(state);
            Ok(frame)
        }))
    }
}
