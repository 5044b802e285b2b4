//! A stream's data key: wrapped in the catalog, opened in memory.

use std::fmt;

use afflux_entry::Producer;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{hkdf, hmac};
use zeroize::Zeroizing;

use super::error::KeyFault;
use super::keyring::{KEY_LEN, MasterKey};

const ENTRY: &[u8] = b"afflux entry 1";
const RETRY: &[u8] = b"afflux retry 1";
const WRAP: &[u8] = b"afflux data key 1";

/// A data key as the catalog keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrapped {
    /// From 1 within the stream.
    pub(crate) number: u64,
    /// The id of the master key.
    pub(crate) master: String,
    /// Nonce, ciphertext and tag of AES-256-GCM, bound to stream, number and master key.
    pub(crate) bytes: Vec<u8>,
}

/// A data key, opened.
pub(crate) struct DataKey {
    number: u64,
    secret: Zeroizing<[u8; KEY_LEN]>,
    retry: hmac::Key,
}

impl DataKey {
    /// A new key; `None` if the system has no random numbers.
    pub(crate) fn random(number: u64) -> Option<Self> {
        let mut secret = Zeroizing::new([0; KEY_LEN]);
        SystemRandom::new().fill(secret.as_mut_slice()).ok()?;
        Some(Self::new(number, secret))
    }

    fn new(number: u64, secret: Zeroizing<[u8; KEY_LEN]>) -> Self {
        let retry = derive(&secret, &[], &[RETRY], hmac::HMAC_SHA256);
        Self {
            number,
            secret,
            retry,
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The key for the catalog; `None` if the system has no random numbers.
    pub(crate) fn wrap(&self, master: &MasterKey, stream: u64) -> Option<Wrapped> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut bytes = nonce.to_vec();
        let mut secret = self.secret.clone();
        let bound = bound(stream, self.number, &master.id);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = master
            .cipher()
            .seal_in_place_separate_tag(nonce, Aad::from(bound), secret.as_mut_slice())
            .ok()?;
        bytes.extend_from_slice(secret.as_slice());
        bytes.extend_from_slice(tag.as_ref());
        Some(Wrapped {
            number: self.number,
            master: master.id.clone(),
            bytes,
        })
    }

    /// Opens a key from the catalog.
    pub(crate) fn unwrap(
        wrapped: &Wrapped,
        master: &MasterKey,
        stream: u64,
    ) -> Result<Self, KeyFault> {
        let wrong = || KeyFault::Wrong {
            number: wrapped.number,
            key: master.id.clone(),
        };
        let (nonce, sealed) = wrapped
            .bytes
            .split_first_chunk::<NONCE_LEN>()
            .ok_or_else(wrong)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let bound = bound(stream, wrapped.number, &master.id);
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = master
            .cipher()
            .open_in_place(nonce, Aad::from(bound), &mut sealed)
            .map_err(|_| wrong())?;
        let mut secret = Zeroizing::new([0; KEY_LEN]);
        if opened.len() != KEY_LEN {
            return Err(wrong());
        }
        secret.copy_from_slice(opened);
        Ok(Self::new(wrapped.number, secret))
    }

    /// The cipher of the entries with a salt.
    pub(super) fn cipher(&self, salt: &[u8; 16]) -> LessSafeKey {
        let key: UnboundKey = derive(&self.secret, salt, &[ENTRY], &AES_256_GCM);
        LessSafeKey::new(key)
    }

    /// By what a retry of a sealed entry is recognised: its plain checksum, keyed. The checksum itself
    /// would tell whoever has the disk whether a guess of the records is right.
    pub(crate) fn retry(&self, producer: Producer, checksum: u32) -> u32 {
        let mut context = hmac::Context::with_key(&self.retry);
        context.update(&producer.id.to_le_bytes());
        context.update(&producer.sequence.to_le_bytes());
        context.update(&checksum.to_le_bytes());
        let tag = context.sign();
        let first = tag.as_ref().first_chunk();
        u32::from_le_bytes(*first.expect("a tag of SHA-256 has 32 bytes"))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

fn derive<L: hkdf::KeyType, K: for<'a> From<hkdf::Okm<'a, L>>>(
    secret: &[u8; KEY_LEN],
    salt: &[u8],
    info: &[&[u8]],
    kind: L,
) -> K {
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let key = secret.expand(info, kind);
    K::from(key.expect("keys are shorter than what HKDF can give"))
}

fn bound(stream: u64, number: u64, master: &str) -> Vec<u8> {
    let mut bytes = WRAP.to_vec();
    bytes.extend_from_slice(&stream.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(master.as_bytes());
    bytes
}
