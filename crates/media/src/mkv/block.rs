//! Blocks: the header before a frame, and the ways in which one block holds several.
//!
//! A block arrives as a rope of slices of the input. Only its header is looked at; frames leave as
//! slices.
//!
//! Source: RFC 9559, sections 10 and 10.3.

use bytes::Bytes;

use super::ebml::{self, Elements, Id};
use super::error::Error;
use crate::rope::{Rope, length};

/// Bytes of the fields before the lacing, at most.
const HEADER_BYTES_MAX: u64 = 11;
/// `SimpleBlock` flag: decoding can start here.
pub(super) const KEY: u8 = 0x80;
/// Bytes of a `BlockGroup` beside its block that are looked at.
const GROUP_FIELDS_BYTES_MAX: u64 = 1 << 16;

/// A block taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) track: u64,
    /// Ticks from the Cluster's timestamp.
    pub(super) relative: i16,
    pub(super) key: bool,
    /// Ticks that all frames play, if a `BlockGroup` says so.
    pub(super) duration: Option<u64>,
    /// The frames, in the order in which they play; at least one.
    pub(super) frames: Vec<Vec<Bytes>>,
}

impl Block {
    /// Reads the content of a `SimpleBlock`.
    pub(super) fn simple(pieces: Vec<Bytes>) -> Result<Self, Error> {
        Self::read(Id::SIMPLE_BLOCK, &Rope::new(pieces))
    }

    /// Reads the content of a `BlockGroup`; one without a block is nothing.
    pub(super) fn group(pieces: Vec<Bytes>) -> Result<Option<Self>, Error> {
        let rope = Rope::new(pieces);
        let (mut block, mut duration, mut is_key) = (None, None, true);
        let mut start = 0;
        while start < rope.len() {
            let head = rope.contiguous(start, start + length(&[0; ebml::HEADER_BYTES_MAX]));
            let header = ebml::ElementHeader::read(&head, start)?;
            let body = header.and_then(|header| {
                let from = start + u64::try_from(header.header_bytes).ok()?;
                let to = from.checked_add(header.bytes?)?;
                (to <= rope.len()).then_some((header.id, from, to))
            });
            let (id, from, to) = body.ok_or(Error::Malformed {
                id: Id::BLOCK_GROUP,
                reason: "an element in it runs past its end",
            })?;
            match id {
                Id::BLOCK => {
                    let mut pieces = Vec::new();
                    rope.slice(from, to, &mut pieces);
                    block = Some(Self::read(id, &Rope::new(pieces))?);
                }
                Id::BLOCK_DURATION if to - from <= GROUP_FIELDS_BYTES_MAX => {
                    let whole = rope.contiguous(start, to);
                    let element = Elements::new(Id::BLOCK_GROUP, &whole).next().transpose()?;
                    duration = element.map(|element| element.unsigned()).transpose()?;
                }
                // A frame that needs another is not a key frame.
                Id::REFERENCE_BLOCK => is_key = false,
                _ => {}
            }
            start = to;
        }
        Ok(block.map(|block| Self {
            key: is_key,
            duration,
            ..block
        }))
    }

    fn read(id: Id, rope: &Rope) -> Result<Self, Error> {
        let malformed = |reason| Error::Malformed { id, reason };
        let head = rope.contiguous(0, HEADER_BYTES_MAX);
        let cut = || malformed("it ends inside its header");
        let track = ebml::number(&head).ok_or_else(cut)?;
        let rest = head.get(track.length..).ok_or_else(cut)?;
        let [high, low, flags] = *rest.first_chunk::<3>().ok_or_else(cut)?;
        let start = length(head.get(..track.length).unwrap_or_default()) + 3;
        let frames = match flags & 0x06 {
            0x00 => vec![slice(rope, start, rope.len())],
            lacing => {
                let mut reader = Reader { rope, at: start };
                let sizes = match lacing {
                    0x02 => xiph(&mut reader),
                    0x06 => ebml_sizes(&mut reader),
                    _ => fixed(&mut reader),
                };
                let sizes = sizes.ok_or_else(|| malformed("its lacing does not add up"))?;
                let mut at = reader.at;
                let laced = sizes.iter().map(|size| {
                    let from = at;
                    at += size;
                    slice(rope, from, at)
                });
                laced.collect()
            }
        };
        Ok(Self {
            track: track.value,
            relative: i16::from_be_bytes([high, low]),
            key: flags & KEY != 0,
            duration: None,
            frames,
        })
    }
}

fn slice(rope: &Rope, from: u64, to: u64) -> Vec<Bytes> {
    let mut pieces = Vec::with_capacity(1);
    rope.slice(from, to, &mut pieces);
    pieces
}

/// Reads single bytes of a rope.
struct Reader<'a> {
    rope: &'a Rope,
    at: u64,
}

