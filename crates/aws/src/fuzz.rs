//! One door for each parser of untrusted bytes; none of them may panic.

use core::net::{IpAddr, Ipv4Addr};

use afflux_types::ServerTime;
use bytes::Bytes;

use crate::Decode as _;
use crate::document::Format;
use crate::firehose::{self, Destination};
use crate::kinesis::arn::ResourceArn;
use crate::kinesis::token::Sealer;
use crate::kinesis::{Operation, Request, SequenceNumber, event_stream};
use crate::policy::{self, Decision, Policy, Principal, Subject};
use crate::sigv4::{self, Claim, Scope, Secret};
use crate::video;

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

/// A body for every operation on video, and headers of `PutMedia`. The first byte chooses.
pub fn video_request(input: &[u8]) {
    let Some((&choice, body)) = input.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(body);
    let mut lines = text.lines();
    let headers: [Option<&str>; 5] = std::array::from_fn(|_| lines.next());
    let _ = video::input::PutMediaInput::from_headers(|name| {
        let at = name.len() % headers.len();
        headers.get(at).copied().flatten()
    });
    let _ = text.parse::<video::arn::StreamArn>();
    let body = Bytes::copy_from_slice(body);
    let operations = video::Operation::ALL.iter().cycle();
    if let Some(operation) = operations.skip(usize::from(choice)).copied().next()
        && let Ok(request) = video::Request::decode(operation, &body)
    {
        let _ = request.stream();
    }
}

/// A body for every operation on delivery streams. The first byte chooses. What is understood of a
/// destination is kept, described and changed.
pub fn firehose_request(input: &[u8]) {
    let Some((&choice, body)) = input.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(body);
    let _ = text.parse::<firehose::arn::DeliveryStreamArn>();
    let _ = firehose::arn::bucket(&text);
    let body = Bytes::copy_from_slice(body);
    let operations = firehose::Operation::ALL.iter().cycle();
    let operation = operations.skip(usize::from(choice)).copied().next();
    let request = operation.map(|operation| firehose::Request::decode(operation, &body));
    let bucket = Bytes::from_static(
        br#"{"ExtendedS3DestinationConfiguration":{"RoleARN":"arn:aws:iam::123456789012:role/r","BucketARN":"arn:aws:s3:::b"}}"#,
    );
    let destination = match request {
        Some(Ok(firehose::Request::CreateDeliveryStream(input))) => Destination::of(&input),
        Some(Ok(firehose::Request::UpdateDestination(input))) => {
            let bucket = Destination::decode(Format::Json, &bucket);
            bucket.map_or_else(|error| Err(error.into()), |it| it.updated(&input))
        }
        _ => return,
    };
    let Ok(destination) = destination else {
        return;
    };
    let kept = firehose::encode(&destination);
    assert_eq!(
        Destination::decode(Format::Json, &kept),
        Ok(destination.clone()),
        "a destination is read as it was written"
    );
    let _ = firehose::encode(&destination.describe("d"));
}

/// Frames of an event stream.
pub fn frames(mut input: &[u8]) {
    while let Ok(Some(frame)) = event_stream::decode(input) {
        input = input.get(frame.len..).unwrap_or_default();
    }
}

/// Iterators, tokens, sequence numbers and ARNs.
pub fn text(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let sealer = Sealer::new(&[0; 32], 0);
    let now = ServerTime::from_millis(0);
    let _ = sealer.open_iterator(&text, now);
    let _ = sealer.open_page(&text, Operation::ListShards, now);
    let _ = sealer.open_url("label", &text);
    let _ = text.parse::<ResourceArn>();
    if let Ok(number) = text.parse::<SequenceNumber>() {
        let again = number.to_string().parse();
        assert_eq!(again, Ok(number), "a number is written as it was read");
    }
}

/// A policy of a stream and of a consumer, and what it says of a caller whom it may name.
pub fn policy(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let consumer = format!("{stream}/consumer/c:1");
    let principal = Principal::user("111122223333", "u");
    let request = policy::Request {
        principal: &principal,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        encrypted: true,
        now: ServerTime::from_millis(0),
    };
    for resource in [stream, &consumer] {
        let Ok(arn) = resource.parse::<ResourceArn>() else {
            return;
        };
        let subject = Subject {
            service: "kinesis",
            resource,
            actions: arn.shares(),
        };
        let Ok(policy) = Policy::parse(&text, &subject) else {
            continue;
        };
        for operation in Operation::ALL {
            let decision = policy.decide(operation.name(), &request);
            let shared = arn.shares().contains(&operation.name());
            assert!(
                shared || decision == Decision::Silent,
                "{operation} is not shared"
            );
            let says = |effect| text.contains(effect) || text.contains('\\');
            match decision {
                Decision::Silent => {}
                Decision::Delegated | Decision::Allowed => assert!(says("Allow"), "nobody allows"),
                Decision::Denied => assert!(says("Deny"), "nobody denies"),
            }
        }
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
        payload: sigv4::Payload::Whole(b""),
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
    let arriving = sigv4::Request {
        payload: sigv4::Payload::Arriving,
        ..in_header
    };
    for request in [in_header, in_query, arriving] {
        if let Ok(claim) = Claim::find(&request) {
            let _ = claim.verify(&request, &secret, &scope, claim.time());
        }
    }
}
