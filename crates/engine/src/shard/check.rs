//! Checks the records of a batch whose body came in pieces, without putting them together.
//!
//! The pieces are what the network delivered, so they split records anywhere. A record inside one
//! piece is read where it is; of one that straddles pieces only its head (lengths, flags, keys) is
//! copied. The verdict and its words are those of `afflux_entry::Batch::check` on the whole body.

use afflux_entry::{EntryError, RECORD_OVERHEAD};
use afflux_types::limits::PARTITION_KEY_CHARS_MAX;
use afflux_types::{HashKey, PartitionKey};
use bytes::Bytes;

const EXPLICIT_HASH_KEY_LEN: usize = 16;
const FLAG_EXPLICIT_HASH_KEY: u8 = 0x01;

/// Checks every record and returns the hash key of the first.
///
/// # Errors
/// `Record` with the first offending record and the reason.
pub(crate) fn check_batch(
    body: &[Bytes],
    count: u32,
    record_bytes_max: usize,
) -> Result<Option<HashKey>, EntryError> {
    let mut rope = Rope::new(body);
    let mut first = None;
    for index in 0..count {
        let offset = rope.offset;
        let fail = |reason: String| EntryError::Record {
            index,
            offset,
            reason,
        };
        let head = rope.head().map_err(|reason| fail(reason.to_owned()))?;
        // As when a record is read whole, its framing is judged before its key, and that before its
        // size.
        let key = check_key(head.key);
        let len = head.key.len() + head.data_len;
        let data_len = head.data_len;
        if index == 0 {
            first = Some(
                head.explicit_hash_key
                    .unwrap_or_else(|| HashKey::of(head.key)),
            );
        }
        rope.skip(data_len)
            .map_err(|reason| fail(reason.to_owned()))?;
        key.map_err(fail)?;
        if len > record_bytes_max {
            return Err(fail(format!(
                "key and data have {len} bytes; the limit is {record_bytes_max}"
            )));
        }
    }
    if rope.is_empty() {
        return Ok(first);
    }
    Err(EntryError::Record {
        index: count,
        offset: rope.offset,
        reason: "bytes follow the last record".to_owned(),
    })
}

/// The hash key of one record of a batch that was checked.
pub(crate) fn hash_key_at(body: &[Bytes], index: u32) -> Option<HashKey> {
    let mut rope = Rope::new(body);
    for _ in 0..index {
        let data_len = rope.head().ok()?.data_len;
        rope.skip(data_len).ok()?;
    }
    let head = rope.head().ok()?;
    let hash_key = head.explicit_hash_key;
    Some(hash_key.unwrap_or_else(|| HashKey::of(head.key)))
}

fn check_key(key: &[u8]) -> Result<(), String> {
    // Nearly every key: no decoding, no counting.
    if key.is_ascii() && (1..=PARTITION_KEY_CHARS_MAX).contains(&key.len()) {
        return Ok(());
    }
    PartitionKey::check(key).map_err(|error| error.message().to_owned())
}

/// A record up to its data.
struct Head<'a> {
    key: &'a [u8],
    explicit_hash_key: Option<HashKey>,
    data_len: usize,
}

/// The pieces of a body, consumed from the front.
struct Rope<'a> {
    piece: &'a [u8],
    rest: std::slice::Iter<'a, Bytes>,
    offset: usize,
    /// Holds a head that straddles pieces: at most 24 bytes and a key of 65,535.
    scratch: Vec<u8>,
}

impl<'a> Rope<'a> {
    fn new(body: &'a [Bytes]) -> Self {
        Self {
            piece: &[],
            rest: body.iter(),
            offset: 0,
            scratch: Vec::new(),
        }
    }

    fn is_empty(&mut self) -> bool {
        while self.piece.is_empty() {
            match self.rest.next() {
                Some(piece) => self.piece = piece,
                None => return true,
            }
        }
        false
    }

    /// Reads the next record up to its data.
    fn head(&mut self) -> Result<Head<'_>, &'static str> {
        if self.is_empty() {
            return Err("its header reaches beyond the body");
        }
        let whole = self
            .piece
            .get(..RECORD_OVERHEAD)
            .and_then(|fixed| Some((Fixed::parse(fixed)?, self.piece)))
            .filter(|(fixed, piece)| piece.len() >= fixed.head_len());
        let Some((fixed, piece)) = whole else {
            return self.straddling_head();
        };
        fixed.check()?;
        let (head, rest) = piece.split_at(fixed.head_len());
        self.piece = rest;
        self.offset += head.len();
        fixed.read(head)
    }

    #[cold]
    fn straddling_head(&mut self) -> Result<Head<'_>, &'static str> {
        self.scratch.clear();
        if !self.copy(RECORD_OVERHEAD) {
            return Err("its header reaches beyond the body");
        }
        let fixed = Fixed::parse(&self.scratch).ok_or("its header reaches beyond the body")?;
        fixed.check()?;
        if fixed.explicit_hash_key && !self.copy(EXPLICIT_HASH_KEY_LEN) {
            return Err("its explicit hash key reaches beyond the body");
        }
        if !self.copy(fixed.key_len) {
            return Err("its partition key reaches beyond the body");
        }
        fixed.read(&self.scratch)
    }

