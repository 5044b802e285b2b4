//! Sealing the entries of one shard.
//!
//! # Why a salt
//! AES-GCM with random nonces must not seal more than 2³² entries under one key, which a busy stream
//! does in days. So the key of the cipher is derived from the data key and a random salt, which is
//! renewed long before: a data key lasts as long as it is wanted, and a restart or a copied machine
//! repeats nothing.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use afflux_entry::{Header, SEALED_HEAD_LEN, SEALED_OVERHEAD, SealedHead};
use afflux_types::{Error, Result};
use bytes::Bytes;
use parking_lot::Mutex;
use ring::aead::{Aad, LessSafeKey, Nonce};
use ring::rand::{SecureRandom, SystemRandom};

use super::data_key::DataKey;
use super::open::Place;

/// Entries with one salt: two nonces among them are the same once in 2⁵⁷ salts.
const SALT_ENTRIES_MAX: u32 = 1 << 20;

/// An entry as it goes to the disk.
pub(crate) struct Sealed {
    /// The number of the data key.
    pub(crate) key: u64,
    /// By what a retry is recognised; see [`DataKey::retry`].
    pub(crate) retry: u32,
    pub(crate) header: Header,
    pub(crate) body: Bytes,
}

/// What seals a shard's entries.
#[derive(Debug, Default)]
pub(crate) struct Sealer {
    lot: Mutex<Option<Arc<Lot>>>,
}

/// Entries that share a salt.
struct Lot {
    key: u64,
    salt: [u8; 16],
    cipher: LessSafeKey,
    entries: AtomicU32,
}

impl Sealer {
    /// Seals a plain entry.
    ///
    /// # Errors
    /// `Internal` if the system has no random numbers.
    pub(crate) fn seal(
        &self,
        key: &DataKey,
        place: Place,
        plain: &Header,
        body: &[Bytes],
    ) -> Result<Sealed> {
        let lot = self.lot(key)?;
        let mut nonce = [0; 12];
        random(&mut nonce)?;
        let head = SealedHead {
            key: key.number(),
            salt: lot.salt,
            nonce,
            retry: plain
                .producer
                .map_or(0, |producer| key.retry(producer, plain.checksum)),
        };
        let len = plain.body_len as usize + SEALED_OVERHEAD;
        let mut sealed = Vec::with_capacity(len);
        sealed.extend_from_slice(&head.encode());
        for piece in body {
            sealed.extend_from_slice(piece);
        }
        let bound = Aad::from(head.bound(plain, place.stream, place.shard));
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = lot
            .cipher
            .seal_in_place_separate_tag(nonce, bound, &mut sealed[SEALED_HEAD_LEN..])
            .map_err(|_| Error::internal("an entry is too long for its cipher"))?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(Sealed {
            key: head.key,
            retry: head.retry,
            header: plain.clone().with_body(true, &sealed),
            body: Bytes::from(sealed),
        })
    }

    fn lot(&self, key: &DataKey) -> Result<Arc<Lot>> {
        let mut current = self.lot.lock();
        if let Some(lot) = current.as_ref()
            && lot.key == key.number()
            && lot.entries.fetch_add(1, Ordering::Relaxed) < SALT_ENTRIES_MAX
        {
            return Ok(Arc::clone(lot));
        }
        let mut salt = [0; 16];
        random(&mut salt)?;
        let lot = Arc::new(Lot {
            key: key.number(),
            salt,
            cipher: key.cipher(&salt),
            entries: AtomicU32::new(1),
        });
        *current = Some(Arc::clone(&lot));
        Ok(lot)
    }
}

impl fmt::Debug for Lot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lot")
            .field("key", &self.key)
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

fn random(bytes: &mut [u8]) -> Result<()> {
    SystemRandom::new()
        .fill(bytes)
        .map_err(|_| Error::internal("the system has no random numbers"))
}
