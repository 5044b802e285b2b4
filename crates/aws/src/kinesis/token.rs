//! Shard iterators and paging tokens: opaque, tamper-proof, good for five minutes.
//!
//! # Shape
//! Base64 of a header of eight bytes (the number 1), a nonce of 12 bytes, and AES-256-GCM of the
//! content. The length is 8 modulo 16 and at least 152 bytes, as that of the service's iterators.
//!
//! The nonce is an HMAC of the content, which holds a running number: two tokens of the same content
//! differ, no random numbers are needed, and a nonce comes twice only for the same bytes, whatever the
//! seed. Iterators and paging tokens are bound to their kind as associated data.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use afflux_types::{Position, ServerTime, ShardId, StreamName};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

use super::{Code, Error, Operation};

/// How long an iterator or a token is good.
///
/// # Units
/// Milliseconds.
pub const TOKEN_AGE_MAX_MS: u64 = 300_000;

const HEADER: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 1];
const TAG_LEN: usize = 16;
/// What makes the shortest token 152 bytes long.
const CONTENT_MIN: usize = 152 - HEADER.len() - NONCE_LEN - TAG_LEN;
const BLOCK: usize = 16;

/// Where a reader of a shard stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardIterator {
    /// The stream.
    pub stream: StreamName,
    /// When the stream was made: tells two of one name apart.
    pub stream_created: ServerTime,
    /// The shard.
    pub shard: ShardId,
    /// The next record to read.
    pub position: Position,
    /// When the iterator was made.
    pub created: ServerTime,
}

/// Where the next page of a list starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The operation that lists.
    pub operation: Operation,
    /// What is listed, such as the name of a stream and the time it was made.
    pub scope: String,
    /// The last item of the page before.
    pub after: String,
    /// What else the first request asked for.
    pub filter: String,
    /// When the token was made.
    pub created: ServerTime,
}

/// Seals and opens iterators and paging tokens with one key.
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

    /// Writes an iterator.
    #[must_use]
    pub fn seal_iterator(&self, iterator: &ShardIterator) -> String {
        let mut content = Vec::with_capacity(CONTENT_MIN + 2 * BLOCK);
        content.extend_from_slice(&iterator.created.as_millis().to_be_bytes());
        content.extend_from_slice(&iterator.stream_created.as_millis().to_be_bytes());
        content.extend_from_slice(&iterator.shard.get().to_be_bytes());
        content.extend_from_slice(&iterator.position.get().to_be_bytes());
        write_text(&mut content, iterator.stream.as_str());
        self.seal(Kind::Iterator, content)
    }

    /// Reads an iterator that is not too old. One in double quotes is taken too, as the service does.
    ///
    /// # Errors
    /// `InvalidArgumentException` and `ExpiredIteratorException`.
    pub fn open_iterator(&self, text: &str, now: ServerTime) -> Result<ShardIterator, Error> {
        let invalid = || Error::new(Code::InvalidArgument, "Invalid ShardIterator.");
        let content = self.open(Kind::Iterator, text).ok_or_else(invalid)?;
        let iterator = read_iterator(&content).ok_or_else(invalid)?;
        match expiry("Iterator", "iterator", iterator.created, now) {
            Some(text) => Err(Error::new(Code::ExpiredIterator, text)),
            None => Ok(iterator),
        }
    }

    /// Writes a paging token.
    #[must_use]
    pub fn seal_page(&self, page: &Page) -> String {
        let mut content = Vec::with_capacity(CONTENT_MIN + 2 * BLOCK);
        content.extend_from_slice(&page.created.as_millis().to_be_bytes());
        for text in [
            page.operation.name(),
            &page.scope,
            &page.after,
            &page.filter,
        ] {
            write_text(&mut content, text);
        }
        self.seal(Kind::Page, content)
    }

    /// Reads a paging token of an operation that is not too old.
    ///
    /// # Errors
    /// `InvalidArgumentException` and `ExpiredNextTokenException`.
    pub fn open_page(
        &self,
        text: &str,
        operation: Operation,
        now: ServerTime,
    ) -> Result<Page, Error> {
        let invalid = || Error::new(Code::InvalidArgument, "Invalid NextToken.");
        let content = self.open(Kind::Page, text).ok_or_else(invalid)?;
        let page = read_page(&content)
            .filter(|page| page.operation == operation)
            .ok_or_else(invalid)?;
        match expiry("NextToken", "token", page.created, now) {
            Some(text) => Err(Error::new(Code::ExpiredNextToken, text)),
            None => Ok(page),
        }
    }

    fn seal(&self, kind: Kind, mut content: Vec<u8>) -> String {
        let salt = self.salt.fetch_add(1, Ordering::Relaxed);
        content.extend_from_slice(&salt.to_be_bytes());
        let length = content.len().max(CONTENT_MIN);
        content.resize(
            CONTENT_MIN + (length - CONTENT_MIN).next_multiple_of(BLOCK),
            0,
        );
        let mut mac = hmac::Context::with_key(&self.nonces);
        mac.update(kind.label());
        mac.update(&content);
        let mac = mac.sign();
        let mut nonce = [0; NONCE_LEN];
        for (to, from) in nonce.iter_mut().zip(mac.as_ref()) {
            *to = *from;
        }
        self.cipher
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(kind.label()),
                &mut content,
            )
            .expect("a token is far shorter than what the cipher can seal");
        let mut sealed = Vec::with_capacity(HEADER.len() + NONCE_LEN + content.len());
        sealed.extend_from_slice(&HEADER);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&content);
        base64_simd::STANDARD.encode_to_string(&sealed)
    }

    fn open(&self, kind: Kind, text: &str) -> Option<Vec<u8>> {
        let unquoted = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        let sealed = base64_simd::STANDARD
            .decode_to_vec(unquoted.unwrap_or(text))
            .ok()?;
        let sealed = sealed.strip_prefix(&HEADER)?;
        let (nonce, content) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut content = content.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self
            .cipher
            .open_in_place(nonce, Aad::from(kind.label()), &mut content);
        let length = opened.ok()?.len();
        content.truncate(length);
        Some(content)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Iterator,
    Page,
}

