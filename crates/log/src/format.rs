//! Magic numbers, versions, offsets and sizes of every file; FORMAT.md says what they mean.
//!
//! Only fixed-size headers are encoded here. Every decoder takes untrusted bytes and returns `None` or
//! a reason, never panics.

use afflux_entry::crc32c;
use afflux_types::{Position, ServerTime};

use crate::LogKey;

/// Bytes before the first entry of a segment.
pub(crate) const SEGMENT_HEADER_LEN: usize = 128;
/// Bytes of the identity, and offset of the activation.
pub(crate) const IDENTITY_LEN: usize = 64;
const ACTIVATION_LEN: usize = SEGMENT_HEADER_LEN - IDENTITY_LEN;
const SEGMENT_MAGIC: [u8; 4] = *b"AFXS";
const ACTIVATION_MAGIC: [u8; 4] = *b"AFXA";
pub(crate) const AT_IDENTITY_STREAM: usize = 8;
pub(crate) const AT_IDENTITY_SHARD: usize = 16;
pub(crate) const AT_IDENTITY_ORDINAL: usize = 24;
pub(crate) const AT_IDENTITY_ID: usize = 32;
pub(crate) const AT_IDENTITY_CAPACITY: usize = 40;
pub(crate) const AT_IDENTITY_CHECKSUM: usize = 60;
pub(crate) const AT_ACTIVATION_FLAGS: usize = 4;
pub(crate) const AT_ACTIVATION_FIRST: usize = 8;
pub(crate) const AT_ACTIVATION_ARRIVAL_FLOOR: usize = 16;
pub(crate) const AT_ACTIVATION_CREATED: usize = 24;
pub(crate) const AT_ACTIVATION_CHECKSUM: usize = 60;
const FLAG_PREVIOUS_DURABLE: u32 = 1;

/// Bytes before the blocks of an index.
pub(crate) const INDEX_HEADER_LEN: usize = 128;
/// Bytes of one block of an index.
pub(crate) const BLOCK_LEN: usize = 24;
const INDEX_MAGIC: [u8; 4] = *b"AFXI";
pub(crate) const AT_INDEX_STREAM: usize = 8;
pub(crate) const AT_INDEX_SHARD: usize = 16;
pub(crate) const AT_INDEX_BLOCK_COUNT: usize = 20;
pub(crate) const AT_INDEX_ORDINAL: usize = 24;
pub(crate) const AT_INDEX_ID: usize = 32;
pub(crate) const AT_INDEX_DATA_LEN: usize = 40;
pub(crate) const AT_INDEX_FIRST: usize = 48;
pub(crate) const AT_INDEX_END: usize = 56;
pub(crate) const AT_INDEX_ENTRIES: usize = 64;
pub(crate) const AT_INDEX_ARRIVAL_MIN: usize = 72;
pub(crate) const AT_INDEX_ARRIVAL_MAX: usize = 80;
pub(crate) const AT_INDEX_PRODUCER_MIN: usize = 88;
pub(crate) const AT_INDEX_PRODUCER_MAX: usize = 96;
pub(crate) const AT_INDEX_RESERVED: usize = 104;
pub(crate) const AT_INDEX_COUNTED_END: usize = 112;
pub(crate) const AT_INDEX_BLOCKS_CHECKSUM: usize = 120;
pub(crate) const AT_INDEX_CHECKSUM: usize = 124;

/// Bytes before the rows of the recovery points.
pub(crate) const POINTS_HEADER_LEN: usize = 64;
/// Bytes of one recovery point.
pub(crate) const POINT_LEN: usize = 40;
pub(crate) const POINTS_MAGIC: [u8; 4] = *b"AFXP";
pub(crate) const AT_POINTS_COUNT: usize = 8;
pub(crate) const AT_POINTS_ROWS_CHECKSUM: usize = 56;
pub(crate) const AT_POINTS_CHECKSUM: usize = 60;
pub(crate) const AT_POINT_STREAM: usize = 0;
pub(crate) const AT_POINT_SHARD: usize = 8;
pub(crate) const AT_POINT_ORDINAL: usize = 16;
pub(crate) const AT_POINT_ID: usize = 24;
pub(crate) const AT_POINT_DURABLE_TO: usize = 32;

