//! Walking entries: over a file, where every byte is checked, and over a map.

use std::ops::Range;
use std::path::Path;

use afflux_entry::{Checksum, EntryError, HEADER_LEN, Header};
use afflux_types::{Position, ServerTime};

use crate::error::{Context, Fault, FileError};
use crate::fs::{LogFile, read_full_at};

/// Bytes that a scan reads at a time,
const CHUNK: usize = 1 << 20;
/// and at first: most segments of idle shards hold little.
const FIRST_CHUNK: usize = 4 << 10;

/// What the next entry must continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) position: Position,
    pub(crate) arrival: ServerTime,
}

impl Expected {
    /// Checks that a stamped header continues the log, and moves on to its end.
    pub(crate) fn accept(&mut self, header: &Header) -> Result<(), Fault> {
        let Some(stamp) = header.stamp else {
            return Err(Fault::Header("the entry is not stamped".to_owned()));
        };
        if stamp.position != self.position {
            return Err(Fault::Position {
                expected: self.position,
                found: stamp.position,
            });
        }
        if stamp.arrival < self.arrival {
            return Err(Fault::Arrival {
                previous: self.arrival.as_millis(),
                found: stamp.arrival.as_millis(),
            });
        }
        self.position = header.end();
        self.arrival = stamp.arrival;
        Ok(())
    }
}

/// What stands at an offset.
#[derive(Debug)]
pub(crate) enum Found {
    /// An entry whose checksums hold.
    Entry(Header),
    /// Zeros, or too little room for an entry: nothing was written here.
    Nothing,
    /// Bytes that are not an entry.
    Bad(EntryError),
}