impl Reader<'_> {
    fn u8(&mut self) -> Option<u8> {
        let byte = self.rope.contiguous(self.at, self.at + 1);
        self.at += 1;
        byte.first().copied()
    }

    fn number(&mut self) -> Option<ebml::Number> {
        let number = ebml::number(&self.rope.contiguous(self.at, self.at + 8))?;
        self.at += u64::try_from(number.length).ok()?;
        Some(number)
    }

    /// Adds the last frame, which has what the others leave.
    fn close(&self, mut sizes: Vec<u64>) -> Option<Vec<u64>> {
        let used = sizes
            .iter()
            .try_fold(0_u64, |sum, size| sum.checked_add(*size))?;
        let left = self.rope.len().checked_sub(self.at)?.checked_sub(used)?;
        sizes.push(left);
        Some(sizes)
    }
}

/// Xiph lacing: a size is a sum of bytes that a byte below 255 ends.
fn xiph(reader: &mut Reader<'_>) -> Option<Vec<u64>> {
    let more = reader.u8()?;
    let mut sizes = Vec::with_capacity(usize::from(more) + 1);
    for _ in 0..more {
        let mut size = 0;
        loop {
            let byte = reader.u8()?;
            size += u64::from(byte);
            if byte < 255 {
                break;
            }
        }
        sizes.push(size);
    }
    reader.close(sizes)
}

/// EBML lacing: a size, then how much each next one differs.
fn ebml_sizes(reader: &mut Reader<'_>) -> Option<Vec<u64>> {
    let more = reader.u8()?;
    let mut sizes: Vec<u64> = Vec::with_capacity(usize::from(more) + 1);
    for _ in 0..more {
        let number = reader.number()?;
        let size = match sizes.last() {
            None => number.value,
            Some(last) => {
                // Signed: the range of the unsigned number, moved down by its half.
                let half = (1_i64 << (7 * number.length - 1)) - 1;
                let difference = i64::try_from(number.value).ok()? - half;
                last.checked_add_signed(difference)?
            }
        };
        sizes.push(size);
    }
    reader.close(sizes)
}

/// Fixed lacing: all frames have the same size.
fn fixed(reader: &mut Reader<'_>) -> Option<Vec<u64>> {
    let count = u64::from(reader.u8()?) + 1;
    let left = reader.rope.len().checked_sub(reader.at)?;
    let size = left / count;
    (size * count == left).then(|| (0..count).map(|_| size).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(flags: u8, rest: &[u8]) -> Vec<Bytes> {
        let whole = [&[0x81, 0xff, 0xfe, flags][..], rest].concat();
        whole
            .chunks(3)
            .map(Bytes::copy_from_slice)
            .collect::<Vec<_>>()
    }

    fn sizes(block: &Block) -> Vec<usize> {
        let frames = block.frames.iter();
        frames
            .map(|frame| frame.iter().map(Bytes::len).sum())
            .collect()
    }

    #[test]
    fn a_block_says_track_time_and_key() {
        let block = Block::simple(block(0x80, b"frame")).unwrap();
        assert_eq!((block.track, block.relative, block.key), (1, -2, true));
        assert_eq!(block.frames[0].concat(), b"frame");
    }

    #[test]
    fn xiph_lacing_adds_bytes_up_to_one_below_255() {
        let frames = vec![7; 800 + 500 + 10];
        let lace = [&[2, 255, 255, 255, 35, 255, 245][..], &frames].concat();
        let block = Block::simple(block(0x02, &lace)).unwrap();
        assert_eq!(sizes(&block), [800, 500, 10]);
    }

    #[test]
    fn ebml_lacing_adds_differences() {
        // The example of RFC 9559: 800, 500 and 1000 bytes.
        let frames = vec![7; 2_300];
        let lace = [&[2, 0x43, 0x20, 0x5e, 0xd3][..], &frames].concat();
        let block = Block::simple(block(0x06, &lace)).unwrap();
        assert_eq!(sizes(&block), [800, 500, 1_000]);
    }

    #[test]
    fn fixed_lacing_shares_evenly() {
        let lace = [&[2][..], &[7; 30]].concat();
        assert_eq!(sizes(&Block::simple(block(0x04, &lace)).unwrap()), [10; 3]);
        let odd = [&[2][..], &[7; 31]].concat();
        assert!(Block::simple(block(0x04, &odd)).is_err());
    }

    #[test]
    fn lacing_that_claims_too_much_is_refused() {
        for (flags, lace) in [
            (0x02, &[1, 255][..]),
            (0x02, &[1, 9, 1, 2]),
            (0x06, &[1, 0x89, 1]),
            (0x06, &[2, 0x81, 0x80, 1]),
            (0x04, &[]),
        ] {
            assert!(Block::simple(block(flags, lace)).is_err(), "{lace:?}");
        }
    }

    #[test]
    fn a_group_is_a_key_frame_unless_it_refers_to_another() {
        let inner = [&[0xa1, 0x85, 0x81, 0, 5, 0, 9][..], &[0x9b, 0x81, 40]].concat();
        let group = Block::group(vec![Bytes::from(inner.clone())])
            .unwrap()
            .unwrap();
        assert_eq!((group.key, group.duration), (true, Some(40)));
        let inner = [&inner[..], &[0xfb, 0x81, 0xd8]].concat();
        let group = Block::group(vec![Bytes::from(inner)]).unwrap().unwrap();
        assert!(!group.key);
    }
}