/// Grain of a journal file: a torn write never reaches an earlier record.
pub(crate) const JOURNAL_ALIGN: usize = 4_096;
const JOURNAL_HEADER_LEN: usize = 64;
/// Bytes of a journal record before its runs.
pub(crate) const RECORD_HEADER_LEN: usize = 64;
/// Bytes of one run in a journal record's table.
pub(crate) const RUN_LEN: usize = 48;
const JOURNAL_MAGIC: [u8; 4] = *b"AFXJ";
const RECORD_MAGIC: [u8; 4] = *b"AFXR";
pub(crate) const AT_JOURNAL_GENERATION: usize = 8;
pub(crate) const AT_JOURNAL_LEN: usize = 16;
pub(crate) const AT_JOURNAL_CHECKSUM: usize = 60;
pub(crate) const AT_RECORD_GENERATION: usize = 8;
pub(crate) const AT_RECORD_OFFSET: usize = 16;
pub(crate) const AT_RECORD_DURABLE_TO: usize = 24;
pub(crate) const AT_RECORD_RUN_COUNT: usize = 32;
pub(crate) const AT_RECORD_PAYLOAD_LEN: usize = 40;
pub(crate) const AT_RECORD_RUNS_CHECKSUM: usize = 48;
pub(crate) const AT_RECORD_PAYLOAD_CHECKSUM: usize = 52;
pub(crate) const AT_RECORD_CHECKSUM: usize = 60;
pub(crate) const AT_RUN_STREAM: usize = 0;
pub(crate) const AT_RUN_SHARD: usize = 8;
pub(crate) const AT_RUN_ORDINAL: usize = 16;
pub(crate) const AT_RUN_ID: usize = 24;
pub(crate) const AT_RUN_OFFSET: usize = 32;
pub(crate) const AT_RUN_LEN: usize = 40;

pub(crate) const VERSION: u8 = 1;
pub(crate) const AT_VERSION: usize = 4;

/// Which segment a file is: written and made durable when it is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) key: LogKey,
    pub(crate) ordinal: u64,
    /// Random: tells a segment from one of the same name that was deleted.
    pub(crate) id: u64,
    /// Bytes that entries may fill, header included.
    pub(crate) capacity: u64,
}

/// Where a segment starts: written with its first entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Activation {
    /// Whether the segment before was durable to its end when this was written.
    pub(crate) previous_durable: bool,
    /// The position of the first record.
    pub(crate) first: Position,
    /// The arrival of the last entry before the segment.
    pub(crate) arrival_floor: ServerTime,
    /// When the segment was activated: arrival of the first entry.
    pub(crate) created: ServerTime,
}

/// What an index says of its whole segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Bytes in use, header included.
    pub(crate) data_len: u64,
    /// The offset after the last entry that takes a position.
    pub(crate) counted_end: u64,
    pub(crate) first: Position,
    pub(crate) end: Position,
    pub(crate) entries: u64,
    /// `None` without entries.
    pub(crate) arrival: Option<(ServerTime, ServerTime)>,
    /// Smallest and largest producer time, of those entries that have one.
    pub(crate) producer: Option<(i64, i64)>,
}

/// One line of an index: an entry's place. The next line is 64 KiB or 256 entries on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) offset: u64,
    pub(crate) position: Position,
    pub(crate) arrival: ServerTime,
}

/// The fixed part of a journal record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) generation: u64,
    /// Of the record in its file.
    pub(crate) offset: u64,
    /// Everything below this offset of the file was known to be durable when this was written.
    pub(crate) durable_to: u64,
    pub(crate) run_count: u32,
    pub(crate) payload_len: u64,
    pub(crate) runs_checksum: u32,
    pub(crate) payload_checksum: u32,
}

/// Bytes of one segment within a journal record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunHeader {
    pub(crate) key: LogKey,
    pub(crate) ordinal: u64,
    pub(crate) id: u64,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

impl Identity {
    pub(crate) fn encode(&self) -> [u8; IDENTITY_LEN] {
        let mut bytes = [0; IDENTITY_LEN];
        put(&mut bytes, 0, &SEGMENT_MAGIC);
        put(&mut bytes, AT_VERSION, &[VERSION]);
        put_u64(&mut bytes, AT_IDENTITY_STREAM, self.key.stream);
        put_u32(&mut bytes, AT_IDENTITY_SHARD, self.key.shard);
        put_u64(&mut bytes, AT_IDENTITY_ORDINAL, self.ordinal);
        put_u64(&mut bytes, AT_IDENTITY_ID, self.id);
        put_u64(&mut bytes, AT_IDENTITY_CAPACITY, self.capacity);
        put_checksum(&mut bytes, AT_IDENTITY_CHECKSUM);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let bytes = checked(bytes, IDENTITY_LEN, SEGMENT_MAGIC, AT_IDENTITY_CHECKSUM)?;
        if bytes[AT_VERSION] != VERSION {
            return Err(format!(
                "expected format version {VERSION}, found {}",
                bytes[AT_VERSION]
            ));
        }
        Ok(Self {
            key: LogKey {
                stream: u64_at(bytes, AT_IDENTITY_STREAM),
                shard: u32_at(bytes, AT_IDENTITY_SHARD),
            },
            ordinal: u64_at(bytes, AT_IDENTITY_ORDINAL),
            id: u64_at(bytes, AT_IDENTITY_ID),
            capacity: u64_at(bytes, AT_IDENTITY_CAPACITY),
        })
    }
}

