//! Words and simple shapes of the service model, shared by inputs and outputs.

use crate::macros::words;
use crate::validate::pattern::{
    CONSUMER_ARN, HASH_KEY, NAME, RESOURCE_ARN, SEQUENCE_NUMBER, STREAM_ARN, STREAM_ID,
};
use crate::validate::{Kind, Shape};

const STRING: Shape = Shape::new(Kind::String);
const INTEGER: Shape = Shape::new(Kind::Integer);

pub(super) const ANY_BOOLEAN: Shape = Shape::new(Kind::Boolean);
pub(super) const ANY_INTEGER: Shape = INTEGER;
pub(super) const ANY_STRING: Shape = STRING;
pub(super) const ANY_TIME: Shape = Shape::new(Kind::Timestamp);

pub(super) const STREAM_NAME_SHAPE: Shape = STRING.min(1).max(128).pattern(&NAME);
pub(super) const STREAM_ARN_SHAPE: Shape = STRING.min(1).max(2_048).pattern(&STREAM_ARN);
pub(super) const STREAM_ID_SHAPE: Shape = STRING.min(1).max(24).pattern(&STREAM_ID);
pub(super) const CONSUMER_NAME_SHAPE: Shape = STREAM_NAME_SHAPE;
pub(super) const CONSUMER_ARN_SHAPE: Shape = STRING.min(1).max(2_048).pattern(&CONSUMER_ARN);
pub(super) const RESOURCE_ARN_SHAPE: Shape = STRING.min(1).max(2_048).pattern(&RESOURCE_ARN);
pub(super) const SHARD_ID_SHAPE: Shape = STREAM_NAME_SHAPE;
pub(super) const HASH_KEY_SHAPE: Shape = STRING.pattern(&HASH_KEY);
pub(super) const SEQUENCE_NUMBER_SHAPE: Shape = STRING.pattern(&SEQUENCE_NUMBER);
pub(super) const SHARD_ITERATOR_SHAPE: Shape = STRING.min(1).max(512);
pub(super) const NEXT_TOKEN_SHAPE: Shape = STRING.min(1).max(1_048_576);
pub(super) const KEY_ID_SHAPE: Shape = STRING.min(1).max(2_048);
pub(super) const PARTITION_KEY_SHAPE: Shape = STRING.min(1).max(256);
pub(super) const DATA_SHAPE: Shape = Shape::new(Kind::Blob).min(0).max(10_485_760);
pub(super) const PAGE_SHAPE: Shape = INTEGER.min(1).max(10_000);
pub(super) const POSITIVE: Shape = INTEGER.min(1);
pub(super) const NATURAL: Shape = INTEGER.min(0);
pub(super) const RECORD_KIB_SHAPE: Shape = INTEGER.min(1_024).max(10_240);
pub(super) const TAG_PAGE_SHAPE: Shape = INTEGER.min(1).max(50);
pub(super) const TAG_KEY_SHAPE: Shape = STRING.min(1).max(128);
const TAG_VALUE_SHAPE: Shape = STRING.min(0).max(256);
pub(super) const TAGS_SHAPE: Shape = Shape::new(Kind::Map(&TAG_KEY_SHAPE, &TAG_VALUE_SHAPE))
    .min(1)
    .max(200);
pub(super) const TAG_KEYS_SHAPE: Shape = Shape::new(Kind::List(&TAG_KEY_SHAPE)).min(1).max(50);
pub(super) const METRICS_SHAPE: Shape = Shape::new(Kind::List(&MetricName::SHAPE)).min(1).max(7);

words! {
    /// Where an iterator or a subscription starts.
    ShardIteratorType {
        /// After the record of a sequence number.
        AfterSequenceNumber = "AFTER_SEQUENCE_NUMBER",
        /// After everything that is there now.
        Latest = "LATEST",
        /// At the first record that arrived at a time or later.
        AtTimestamp = "AT_TIMESTAMP",
        /// At the record of a sequence number.
        AtSequenceNumber = "AT_SEQUENCE_NUMBER",
        /// At the oldest record.
        TrimHorizon = "TRIM_HORIZON",
    }
}

words! {
    /// Which shards `ListShards` lists.
    ShardFilterType {
        /// Those after a shard.
        AfterShardId = "AFTER_SHARD_ID",
        /// Those that were open at the trim horizon.
        AtTrimHorizon = "AT_TRIM_HORIZON",
        /// Everything since the trim horizon.
        FromTrimHorizon = "FROM_TRIM_HORIZON",
        /// Those that are open now.
        AtLatest = "AT_LATEST",
        /// Those that were open at a time.
        AtTimestamp = "AT_TIMESTAMP",
        /// Those that were open at a time or later.
        FromTimestamp = "FROM_TIMESTAMP",
    }
}

words! {
    /// Who decides how many shards a stream has.
    StreamMode {
        /// The user.
        Provisioned = "PROVISIONED",
        /// The service, by the load.
        OnDemand = "ON_DEMAND",
    }
}

words! {
    /// Who decides the shard of a record.
    RecordDistributionStrategy {
        /// The service; partition keys are not used.
        Auto = "AUTO",
        /// The hash of the partition key.
        UserPartitionKey = "USER_PARTITION_KEY",
    }
}

words! {
    /// Whether records are encrypted on disk.
    EncryptionType {
        /// They are not.
        None = "NONE",
        /// With a data key, itself wrapped by a master key.
        Kms = "KMS",
    }
}

words! {
    /// How `UpdateShardCount` chooses ranges.
    ScalingType {
        /// Shards of equal size.
        UniformScaling = "UNIFORM_SCALING",
    }
}

words! {
    /// A metric of enhanced monitoring.
    MetricName {
        /// Bytes written.
        IncomingBytes = "IncomingBytes",
        /// Records written.
        IncomingRecords = "IncomingRecords",
        /// Bytes read.
        OutgoingBytes = "OutgoingBytes",
        /// Records read.
        OutgoingRecords = "OutgoingRecords",
        /// Throttled writes.
        WriteProvisionedThroughputExceeded = "WriteProvisionedThroughputExceeded",
        /// Throttled reads.
        ReadProvisionedThroughputExceeded = "ReadProvisionedThroughputExceeded",
        /// Age of the last record that was read.
        IteratorAgeMilliseconds = "IteratorAgeMilliseconds",
        /// All of them.
        All = "ALL",
    }
}

words! {
    /// What a caller may ask for as the account's billing commitment.
    CommitmentRequest {
        /// On.
        Enabled = "ENABLED",
        /// Off, as soon as it may end.
        Disabled = "DISABLED",
    }
}

words! {
    /// The state of the account's billing commitment.
    CommitmentStatus {
        /// On.
        Enabled = "ENABLED",
        /// Off.
        Disabled = "DISABLED",
        /// On until it may end.
        EnabledUntilEarliestAllowedEnd = "ENABLED_UNTIL_EARLIEST_ALLOWED_END",
    }
}

words! {
    /// The state of a stream.
    StreamStatus {
        /// Its shards are being made.
        Creating = "CREATING",
        /// It is being deleted.
        Deleting = "DELETING",
        /// It serves.
        Active = "ACTIVE",
        /// It serves while shards or settings change.
        Updating = "UPDATING",
    }
}

words! {
    /// The state of a registered consumer.
    ConsumerStatus {
        /// It is being registered.
        Creating = "CREATING",
        /// It is being deregistered.
        Deleting = "DELETING",
        /// It may subscribe.
        Active = "ACTIVE",
    }
}
