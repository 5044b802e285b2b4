//! The canonical form of a request: what both sides hash.

use std::borrow::Cow;
use std::fmt::Write as _;

use ring::digest;

use super::claim::Claim;
use super::{Payload, Request, UNSIGNED_PAYLOAD};

/// The canonical request; `None` if a header that is said to be signed is not there.
pub(super) fn request(request: &Request<'_>, claim: &Claim, payload_hash: &str) -> Option<String> {
    let mut text = String::with_capacity(1_024);
    text.push_str(request.method);
    text.push('\n');
    path(request.path, &mut text);
    text.push('\n');
    query(request.query, claim.is_in_query(), &mut text);
    text.push('\n');
    for name in claim.signed_headers() {
        header(request, name, &mut text)?;
    }
    text.push('\n');
    for (i, name) in claim.signed_headers().enumerate() {
        if i > 0 {
            text.push(';');
        }
        text.push_str(name);
    }
    text.push('\n');
    text.push_str(payload_hash);
    Some(text)
}

/// What may stand for the body: its hash, or the words for an unsigned one where the request says so.
/// In the query there is no room to say so, so that both are tried.
pub(super) fn payload_hashes(request: &Request<'_>, in_query: bool) -> Vec<Cow<'static, str>> {
    let mut headers = request.headers.iter();
    let declared = headers
        .find(|(name, _)| name.eq_ignore_ascii_case("x-amz-content-sha256"))
        .map(|(_, value)| *value);
    let unsigned = Cow::Borrowed(UNSIGNED_PAYLOAD);
    if declared == Some(UNSIGNED_PAYLOAD.as_bytes()) {
        return vec![unsigned];
    }
    let hash = match (request.payload, declared) {
        (Payload::Whole(body), _) => sha256_hex(body),
        (Payload::Arriving, None) => sha256_hex(b""),
        (Payload::Arriving, Some(declared)) => String::from_utf8_lossy(declared).into_owned(),
    };
    let hash = Cow::Owned(hash);
    if in_query {
        vec![hash, unsigned]
    } else {
        vec![hash]
    }
}

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, bytes);
    let mut text = String::with_capacity(64);
    for byte in hash.as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Removes dot segments and empty ones, then encodes once more what came encoded.
fn path(path: &str, to: &mut String) {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    for segment in &segments {
        to.push('/');
        encode(segment.as_bytes(), to);
    }
    let ends_in_directory = ["/", "/.", "/.."].iter().any(|end| path.ends_with(end));
    if segments.is_empty() || ends_in_directory {
        to.push('/');
    }
}

/// Parameters by name, then by value, without the signature itself.
fn query(query: &str, in_query: bool, to: &mut String) {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name), decode(value));
        if in_query && name == b"X-Amz-Signature" {
            continue;
        }
        let mut encoded = (String::new(), String::new());
        encode(&name, &mut encoded.0);
        encode(&value, &mut encoded.1);
        pairs.push(encoded);
    }
    pairs.sort_unstable();
    for (i, (name, value)) in pairs.iter().enumerate() {
        if i > 0 {
            to.push('&');
        }
        to.push_str(name);
        to.push('=');
        to.push_str(value);
    }
}

/// `name:value,value` with runs of blanks as one.
fn header(request: &Request<'_>, name: &str, to: &mut String) -> Option<()> {
    let mut values = request
        .headers
        .iter()
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .peekable();
    values.peek()?;
    to.push_str(name);
    let mut separator = ':';
    for (_, value) in values {
        to.push(separator);
        separator = ',';
        let value = String::from_utf8_lossy(value);
        let mut words = value.split([' ', '\t']).filter(|word| !word.is_empty());
        if let Some(first) = words.next() {
            to.push_str(first);
        }
        for word in words {
            to.push(' ');
            to.push_str(word);
        }
    }
    to.push('\n');
    Some(())
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
fn encode(bytes: &[u8], to: &mut String) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            to.push(char::from(byte));
        } else {
            let _ = write!(to, "%{byte:02X}");
        }
    }
}

/// Takes percent-encoding off; what is not one stays.
pub(super) fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let pair = (byte == b'%')
            .then(|| tail.split_first_chunk::<2>())
            .flatten()
            .and_then(|([high, low], tail)| Some((hex(*high)? << 4 | hex(*low)?, tail)));
        let (byte, tail) = pair.unwrap_or((byte, tail));
        bytes.push(byte);
        rest = tail;
    }
    bytes
}

/// The value of a hexadecimal digit.
pub(super) fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