impl Activation {
    pub(crate) fn encode(&self) -> [u8; ACTIVATION_LEN] {
        let mut bytes = [0; ACTIVATION_LEN];
        put(&mut bytes, 0, &ACTIVATION_MAGIC);
        let flags = if self.previous_durable {
            FLAG_PREVIOUS_DURABLE
        } else {
            0
        };
        put_u32(&mut bytes, AT_ACTIVATION_FLAGS, flags);
        put_u64(&mut bytes, AT_ACTIVATION_FIRST, self.first.get());
        put_time(&mut bytes, AT_ACTIVATION_ARRIVAL_FLOOR, self.arrival_floor);
        put_time(&mut bytes, AT_ACTIVATION_CREATED, self.created);
        put_checksum(&mut bytes, AT_ACTIVATION_CHECKSUM);
        bytes
    }

    /// Reads the activation from the bytes at [`IDENTITY_LEN`].
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let bytes = checked(
            bytes,
            ACTIVATION_LEN,
            ACTIVATION_MAGIC,
            AT_ACTIVATION_CHECKSUM,
        )?;
        Ok(Self {
            previous_durable: u32_at(bytes, AT_ACTIVATION_FLAGS) & FLAG_PREVIOUS_DURABLE != 0,
            first: Position::new(u64_at(bytes, AT_ACTIVATION_FIRST)),
            arrival_floor: time_at(bytes, AT_ACTIVATION_ARRIVAL_FLOOR),
            created: time_at(bytes, AT_ACTIVATION_CREATED),
        })
    }
}

/// Encodes an index; `reserved` is what the sealed segment still takes on disk.
pub(crate) fn encode_index(
    identity: &Identity,
    summary: &Summary,
    reserved: u64,
    blocks: &[Block],
) -> Vec<u8> {
    let mut bytes = vec![0; INDEX_HEADER_LEN + blocks.len() * BLOCK_LEN];
    let (head, rows) = bytes.split_at_mut(INDEX_HEADER_LEN);
    for (row, block) in rows.chunks_exact_mut(BLOCK_LEN).zip(blocks) {
        put_u64(row, 0, block.offset);
        put_u64(row, 8, block.position.get());
        put_time(row, 16, block.arrival);
    }
    put(head, 0, &INDEX_MAGIC);
    put(head, AT_VERSION, &[VERSION]);
    put_u64(head, AT_INDEX_STREAM, identity.key.stream);
    put_u32(head, AT_INDEX_SHARD, identity.key.shard);
    put_u32(
        head,
        AT_INDEX_BLOCK_COUNT,
        u32::try_from(blocks.len()).expect("a segment has far fewer than 2^32 blocks"),
    );
    put_u64(head, AT_INDEX_ORDINAL, identity.ordinal);
    put_u64(head, AT_INDEX_ID, identity.id);
    put_u64(head, AT_INDEX_DATA_LEN, summary.data_len);
    put_u64(head, AT_INDEX_FIRST, summary.first.get());
    put_u64(head, AT_INDEX_END, summary.end.get());
    put_u64(head, AT_INDEX_ENTRIES, summary.entries);
    let (min, max) = summary.arrival.unwrap_or_default();
    put_time(head, AT_INDEX_ARRIVAL_MIN, min);
    put_time(head, AT_INDEX_ARRIVAL_MAX, max);
    let (min, max) = summary.producer.unwrap_or((i64::MAX, i64::MIN));
    put(head, AT_INDEX_PRODUCER_MIN, &min.to_le_bytes());
    put(head, AT_INDEX_PRODUCER_MAX, &max.to_le_bytes());
    put_u64(head, AT_INDEX_RESERVED, reserved);
    put_u64(head, AT_INDEX_COUNTED_END, summary.counted_end);
    put_u32(head, AT_INDEX_BLOCKS_CHECKSUM, crc32c(rows));
    put_checksum(head, AT_INDEX_CHECKSUM);
    bytes
}

