//! What is given to clients to bring back: opaque and tamper-proof.
//!
//! # Shape
//! A header of eight bytes (the number 1), a nonce of 12 bytes, and AES-256-GCM of the content. The
//! length is 8 modulo 16 and at least 152 bytes, as that of the iterators of Kinesis Data Streams.
//!
//! The nonce is an HMAC of the content, which holds a running number: two tokens of the same content
//! differ, no random numbers are needed, and a nonce comes twice only for the same bytes, whatever the
//! seed. A token is bound to what it is for, its label, as associated data.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use afflux_types::ServerTime;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

const HEADER: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 1];
const TAG_LEN: usize = 16;
/// What makes the shortest token 152 bytes long.
const CONTENT_MIN: usize = 152 - HEADER.len() - NONCE_LEN - TAG_LEN;
const BLOCK: usize = 16;

/// Seals and opens tokens with one key.
pub struct Sealer {
    cipher: LessSafeKey,
    nonces: hmac::Key,
    salt: AtomicU64,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").finish_non_exhaustive()
    }
}

impl Sealer {
    /// A sealer whose tokens only a sealer with the same key opens. `seed` starts the running number
    /// that makes tokens differ; it need not be secret.
    ///
    /// # Panics
    /// Never: the derived keys have the length that the cipher wants.
    #[must_use]
    pub fn new(key: &[u8; 32], seed: u64) -> Self {
        let master = hmac::Key::new(hmac::HMAC_SHA256, key);
        let cipher = hmac::sign(&master, b"afflux token cipher");
        let nonces = hmac::sign(&master, b"afflux token nonce");
        let cipher = UnboundKey::new(&AES_256_GCM, cipher.as_ref()).expect("a key has 32 bytes");
        Self {
            cipher: LessSafeKey::new(cipher),
            nonces: hmac::Key::new(hmac::HMAC_SHA256, nonces.as_ref()),
            salt: AtomicU64::new(seed),
        }
    }

    /// Seals a content that ends by itself: what is opened again has bytes behind it.
    ///
    /// # Panics
    /// Never: no content comes near what the cipher can seal.
    #[must_use]
    pub fn seal(&self, label: &str, mut content: Vec<u8>) -> Vec<u8> {
        let salt = self.salt.fetch_add(1, Ordering::Relaxed);
        content.extend_from_slice(&salt.to_be_bytes());
        let length = content.len().max(CONTENT_MIN);
        content.resize(
            CONTENT_MIN + (length - CONTENT_MIN).next_multiple_of(BLOCK),
            0,
        );
        let mut mac = hmac::Context::with_key(&self.nonces);
        mac.update(label.as_bytes());
        mac.update(&content);
        let mac = mac.sign();
        let mut nonce = [0; NONCE_LEN];
        for (to, from) in nonce.iter_mut().zip(mac.as_ref()) {
            *to = *from;
        }
        self.cipher
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(label.as_bytes()),
                &mut content,
            )
            .expect("a token is far shorter than what the cipher can seal");
        let mut sealed = Vec::with_capacity(HEADER.len() + NONCE_LEN + content.len());
        sealed.extend_from_slice(&HEADER);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&content);
        sealed
    }

    /// Opens what was sealed with the same label; nothing else.
    #[must_use]
    pub fn open(&self, label: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let sealed = sealed.strip_prefix(&HEADER)?;
        let (nonce, content) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut content = content.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self
            .cipher
            .open_in_place(nonce, Aad::from(label.as_bytes()), &mut content);
        let length = opened.ok()?.len();
        content.truncate(length);
        Some(content)
    }
}

impl Sealer {
    /// [`Self::seal`] as text that URLs can hold.
    #[must_use]
    pub fn seal_url(&self, label: &str, content: Vec<u8>) -> String {
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(self.seal(label, content))
    }

    /// Opens what [`Self::seal_url`] sealed.
    #[must_use]
    pub fn open_url(&self, label: &str, sealed: &str) -> Option<Vec<u8>> {
        let sealed = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(sealed).ok()?;
        self.open(label, &sealed)
    }
}

/// Appends a text with its length.
pub fn write_text(to: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(text.as_bytes());
}

/// Takes bytes off the front.
pub fn take<'c, const N: usize>(content: &mut &'c [u8]) -> Option<&'c [u8; N]> {
    let (taken, rest) = content.split_first_chunk()?;
    *content = rest;
    Some(taken)
}

/// Takes a time in milliseconds off the front.
pub fn take_time(content: &mut &[u8]) -> Option<ServerTime> {
    take(content).map(|bytes| ServerTime::from_millis(i64::from_be_bytes(*bytes)))
}

/// Takes a text that [`write_text`] wrote off the front.
pub fn take_text<'c>(content: &mut &'c [u8]) -> Option<&'c str> {
    let length = u32::from_be_bytes(*take(content)?);
    let (text, rest) = content.split_at_checked(usize::try_from(length).ok()?)?;
    *content = rest;
    std::str::from_utf8(text).ok()
}
