//! One journal record: a header, a table of runs, the runs' bytes, zeros up to the next page.

use std::sync::Arc;

use afflux_entry::{Checksum, crc32c};

use super::JournalFile;
use crate::error::{Context, FileError};
use crate::format::{JOURNAL_ALIGN, RECORD_HEADER_LEN, RecordHeader, RunHeader};
use crate::fs::write_all_at;
use crate::segment::Segment;

/// A record about to be written.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    segments: Vec<&'a Arc<Segment>>,
    table: Vec<u8>,
    payload: Vec<&'a [u8]>,
    payload_len: u64,
    payload_checksum: u32,
}

impl<'a> Record<'a> {
    /// A record of `runs`: segment, offset in it, length, bytes in pieces.
    pub(crate) fn new<P: Iterator<Item = &'a [u8]>>(
        runs: impl Iterator<Item = (&'a Arc<Segment>, u64, u64, P)>,
    ) -> Self {
        let mut record = Self {
            segments: Vec::new(),
            table: Vec::new(),
            payload: Vec::new(),
            payload_len: 0,
            payload_checksum: 0,
        };
        let mut checksum = Checksum::new();
        for (segment, offset, len, pieces) in runs {
            let identity = segment.identity();
            let header = RunHeader {
                key: identity.key,
                ordinal: identity.ordinal,
                id: identity.id,
                offset,
                len,
            };
            record.segments.push(segment);
            record.table.extend_from_slice(&header.encode());
            record.payload_len += len;
            for piece in pieces {
                checksum.update(piece);
                record.payload.push(piece);
            }
        }
        record.payload_checksum = checksum.finish();
        record
    }

    /// Bytes of the record in the file.
    pub(crate) fn len(&self) -> u64 {
        let len = (RECORD_HEADER_LEN + self.table.len()) as u64 + self.payload_len;
        len.next_multiple_of(JOURNAL_ALIGN as u64)
    }

    pub(crate) fn segments(&self) -> &[&'a Arc<Segment>] {
        &self.segments
    }

    pub(super) fn write(
        &self,
        file: &JournalFile,
        generation: u64,
        offset: u64,
        durable_to: u64,
    ) -> Result<(), FileError> {
        static PADDING: [u8; JOURNAL_ALIGN] = [0; JOURNAL_ALIGN];
        let header = RecordHeader {
            generation,
            offset,
            durable_to,
            run_count: u32::try_from(self.segments.len())
                .expect("a round has far fewer than 2^32 runs"),
            payload_len: self.payload_len,
            runs_checksum: crc32c(&self.table),
            payload_checksum: self.payload_checksum,
        }
        .encode();
        let used = (RECORD_HEADER_LEN + self.table.len()) as u64 + self.payload_len;
        let padding = usize::try_from(self.len() - used).unwrap_or(0);
        let pieces = [&header[..], &self.table]
            .into_iter()
            .chain(self.payload.iter().copied())
            .chain([&PADDING[..padding]]);
        write_all_at(&*file.file, pieces, offset).context("write", &file.path)
    }
}
