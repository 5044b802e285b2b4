//! `PutRecord` and `PutRecords`: each record to the open shard of its key, answered for once durable.
//!
//! # Shape
//! The records of one shard make one entry, in the order of the request. Entries are appended without
//! waiting for the disk, and waited for together. What a shard refuses because it was split or merged
//! meanwhile goes by a new table to its children. A shard's quota admits each record by itself; those
//! that it has no room for are left out of the entry.
//!
//! # Invariants
//! - A record is in the log at most once: only an entry that was refused whole is tried again.
//! - A record that is not taken takes nothing of a quota.
//! - Results stand in the order of the request.

use std::sync::Arc;

use afflux_aws::kinesis::input::{PutRecordInput, PutRecordsInput};
use afflux_aws::kinesis::output::{PutRecordOutput, PutRecordsOutput, PutRecordsResultEntry};
use afflux_aws::kinesis::values::{EncryptionType, RecordDistributionStrategy};
use afflux_aws::kinesis::{Code, Error, SequenceNumber};
use afflux_engine::{Accepted, From, KeyFault, Shard};
use afflux_types::{ErrorKind, ShardId, StreamName};

use super::batch::{self, Item};
use super::join::join;
use super::request;
use super::route::{Route, Routes};
use super::{dry_run, encryption};
use crate::context::Context;

/// Tables that one request is tried with. Each but the first means that shards were split or merged
/// while the request was under way.
const ROUNDS_MAX: usize = 64;
/// Shards that a request is offered to if the service distributes the records and shards are busy.
const TURNS_MAX: usize = 16;

/// Writes one record.
pub(crate) async fn put_record(
    to: &Context,
    input: PutRecordInput,
) -> Result<PutRecordOutput, Error> {
    let name = to.name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let put = Put::begin(to, name).await?;
    let items = [Item {
        key: input.partition_key.as_ref(),
        explicit_hash_key: request::hash_key(input.explicit_hash_key.as_deref())?,
        data: &input.data,
    }];
    request::check(&items, put.auto, put.record_bytes_max, |_| String::new())?;
    if let Some(number) = &input.sequence_number_for_ordering {
        put.check_ordering(&items, number).await?;
    }
    if input.dry_run == Some(true) {
        return Err(dry_run());
    }
    let mut taken = put.take(&items).await?;
    match taken.pop() {
        Some(Outcome::Taken(shard_id, sequence_number)) => Ok(PutRecordOutput {
            shard_id,
            sequence_number,
            encryption_type: put.encryption,
        }),
        Some(Outcome::Throttled(shard)) => Err(Error::new(
            Code::ProvisionedThroughputExceeded,
            put.rate_exceeded(shard),
        )),
        Some(Outcome::Unavailable) => Err(unavailable()),
        Some(Outcome::Failed) | None => Err(Error::bare(Code::InternalFailure)),
    }
}

/// Writes up to 500 records.
pub(crate) async fn put_records(
    to: &Context,
    input: PutRecordsInput,
) -> Result<PutRecordsOutput, Error> {
    let name = to.name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let put = Put::begin(to, name).await?;
    let mut items = Vec::with_capacity(input.records.len());
    for entry in &input.records {
        items.push(Item {
            key: entry.partition_key.as_ref(),
            explicit_hash_key: request::hash_key(entry.explicit_hash_key.as_deref())?,
            data: &entry.data,
        });
    }
    let path = |index: usize| format!("records.{}.member.", index + 1);
    request::check(&items, put.auto, put.record_bytes_max, path)?;
    if input.dry_run == Some(true) {
        return Err(dry_run());
    }
    let taken = put.take(&items).await?;
    // Clients retry a whole request without being told to; single records only if they look.
    if taken
        .iter()
        .all(|outcome| matches!(outcome, Outcome::Unavailable))
    {
        return Err(unavailable());
    }
    let records: Vec<_> = taken.iter().map(|outcome| put.result(outcome)).collect();
    let failed = records.iter().filter(|record| record.error_code.is_some());
    Ok(PutRecordsOutput {
        failed_record_count: u32::try_from(failed.count()).unwrap_or(u32::MAX),
        records,
        encryption_type: put.encryption,
    })
}

/// What became of a record.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Taken(ShardId, SequenceNumber),
    Throttled(ShardId),
    /// The server is stopping, or its disk is full.
    Unavailable,
    Failed,
}

/// A request to write to a stream.
struct Put<'a> {
    to: &'a Context,
    name: StreamName,
    routes: Arc<Routes>,
    record_bytes_max: usize,
    encryption: Option<EncryptionType>,
    /// The service distributes the records.
    auto: bool,
}

/// Records of a request that go to one shard.
struct Group<'a> {
    route: &'a Route,
    /// Indices of the records, in the order of the request.
    items: Vec<usize>,
}

