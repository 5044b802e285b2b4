//! `SubscribeToShard`: what becomes durable in a shard, pushed for five minutes.
//!
//! # Shape
//! [`Events`] is a cursor of the engine and the slice that it stands in. Nothing is encoded before it is
//! asked for, so that a client that does not read costs one slice, and what comes meanwhile waits in the
//! log and goes out in larger events. The first frame is the initial response.
//!
//! # Invariants
//! - Each event but the last of a shard tells where to go on, also without records, at least every five
//!   seconds; the last one tells the shard's children instead.
//! - Nothing follows an exception, the shard's end, or the five minutes.
//! - One reader for each consumer and shard. A call within five seconds of one that succeeded is refused;
//!   a later one takes over, and who read before is told so and ends.

mod events;
mod seats;

use std::sync::Arc;

use afflux_aws::kinesis::arn::ConsumerArn;
use afflux_aws::kinesis::input::SubscribeToShardInput;
use afflux_aws::kinesis::{Code, Error};
use afflux_engine::From;
use afflux_types::{ConsumerName, ShardId, StreamName};

pub use events::Events;
pub(crate) use seats::Seats;

use super::iterator::shard_id;
use super::start::Start;
use super::{dry_run, no_shard, open};
use crate::context::{Context, origin};
use seats::{Place, Refused, Rules};

/// Subscribes a consumer to a shard.
pub(crate) async fn subscribe_to_shard(
    to: &Arc<Context>,
    input: SubscribeToShardInput,
) -> Result<Events, Error> {
    let arn: ConsumerArn = input.consumer_arn.parse()?;
    let (known, consumer) = to.consumer(&arn)?;
    let stream = &known.stream.name;
    let id = shard_id(to, stream, &input.shard_id)?;
    let description = known
        .shard(&input.shard_id)
        .ok_or_else(|| no_shard(to, stream, id))?;
    let place = Place {
        stream: known.stream.id,
        consumer: consumer.name.clone(),
        registered: consumer.created,
        shard: id,
    };
    let rules = match to.options.throttled {
        true => Rules::Strict,
        false => Rules::Lenient,
    };
    let refused = |refused| match refused {
        Refused::Occupied => in_use(to, stream, id, &consumer.name),
        Refused::TooSoon => too_soon(to, stream, id, &consumer.name),
    };
    // Before anything is looked up in the log: that is what the rate is for.
    let called = to.records.seats.call(&place, rules, to.clock.elapsed());
    called.map_err(refused)?;
    let shard = open(to, stream, id).await?;
    let start = Start {
        operation: "SubscribeToShard",
        kind: input.starting_position.kind,
        number: input.starting_position.sequence_number.as_deref(),
        timestamp: input.starting_position.timestamp,
    };
    let position = start.resolve(to, &shard, origin(description)).await?;
    if input.dry_run == Some(true) {
        return Err(dry_run());
    }
    let subscription = shard
        .subscribe(From::Sequence(position))
        .await
        .map_err(|error| to.stream_error(&error, stream.as_str()))?;
    // Others may have called meanwhile.
    let seat = to.records.seats.take(place, rules, to.clock.elapsed());
    let seat = seat.map_err(refused)?;
    let origin = origin(description);
    Ok(Events::new(
        Arc::clone(to),
        subscription,
        seat,
        consumer,
        origin,
    ))
}

/// Somebody else is subscribed.
fn in_use(to: &Context, stream: &StreamName, shard: ShardId, consumer: &ConsumerName) -> Error {
    let account = to.account();
    Error::new(
        Code::ResourceInUse,
        format!(
            "Another active subscription exists for this consumer: \
             {account}:{stream}:{shard}:{consumer}"
        ),
    )
}

/// The consumer calls more than once a second.
fn too_soon(to: &Context, stream: &StreamName, shard: ShardId, consumer: &ConsumerName) -> Error {
    let account = to.account();
    Error::new(
        Code::LimitExceeded,
        format!(
            "Rate exceeded for consumer {consumer} of shard {shard} in stream {stream} under account \
             {account}."
        ),
    )
}
