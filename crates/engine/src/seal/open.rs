//! Opening the sealed entries of a slice, so that its reader gets them as they were sent.

use std::sync::Arc;

use afflux_entry::{Header, SEALED_TAG_LEN, SealedHead};
use afflux_log::Slice;
use afflux_types::Position;
use bytes::Bytes;
use ring::aead::{Aad, LessSafeKey, Nonce};

use super::data_key::DataKey;
use crate::shard::recover::Entries;

/// Which shard entries belong to; they open in no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) stream: u64,
    pub(crate) shard: u32,
}

/// A slice that could not be opened to its end.
#[derive(Debug)]
pub(crate) struct Stuck {
    /// What stands before the entry that does not open, plain.
    pub(crate) before: Slice,
    pub(crate) why: Why,
}

/// Why an entry does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its data key is not open.
    Key(u64),
    /// Its bytes are not those that were sealed.
    Damaged,
}

/// The slice with every entry plain; the same slice if none is sealed.
pub(crate) fn open(
    slice: Slice,
    place: Place,
    keys: impl Fn(u64) -> Option<Arc<DataKey>>,
) -> Result<Slice, Stuck> {
    let Some(plain_len) = first_sealed(&slice.bytes) else {
        return Ok(slice);
    };
    let mut out = Vec::with_capacity(slice.bytes.len());
    let (plain, rest) = slice.bytes.split_at(plain_len);
    out.extend_from_slice(plain);
    let mut cipher = None;
    for entry in Entries::new(rest) {
        let opened = match entry {
            Ok((header, body)) if header.sealed => {
                open_entry(&header, body, place, &keys, &mut cipher, &mut out)
            }
            Ok((header, body)) => {
                out.extend_from_slice(&header.encode());
                out.extend_from_slice(body);
                Ok(())
            }
            Err(_) => Err(Why::Damaged),
        };
        if let Err(why) = opened {
            let end = end_of(&out).unwrap_or(slice.first);
            let before = Slice {
                bytes: Bytes::from(out),
                first: slice.first,
                end,
            };
            return Err(Stuck { before, why });
        }
    }
    Ok(Slice {
        bytes: Bytes::from(out),
        first: slice.first,
        end: slice.end,
    })
}

/// The cipher of the last entry; the next one nearly always has the same.
type Last = Option<(u64, [u8; 16], LessSafeKey)>;

/// Appends the plain entry to `out`, or nothing.
fn open_entry(
    stored: &Header,
    body: &[u8],
    place: Place,
    keys: impl Fn(u64) -> Option<Arc<DataKey>>,
    last: &mut Last,
    out: &mut Vec<u8>,
) -> Result<(), Why> {
    let (head, sealed) = SealedHead::split(body).map_err(|_| Why::Damaged)?;
    let cipher = match last {
        Some((key, salt, cipher)) if (*key, *salt) == (head.key, head.salt) => cipher,
        _ => {
            let key = keys(head.key).ok_or(Why::Key(head.key))?;
            let cipher = key.cipher(&head.salt);
            &mut last.insert((head.key, head.salt, cipher)).2
        }
    };
    let plain_len = sealed.len() - SEALED_TAG_LEN;
    let plain = Header {
        sealed: false,
        body_len: u32::try_from(plain_len).map_err(|_| Why::Damaged)?,
        ..stored.clone()
    };
    let start = out.len();
    // The header's place; its checksum is known once the body is plain.
    out.extend_from_slice(&plain.encode());
    let body_start = out.len();
    out.extend_from_slice(sealed);
    let bound = Aad::from(head.bound(&plain, place.stream, place.shard));
    let nonce = Nonce::assume_unique_for_key(head.nonce);
    let opened = cipher.open_in_place(nonce, bound, &mut out[body_start..]);
    let Ok(opened) = opened else {
        out.truncate(start);
        return Err(Why::Damaged);
    };
    let header = plain.with_body(false, opened).encode();
    out.truncate(body_start + plain_len);
    out[start..body_start].copy_from_slice(&header);
    Ok(())
}

/// Bytes before the first sealed entry, or before the first that cannot be read; `None` if there is
/// neither.
fn first_sealed(bytes: &[u8]) -> Option<usize> {
    let mut offset = 0;
    for entry in Entries::new(bytes) {
        match entry {
            Ok((header, _)) if !header.sealed => offset += header.entry_len(),
            _ => return Some(offset),
        }
    }
    None
}

/// The position after the last entry; `None` if there is none.
fn end_of(bytes: &[u8]) -> Option<Position> {
    let last = Entries::new(bytes).filter_map(Result::ok).last()?;
    Some(last.0.end())
}
