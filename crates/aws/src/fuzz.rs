//! One door for each parser of untrusted bytes; none of them may panic.

use afflux_types::ServerTime;
use bytes::Bytes;

use crate::document::Format;
use crate::kinesis::arn::ResourceArn;
use crate::kinesis::token::Sealer;
use crate::kinesis::{Operation, Request, SequenceNumber, aggregate, event_stream};
use crate::sigv4::{self, Claim, Scope, Secret};

/// A body in either format, for every operation. The first byte chooses.
pub fn request(input: &[u8]) {
    let Some((&choice, body)) = input.split_first() else {
        return;
    };
    let body = Bytes::copy_from_slice(body);
    let operations = Operation::ALL.iter().cycle();
    if let Some(operation) = operations.skip(usize::from(choice)).copied().next() {
        for format in [Format::Json, Format::Cbor] {
            let _ = Request::decode(operation, format, &body);
        }
    }
}

/// Frames of an event stream.
pub fn frames(mut input: &[u8]) {
    while let Ok(Some(frame)) = event_stream::decode(input) {
        input = input.get(frame.len..).unwrap_or_default();
    }
}

/// The message inside an aggregated record, under a sum that is right.
pub fn aggregated(message: &[u8]) {
    let _ = aggregate::split(&aggregate::seal(message));
}

/// Iterators, tokens, sequence numbers and ARNs.
pub fn text(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let sealer = Sealer::new(&[0; 32], 0);
    let now = ServerTime::from_millis(0);
    let _ = sealer.open_iterator(&text, now);
    let _ = sealer.open_page(&text, Operation::ListShards, now);
    let _ = text.parse::<ResourceArn>();
    if let Ok(number) = text.parse::<SequenceNumber>() {
        let again = number.to_string().parse();
        assert_eq!(again, Ok(number), "a number is written as it was read");
    }
}

/// An `Authorization` header and, behind the first line break, a query.
pub fn sigv4(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (authorization, query) = text.split_once('\n').unwrap_or((&text, ""));
    let headers: [(&str, &[u8]); 3] = [
        ("authorization", authorization.as_bytes()),
        ("host", b"localhost"),
        ("x-amz-date", b"20150830T123600Z"),
    ];
    let in_header = sigv4::Request {
        method: "POST",
        path: query,
        query: "",
        headers: &headers,
        body: b"",
    };
    let in_query = sigv4::Request {
        query,
        headers: headers.get(1..).unwrap_or_default(),
        ..in_header
    };
    let secret = Secret {
        key: "secret",
        session_token: None,
    };
    let scope = Scope {
        region: None,
        service: "kinesis",
    };
    for request in [in_header, in_query] {
        if let Ok(claim) = Claim::find(&request) {
            let _ = claim.verify(&request, &secret, &scope, claim.time());
        }
    }
}