/// Reads a segment's file forwards through one buffer.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    file: &'a dyn LogFile,
    path: &'a Path,
    /// The offset where bytes of entries must end.
    limit: u64,
    buffer: Vec<u8>,
    /// The offset of the buffer's first byte.
    start: u64,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(file: &'a dyn LogFile, path: &'a Path, limit: u64) -> Self {
        Self {
            file,
            path,
            limit,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// Reads and verifies what stands at `offset`.
    pub(crate) fn entry_at(&mut self, offset: u64) -> Result<Found, FileError> {
        let limit = self.limit;
        let head = self.bytes(offset, HEADER_LEN)?;
        if head.iter().all(|&byte| byte == 0) {
            return Ok(Found::Nothing);
        }
        let header = match Header::decode_stored(head) {
            Ok(header) => header,
            Err(error) => return Ok(Found::Bad(error)),
        };
        let left = usize::try_from(limit.saturating_sub(offset)).unwrap_or(usize::MAX);
        if header.entry_len() > left {
            return Ok(Found::Bad(EntryError::Short {
                len: left,
                needed: header.entry_len(),
            }));
        }
        let mut checksum = header.checksum_start();
        self.checksum_body(&header, offset + HEADER_LEN as u64, &mut checksum)?;
        Ok(match header.verify_finished(&checksum) {
            Ok(()) => Found::Entry(header),
            Err(error) => Found::Bad(error),
        })
    }

    /// The stamped header at `offset`, whatever follows it, if its checksum holds.
    pub(crate) fn header_at(&mut self, offset: u64) -> Result<Option<Header>, FileError> {
        Ok(Header::decode_stored(self.bytes(offset, HEADER_LEN)?).ok())
    }

    /// Whether every byte from `offset` to the limit is zero; returns the first one that is not.
    pub(crate) fn first_written(&mut self, mut offset: u64) -> Result<Option<u64>, FileError> {
        while let Some(data) = self.next_data(offset)? {
            offset = data.start;
            let bytes = self.read(offset, chunk(&data), 0)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            if let Some(at) = first_nonzero(bytes) {
                return Ok(Some(offset + at as u64));
            }
            offset += bytes.len() as u64;
        }
        Ok(None)
    }

    /// The end of the bytes that are not zero, from `offset` on; `offset` if all are.
    pub(crate) fn written_end(&mut self, offset: u64) -> Result<u64, FileError> {
        let (mut at, mut end) = (offset, offset);
        while let Some(data) = self.next_data(at)? {
            at = data.start;
            let bytes = self.read(at, chunk(&data), 0)?;
            if bytes.is_empty() {
                break;
            }
            if let Some(last) = bytes.iter().rposition(|&byte| byte != 0) {
                end = at + last as u64 + 1;
            }
            at += bytes.len() as u64;
        }
        Ok(end)
    }

    /// The next range from `offset` on that is worth reading. Blocks never written are not: reading them
    /// costs the memory that it fills with zeros.
    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, FileError> {
        if offset >= self.limit {
            return Ok(None);
        }
        let data = self.file.next_data(offset).context("seek in", self.path)?;
        Ok(data.filter(|data| data.start < self.limit))
    }

    /// The first offset from `offset` on where an entry with valid checksums stands.
    pub(crate) fn next_entry(
        &mut self,
        mut offset: u64,
    ) -> Result<Option<(u64, Header)>, FileError> {
        const MAGIC: &[u8] = b"AFXE";
        while let Some(data) = self.next_data(offset)? {
            offset = data.start;
            // What stands across the end of the range is looked at as well.
            let len = chunk(&data).saturating_add(HEADER_LEN).min(CHUNK);
            let bytes = self.read(offset, len, 0)?;
            if bytes.len() < HEADER_LEN {
                return Ok(None);
            }
            let Some(at) = bytes.windows(MAGIC.len()).position(|four| four == MAGIC) else {
                offset += (bytes.len() - MAGIC.len() + 1) as u64;
                continue;
            };
            offset += at as u64;
            if let Found::Entry(header) = self.entry_at(offset)? {
                return Ok(Some((offset, header)));
            }
            offset += 1;
        }
        Ok(None)
    }

    fn checksum_body(
        &mut self,
        header: &Header,
        mut offset: u64,
        checksum: &mut Checksum,
    ) -> Result<(), FileError> {
        let mut rest = header.body_len as usize;
        while rest > 0 {
            let bytes = self.bytes(offset, rest.min(CHUNK))?;
            if bytes.is_empty() {
                break;
            }
            checksum.update(bytes);
            rest -= bytes.len();
            offset += bytes.len() as u64;
        }
        Ok(())
    }

    /// Up to `len` bytes at `offset`, fewer only before the limit or the end of the file. Reads ahead,
    /// more with every call.
    fn bytes(&mut self, offset: u64, len: usize) -> Result<&[u8], FileError> {
        let ahead = (self.buffer.len() * 16).clamp(FIRST_CHUNK, CHUNK);
        self.read(offset, len, ahead)
    }

    /// Up to `len` bytes at `offset`; reads at least `ahead` bytes if it has to read.
    fn read(&mut self, offset: u64, len: usize, ahead: usize) -> Result<&[u8], FileError> {
        let left = usize::try_from(self.limit.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = len.min(left);
        let held = offset
            .checked_sub(self.start)
            .and_then(|skip| usize::try_from(skip).ok())
            .filter(|skip| {
                skip.checked_add(len)
                    .is_some_and(|end| end <= self.buffer.len())
            });
        let skip = if let Some(skip) = held {
            skip
        } else {
            self.buffer.resize(len.max(ahead).min(left), 0);
            let read =
                read_full_at(self.file, &mut self.buffer, offset).context("read", self.path)?;
            self.buffer.truncate(read);
            self.start = offset;
            0
        };
        let end = (skip + len).min(self.buffer.len());
        Ok(self.buffer.get(skip..end).unwrap_or_default())
    }
}

/// What to read of `data` at a time.
fn chunk(data: &Range<u64>) -> usize {
    usize::try_from(data.end.saturating_sub(data.start)).map_or(CHUNK, |len| len.clamp(1, CHUNK))
}

fn first_nonzero(bytes: &[u8]) -> Option<usize> {
    // Comparing whole pages is ten times faster than looking for one byte.
    static ZEROS: [u8; 4_096] = [0; 4_096];
    let page = bytes
        .chunks(ZEROS.len())
        .position(|page| page != &ZEROS[..page.len()])?;
    let start = page * ZEROS.len();
    let at = bytes.get(start..)?.iter().position(|&byte| byte != 0)?;
    Some(start + at)
}

/// The stamped header at `offset` of `bytes`, and the offset after its entry.
pub(crate) fn header_at(bytes: &[u8], offset: usize) -> Result<(Header, usize), Fault> {
    let rest = bytes.get(offset..).unwrap_or_default();
    let header = Header::decode_stored(rest)?;
    let end = offset + header.entry_len();
    if end > bytes.len() {
        return Err(Fault::Entry(EntryError::Short {
            len: rest.len(),
            needed: header.entry_len(),
        }));
    }
    Ok((header, end))
}
