//! Shard iterators and paging tokens: opaque, tamper-proof, good for five minutes.
//!
//! # Shape
//! Base64 of what a [`Sealer`] seals.

use afflux_types::{Position, ServerTime, ShardId, StreamName};

use super::{Code, Error, Operation};
pub use crate::token::Sealer;
use crate::token::{take, take_text, take_time, write_text};

/// How long an iterator or a token is good.
///
/// # Units
/// Milliseconds.
pub const TOKEN_AGE_MAX_MS: u64 = 300_000;

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

/// What iterators are sealed as.
const ITERATOR: &str = "iterator";
/// What paging tokens are sealed as.
const PAGE: &str = "page";
/// What most contents fit in.
const CONTENT_BYTES: usize = 148;

impl Sealer {
    /// Writes an iterator.
    #[must_use]
    pub fn seal_iterator(&self, iterator: &ShardIterator) -> String {
        let mut content = Vec::with_capacity(CONTENT_BYTES);
        content.extend_from_slice(&iterator.created.as_millis().to_be_bytes());
        content.extend_from_slice(&iterator.stream_created.as_millis().to_be_bytes());
        content.extend_from_slice(&iterator.shard.get().to_be_bytes());
        content.extend_from_slice(&iterator.position.get().to_be_bytes());
        write_text(&mut content, iterator.stream.as_str());
        seal(self, ITERATOR, content)
    }

    /// Reads an iterator that is not too old. One in double quotes is taken too, as the service does.
    ///
    /// # Errors
    /// `InvalidArgumentException` and `ExpiredIteratorException`.
    pub fn open_iterator(&self, text: &str, now: ServerTime) -> Result<ShardIterator, Error> {
        let invalid = || Error::new(Code::InvalidArgument, "Invalid ShardIterator.");
        let content = open(self, ITERATOR, text).ok_or_else(invalid)?;
        let iterator = read_iterator(&content).ok_or_else(invalid)?;
        match expiry("Iterator", "iterator", iterator.created, now) {
            Some(text) => Err(Error::new(Code::ExpiredIterator, text)),
            None => Ok(iterator),
        }
    }

    /// Writes a paging token.
    #[must_use]
    pub fn seal_page(&self, page: &Page) -> String {
        let mut content = Vec::with_capacity(CONTENT_BYTES);
        content.extend_from_slice(&page.created.as_millis().to_be_bytes());
        for text in [
            page.operation.name(),
            &page.scope,
            &page.after,
            &page.filter,
        ] {
            write_text(&mut content, text);
        }
        seal(self, PAGE, content)
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
        let content = open(self, PAGE, text).ok_or_else(invalid)?;
        let page = read_page(&content)
            .filter(|page| page.operation == operation)
            .ok_or_else(invalid)?;
        match expiry("NextToken", "token", page.created, now) {
            Some(text) => Err(Error::new(Code::ExpiredNextToken, text)),
            None => Ok(page),
        }
    }
}

fn seal(sealer: &Sealer, label: &str, content: Vec<u8>) -> String {
    base64_simd::STANDARD.encode_to_string(sealer.seal(label, content))
}

fn open(sealer: &Sealer, label: &str, text: &str) -> Option<Vec<u8>> {
    let unquoted = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let sealed = base64_simd::STANDARD
        .decode_to_vec(unquoted.unwrap_or(text))
        .ok()?;
    sealer.open(label, &sealed)
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
