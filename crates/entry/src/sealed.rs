//! The body of a sealed entry: what stands around the ciphertext, and what it is bound to.
//!
//! Here are the bytes; the ciphers and the keys are the engine's. Nothing in the clear part depends
//! on the records but `retry`, which is keyed.

use crate::error::EntryError;
use crate::header::Header;

const AT_KEY: usize = 0;
const AT_SALT: usize = 8;
const AT_NONCE: usize = 24;
const AT_RETRY: usize = 36;

/// Bytes before the ciphertext.
pub const SEALED_HEAD_LEN: usize = 40;
/// Bytes of the authentication tag, after the ciphertext.
pub const SEALED_TAG_LEN: usize = 16;
/// What sealing adds to a body.
pub const SEALED_OVERHEAD: usize = SEALED_HEAD_LEN + SEALED_TAG_LEN;

/// Bytes of a header that are bound to the ciphertext: all that the producer writes but the checksum.
const BOUND_HEADER_LEN: usize = 40;

/// What stands before the ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedHead {
    /// Which of the stream's data keys; from 1.
    pub key: u64,
    /// Makes the key of the cipher from the data key.
    pub salt: [u8; 16],
    /// Of the cipher.
    pub nonce: [u8; 12],
    /// A keyed fingerprint of the plain entry, by which its retry is recognised.
    pub retry: u32,
}

impl SealedHead {
    /// The bytes before the ciphertext.
    #[must_use]
    pub fn encode(&self) -> [u8; SEALED_HEAD_LEN] {
        let mut bytes = [0; SEALED_HEAD_LEN];
        bytes[AT_KEY..AT_SALT].copy_from_slice(&self.key.to_le_bytes());
        bytes[AT_SALT..AT_NONCE].copy_from_slice(&self.salt);
        bytes[AT_NONCE..AT_RETRY].copy_from_slice(&self.nonce);
        bytes[AT_RETRY..].copy_from_slice(&self.retry.to_le_bytes());
        bytes
    }

    /// Takes a sealed body apart: what stands before the ciphertext, and the ciphertext with its tag.
    ///
    /// # Errors
    /// `SealedTooShort` if it cannot hold both.
    pub fn split(body: &[u8]) -> Result<(Self, &[u8]), EntryError> {
        let short = EntryError::SealedTooShort { len: body.len() };
        let Some((head, rest)) = body.split_first_chunk::<SEALED_HEAD_LEN>() else {
            return Err(short);
        };
        if rest.len() < SEALED_TAG_LEN {
            return Err(short);
        }
        let (key, fields) = head.split_first_chunk().ok_or_else(|| short.clone())?;
        let (salt, fields) = fields.split_first_chunk().ok_or_else(|| short.clone())?;
        let (nonce, fields) = fields.split_first_chunk().ok_or_else(|| short.clone())?;
        let (retry, _) = fields.split_first_chunk().ok_or(short)?;
        let head = Self {
            key: u64::from_le_bytes(*key),
            salt: *salt,
            nonce: *nonce,
            retry: u32::from_le_bytes(*retry),
        };
        Ok((head, rest))
    }

    /// What the tag covers besides the ciphertext, for the entry with the plain header `plain` in a
    /// shard of a stream.
    #[must_use]
    pub fn bound(&self, plain: &Header, stream: u64, shard: u32) -> Vec<u8> {
        debug_assert!(
            !plain.sealed,
            "the plain header is bound, not the stored one"
        );
        let mut bytes = Vec::with_capacity(BOUND_HEADER_LEN + SEALED_HEAD_LEN + 12);
        bytes.extend_from_slice(&plain.encode()[..BOUND_HEADER_LEN]);
        bytes.extend_from_slice(&stream.to_le_bytes());
        bytes.extend_from_slice(&shard.to_le_bytes());
        bytes.extend_from_slice(&self.encode());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Kind;

    proptest! {
        #[test]
        fn a_head_reads_what_it_writes(key: u64, salt: [u8; 16], nonce: [u8; 12], retry: u32, rest: Vec<u8>) {
            let head = SealedHead { key, salt, nonce, retry };
            let mut body = head.encode().to_vec();
            body.extend(&rest);
            match SealedHead::split(&body) {
                Ok((read, ciphertext)) => {
                    prop_assert_eq!(read, head);
                    prop_assert_eq!(ciphertext, rest.as_slice());
                }
                Err(_) => prop_assert!(rest.len() < SEALED_TAG_LEN),
            }
        }

        #[test]
        fn random_bytes_never_panic(body: Vec<u8>) {
            let _ = SealedHead::split(&body);
        }
    }

    #[test]
    fn every_field_that_must_not_change_is_bound() {
        let head = SealedHead {
            key: 1,
            salt: [2; 16],
            nonce: [3; 12],
            retry: 4,
        };
        let plain = Header::for_body(Kind::Fragment, 1, None, None, &[b"abc"]);
        let bound = head.bound(&plain, 5, 6);
        assert_eq!(bound.len(), 92);
        let with = |change: &dyn Fn(&mut Header)| {
            let mut header = plain.clone();
            change(&mut header);
            head.bound(&header, 5, 6)
        };
        let changed = [
            with(&|header| header.kind = Kind::Init),
            with(&|header| header.key_frame = true),
            with(&|header| header.body_len = 4),
            with(&|header| header.record_count = 2),
            with(&|header| header.producer = Some(crate::Producer { id: 1, sequence: 0 })),
            with(&|header| header.producer = Some(crate::Producer { id: 1, sequence: 1 })),
            with(&|header| {
                header.producer_time = Some(afflux_types::ProducerTime::from_millis(1));
            }),
            head.bound(&plain, 6, 6),
            head.bound(&plain, 5, 7),
            SealedHead { key: 2, ..head }.bound(&plain, 5, 6),
            SealedHead { retry: 5, ..head }.bound(&plain, 5, 6),
        ];
        for (i, one) in changed.iter().enumerate() {
            assert_ne!(*one, bound, "change {i}");
            assert!(!changed[..i].contains(one), "change {i}");
        }
        // The checksum is of the form at hand, so it is not.
        assert_eq!(with(&|header| header.checksum = 9), bound);
    }

    #[test]
    fn offsets_of_a_sealed_body_are_the_documented_ones() {
        let documented: Vec<(String, String)> = include_str!("../ENTRY.md")
            .lines()
            .skip_while(|line| !line.starts_with("## Sealed body"))
            .skip_while(|line| !line.starts_with("| 0 |"))
            .take_while(|line| line.starts_with('|'))
            .map(|line| {
                let cells: Vec<&str> = line.split('|').map(str::trim).collect();
                (cells[1].to_owned(), cells[3].trim_matches('`').to_owned())
            })
            .collect();
        let expected = [
            (AT_KEY.to_string(), "key"),
            (AT_SALT.to_string(), "salt"),
            (AT_NONCE.to_string(), "nonce"),
            (AT_RETRY.to_string(), "retry"),
            (SEALED_HEAD_LEN.to_string(), "ciphertext"),
            ("\u{2026}".to_owned(), "tag"),
        ];
        let expected: Vec<_> = expected.map(|(at, name)| (at, name.to_owned())).into();
        assert_eq!(documented, expected);
    }
}
