//! `GetShardIterator`: a place in a shard, sealed.

use afflux_aws::kinesis::input::GetShardIteratorInput;
use afflux_aws::kinesis::output::GetShardIteratorOutput;
use afflux_aws::kinesis::token::ShardIterator;
use afflux_aws::kinesis::{Code, Error};
use afflux_types::{Position, ServerTime, ShardId, StreamName};

use super::start::Start;
use super::{describe, dry_run, no_shard, open};
use crate::context::{Context, origin};

/// Makes an iterator.
pub(crate) async fn get_shard_iterator(
    to: &Context,
    input: GetShardIteratorInput,
) -> Result<GetShardIteratorOutput, Error> {
    let stream = to.name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let id = shard_id(to, &stream, &input.shard_id)?;
    let description = describe(to, &stream, id)?.ok_or_else(|| no_shard(to, &stream, id))?;
    let shard = open(to, &stream, id).await?;
    let start = Start {
        operation: "GetShardIterator",
        kind: input.shard_iterator_type,
        number: input.starting_sequence_number.as_deref(),
        timestamp: input.timestamp,
    };
    let position = start.resolve(to, &shard, origin(&description)).await?;
    if input.dry_run == Some(true) {
        return Err(dry_run());
    }
    if to.options.throttled {
        let now = to.clock.elapsed();
        let counted = to.records.reads.iterator(&stream, id, now);
        counted.map_err(|_| rate_exceeded(to, &stream, id))?;
    }
    Ok(GetShardIteratorOutput {
        shard_iterator: seal(to, &stream, id, description.created, position),
    })
}

/// Seals a place. The time at which the shard was made tells streams of one name apart.
pub(super) fn seal(
    to: &Context,
    stream: &StreamName,
    shard: ShardId,
    shard_created: ServerTime,
    position: Position,
) -> String {
    to.sealer.seal_iterator(&ShardIterator {
        stream: stream.clone(),
        stream_created: shard_created,
        shard,
        position,
        created: to.clock.wall(),
    })
}

/// A shard id in the full or a short form.
pub(super) fn shard_id(to: &Context, stream: &StreamName, text: &str) -> Result<ShardId, Error> {
    text.parse().map_err(|_| {
        let account = to.account();
        Error::new(
            Code::ResourceNotFound,
            format!("Could not find shard {text} in stream {stream} under account {account}."),
        )
    })
}

/// A shard is read more often than the service allows.
pub(super) fn rate_exceeded(to: &Context, stream: &StreamName, shard: ShardId) -> Error {
    let account = to.account();
    Error::new(
        Code::ProvisionedThroughputExceeded,
        format!("Rate exceeded for Shard - {account}/{stream}/{shard}"),
    )
}