impl Kind {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Iterator => b"iterator",
            Self::Page => b"page",
        }
    }
}

fn write_text(to: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(text.as_bytes());
}

fn take<'c, const N: usize>(content: &mut &'c [u8]) -> Option<&'c [u8; N]> {
    let (taken, rest) = content.split_first_chunk()?;
    *content = rest;
    Some(taken)
}

fn take_time(content: &mut &[u8]) -> Option<ServerTime> {
    take(content).map(|bytes| ServerTime::from_millis(i64::from_be_bytes(*bytes)))
}

fn take_text<'c>(content: &mut &'c [u8]) -> Option<&'c str> {
    let length = u32::from_be_bytes(*take(content)?);
    let (text, rest) = content.split_at_checked(usize::try_from(length).ok()?)?;
    *content = rest;
    std::str::from_utf8(text).ok()
}

fn read_iterator(mut content: &[u8]) -> Option<ShardIterator> {
    let content = &mut content;
    Some(ShardIterator {
        created: take_time(content)?,
        stream_created: take_time(content)?,
        shard: ShardId::new(u32::from_be_bytes(*take(content)?)),
        position: Position::new(u64::from_be_bytes(*take(content)?)),
        stream: take_text(content)?.parse().ok()?,
    })
}

fn read_page(mut content: &[u8]) -> Option<Page> {
    let content = &mut content;
    Some(Page {
        created: take_time(content)?,
        operation: Operation::from_name(take_text(content)?)?,
        scope: take_text(content)?.to_owned(),
        after: take_text(content)?.to_owned(),
        filter: take_text(content)?.to_owned(),
    })
}

/// The service's sentence about a token that is too old. One from the future, after the clock was set
/// back, is good.
fn expiry(what: &str, noun: &str, created: ServerTime, now: ServerTime) -> Option<String> {
    let age = now.since(created).as_millis();
    (age > u128::from(TOKEN_AGE_MAX_MS)).then(|| {
        let (created, now) = (java_date(created), java_date(now));
        format!(
            "{what} expired. The {noun} was created at time {created} while right now it is {now} \
             which is further in the future than the tolerated delay of {TOKEN_AGE_MAX_MS} \
             milliseconds."
        )
    })
}

/// `Thu Jul 02 12:57:57 UTC 2015`.
fn java_date(time: ServerTime) -> String {
    let time = jiff::Timestamp::from_millisecond(time.as_millis()).unwrap_or_default();
    time.strftime("%a %b %d %H:%M:%S UTC %Y").to_string()
}

#[cfg(test)]
mod tests;
