//! Request bodies: read whole, with a bound on the size, the time, and the memory of all together.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Bytes of one body. The largest request is `PutRecords` with 10 MiB of data, 14 MiB in base64, and 500
/// partition keys of 256 characters, which JSON may write in six bytes each.
pub(super) const BODY_BYTES_MAX: u64 = 16 << 20;
/// A body that is too large is read to its end and thrown away up to this, so that the client, which
/// sends first and listens then, gets to hear of it.
const DISCARDED_BYTES_MAX: u64 = 64 << 20;
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