/// A decoded index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexFile {
    pub(crate) summary: Summary,
    pub(crate) reserved: u64,
    pub(crate) blocks: Vec<Block>,
}

/// Reads an index of the segment `identity`; anything stale or damaged is refused.
pub(crate) fn decode_index(bytes: &[u8], identity: &Identity) -> Result<IndexFile, String> {
    let head = checked(bytes, INDEX_HEADER_LEN, INDEX_MAGIC, AT_INDEX_CHECKSUM)?;
    let rows = bytes.get(INDEX_HEADER_LEN..).unwrap_or_default();
    if head[AT_VERSION] != VERSION {
        return Err(format!("it has the unknown version {}", head[AT_VERSION]));
    }
    if u64_at(head, AT_INDEX_STREAM) != identity.key.stream
        || u32_at(head, AT_INDEX_SHARD) != identity.key.shard
        || u64_at(head, AT_INDEX_ORDINAL) != identity.ordinal
        || u64_at(head, AT_INDEX_ID) != identity.id
    {
        return Err("it belongs to another segment".to_owned());
    }
    let count = u32_at(head, AT_INDEX_BLOCK_COUNT) as usize;
    if rows.len() != count * BLOCK_LEN || crc32c(rows) != u32_at(head, AT_INDEX_BLOCKS_CHECKSUM) {
        return Err(format!("its {count} blocks do not match their checksum"));
    }
    let blocks: Vec<Block> = rows
        .chunks_exact(BLOCK_LEN)
        .map(|row| Block {
            offset: u64_at(row, 0),
            position: Position::new(u64_at(row, 8)),
            arrival: time_at(row, 16),
        })
        .collect();
    let data_len = u64_at(head, AT_INDEX_DATA_LEN);
    let ordered = blocks.windows(2).all(|pair| {
        matches!(pair, [a, b] if a.offset < b.offset && a.position <= b.position && a.arrival <= b.arrival)
    });
    let starts = blocks
        .first()
        .is_none_or(|block| block.offset == SEGMENT_HEADER_LEN as u64);
    let ends = blocks.last().is_none_or(|block| block.offset < data_len);
    if !ordered || !starts || !ends || data_len > identity.capacity {
        return Err("its blocks are not in order".to_owned());
    }
    let entries = u64_at(head, AT_INDEX_ENTRIES);
    let i64_at = |at| i64::from_le_bytes(array(head, at));
    let (min, max) = (i64_at(AT_INDEX_PRODUCER_MIN), i64_at(AT_INDEX_PRODUCER_MAX));
    Ok(IndexFile {
        summary: Summary {
            data_len,
            counted_end: u64_at(head, AT_INDEX_COUNTED_END).min(data_len),
            first: Position::new(u64_at(head, AT_INDEX_FIRST)),
            end: Position::new(u64_at(head, AT_INDEX_END)),
            entries,
            arrival: (entries > 0).then(|| {
                (
                    time_at(head, AT_INDEX_ARRIVAL_MIN),
                    time_at(head, AT_INDEX_ARRIVAL_MAX),
                )
            }),
            producer: (min <= max).then_some((min, max)),
        },
        reserved: u64_at(head, AT_INDEX_RESERVED),
        blocks,
    })
}

pub(crate) fn encode_journal_header(generation: u64, len: u64) -> [u8; JOURNAL_ALIGN] {
    let mut bytes = [0; JOURNAL_ALIGN];
    put(&mut bytes, 0, &JOURNAL_MAGIC);
    put(&mut bytes, AT_VERSION, &[VERSION]);
    put_u64(&mut bytes, AT_JOURNAL_GENERATION, generation);
    put_u64(&mut bytes, AT_JOURNAL_LEN, len);
    put_checksum(&mut bytes, AT_JOURNAL_CHECKSUM);
    bytes
}

/// The generation in a journal file's header.
pub(crate) fn decode_journal_header(bytes: &[u8]) -> Result<u64, String> {
    let bytes = checked(
        bytes,
        JOURNAL_HEADER_LEN,
        JOURNAL_MAGIC,
        AT_JOURNAL_CHECKSUM,
    )?;
    if bytes[AT_VERSION] != VERSION {
        return Err(format!("it has the unknown version {}", bytes[AT_VERSION]));
    }
    Ok(u64_at(bytes, AT_JOURNAL_GENERATION))
}

