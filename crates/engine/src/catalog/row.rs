//! The values of the catalog's rows, as Protocol Buffers.
//!
//! A field is never renumbered and never reused; a reader skips the fields that it does not know. So
//! an older program reads a newer catalog, unless the number behind [`super::key::FORMAT`] says that
//! it must not.

use prost::Message;

/// A stream's configuration.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamRow {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(enumeration = "Kind", tag = "2")]
    pub(crate) kind: i32,
    #[prost(sint64, tag = "3")]
    pub(crate) created_ms: i64,
    #[prost(uint64, tag = "4")]
    pub(crate) retention_ms: u64,
    /// Per shard.
    #[prost(uint64, optional, tag = "5")]
    pub(crate) retention_bytes: Option<u64>,
    #[prost(enumeration = "Durable", tag = "6")]
    pub(crate) durability: i32,
    #[prost(uint64, tag = "7")]
    pub(crate) record_bytes_max: u64,
    #[prost(message, optional, tag = "8")]
    pub(crate) quota: Option<QuotaRow>,
    /// The number of the next shard.
    #[prost(uint32, tag = "9")]
    pub(crate) shard_next: u32,
    /// The newest last.
    #[prost(message, repeated, tag = "10")]
    pub(crate) data_keys: Vec<DataKeyRow>,
    /// The name of the master key; absent while encryption is off.
    #[prost(string, optional, tag = "11")]
    pub(crate) encryption: Option<String>,
}

/// A data key of a stream, wrapped.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct DataKeyRow {
    #[prost(uint64, tag = "1")]
    pub(crate) number: u64,
    /// The id of the master key.
    #[prost(string, tag = "2")]
    pub(crate) master: String,
    /// Nonce, ciphertext and tag.
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) wrapped: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Kind {
    Unspecified = 0,
    Records = 1,
    Video = 2,
    /// Since format 3 of the catalog.
    Delivery = 3,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Durable {
    Unspecified = 0,
    Fsync = 1,
    Os = 2,
}

/// Zero: no limit.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct QuotaRow {
    #[prost(uint64, tag = "1")]
    pub(crate) bytes_per_second: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) records_per_second: u64,
}

/// A shard's range and lineage.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ShardRow {
    #[prost(fixed64, tag = "1")]
    pub(crate) start_high: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) start_low: u64,
    #[prost(fixed64, tag = "3")]
    pub(crate) end_high: u64,
    #[prost(fixed64, tag = "4")]
    pub(crate) end_low: u64,
    #[prost(uint32, repeated, tag = "5")]
    pub(crate) parents: Vec<u32>,
    #[prost(sint64, tag = "6")]
    pub(crate) created_ms: i64,
    /// Absent while the shard is open.
    #[prost(message, optional, tag = "7")]
    pub(crate) closed: Option<ClosedRow>,
}

/// Where and for whom a shard was closed.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ClosedRow {
    #[prost(uint64, tag = "1")]
    pub(crate) position: u64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) children: Vec<ChildRow>,
    #[prost(sint64, tag = "3")]
    pub(crate) closed_ms: i64,
}

/// A child as its parent remembers it, so that a parent answers for children that are gone.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ChildRow {
    #[prost(uint32, tag = "1")]
    pub(crate) shard: u32,
    #[prost(uint32, repeated, tag = "2")]
    pub(crate) parents: Vec<u32>,
    #[prost(fixed64, tag = "3")]
    pub(crate) start_high: u64,
    #[prost(fixed64, tag = "4")]
    pub(crate) start_low: u64,
    #[prost(fixed64, tag = "5")]
    pub(crate) end_high: u64,
    #[prost(fixed64, tag = "6")]
    pub(crate) end_low: u64,
}

/// A registered consumer.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct ConsumerRow {
    #[prost(sint64, tag = "1")]
    pub(crate) created_ms: i64,
}

/// A consumer's saved position.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct CheckpointRow {
    #[prost(uint64, tag = "1")]
    pub(crate) position: u64,
    #[prost(sint64, tag = "2")]
    pub(crate) saved_ms: i64,
}