    /// Appends the next `len` bytes to the scratch; false if there are fewer.
    fn copy(&mut self, len: usize) -> bool {
        let mut missing = len;
        while missing > 0 {
            if self.is_empty() {
                return false;
            }
            let (head, rest) = self.piece.split_at(missing.min(self.piece.len()));
            self.scratch.extend_from_slice(head);
            self.piece = rest;
            self.offset += head.len();
            missing -= head.len();
        }
        true
    }

    fn skip(&mut self, len: usize) -> Result<(), &'static str> {
        let mut missing = len;
        loop {
            if let Some(rest) = self.piece.get(missing..) {
                self.piece = rest;
                self.offset += missing;
                return Ok(());
            }
            missing -= self.piece.len();
            self.offset += self.piece.len();
            self.piece = self.rest.next().ok_or("its data reaches beyond the body")?;
        }
    }
}

/// The first eight bytes of a record.
#[derive(Clone, Copy)]
struct Fixed {
    data_len: usize,
    key_len: usize,
    explicit_hash_key: bool,
    known: bool,
}

impl Fixed {
    #[inline]
    fn parse(bytes: &[u8]) -> Option<Self> {
        let &[d0, d1, d2, d3, k0, k1, flags, reserved] = bytes else {
            return None;
        };
        Some(Self {
            data_len: u32::from_le_bytes([d0, d1, d2, d3]) as usize,
            key_len: usize::from(u16::from_le_bytes([k0, k1])),
            explicit_hash_key: flags & FLAG_EXPLICIT_HASH_KEY != 0,
            known: flags & !FLAG_EXPLICIT_HASH_KEY == 0 && reserved == 0,
        })
    }

    fn check(self) -> Result<(), &'static str> {
        if self.known {
            Ok(())
        } else {
            Err("it has unknown flags")
        }
    }

    fn head_len(self) -> usize {
        let hash_len = if self.explicit_hash_key {
            EXPLICIT_HASH_KEY_LEN
        } else {
            0
        };
        RECORD_OVERHEAD + hash_len + self.key_len
    }

    /// Cuts the keys out of `head`, which has [`Fixed::head_len`] bytes.
    #[inline]
    fn read(self, head: &[u8]) -> Result<Head<'_>, &'static str> {
        let keys = head
            .get(RECORD_OVERHEAD..)
            .ok_or("its header reaches beyond the body")?;
        let (explicit_hash_key, key) = if self.explicit_hash_key {
            let (hash_key, key) = keys
                .split_first_chunk()
                .ok_or("its explicit hash key reaches beyond the body")?;
            (Some(HashKey::new(u128::from_le_bytes(*hash_key))), key)
        } else {
            (None, keys)
        };
        Ok(Head {
            key,
            explicit_hash_key,
            data_len: self.data_len,
        })
    }
}

#[cfg(test)]
mod tests {
    use afflux_entry::{Batch, BatchBuilder};
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    fn split(body: &Bytes, cuts: &[Index]) -> Vec<Bytes> {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        cuts.windows(2)
            .map(|pair| body.slice(pair[0]..pair[1]))
            .collect()
    }

    fn agrees(body: &Bytes, count: u32, limit: usize, cuts: &[Index]) {
        let whole = Batch::new(body, count).check(limit);
        let pieces = check_batch(&split(body, cuts), count, limit);
        match (whole, pieces) {
            (Ok(()), Ok(first)) => {
                let record = Batch::new(body, count).next();
                assert_eq!(first, record.map(|record| record.unwrap().hash_key()));
                for (index, record) in (0..).zip(Batch::new(body, count)) {
                    let found = hash_key_at(&split(body, cuts), index);
                    assert_eq!(found, Some(record.unwrap().hash_key()));
                }
                assert_eq!(hash_key_at(&split(body, cuts), count), None);
            }
            (Err(whole), Err(pieces)) => assert_eq!(whole, pieces),
            (whole, pieces) => panic!("whole: {whole:?}, in pieces: {pieces:?}"),
        }
    }

    proptest! {
        #[test]
        fn pieces_get_the_verdict_of_the_whole(
            rows in proptest::collection::vec(("[a-zäß]{0,300}", proptest::option::of(any::<u128>()), 0_usize..60), 1..20),
            cuts: Vec<Index>,
            more in 0_u32..3,
            limit in 20_usize..400,
            flip in proptest::option::of((any::<Index>(), any::<u8>())),
        ) {
            let mut builder = BatchBuilder::default();
            for (key, hash, len) in &rows {
                builder.push(key.as_bytes(), hash.map(HashKey::new), &vec![7; *len]);
            }
            let (body, count) = builder.take();
            let mut bytes = body.to_vec();
            if let Some((at, with)) = flip {
                let at = at.index(bytes.len());
                bytes[at] ^= with;
            }
            agrees(&Bytes::from(bytes), count + more - 1, limit, &cuts);
        }

        #[test]
        fn random_bytes_get_the_verdict_of_the_whole(body: Vec<u8>, count in 0_u32..5, cuts: Vec<Index>) {
            agrees(&Bytes::from(body), count, 1 << 20, &cuts);
        }
    }
}
