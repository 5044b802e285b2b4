//! Turns the engine's words into the protocol's and back. Nothing below the server is a message.

use std::time::Duration;

use afflux_engine::{
    Child, ConsumerDescription, Durability, Moved, NewStream, Quota, Retention, ShardDescription,
    ShardState, StreamDescription, StreamKind, StreamSummary,
};

use afflux_media::{Meta, Tag};
use afflux_types::limits::RECORD_BYTES_DEFAULT;
use afflux_types::{Error, FragmentNumber, HashKey, HashKeyRange, Result, ShardId};
use afflux_video::library::{Found, Selector, TimeAxis};
use afflux_wire::message;

use super::stream_name;

const SECONDS_PER_HOUR: u64 = 3_600;

/// The shards that took over, if an error is about a closed one.
pub(super) fn children_of(error: &Error) -> Vec<message::Child> {
    Moved::of(error).map_or_else(Vec::new, |moved| moved.children.iter().map(child).collect())
}

pub(super) fn child(child: &Child) -> message::Child {
    message::Child {
        shard: child.id.get(),
        parents: ids(&child.parents),
        range: Some(range(child.range)),
    }
}

fn ids(shards: &[ShardId]) -> Vec<u32> {
    shards.iter().map(|shard| shard.get()).collect()
}

fn range(range: HashKeyRange) -> message::Range {
    let (start_high, start_low) = halves(range.start());
    let (end_high, end_low) = halves(range.end());
    message::Range {
        start_high,
        start_low,
        end_high,
        end_low,
    }
}

