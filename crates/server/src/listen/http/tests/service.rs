//! A service that tells what it got: it answers to the names of Kinesis, and does nothing of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use afflux_aws::kinesis::http::{Head, route};
use afflux_aws::kinesis::{Code, Error};
use bytes::Bytes;

use crate::aws::{Answer, Call, Prepared, Resource, Route, Service, frames};

/// Bytes of a frame of `SubscribeToShard`.
pub(super) const FRAME_BYTES: usize = 32 << 10;

/// Counts the frames that it makes.
pub(super) struct Fake(pub(super) Arc<AtomicU64>);

impl Service for Fake {
    fn name(&self) -> &'static str {
        "kinesis"
    }

    fn target_prefix(&self) -> &'static str {
        "Kinesis_20131202"
    }

    fn route(&self, head: &Head<'_>) -> Result<Route, Answer> {
        let found = route(head)?;
        Ok(Route {
            operation: found.operation.name(),
            format: found.format,
        })
    }

    /// A body is the name of a stream and, after a space, anything.
    fn prepare(&self, call: Call) -> Result<Prepared, Error> {
        let made = Arc::clone(&self.0);
        let text = String::from_utf8_lossy(&call.body);
        let stream = text.split(' ').next().unwrap_or_default().to_owned();
        if stream == "bad" {
            return Err(Error::new(Code::Validation, "a bad body"));
        }
        Ok(Prepared {
            resource: (stream != "-").then(|| Resource {
                stream: stream.clone(),
                arn: Box::new(stream),
                policy: None,
            }),
            run: Box::pin(async move {
                match call.operation {
                    "GetRecords" => std::future::pending().await,
                    "SubscribeToShard" => Answer::frames("x/frames", endless(made)),
                    operation => {
                        let (length, caller) = (call.body.len(), call.caller.name());
                        let text = format!("{operation} of {length} bytes by {caller}");
                        Answer::ok(call.format, text.into())
                    }
                }
            }),
        })
    }
}

fn endless(made: Arc<AtomicU64>) -> Box<dyn crate::aws::Frames> {
    frames(made, |made| async move {
        made.fetch_add(1, Ordering::Relaxed);
        Some((Bytes::from(vec![7; FRAME_BYTES]), made))
    })
}
