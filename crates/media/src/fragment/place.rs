//! Finds the boxes of a fragment as received, and each track's bytes in them.
//!
//! The `moof` is a stranger's word about where samples lie. Nothing is read or stored until every
//! run of samples is known to lie inside an `mdat`, no two overlap, and no byte is left over.

use std::ops::Range;

use crate::bmff::{BoxHeader, LARGE_HEADER_BYTES, kind};
use crate::error::{Error, Result};
use crate::moof::{Base, MovieFragment};
use crate::rope::Rope;

/// Where the boxes of a fragment are, in bytes from its first.
#[derive(Debug)]
pub(super) struct Boxes {
    pub(super) moof: Range<u64>,
    /// The contents of each `mdat`.
    data: Vec<Range<u64>>,
}

/// Finds the `moof` and what follows it.
pub(super) fn boxes(rope: &Rope, moof_bytes_max: u64) -> Result<Boxes> {
    let mut moof = None;
    let mut data = Vec::new();
    let mut offset = 0;
    while offset < rope.len() {
        let head = rope.contiguous(offset, offset + LARGE_HEADER_BYTES);
        let truncated = |kind, expected| Error::Truncated {
            kind,
            offset,
            expected,
            actual: rope.len() - offset,
        };
        let header =
            BoxHeader::read(&head, offset)?.ok_or_else(|| truncated(None, LARGE_HEADER_BYTES))?;
        let end = offset + header.bytes;
        if end > rope.len() {
            return Err(truncated(Some(header.kind), header.bytes));
        }
        match (header.kind, &moof) {
            (kind::MOOF, None) => {
                if header.bytes > moof_bytes_max {
                    return Err(Error::BoxTooLarge {
                        kind: header.kind,
                        offset,
                        bytes: header.bytes,
                        limit: moof_bytes_max,
                    });
                }
                moof = Some(offset..end);
            }
            (kind::MDAT, Some(_)) => data.push(offset + header.header_bytes..end),
            (kind::MDAT, None) => return Err(Error::MdatWithoutMoof { offset }),
            (kind::MOOF | kind::MOOV | kind::FTYP, _) => {
                return Err(Error::UnexpectedBox {
                    kind: header.kind,
                    place: "a fragment",
                });
            }
            _ => {}
        }
        offset = end;
    }
    let moof = moof.ok_or(Error::MissingBox {
        kind: kind::MOOF,
        parent: kind::MOOF,
    })?;
    if data.is_empty() {
        return Err(Error::MoofWithoutMdat { offset: moof.start });
    }
    Ok(Boxes { moof, data })
}

/// The bytes of each track's runs, in the order of the tracks and of their samples.
///
/// `position` is where the fragment's first byte lies in its input, if that is known.
pub(super) fn runs(
    boxes: &Boxes,
    fragment: &MovieFragment,
    position: Option<u64>,
) -> Result<Vec<Vec<Range<u64>>>> {
    let mut placed = Vec::with_capacity(fragment.tracks.len());
    let mut previous_end = boxes.moof.start;
    for track in &fragment.tracks {
        let base = match track.base {
            Base::Moof => boxes.moof.start,
            Base::PreviousTrack => previous_end,
            Base::Input(offset) => position
                .and_then(|position| offset.checked_sub(position))
                .ok_or(Error::AbsoluteOffset {
                    track_id: track.track_id,
                    offset,
                })?,
        };
        let mut next = base;
        let mut ranges = Vec::with_capacity(track.runs.len());
        for run in &track.runs {
            let start = match run.data_offset {
                Some(offset) => base.checked_add_signed(i64::from(offset)),
                None => Some(next),
            };
            let range = start.and_then(|start| Some(start..start.checked_add(run.bytes)?));
            let inside = |range: &Range<u64>| {
                boxes
                    .data
                    .iter()
                    .any(|data| data.start <= range.start && range.end <= data.end)
            };
            let range = range.filter(inside).ok_or_else(|| Error::DataOutsideMdat {
                track_id: track.track_id,
                offset: start.unwrap_or(u64::MAX),
                bytes: run.bytes,
            })?;
            next = range.end;
            ranges.push(range);
        }
        previous_end = next;
        placed.push(ranges);
    }
    check_cover(boxes, &placed)?;
    Ok(placed)
}

/// No two runs share a byte, and no byte of an `mdat` belongs to none.
fn check_cover(boxes: &Boxes, placed: &[Vec<Range<u64>>]) -> Result<()> {
    let mut all: Vec<&Range<u64>> = placed
        .iter()
        .flatten()
        .filter(|range| !range.is_empty())
        .collect();
    all.sort_unstable_by_key(|range| range.start);
    for (before, after) in all.iter().zip(all.iter().skip(1)) {
        if after.start < before.end {
            return Err(Error::OverlappingData {
                offset: after.start,
                end: before.end,
            });
        }
    }
    let declared = all.iter().map(|range| range.end - range.start).sum();
    let present = boxes.data.iter().map(|data| data.end - data.start).sum();
    if declared == present {
        Ok(())
    } else {
        Err(Error::UnusedData { declared, present })
    }
}