impl RecordHeader {
    pub(crate) fn encode(&self) -> [u8; RECORD_HEADER_LEN] {
        let mut bytes = [0; RECORD_HEADER_LEN];
        put(&mut bytes, 0, &RECORD_MAGIC);
        put_u64(&mut bytes, AT_RECORD_GENERATION, self.generation);
        put_u64(&mut bytes, AT_RECORD_OFFSET, self.offset);
        put_u64(&mut bytes, AT_RECORD_DURABLE_TO, self.durable_to);
        put_u32(&mut bytes, AT_RECORD_RUN_COUNT, self.run_count);
        put_u64(&mut bytes, AT_RECORD_PAYLOAD_LEN, self.payload_len);
        put_u32(&mut bytes, AT_RECORD_RUNS_CHECKSUM, self.runs_checksum);
        put_u32(
            &mut bytes,
            AT_RECORD_PAYLOAD_CHECKSUM,
            self.payload_checksum,
        );
        put_checksum(&mut bytes, AT_RECORD_CHECKSUM);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let bytes = checked(bytes, RECORD_HEADER_LEN, RECORD_MAGIC, AT_RECORD_CHECKSUM)?;
        Ok(Self {
            generation: u64_at(bytes, AT_RECORD_GENERATION),
            offset: u64_at(bytes, AT_RECORD_OFFSET),
            durable_to: u64_at(bytes, AT_RECORD_DURABLE_TO),
            run_count: u32_at(bytes, AT_RECORD_RUN_COUNT),
            payload_len: u64_at(bytes, AT_RECORD_PAYLOAD_LEN),
            runs_checksum: u32_at(bytes, AT_RECORD_RUNS_CHECKSUM),
            payload_checksum: u32_at(bytes, AT_RECORD_PAYLOAD_CHECKSUM),
        })
    }
}

impl RunHeader {
    pub(crate) fn encode(&self) -> [u8; RUN_LEN] {
        let mut bytes = [0; RUN_LEN];
        put_u64(&mut bytes, AT_RUN_STREAM, self.key.stream);
        put_u32(&mut bytes, AT_RUN_SHARD, self.key.shard);
        put_u64(&mut bytes, AT_RUN_ORDINAL, self.ordinal);
        put_u64(&mut bytes, AT_RUN_ID, self.id);
        put_u64(&mut bytes, AT_RUN_OFFSET, self.offset);
        put_u64(&mut bytes, AT_RUN_LEN, self.len);
        bytes
    }

    /// Reads one run from a table whose checksum holds.
    pub(crate) fn decode(bytes: &[u8; RUN_LEN]) -> Self {
        Self {
            key: LogKey {
                stream: u64_at(bytes, AT_RUN_STREAM),
                shard: u32_at(bytes, AT_RUN_SHARD),
            },
            ordinal: u64_at(bytes, AT_RUN_ORDINAL),
            id: u64_at(bytes, AT_RUN_ID),
            offset: u64_at(bytes, AT_RUN_OFFSET),
            len: u64_at(bytes, AT_RUN_LEN),
        }
    }
}

/// The first `len` bytes, if they start with `magic` and match the checksum at `at_checksum`.
pub(crate) fn checked(
    bytes: &[u8],
    len: usize,
    magic: [u8; 4],
    at_checksum: usize,
) -> Result<&[u8], String> {
    let found_len = bytes.len();
    let bytes = bytes
        .get(..len)
        .ok_or_else(|| format!("expected {len} bytes, found {found_len}"))?;
    let found: [u8; 4] = array(bytes, 0);
    if found != magic {
        return Err(format!(
            "expected the magic {magic:02x?}, found {found:02x?}"
        ));
    }
    let (found, computed) = (u32_at(bytes, at_checksum), crc32c(&bytes[..at_checksum]));
    if found != computed {
        return Err(format!(
            "expected the checksum {computed:#010x}, found {found:#010x}"
        ));
    }
    Ok(bytes)
}

pub(crate) fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    put(bytes, at, &value.to_le_bytes());
}

pub(crate) fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    put(bytes, at, &value.to_le_bytes());
}

fn put_time(bytes: &mut [u8], at: usize, time: ServerTime) {
    put(bytes, at, &time.as_millis().to_le_bytes());
}

/// Puts the checksum of everything before it.
pub(crate) fn put_checksum(bytes: &mut [u8], at: usize) {
    let checksum = crc32c(&bytes[..at]);
    put_u32(bytes, at, checksum);
}

/// `N` bytes at `at`, which the caller has checked to exist.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

fn time_at(bytes: &[u8], at: usize) -> ServerTime {
    ServerTime::from_millis(i64::from_le_bytes(array(bytes, at)))
}

#[cfg(test)]
mod tests;
