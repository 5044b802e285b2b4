//! Records in a slice of the log, borrowed from where they lie.

use afflux_aws::kinesis::Origin;
use afflux_aws::kinesis::output::Record;
use afflux_aws::kinesis::values::EncryptionType;
use afflux_entry::{Batch, BatchRecord, HEADER_LEN, Header, Kind, NewRecord};
use afflux_types::{Error, ErrorKind, Position, Result, ServerTime};

/// A record in a slice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) position: Position,
    pub(super) arrival: ServerTime,
    /// Absent where the service distributes the records and its producer gave none.
    pub(super) key: Option<&'a str>,
    pub(super) data: &'a [u8],
}

impl<'a> Found<'a> {
    /// Bytes that limits count.
    pub(super) fn len(&self) -> usize {
        self.key.map_or(0, str::len) + self.data.len()
    }

    /// The record in the form of answers.
    pub(super) fn record(&self, origin: Origin, encryption: Option<EncryptionType>) -> Record<'a> {
        Record {
            sequence_number: origin.record(self.position, self.arrival),
            approximate_arrival_timestamp: Some(self.arrival),
            data: self.data,
            partition_key: self.key,
            encryption_type: encryption,
        }
    }
}

/// Walks over the records of a slice from a position on.
///
/// Iterating yields the records, or one error and then the end. Entries of other kinds are passed over.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    rest: &'a [u8],
    from: Position,
    entry: Option<Open<'a>>,
}

/// The entry that is being walked over.
#[derive(Debug)]
struct Open<'a> {
    records: Batch<'a>,
    next: Position,
    arrival: ServerTime,
    /// Bytes of the slice from the entry's header on.
    bytes: &'a [u8],
}

impl<'a> Walk<'a> {
    /// Walks over `slice`, whose entries are whole and stamped.
    pub(super) fn new(slice: &'a [u8], from: Position) -> Self {
        Self {
            rest: slice,
            from,
            entry: None,
        }
    }

    /// What of the slice has records left: from the header of the entry of the last record on.
    pub(super) fn left(&self) -> &'a [u8] {
        self.entry.as_ref().map_or(self.rest, |entry| entry.bytes)
    }

    fn step(&mut self) -> Result<Option<Found<'a>>> {
        loop {
            if let Some(entry) = &mut self.entry
                && let Some(record) = entry.records.next()
            {
                let record = record.map_err(|error| damaged(entry.next, error))?;
                let position = entry.next;
                entry.next = position.advance(1);
                if position < self.from {
                    continue;
                }
                return found(position, entry.arrival, record).map(Some);
            }
            self.entry = None;
            if self.rest.is_empty() {
                return Ok(None);
            }
            self.open()?;
        }
    }

    /// Starts on the next entry, if records of it are wanted.
    fn open(&mut self) -> Result<()> {
        let bytes = self.rest;
        let header = Header::decode(bytes).map_err(|error| damaged(self.from, error))?;
        let stamp = header
            .stamp
            .ok_or_else(|| Error::internal("an entry of the log has no stamp"))?;
        let (whole, rest) = bytes
            .split_at_checked(header.entry_len())
            .ok_or_else(|| Error::internal("a slice of the log ends inside an entry"))?;
        self.rest = rest;
        if header.kind != Kind::Batch || header.end() <= self.from {
            return Ok(());
        }
        let body = whole.get(HEADER_LEN..).unwrap_or_default();
        // Nobody else compares the sum: clients of this API get records and no entries.
        header
            .verify(&[body])
            .map_err(|error| damaged(stamp.position, error))?;
        self.entry = Some(Open {
            records: Batch::new(body, header.record_count),
            next: stamp.position,
            arrival: stamp.arrival,
            bytes,
        });
        Ok(())
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<Found<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.entry = None;
            self.rest = &[];
        }
        step.transpose()
    }
}

fn found(position: Position, arrival: ServerTime, record: BatchRecord<'_>) -> Result<Found<'_>> {
    let key = if record.partition_key == NewRecord::NO_KEY && record.explicit_hash_key.is_some() {
        None
    } else {
        let key = std::str::from_utf8(record.partition_key);
        Some(key.map_err(|error| damaged(position, error))?)
    };
    Ok(Found {
        position,
        arrival,
        key,
        data: record.data,
    })
}

fn damaged(position: Position, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(
        ErrorKind::DataLoss,
        format!("the entry of position {position} is damaged"),
    )
    .with_source(error)
}

/// Records from `from` on and bytes that a slice holds, at most; looks at the entries' heads only.
pub(super) fn estimate(slice: &[u8], from: Position) -> (u64, usize) {
    let (mut records, mut bytes) = (0, 0);
    let mut rest = slice;
    while let Ok(header) = Header::decode(rest) {
        if header.kind == Kind::Batch {
            let first = header.stamp.map_or(from, |stamp| stamp.position.max(from));
            records += header.end().get().saturating_sub(first.get());
            bytes += header.entry_len();
        }
        rest = rest.get(header.entry_len()..).unwrap_or_default();
    }
    (records, bytes)
}
