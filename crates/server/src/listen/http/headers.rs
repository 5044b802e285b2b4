//! The headers that the service's clients know: ids of requests, and leave for scripts of other sites.

use std::net::{IpAddr, SocketAddr};

use base64_simd::STANDARD;
use hyper::HeaderMap;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderName, HeaderValue, ORIGIN,
};
use rand::RngCore as _;

use crate::auth::is_loopback;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const REQUEST_ID_TOO: HeaderName = HeaderName::from_static("x-amz-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amz-errortype");
const ID_2: HeaderName = HeaderName::from_static("x-amz-id-2");
const ID_2_BYTES: usize = 72;
/// What scripts of other sites may read of an answer.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date",
);
/// For how many seconds a browser may remember what it was allowed.
const MAX_AGE: HeaderValue = HeaderValue::from_static("172800");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// Adds the ids of an answer, and returns the one that logs show.
pub(super) fn identify(answer: &mut HeaderMap) -> HeaderValue {
    let mut random = [0; 16 + ID_2_BYTES];
    rand::rng().fill_bytes(&mut random);
    let (id, id_2) = random.split_at(16);
    let id = header(&uuid(id));
    answer.insert(REQUEST_ID, id.clone());
    answer.insert(ID_2, header(&STANDARD.encode_to_string(id_2)));
    id
}

/// Adds what a browser asks for before it shows an answer to a script of another site.
pub(super) fn share(request: &HeaderMap, answer: &mut HeaderMap) {
    if request.contains_key(ORIGIN) {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

/// Lets scripts of every site read an answer.
pub(super) fn open(answer: &mut HeaderMap) {
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANY);
}

/// Adds the id of an answer once more where clients look that also look for the type of an error there.
pub(super) fn repeat(id: &HeaderValue, answer: &mut HeaderMap) {
    if answer.contains_key(ERROR_TYPE) {
        answer.insert(REQUEST_ID_TOO, id.clone());
    }
}

/// Whether a request comes from a script of a site that is not on this machine.
///
/// Where no signature is asked for, only this keeps every site that somebody here visits from using
/// the server through the visitor's browser.
pub(super) fn is_foreign(request: &HeaderMap) -> bool {
    let Some(origin) = request.get(ORIGIN) else {
        return false;
    };
    let host = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.parse::<hyper::Uri>().ok())
        .and_then(|origin| origin.host().map(str::to_owned));
    let Some(host) = host else { return true };
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    !address.map_or(host == "localhost", |address| {
        is_loopback(SocketAddr::new(address, 0))
    })
}

/// Whether a request is a browser's question whether a script of another site may ask.
pub(super) fn is_preflight(method: &hyper::Method, request: &HeaderMap) -> bool {
    method == hyper::Method::OPTIONS && request.contains_key(ORIGIN)
}

/// Answers such a question: it may. The script still needs a signature.
pub(super) fn allow(request: &HeaderMap, answer: &mut HeaderMap) {
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    for (asked, allowed) in [
        (ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_ALLOW_HEADERS),
        (ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_ALLOW_METHODS),
    ] {
        if let Some(value) = request.get(asked) {
            answer.insert(allowed, value.clone());
        }
    }
    answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    // The only answer without the second id.
    answer.remove(ID_2);
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("hexadecimal digits and base64 are visible characters")
}

/// A random UUID, version 4.
fn uuid(random: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in random.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let byte = match at {
            6 => byte & 0x0f | 0x40,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        for nibble in [byte >> 4, byte & 0x0f] {
            text.push(char::from_digit(u32::from(nibble), 16).expect("a nibble is a digit"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scripts_of_this_machine_are_at_home() {
        for (origin, foreign) in [
            ("http://localhost", false),
            ("https://localhost:3000", false),
            ("http://127.0.0.1:8080", false),
            ("http://[::1]:8080", false),
            ("https://example.org", true),
            ("http://localhost.example.org", true),
            ("http://192.0.2.1", true),
            ("null", true),
            ("", true),
        ] {
            let mut request = HeaderMap::new();
            assert!(!is_foreign(&request));
            request.insert(ORIGIN, HeaderValue::from_static(origin));
            assert_eq!(is_foreign(&request), foreign, "{origin}");
        }
    }

    #[test]
    fn ids_have_the_forms_that_the_service_gives_them() {
        assert_eq!(uuid(&[0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid(&[0; 16]), "00000000-0000-4000-8000-000000000000");
        let mut answer = HeaderMap::new();
        let id = identify(&mut answer);
        assert_eq!(answer[REQUEST_ID], id);
        assert_eq!(answer[ID_2].len(), 96);
        let mut other = HeaderMap::new();
        assert_ne!(identify(&mut other), id);
    }
}
