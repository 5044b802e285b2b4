//! Request bodies: read whole, with a bound on the size, the time, and the memory of all together; or
//! handed to a service, which reads them while they arrive.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::Endpoint;
use crate::aws::BodyFault;
use crate::server::State;
use crate::shutdown::Stopping;

/// Bytes of one body. The largest request is `PutRecords` with 10 MiB of data, 14 MiB in base64, and 500
/// partition keys of 256 characters, which JSON may write in six bytes each.
pub(super) const BODY_BYTES_MAX: u64 = 16 << 20;
/// A body that is too large is read to its end and thrown away up to this, so that the client, which
/// sends first and listens then, gets to hear of it.
const DISCARDED_BYTES_MAX: u64 = 64 << 20;
/// For how long that is done with a body that was to be read while it arrives.
const DISCARD_TIME: Duration = Duration::from_secs(2);
/// A buffer grows with what has arrived, not with what was announced, from this on.
const FIRST_BYTES: u64 = 256 << 10;
/// What a unit of the common memory stands for.
pub(super) const UNIT: u64 = 1 << 10;

/// The units of so many bytes.
pub(super) fn units(bytes: u64) -> usize {
    usize::try_from(bytes.div_ceil(UNIT))
        .unwrap_or(usize::MAX)
        .min(Semaphore::MAX_PERMITS)
}

/// A body, and its share of the memory for all, until it is dropped.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    pub(super) share: Option<OwnedSemaphorePermit>,
}

/// A body that is read while it arrives.
///
/// It is asked for more when there is room for more, so that one that is not read makes its client wait.
/// How long it may take and how large it may be is its reader's to say. Of one that nobody begins to read
/// some is thrown away, so that a client that sends first and listens then gets to hear why.
pub(crate) struct Arriving {
    /// Taken only when this is dropped.
    body: Option<Incoming>,
    state: Arc<State>,
    stopping: Stopping,
    /// Whether the client is about to send what nobody has asked for yet.
    is_coming: bool,
    /// What [`Self::invite`] found.
    ahead: Option<Option<Result<Frame<Bytes>, hyper::Error>>>,
}

impl Arriving {
    pub(super) fn new(body: Incoming, waits: bool, endpoint: &Endpoint) -> Self {
        Self {
            body: Some(body),
            state: Arc::clone(&endpoint.state),
            stopping: endpoint.stopping.clone(),
            is_coming: !waits,
            ahead: None,
        }
    }

    /// Gives a client leave to send that waits for it, before the head of the answer goes out: after that
    /// there is no way to say so.
    pub(crate) async fn invite(&mut self) {
        let Some(body) = &mut self.body else { return };
        self.is_coming = false;
        let mut asked = false;
        let found = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Some(frame)),
            Poll::Pending if asked => Poll::Ready(None),
            Poll::Pending => {
                // The connection sees that somebody asks, and comes back.
                asked = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        });
        self.ahead = found.await;
    }

    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// If the body was cut off, by its client or because the server stops.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        let body = self.body.as_mut()?;
        self.is_coming = false;
        loop {
            let next = match self.ahead.take() {
                Some(found) => found,
                None => tokio::select! {
                    () = self.stopping.wait() => return Some(Err(Cut::Stopping)),
                    frame = body.frame() => frame,
                },
            };
            let frame = next?;
            // Trailers say nothing.
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => {
                    self.state.metrics.received(data.len());
                    return Some(Ok(data));
                }
                Ok(Err(_)) => {}
                Err(error) => return Some(Err(Cut::Broken(error))),
            }
        }
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|_| self.is_coming);
        let here = tokio::runtime::Handle::try_current();
        let (Some(mut body), Ok(here)) = (unread, here) else {
            return;
        };
        here.spawn(async move {
            let now = Instant::now();
            let deadline = now.checked_add(DISCARD_TIME).unwrap_or(now);
            discard(&mut body, 0, deadline).await;
        });
    }
}

