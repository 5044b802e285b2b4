//! The bodies of answers: whole, or frames of a stream that ends with the server.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use afflux_types::{Error, Result};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::idle::Busy;
use crate::aws::{Frames, Payload};
use crate::server::State;
use crate::shutdown::Stopping;

/// The body of an answer.
pub(super) struct Reply {
    content: Content,
    /// Keeps the connection for as long as the answer is on its way.
    busy: Option<Busy>,
    state: Arc<State>,
}

enum Content {
    /// Until it was taken.
    Whole(Option<Bytes>),
    Frames {
        frames: Box<dyn Frames>,
        length: Option<u64>,
        stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    },
}

impl Reply {
    pub(super) fn new(
        payload: Payload,
        busy: Busy,
        state: Arc<State>,
        stopping: &Stopping,
    ) -> Self {
        let content = match payload {
            Payload::Whole(bytes) => Content::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())),
            Payload::Frames(frames, length) => {
                let mut stopping = stopping.clone();
                Content::Frames {
                    frames,
                    length,
                    stopped: Box::pin(async move { stopping.wait().await }),
                }
            }
        };
        Self {
            content,
            busy: Some(busy),
            state,
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let next = match &mut self.content {
            Content::Whole(bytes) => bytes.take().map(Ok),
            Content::Frames {
                frames, stopped, ..
            } => {
                // A stream may have something to say forever: the switch comes first.
                if stopped.as_mut().poll(cx).is_ready() {
                    self.content = Content::Whole(None);
                    None
                } else {
                    match frames.poll_next(cx) {
                        Poll::Ready(next) => next,
                        Poll::Pending => return Poll::Pending,
                    }
                }
            }
        };
        match &next {
            Some(Ok(bytes)) => self.state.metrics.replied(bytes.len()),
            Some(Err(error)) => {
                tracing::debug!(error = %error.chain(), "an answer is cut");
                self.content = Content::Whole(None);
                self.busy = None;
            }
            None => {
                self.content = Content::Whole(None);
                self.busy = None;
            }
        }
        Poll::Ready(next.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Content::Frames { length, .. } => {
                length.map_or_else(SizeHint::default, SizeHint::with_exact)
            }
        }
    }
}
