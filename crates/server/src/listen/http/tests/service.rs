//! A service that tells what it got: it answers to the names of Kinesis, and does nothing of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use afflux_aws::document::Format;
use afflux_aws::kinesis::{Code, Error, Operation, TARGET_PREFIX};
use afflux_types::Result;
use bytes::Bytes;
use hyper::http::request::Parts;

use crate::aws::target::{error, is_named, refused, routed};
use crate::aws::{
    Answer, Body, Call, Frames, Payload, Prepared, Refusal, Resource, Route, Service, frames,
};
use crate::listen::http::Arriving;

/// Bytes of a frame of `SubscribeToShard`.
pub(super) const FRAME_BYTES: usize = 32 << 10;

/// The header of a request whose body is read while it arrives.
pub(super) const ARRIVING: &str = "x-arriving";

/// Counts the frames that it makes.
pub(super) struct Fake(pub(super) Arc<AtomicU64>);

impl Service for Fake {
    fn name(&self) -> &'static str {
        "kinesis"
    }

    fn takes(&self, head: &Parts) -> bool {
        is_named(head, TARGET_PREFIX)
    }

    fn reads(&self, head: &Parts) -> bool {
        head.headers.contains_key(ARRIVING)
    }

    fn route(&self, head: &Parts, body: &Body) -> Result<Route, Answer> {
        routed(head, body, Operation::name)
    }

    fn refuse(&self, refusal: Refusal, format: Format) -> Answer {
        refused(refusal, format, Code::ServiceUnavailable)
    }

    /// A body is the name of a stream and, after a space, anything. One that is still arriving is
    /// answered with itself.
    fn prepare(&self, call: Call<'_>) -> Result<Prepared, Answer> {
        let made = Arc::clone(&self.0);
        let body = match call.body {
            Body::Whole(body) => body,
            Body::Arriving(body) => {
                return Ok(Prepared {
                    resource: None,
                    run: Box::pin(echo(body)),
                });
            }
        };
        let Call {
            operation,
            format,
            caller,
            ..
        } = call;
        let text = String::from_utf8_lossy(&body);
        let stream = text.split(' ').next().unwrap_or_default().to_owned();
        if stream == "bad" {
            return Err(error(&Error::new(Code::Validation, "a bad body"), format));
        }
        Ok(Prepared {
            resource: (stream != "-").then(|| Resource {
                stream: stream.clone(),
                arn: Box::new(stream),
                policy: None,
            }),
            run: Box::pin(async move {
                match operation {
                    "GetRecords" => std::future::pending().await,
                    "GetShardIterator" => Answer {
                        payload: Payload::Frames(Box::new(Cut(true)), Some(6)),
                        ..Answer::ok(format, Bytes::new())
                    },
                    "SubscribeToShard" => Answer::frames("x/frames", endless(made)),
                    operation => {
                        let (length, caller) = (body.len(), caller.name());
                        let text = format!("{operation} of {length} bytes by {caller}");
                        Answer::ok(format, text.into())
                    }
                }
            }),
        })
    }
}

/// Half of what was promised, and no more.
struct Cut(bool);

impl Frames for Cut {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let first = std::mem::replace(&mut self.0, false);
        Poll::Ready(Some(match first {
            true => Ok(Bytes::from_static(b"abc")),
            false => Err(afflux_types::Error::unavailable("a disk failed")),
        }))
    }
}

async fn echo(mut body: Arriving) -> Answer {
    body.invite().await;
    let next = |mut body: Arriving| async move {
        let piece = body.next().await?.ok()?;
        Some((piece, body))
    };
    Answer::frames("x/echo", frames(body, next))
}

fn endless(made: Arc<AtomicU64>) -> Box<dyn Frames> {
    frames(made, |made| async move {
        made.fetch_add(1, Ordering::Relaxed);
        Some((Bytes::from(vec![7; FRAME_BYTES]), made))
    })
}