impl std::fmt::Debug for Arriving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arriving").finish_non_exhaustive()
    }
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cut {
    #[error("the server stops")]
    Stopping,
    #[error("read the body: {0}")]
    Broken(hyper::Error),
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the body has more than {BODY_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the body did not arrive within {0} s")]
    TooSlow(u64),
    #[error("the server has no memory for another request body")]
    NoMemory,
    #[error("read the body")]
    Broken(#[source] hyper::Error),
}

impl Failure {
    /// What kind of fault it is.
    pub(super) fn fault(&self) -> BodyFault {
        match self {
            Self::TooLarge => BodyFault::TooLarge,
            Self::TooSlow(_) => BodyFault::TooSlow,
            Self::NoMemory => BodyFault::NoMemory,
            Self::Broken(_) => BodyFault::Broken,
        }
    }
}

/// Reads a body to its end.
pub(super) async fn read(
    mut body: Incoming,
    memory: &Arc<Semaphore>,
    patience: Duration,
) -> Result<Whole, Failure> {
    if body.is_end_stream() {
        return Ok(Whole {
            bytes: Bytes::new(),
            share: None,
        });
    }
    let deadline = Instant::now()
        .checked_add(patience)
        .unwrap_or_else(Instant::now);
    let announced = body.size_hint();
    if announced.lower() > BODY_BYTES_MAX {
        discard(&mut body, announced.lower(), deadline).await;
        return Err(Failure::TooLarge);
    }
    // All of it at once: who waits holds nothing, so that nobody waits for each other.
    let most = announced
        .upper()
        .unwrap_or(BODY_BYTES_MAX)
        .min(BODY_BYTES_MAX);
    let share = u32::try_from(units(most)).unwrap_or(u32::MAX);
    let waiting = timeout_at(deadline, Arc::clone(memory).acquire_many_owned(share));
    let Ok(Ok(share)) = waiting.await else {
        return Err(Failure::NoMemory);
    };
    let bytes = match timeout_at(deadline, collect(&mut body, most)).await {
        Ok(bytes) => bytes?,
        Err(_) => return Err(Failure::TooSlow(patience.as_secs())),
    };
    let Some(bytes) = bytes else {
        discard(&mut body, 0, deadline).await;
        return Err(Failure::TooLarge);
    };
    Ok(Whole {
        bytes,
        share: Some(share),
    })
}

/// The pieces of a body of at most `most` bytes as one; none if there are more. One piece is not copied.
async fn collect(body: &mut Incoming, most: u64) -> Result<Option<Bytes>, Failure> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut length = 0_u64;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Failure::Broken)?.into_data() else {
            continue;
        };
        length = length.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        if length > BODY_BYTES_MAX {
            return Ok(None);
        }
        if first.is_empty() && rest.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.reserve(capacity(length, most));
            rest.extend_from_slice(&first);
            first.clear();
        } else if rest.capacity() - rest.len() < data.len() {
            rest.reserve(capacity(length, most).saturating_sub(rest.len()));
        }
        rest.extend_from_slice(&data);
    }
    Ok(Some(match rest.has_remaining() {
        true => rest.freeze(),
        false => first,
    }))
}

/// Room for `length` bytes and as many to come, but no more than there can be.
fn capacity(length: u64, most: u64) -> usize {
    let room = length.saturating_mul(2).max(FIRST_BYTES);
    let room = room.min(most.max(length));
    usize::try_from(room).unwrap_or(usize::MAX)
}

/// Reads what nobody wants, as long as it is not too much.
async fn discard(body: &mut Incoming, announced: u64, deadline: Instant) {
    if announced > DISCARDED_BYTES_MAX {
        return;
    }
    let mut length = 0_u64;
    while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
        let data = frame.data_ref().map_or(0, Bytes::len);
        length = length.saturating_add(u64::try_from(data).unwrap_or(u64::MAX));
        if length > DISCARDED_BYTES_MAX {
            return;
        }
    }
}
