//! The keys of the catalog's rows.
//!
//! Numbers are big-endian so that bytes order as numbers do; a name that something follows ends with
//! a zero byte, which no name contains.

use afflux_types::{ConsumerName, ShardId};

/// The id of a stream; never reused.
pub(crate) type StreamNumber = u64;

pub(crate) const FORMAT: &[u8] = b"format";
pub(crate) const STREAM_NEXT: &[u8] = b"stream_next";

pub(crate) fn stream(stream: StreamNumber) -> Vec<u8> {
    stream.to_be_bytes().to_vec()
}

pub(crate) fn shard(stream: StreamNumber, shard: ShardId) -> Vec<u8> {
    let mut key = self::stream(stream);
    key.extend(shard.get().to_be_bytes());
    key
}

pub(crate) fn consumer(stream: StreamNumber, consumer: &ConsumerName) -> Vec<u8> {
    let mut key = self::stream(stream);
    key.extend(consumer.as_str().as_bytes());
    key
}

/// The prefix of every checkpoint of a consumer.
pub(crate) fn checkpoints(stream: StreamNumber, consumer: &ConsumerName) -> Vec<u8> {
    let mut key = self::consumer(stream, consumer);
    key.push(0);
    key
}

pub(crate) fn checkpoint(stream: StreamNumber, consumer: &ConsumerName, shard: ShardId) -> Vec<u8> {
    let mut key = checkpoints(stream, consumer);
    key.extend(shard.get().to_be_bytes());
    key
}

/// The prefix of every setting of a namespace.
pub(crate) fn namespace(namespace: &str) -> Vec<u8> {
    let mut key = namespace.as_bytes().to_vec();
    key.push(0);
    key
}

pub(crate) fn setting(namespace: &str, key: &str) -> Vec<u8> {
    let mut bytes = self::namespace(namespace);
    bytes.extend(key.as_bytes());
    bytes
}

/// Reads the stream at the start of a key, and what follows it.
pub(crate) fn split_stream(key: &[u8]) -> Option<(StreamNumber, &[u8])> {
    let (stream, rest) = key.split_first_chunk()?;
    Some((StreamNumber::from_be_bytes(*stream), rest))
}

/// Reads what [`shard`] writes.
pub(crate) fn split_shard(key: &[u8]) -> Option<(StreamNumber, ShardId)> {
    let (stream, rest) = split_stream(key)?;
    let shard = u32::from_be_bytes(rest.try_into().ok()?);
    Some((stream, ShardId::new(shard)))
}

/// Reads the shard at the end of a checkpoint's key.
pub(crate) fn checkpoint_shard(key: &[u8]) -> Option<ShardId> {
    let (_, shard) = key.split_last_chunk()?;
    Some(ShardId::new(u32::from_be_bytes(*shard)))
}
