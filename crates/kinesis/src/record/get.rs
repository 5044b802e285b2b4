//! `GetRecords`: what is durable from an iterator on.
//!
//! Slices of the log are collected until they hold enough by the heads of their entries; then records are
//! borrowed from them up to the limits, and encoded once into the answer.

use afflux_aws::document::Format;
use afflux_aws::kinesis::Error;
use afflux_aws::kinesis::arn::StreamArn;
use afflux_aws::kinesis::input::GetRecordsInput;
use afflux_aws::kinesis::output::{GetRecordsOutput, Record};
use afflux_aws::kinesis::token::ShardIterator;
use afflux_aws::kinesis::values::EncryptionType;
use afflux_aws::kinesis::{Code, Origin};
use afflux_engine::{Shard, Slice, StreamKind};
use afflux_types::{ErrorKind, Position, Result as EngineResult, ServerTime};
use bytes::Bytes;

use super::found::{self, Walk};
use super::iterator::{rate_exceeded, seal};
use super::{child_shards, describe, dry_run, encryption, millis_behind, no_shard, open};
use crate::context::{Context, origin};

/// Records of one answer, also if no limit is asked for.
const RECORDS_MAX: u32 = 10_000;
/// Bytes of data and keys in one answer.
const ANSWER_BYTES_MAX: usize = 10 << 20;
/// The least that is asked of the log at once; a few records need not fetch ten megabytes.
const FETCH_BYTES_MIN: usize = 64 << 10;
/// Bytes that are asked of the log for each record that is missing.
const RECORD_BYTES_GUESS: usize = 4 << 10;

/// Reads records.
pub(crate) async fn get_records(
    to: &Context,
    input: GetRecordsInput,
    format: Format,
) -> Result<Bytes, Error> {
    let now = to.clock.wall();
    let iterator = to.sealer.open_iterator(&input.shard_iterator, now)?;
    let (stream, id) = (&iterator.stream, iterator.shard);
    check_arn(input.stream_arn.as_deref(), &iterator)?;
    let description = describe(to, stream, id)?
        .filter(|found| found.created == iterator.stream_created)
        .ok_or_else(|| no_shard(to, stream, id))?;
    let shard = open(to, stream, id).await?;
    if shard.kind() != StreamKind::Records {
        return Err(to.no_stream(stream.as_str()));
    }
    if input.dry_run == Some(true) {
        return Err(dry_run());
    }
    if to.options.throttled {
        let begun = to.records.reads.begin(stream, id, to.clock.elapsed());
        begun.map_err(|_| rate_exceeded(to, stream, id))?;
    }
    // Before the log is read: what is behind the last record of a closed shard is final.
    let closed = shard.closed();
    let limit = input.limit.unwrap_or(RECORDS_MAX).min(RECORDS_MAX);
    let failed = |error| to.stream_error(&error, stream.as_str());
    let fetched = fetch(&shard, iterator.position, limit).await;
    let fetched = fetched.map_err(failed)?;
    let about = (origin(&description), encryption(&shard));
    let page = Page::of(&fetched, limit, about).map_err(failed)?;
    if to.options.throttled {
        let reads = &to.records.reads;
        reads.end(stream, id, to.clock.elapsed(), page.bytes);
    }
    let children = closed
        .filter(|(end, _)| page.next >= *end)
        .map(|(_, children)| child_shards(children));
    let next = || seal(to, stream, id, description.created, page.next);
    let answer = GetRecordsOutput {
        millis_behind_latest: page.millis_behind(&shard, to.clock.wall()),
        next_shard_iterator: children.is_none().then(next),
        records: page.records,
        child_shards: children,
    };
    Ok(answer.to_bytes(format))
}

/// Whether the ARN, if there is one, names the iterator's stream.
fn check_arn(arn: Option<&str>, iterator: &ShardIterator) -> Result<(), Error> {
    let arn: Option<StreamArn> = arn.map(str::parse).transpose()?;
    if arn.is_none_or(|arn| arn.stream == iterator.stream) {
        return Ok(());
    }
    Err(Error::new(
        Code::InvalidArgument,
        "StreamARN and ShardIterator do not name the same stream.",
    ))
}

/// What was read of the log: at least as much as an answer may hold, unless there is less.
struct Fetched {
    from: Position,
    slices: Vec<Slice>,
}

/// Reads slices from `position` on, or from the trim horizon if that has passed it.
async fn fetch(shard: &Shard, position: Position, limit: u32) -> EngineResult<Fetched> {
    let marks = shard.watermarks();
    let mut from = position.min(marks.appended).max(marks.trim_horizon);
    let (mut at, mut slices) = (from, Vec::new());
    let (mut missing, mut room) = (u64::from(limit), ANSWER_BYTES_MAX);
    while missing > 0 && room > 0 && at < shard.watermarks().durable {
        let guess = usize::try_from(missing).map_or(room, |missing| missing * RECORD_BYTES_GUESS);
        let bytes_max = guess.max(FETCH_BYTES_MIN).min(room);
        match shard.read(at, bytes_max).await {
            Ok(slice) if slice.is_empty() => break,
            Ok(slice) => {
                let (records, bytes) = found::estimate(&slice.bytes, at);
                missing = missing.saturating_sub(records);
                room = room.saturating_sub(bytes);
                at = slice.end;
                slices.push(slice);
            }
            // Retention went past the position between two looks; the horizon only rises.
            Err(error) if error.kind() == ErrorKind::Expired => {
                if !slices.is_empty() {
                    break;
                }
                from = shard.watermarks().trim_horizon;
                at = from;
            }
            // What stands before it can be read.
            Err(_) if !slices.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(Fetched { from, slices })
}

/// The records of one answer.
struct Page<'a> {
    records: Vec<Record<'a>>,
    /// Data and keys.
    bytes: usize,
    next: Position,
    /// When the first record behind the page arrived, or else the last one of it.
    next_arrival: Option<ServerTime>,
}

impl<'a> Page<'a> {
    /// As many records as the limits allow, and at least one if there is any.
    fn of(
        fetched: &'a Fetched,
        limit: u32,
        (origin, encryption): (Origin, Option<EncryptionType>),
    ) -> EngineResult<Self> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut page = Self {
            records: Vec::new(),
            bytes: 0,
            next: fetched.from,
            next_arrival: None,
        };
        for slice in &fetched.slices {
            for record in Walk::new(&slice.bytes, fetched.from) {
                let record = record?;
                page.next_arrival = Some(record.arrival);
                let bytes = page.bytes + record.len();
                let is_full = page.records.len() >= limit || bytes > ANSWER_BYTES_MAX;
                if is_full && !page.records.is_empty() {
                    return Ok(page);
                }
                page.bytes = bytes;
                page.next = record.position.advance(1);
                page.records.push(record.record(origin, encryption));
            }
            page.next = slice.end;
        }
        Ok(page)
    }

    /// How far a reader of the page is behind the end; zero only there.
    fn millis_behind(&self, shard: &Shard, now: ServerTime) -> u64 {
        millis_behind(shard, self.next, self.next_arrival, now)
    }
}