fn halves(key: HashKey) -> (u64, u64) {
    let half = |value: u128| u64::try_from(value & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    (half(key.get() >> 64), half(key.get()))
}

/// Where to split: both halves of a key, or neither.
pub(super) fn split_at(request: &message::SplitShard) -> Result<Option<HashKey>> {
    match (request.at_high, request.at_low) {
        (None, None) => Ok(None),
        (Some(high), Some(low)) => Ok(Some(HashKey::new(u128::from(high) << 64 | u128::from(low)))),
        _ => Err(Error::invalid("a hash key needs both of its halves")),
    }
}

/// A request for a stream, with the server's defaults for what it leaves out.
pub(super) fn new_stream(
    request: &message::CreateStream,
    retention_hours: u64,
) -> Result<NewStream> {
    let unknown =
        |what: &str, code: i32| Error::invalid(format!("{what} {code} is unknown to this server"));
    let kind = match message::StreamKind::try_from(request.kind) {
        Ok(message::StreamKind::Records) => StreamKind::Records,
        Ok(message::StreamKind::Video) => StreamKind::Video,
        Err(_) => return Err(unknown("stream kind", request.kind)),
    };
    let durability = match message::Durability::try_from(request.durability) {
        Ok(message::Durability::Fsync) => Durability::Fsync,
        Ok(message::Durability::Os) => Durability::Os,
        Err(_) => return Err(unknown("durability", request.durability)),
    };
    let shards = request.shards.max(1);
    if kind == StreamKind::Video && shards > 1 {
        return Err(Error::invalid(format!(
            "a video stream has one shard, not {shards}: its fragments have one order"
        )));
    }
    let hours = if request.retention_hours == 0 {
        retention_hours
    } else {
        request.retention_hours
    };
    let record_bytes_max = match request.record_bytes_max {
        0 => RECORD_BYTES_DEFAULT,
        bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
    };
    Ok(NewStream {
        name: stream_name(&request.stream)?,
        kind,
        shards,
        retention: Retention {
            age: Duration::from_secs(hours.saturating_mul(SECONDS_PER_HOUR)),
            bytes: (request.retention_bytes > 0).then_some(request.retention_bytes),
        },
        durability,
        record_bytes_max,
        quota: request.quota.map(|quota| Quota {
            bytes_per_second: quota.bytes_per_second,
            records_per_second: quota.records_per_second,
        }),
    })
}

pub(super) fn stream(stream: &StreamDescription) -> message::StreamDescription {
    message::StreamDescription {
        stream: stream.name.to_string(),
        kind: kind(stream.kind).into(),
        created_ms: stream.created.as_millis(),
        retention_hours: stream.retention.age.as_secs() / SECONDS_PER_HOUR,
        retention_bytes: stream.retention.bytes.unwrap_or(0),
        durability: match stream.durability {
            Durability::Fsync => message::Durability::Fsync,
            Durability::Os => message::Durability::Os,
        }
        .into(),
        record_bytes_max: u64::try_from(stream.record_bytes_max).unwrap_or(u64::MAX),
        quota: stream.quota.map(|quota| message::Quota {
            bytes_per_second: quota.bytes_per_second,
            records_per_second: quota.records_per_second,
        }),
        shards: stream.shards.iter().map(shard).collect(),
    }
}

fn kind(kind: StreamKind) -> message::StreamKind {
    match kind {
        // The handle of the engine that clients are served from finds none of kind `Delivery`.
        StreamKind::Records | StreamKind::Delivery => message::StreamKind::Records,
        StreamKind::Video => message::StreamKind::Video,
    }
}

fn shard(shard: &ShardDescription) -> message::ShardDescription {
    let watermarks = shard.watermarks.unwrap_or_default();
    message::ShardDescription {
        shard: shard.id.get(),
        range: Some(range(shard.range)),
        parents: ids(&shard.parents),
        children: ids(&shard.children),
        closed: shard.state == ShardState::Closed,
        trim_horizon: watermarks.trim_horizon.get(),
        durable: watermarks.durable.get(),
    }
}

pub(super) fn summary(stream: &StreamSummary) -> message::StreamSummary {
    message::StreamSummary {
        stream: stream.name.to_string(),
        kind: kind(stream.kind).into(),
        created_ms: stream.created.as_millis(),
        open_shards: stream.open_shards,
    }
}

pub(super) fn consumer(consumer: &ConsumerDescription) -> message::Consumer {
    message::Consumer {
        name: consumer.name.to_string(),
        created_ms: consumer.created.as_millis(),
    }
}

/// A client's selector; none selects everything.
pub(super) fn selector(message: Option<&message::FragmentSelector>) -> Result<Selector> {
    let Some(message) = message else {
        return Ok(Selector::ALL);
    };
    let axis = match message::TimeAxis::try_from(message.axis) {
        Ok(message::TimeAxis::Server) => TimeAxis::Server,
        Ok(message::TimeAxis::Producer) => TimeAxis::Producer,
        Err(_) => {
            let problem = format!("time axis {} is unknown", message.axis);
            return Err(Error::invalid(problem));
        }
    };
    let from = message.from_ms.unwrap_or(i64::MIN);
    let to = message.to_ms.unwrap_or(i64::MAX);
    Ok(Selector::new(axis, from, to)?.covering_start(message.cover_start))
}

/// A fragment in a listing.
pub(super) fn fragment(found: &Found, tags: &[Tag]) -> Option<message::Fragment> {
    let stamp = found.entry.header.stamp?;
    let Meta {
        producer_time,
        duration_ms,
        flags,
        bytes,
        ..
    } = &found.meta;
    Some(message::Fragment {
        fragment_number: FragmentNumber::new(stamp.position, stamp.arrival).to_string(),
        position: stamp.position.get(),
        producer_time_ms: producer_time.as_millis(),
        server_time_ms: stamp.arrival.as_millis(),
        duration_ms: u64::from(*duration_ms),
        bytes: *bytes,
        key_frame: flags.is_keyframe(),
        discontinuity: flags.is_discontinuity(),
        tags: tags
            .iter()
            .map(|tag| message::Tag {
                name: tag.name().to_owned(),
                value: tag.value().to_owned(),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backward_ranges_and_unknown_axes_are_refused() {
        let backward = message::FragmentSelector {
            from_ms: Some(2),
            to_ms: Some(1),
            ..message::FragmentSelector::default()
        };
        let unknown = message::FragmentSelector {
            axis: 7,
            ..message::FragmentSelector::default()
        };
        for message in [backward, unknown] {
            assert!(selector(Some(&message)).is_err(), "{message:?}");
        }
        assert_eq!(selector(None).unwrap(), Selector::ALL);
    }
}
