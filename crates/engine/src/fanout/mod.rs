//! Reading: from where, how much, and without stalling anyone else.
//!
//! A reader is a position. What was appended lately is read on the caller's thread, because it is in
//! memory; anything older is read on the engine's pool, which touches every page before it hands the
//! slice over. So a cold disk stalls the pool and not the threads that serve the hot readers.
//!
//! # Markers
//! Slices are bytes of the log as they stand, and the engine's own markers are among them. Consumers
//! skip entries of kind `Marker`; those without records that they must not skip are `Init`.
//!
//! # Sealed entries
//! Of a stream that is or was encrypted, slices are looked through, and those with sealed entries are
//! replaced by a copy in which everything is plain.

mod subscription;

use std::sync::Arc;

use afflux_log::{ReadError, Slice};
use afflux_types::{Error, ErrorKind, Position, Result, ServerTime};

pub use subscription::{Event, Subscription};

use crate::seal::{self, Stuck, Why};
use crate::shard::live::Live;
use crate::shard::{CIPHER_BYTES_MAX, Shard};

/// Bytes that one cold read fetches: enough for a disk to stream, little enough that many readers
/// take turns.
const COLD_BYTES_MAX: usize = 1 << 20;
const PAGE_BYTES: usize = 4_096;

/// Where to start reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The oldest entry that is kept.
    TrimHorizon,
    /// What is appended after this moment.
    Latest,
    /// The first entry that arrived at or after a time by the server's clock; the end if none has.
    At(ServerTime),
    /// A position, which may lie inside an entry.
    Sequence(Position),
}

/// The position behind a [`From`]; it may be trimmed, but does not lie beyond the end.
pub(crate) async fn resolve(shard: &Shard, from: From) -> Result<Position> {
    let marks = shard.live.watermarks();
    match from {
        From::TrimHorizon => Ok(marks.trim_horizon),
        From::Latest => Ok(marks.appended),
        From::At(time) => {
            let live = Arc::clone(&shard.live);
            let found = shard
                .engine
                .pool
                .run(move || live.log.position_at(time))
                .await?;
            found.map_err(|error| read_failed(shard, marks.durable, error))
        }
        From::Sequence(position) if position > marks.appended => Err(beyond(shard, position)),
        From::Sequence(position) => Ok(position),
    }
}

/// Reads durable entries; empty at the end.
pub(crate) async fn read(shard: &Shard, from: Position, bytes_max: usize) -> Result<Slice> {
    let slice = fetch(shard, from, bytes_max)
        .await?
        .map_err(|error| read_failed(shard, from, error))?;
    shard.count_out(&slice);
    Ok(slice)
}

/// Reads plain entries.
async fn fetch(
    shard: &Shard,
    from: Position,
    bytes_max: usize,
) -> Result<Result<Slice, ReadError>> {
    match fetch_stored(shard, from, bytes_max).await? {
        Ok(slice) if shard.stream.sealing.is_used() => open(shard, from, slice).await.map(Ok),
        read => Ok(read),
    }
}

/// Opens what is sealed: all of the slice, or what stands before an entry that does not open.
async fn open(shard: &Shard, from: Position, slice: Slice) -> Result<Slice> {
    loop {
        let stuck = match open_once(shard, slice.clone()).await? {
            Ok(slice) => return Ok(slice),
            Err(stuck) => stuck,
        };
        if stuck.before.end > from {
            return Ok(stuck.before);
        }
        match stuck.why {
            // Once it is there, the next round goes on.
            Why::Key(number) => drop(shard.engine.data_key(&shard.stream, number).await?),
            Why::Damaged => {
                return Err(Error::new(
                    ErrorKind::DataLoss,
                    format!(
                        "the entry at position {} of {} of stream {} does not open: its stored bytes are not those that were sealed",
                        stuck.before.end,
                        shard.id(),
                        shard.stream_name()
                    ),
                ));
            }
        }
    }
}

async fn open_once(shard: &Shard, slice: Slice) -> Result<Result<Slice, Stuck>> {
    let place = shard.place();
    if slice.bytes.len() <= CIPHER_BYTES_MAX as usize {
        let sealing = &shard.stream.sealing;
        return Ok(seal::open(slice, place, |number| sealing.key(number)));
    }
    let stream = Arc::clone(&shard.stream);
    shard
        .engine
        .pool
        .run(move || seal::open(slice, place, |number| stream.sealing.key(number)))
        .await
}

/// Reads on this thread if the bytes are in memory, else on the pool.
async fn fetch_stored(
    shard: &Shard,
    from: Position,
    bytes_max: usize,
) -> Result<Result<Slice, ReadError>> {
    if shard.live.hot.contains(from) {
        return Ok(read_now(&shard.live, from, bytes_max));
    }
    let live = Arc::clone(&shard.live);
    let bytes_max = bytes_max.min(COLD_BYTES_MAX);
    shard
        .engine
        .pool
        .run(move || {
            let slice = read_now(&live, from, bytes_max)?;
            let pages = slice.bytes.iter().step_by(PAGE_BYTES);
            std::hint::black_box(pages.fold(0_u8, |sum, byte| sum ^ byte));
            Ok(slice)
        })
        .await
}

/// Reads at least one entry with records, if there is one: a reader that is a position could not get
/// past a slice without any.
fn read_now(live: &Live, from: Position, bytes_max: usize) -> Result<Slice, ReadError> {
    let mut bytes_max = bytes_max;
    loop {
        let slice = live.log.read(from, bytes_max)?;
        if slice.end > from || slice.is_empty() || bytes_max == usize::MAX {
            return Ok(slice);
        }
        bytes_max = bytes_max.max(PAGE_BYTES).saturating_mul(8);
    }
}

fn read_failed(shard: &Shard, position: Position, error: ReadError) -> Error {
    let stream = shard.stream_name();
    let id = shard.id();
    match error {
        ReadError::Trimmed { horizon } => Error::new(
            ErrorKind::Expired,
            format!(
                "position {position} of {id} of stream {stream} has expired; the oldest is {horizon}"
            ),
        ),
        ReadError::Beyond { .. } => beyond(shard, position),
        ReadError::Corrupt(error) | ReadError::Io(error) => Error::new(
            error.kind(),
            format!("read position {position} of {id} of stream {stream}"),
        )
        .with_source(error),
        other => Error::internal(format!("read {id} of stream {stream}")).with_source(other),
    }
}

fn beyond(shard: &Shard, position: Position) -> Error {
    let end = shard.live.watermarks().appended;
    Error::invalid(format!(
        "position {position} of {} of stream {} is beyond its end {end}",
        shard.id(),
        shard.stream_name()
    ))
}
