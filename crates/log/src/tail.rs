//! Where the entries of a segment end: reads up to the first that is not whole, and looks behind it for
//! proof that bytes there were durable once.

use std::path::Path;

use afflux_entry::{HEADER_LEN, Header};
use afflux_types::Position;

use crate::error::{Context, Fault, FileError};
use crate::format::{Activation, Identity, SEGMENT_HEADER_LEN};
use crate::fs::{LogFile, write_zeros};
use crate::index::IndexBuilder;
use crate::points::Point;
use crate::scan::{Expected, Found, Scan};

/// Where the entries of a segment end, and how.
pub(crate) struct Tail {
    pub(crate) index: IndexBuilder,
    /// What is wrong at the end, if there are not just zeros up to the end of the file.
    pub(crate) torn: Option<Fault>,
    /// Whether bytes at the end were durable once.
    pub(crate) damaged: bool,
}

impl Tail {
    /// Counts what is missing below the segment's recovery point as damage.
    pub(crate) fn compare(mut self, identity: &Identity, point: Option<Point>) -> Self {
        if let Some(Point { durable_to, .. }) = point.filter(|point| {
            (point.ordinal, point.id) == (identity.ordinal, identity.id)
                && point.durable_to > self.index.summary().data_len
        }) {
            self.damaged = true;
            self.torn.get_or_insert(Fault::Short { durable_to });
        }
        self
    }
}

/// Zeroes everything from `end` on, so that no later entry is followed by stale bytes.
pub(crate) fn cut(
    file: &dyn LogFile,
    path: &Path,
    identity: &Identity,
    end: u64,
) -> Result<(), FileError> {
    let written = Scan::new(file, path, identity.capacity).written_end(end)?;
    write_zeros(file, end, written).context("cut the torn tail of", path)?;
    file.sync().context("sync", path)
}

/// Reads the entries of a segment up to the first that is not whole.
pub(crate) fn read_tail(
    file: &dyn LogFile,
    path: &Path,
    identity: &Identity,
    activation: &Activation,
) -> Result<Tail, FileError> {
    let mut scan = Scan::new(file, path, identity.capacity);
    let mut index = IndexBuilder::new(activation.first);
    let mut expected = Expected {
        position: activation.first,
        arrival: activation.arrival_floor,
    };
    let mut offset = SEGMENT_HEADER_LEN as u64;
    let (fault, search) = loop {
        match scan.entry_at(offset)? {
            Found::Entry(header) => {
                if let Err(fault) = expected.accept(&header) {
                    break (fault, offset + header.entry_len() as u64);
                }
                index.push(&header);
                offset += header.entry_len() as u64;
            }
            Found::Nothing => match scan.first_written(offset)? {
                None => {
                    return Ok(Tail {
                        index,
                        torn: None,
                        damaged: false,
                    });
                }
                Some(written) => {
                    let expected = offset;
                    let from = written.saturating_sub(HEADER_LEN as u64).max(offset);
                    break (
                        Fault::Hole {
                            offset: expected,
                            written,
                        },
                        from,
                    );
                }
            },
            Found::Bad(error) => {
                let from = match scan.header_at(offset)? {
                    Some(header) => offset + header.entry_len() as u64,
                    None => offset + 1,
                };
                break (Fault::Entry(error), from);
            }
        }
    };
    let damaged = find_proof(&mut scan, search, offset, expected.position)?;
    Ok(Tail {
        index,
        torn: Some(fault),
        damaged,
    })
}

/// Whether an entry from `search` on says that bytes beyond `end` were durable when it was stamped.
///
/// Entries below `position` are not of this place in the log: bytes of an older file, or of a body.
pub(crate) fn find_proof(
    scan: &mut Scan<'_>,
    mut search: u64,
    end: u64,
    position: Position,
) -> Result<bool, FileError> {
    while let Some((offset, header)) = scan.next_entry(search)? {
        let later = header.stamp.is_some_and(|stamp| stamp.position >= position);
        if later && durable_before(&header, offset) > end {
            return Ok(true);
        }
        search = offset + header.entry_len() as u64;
    }
    Ok(false)
}

/// The offset below which a segment was durable when the entry at `offset` was stamped.
fn durable_before(header: &Header, offset: u64) -> u64 {
    header.stamp.map_or(0, |stamp| {
        if stamp.unsynced == u32::MAX {
            0
        } else {
            offset.saturating_sub(u64::from(stamp.unsynced))
        }
    })
}
