//! How a producer collects records, and what it tells about them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use afflux_types::limits::BATCH_BODY_BYTES_MAX;
use afflux_types::{Error, Position, Result, SequenceNumber, ServerTime, ShardId};
use bytes::Bytes;

/// How a producer collects records into batches.
#[derive(Clone)]
pub struct ProducerOptions {
    /// A batch is sent when it has this many bytes. Larger batches cost less per record.
    pub batch_bytes: usize,
    /// A batch that is smaller waits this long for more records while another one is in flight.
    /// With nothing in flight, a batch leaves at once. Zero never waits; anything else is rounded up to
    /// whole milliseconds.
    pub linger: Duration,
    /// Bytes of records that are held until they are acknowledged; beyond, a producer is full.
    pub buffer_bytes_max: usize,
    /// Batches of one shard that are in flight at once. The server has its own limit in bytes, and
    /// remembers the last 512 batches of a producer to recognise retries.
    pub batches_in_flight_max: usize,
    /// Whether retries are recognised, so that each record is stored once.
    pub idempotent: bool,
    /// Is told of every acknowledged batch. It must be quick.
    pub on_acked: Option<AckedHook>,
}

/// What is told of acknowledged batches.
pub type AckedHook = Arc<dyn Fn(&AckedBatch) + Send + Sync>;

impl Default for ProducerOptions {
    fn default() -> Self {
        Self {
            batch_bytes: 256 << 10,
            linger: Duration::from_millis(2),
            buffer_bytes_max: 64 << 20,
            batches_in_flight_max: 512,
            idempotent: true,
            on_acked: None,
        }
    }
}

impl ProducerOptions {
    pub(super) fn check(&self) -> Result<()> {
        if self.batch_bytes == 0 || self.batch_bytes > BATCH_BODY_BYTES_MAX {
            return Err(Error::invalid(format!(
                "batch size is {}; it must be 1 to {BATCH_BODY_BYTES_MAX} bytes",
                self.batch_bytes
            )));
        }
        if self.batches_in_flight_max == 0 {
            return Err(Error::invalid("at least one batch must be in flight"));
        }
        Ok(())
    }
}

impl fmt::Debug for ProducerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProducerOptions")
            .field("batch_bytes", &self.batch_bytes)
            .field("linger", &self.linger)
            .field("buffer_bytes_max", &self.buffer_bytes_max)
            .field("batches_in_flight_max", &self.batches_in_flight_max)
            .field("idempotent", &self.idempotent)
            .field("on_acked", &self.on_acked.is_some())
            .finish()
    }
}

/// Records that the server has made durable.
#[derive(Clone, Debug)]
pub struct AckedBatch {
    /// Where they are.
    pub shard: ShardId,
    /// Of the first record; `None` if the acknowledgement itself was lost while the shard was split
    /// or merged.
    pub position: Option<Position>,
    /// When they arrived by the server's clock; as `position`.
    pub arrival: Option<ServerTime>,
    /// How many there are.
    pub record_count: u32,
    /// A retry found them stored already.
    pub duplicate: bool,
    /// The records, as [`afflux_entry::Batch`] reads them.
    pub body: Bytes,
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The shard that took it.
    pub shard: ShardId,
    /// Its position; `None` if the acknowledgement itself was lost while the shard was split or
    /// merged: the record is stored, but its place is not known here.
    pub position: Option<Position>,
}

impl Receipt {
    /// The record's number as the API shows it.
    #[must_use]
    pub fn sequence_number(&self) -> Option<SequenceNumber> {
        self.position
            .map(|position| SequenceNumber::new(self.shard, position))
    }
}

/// Why a record was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// So much is unacknowledged that the producer's memory is used up. Wait, or use
    /// [`Producer::put`](super::Producer::put).
    #[error("producer holds {held} unacknowledged bytes; the limit is {max}")]
    Full {
        /// Bytes that are held.
        held: usize,
        /// The limit.
        max: usize,
    },
    /// The record is not valid.
    #[error(transparent)]
    Invalid(#[from] Error),
    /// The producer has stopped for good.
    #[error("producer has stopped: {0}")]
    Stopped(Arc<Error>),
}

impl From<PutError> for Error {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Full { .. } => {
                Self::new(afflux_types::ErrorKind::Throttled, error.to_string())
            }
            PutError::Invalid(error) => error,
            PutError::Stopped(error) => crate::stopped("producer", &error),
        }
    }
}