impl<'a> Put<'a> {
    async fn begin(to: &'a Context, name: StreamName) -> Result<Self, Error> {
        loop {
            let routes = to.records.routes.get(to, &name).await?;
            let Some(first) = routes.get(0) else {
                return Err(to.no_stream(name.as_str()));
            };
            match probe(to, &name, first).await {
                Ok(shard) => {
                    let (record_bytes_max, encryption) =
                        (shard.record_bytes_max(), encryption(shard));
                    let attributes = to.book.of(&routes.stream);
                    return Ok(Self {
                        auto: attributes.distribution == RecordDistributionStrategy::Auto,
                        to,
                        name,
                        routes,
                        record_bytes_max,
                        encryption,
                    });
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    to.records.routes.refresh(&routes);
                }
                Err(error) => return Err(to.stream_error(&error, name.as_str())),
            }
        }
    }

    /// Whether the record can come after `number`, of which it must have the greater one. Positions see
    /// to that themselves; only a number that nobody was given is refused.
    async fn check_ordering(&self, items: &[Item<'_>], number: &str) -> Result<(), Error> {
        let invalid = || {
            let account = self.to.account();
            Error::new(
                Code::InvalidArgument,
                format!(
                    "ExclusiveMinimumSequenceNumber {number} used in PutRecord on stream {} under \
                     account {account} is invalid.",
                    self.name
                ),
            )
        };
        let number: SequenceNumber = number.parse().map_err(|_| invalid())?;
        let now = self.to.clock.wall();
        if number.arrived().is_some_and(|arrived| arrived > now) {
            return Err(invalid());
        }
        let (Some(item), false) = (items.first(), self.auto) else {
            return Ok(());
        };
        let Some(route) = self.routes.get(self.routes.of(|| item.hash_key())) else {
            return Ok(());
        };
        if !number.belongs_to(route.origin) {
            return Ok(());
        }
        let shard = route.shard(self.to, &self.name).await;
        let shard = shard.map_err(|error| self.to.stream_error(&error, self.name.as_str()))?;
        if number.after() > shard.watermarks().appended {
            return Err(invalid());
        }
        Ok(())
    }

    /// Takes records in, and returns what became of each once that is certain.
    async fn take(&self, items: &[Item<'_>]) -> Result<Vec<Outcome>, Error> {
        let mut outcomes = vec![Outcome::Failed; items.len()];
        let mut routes = Arc::clone(&self.routes);
        let mut again = Again {
            items: (0..items.len()).collect(),
            is_stale: false,
            turns: routes.len().min(TURNS_MAX),
            refused: None,
        };
        for _ in 0..ROUNDS_MAX {
            self.round(&routes, items, &mut again, &mut outcomes).await;
            if let Some(error) = again.refused.take() {
                return Err(error);
            }
            if again.items.is_empty() {
                break;
            }
            if again.is_stale {
                self.to.records.routes.refresh(&routes);
                routes = self.to.records.routes.get(self.to, &self.name).await?;
            }
        }
        Ok(outcomes)
    }

    /// Offers the waiting records to the shards of one table.
    async fn round(
        &self,
        routes: &Routes,
        items: &[Item<'_>],
        again: &mut Again,
        outcomes: &mut [Outcome],
    ) {
        let groups = self.group(routes, items, &std::mem::take(&mut again.items));
        again.is_stale = false;
        let appends = groups.into_iter().map(|group| self.append(group, items));
        let appended = join(appends.collect()).await;
        let mut taken = Vec::with_capacity(appended.len());
        for Offered {
            group,
            late,
            result,
        } in appended
        {
            if !late.items.is_empty() && self.auto && again.turns > 1 {
                again.turns -= 1;
                again.items.extend(late.items);
            } else {
                late.set(outcomes, |_| Outcome::Throttled(late.route.id));
            }
            match result {
                Ok(None) => {}
                Ok(Some((shard, accepted))) => taken.push((group, shard, accepted)),
                Err(error) => match error.kind() {
                    ErrorKind::ShardMoved | ErrorKind::NotFound => {
                        again.is_stale = true;
                        again.items.extend(group.items);
                    }
                    _ if KeyFault::of(&error).is_some() => {
                        again.refused = Some(self.to.stream_error(&error, self.name.as_str()));
                    }
                    _ => group.set(outcomes, |_| self.refused(&group, &error)),
                },
            }
        }
        for (group, shard, accepted) in taken {
            match shard.wait_accepted(&accepted).await {
                Ok(()) => group.set(outcomes, |place| {
                    let position = accepted.position.advance(place);
                    let number = group.route.origin.record(position, accepted.arrival);
                    Outcome::Taken(group.route.id, number)
                }),
                Err(error) => group.set(outcomes, |_| self.refused(&group, &error)),
            }
        }
        again.items.sort_unstable();
    }

    /// Sorts records by their shards, keeping their order within each.
    fn group<'r>(
        &self,
        routes: &'r Routes,
        items: &[Item<'_>],
        waiting: &[usize],
    ) -> Vec<Group<'r>> {
        let mut places: Vec<(usize, usize)> = if self.auto {
            let turn = routes.next();
            waiting.iter().map(|&index| (turn, index)).collect()
        } else {
            let shard = |&index: &usize| {
                let item = items.get(index)?;
                Some((routes.of(|| item.hash_key()), index))
            };
            waiting.iter().filter_map(shard).collect()
        };
        places.sort_unstable();
        let groups = places.chunk_by(|a, b| a.0 == b.0);
        let group = |places: &[(usize, usize)]| {
            let (route, _) = places.first()?;
            Some(Group {
                route: routes.get(*route)?,
                items: places.iter().map(|(_, index)| *index).collect(),
            })
        };
        groups.filter_map(group).collect()
    }

    /// Offers records to their shard, which takes those that its quota has room for.
    async fn append<'r>(&self, mut group: Group<'r>, items: &[Item<'_>]) -> Offered<'r> {
        let mut late = Group {
            route: group.route,
            items: Vec::new(),
        };
        let result = self.append_admitted(&mut group, &mut late, items).await;
        Offered {
            group,
            late,
            result,
        }
    }

    /// Appends what the quota admits of `group`, and moves the rest to `late`.
    async fn append_admitted<'r>(
        &self,
        group: &mut Group<'r>,
        late: &mut Group<'r>,
        items: &[Item<'_>],
    ) -> afflux_types::Result<Option<(&'r Shard, Accepted)>> {
        let shard = group.route.shard(self.to, &self.name).await?;
        let bytes = |&index: &usize| items.get(index).map_or(0, Item::len);
        let bytes = |index: &usize| u64::try_from(bytes(index)).unwrap_or(u64::MAX);
        let admission = shard.admit(group.items.iter().map(bytes));
        late.items = group.split_off(admission.refused());
        if group.items.is_empty() {
            return Ok(None);
        }
        let records = group.items.iter().filter_map(|&index| items.get(index));
        let pinned = self.auto.then_some(group.route.range.start());
        let (header, body) = batch::entry(records.copied(), pinned);
        let accepted = shard.append_admitted(header, body, admission).await?;
        Ok(Some((shard, accepted)))
    }

    /// What becomes of the records of a refused entry.
    fn refused(&self, group: &Group<'_>, error: &afflux_types::Error) -> Outcome {
        match error.kind() {
            ErrorKind::Unavailable => Outcome::Unavailable,
            // Deleted with its stream.
            ErrorKind::NotFound => Outcome::Failed,
            _ => {
                let (stream, shard) = (&self.name, group.route.id);
                tracing::error!(%stream, %shard, error = %error.chain(), "records were not taken");
                Outcome::Failed
            }
        }
    }

    fn rate_exceeded(&self, shard: ShardId) -> String {
        let account = self.to.account();
        format!(
            "Rate exceeded for shard {shard} in stream {} under account {account}.",
            self.name
        )
    }

    fn result(&self, outcome: &Outcome) -> PutRecordsResultEntry {
        match *outcome {
            Outcome::Taken(shard, number) => PutRecordsResultEntry::accepted(shard, number),
            Outcome::Throttled(shard) => PutRecordsResultEntry::refused(
                Code::ProvisionedThroughputExceeded.name(),
                self.rate_exceeded(shard),
            ),
            Outcome::Unavailable | Outcome::Failed => PutRecordsResultEntry::refused(
                Code::InternalFailure.name(),
                "Internal Service Failure.",
            ),
        }
    }
}

/// What a shard did with the records that it was offered.
struct Offered<'a> {
    /// Those that its quota has room for.
    group: Group<'a>,
    /// The others.
    late: Group<'a>,
    /// Nothing if there is room for none.
    result: afflux_types::Result<Option<(&'a Shard, Accepted)>>,
}

/// Records that are to be offered once more.
struct Again {
    items: Vec<usize>,
    /// Because the table is out of date.
    is_stale: bool,
    /// Other shards that they may be offered to, if the service distributes them.
    turns: usize,
    /// Why the request fails as a whole: the stream's key is not at hand.
    refused: Option<Error>,
}

impl Group<'_> {
    /// Takes the items at `places` out, which are in order.
    fn split_off(&mut self, places: &[usize]) -> Vec<usize> {
        if places.is_empty() {
            return Vec::new();
        }
        let (mut kept, mut out) = (Vec::new(), Vec::with_capacity(places.len()));
        let mut places = places.iter().peekable();
        for (place, &item) in self.items.iter().enumerate() {
            match places.next_if(|next| **next == place) {
                Some(_) => out.push(item),
                None => kept.push(item),
            }
        }
        self.items = kept;
        out
    }

    /// Sets the outcome of each record by its place in the entry.
    fn set(&self, outcomes: &mut [Outcome], outcome: impl Fn(u64) -> Outcome) {
        for (place, &index) in (0..).zip(&self.items) {
            if let Some(slot) = outcomes.get_mut(index) {
                *slot = outcome(place);
            }
        }
    }
}

/// A shard of a stream that still exists.
async fn probe<'r>(
    to: &Context,
    name: &StreamName,
    route: &'r Route,
) -> afflux_types::Result<&'r Shard> {
    let shard = route.shard(to, name).await?;
    // Any shard knows whether its stream was deleted.
    shard.resolve(From::TrimHorizon).await?;
    Ok(shard)
}

fn unavailable() -> Error {
    Error::new(
        Code::ServiceUnavailable,
        "The server cannot take records now; retry later.",
    )
}
