use super::*;
use crate::kinesis::Operation;

const POST: Head<'_> = Head {
    method: "POST",
    content_type: Some("application/x-amz-json-1.1"),
    target: Some("Kinesis_20131202.ListShards"),
    body_is_empty: false,
};

fn refused(head: Head<'_>) -> (u16, String) {
    let refusal = route::<Operation>(&head).unwrap_err();
    let body = String::from_utf8_lossy(&refusal.body).into_owned();
    (refusal.status, body)
}

#[test]
fn a_request_names_its_operation_and_its_format() {
    let head = Head {
        content_type: Some("application/x-amz-cbor-1.1; charset=UTF-8"),
        ..POST
    };
    let expected = Route {
        operation: Operation::ListShards,
        format: Format::Cbor,
    };
    assert_eq!(route(&head), Ok(expected));
}

const UNDETERMINED: &str = "<AccessDeniedException>\n  <Message>Unable to determine \
                            service/operation name to be authorized</Message>\n\
                            </AccessDeniedException>\n";
const UNKNOWN: &str = r#"{"__type":"UnknownOperationException"}"#;
const JSON: Option<&str> = POST.content_type;
const LIST: Option<&str> = POST.target;

/// Type, target, status and body.
type Case = (
    Option<&'static str>,
    Option<&'static str>,
    u16,
    &'static str,
);

const CASES: [Case; 8] = [
    (None, None, 403, UNDETERMINED),
    (Some("x/y"), Some("a"), 403, UNDETERMINED),
    (Some("x/y"), LIST, 404, "<UnknownOperationException/>\n"),
    (JSON, Some("Kinesis_20131202.Nope"), 400, UNKNOWN),
    (JSON, Some("Other.ListShards"), 400, UNKNOWN),
    (JSON, Some("ListShards"), 400, UNKNOWN),
    (JSON, None, 400, UNKNOWN),
    (
        Some("application/json"),
        LIST,
        404,
        r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#,
    ),
];

#[test]
fn what_names_no_operation_is_refused_as_the_service_does() {
    for (content_type, target, status, body) in CASES {
        let head = Head {
            content_type,
            target,
            ..POST
        };
        assert_eq!(refused(head), (status, body.to_owned()), "{head:?}");
    }
    let get = Head {
        method: "GET",
        ..POST
    };
    assert_eq!(refused(get), (403, UNDETERMINED.to_owned()));
}

#[test]
fn a_request_without_a_body_is_refused() {
    let empty = Head {
        body_is_empty: true,
        ..POST
    };
    let broken = r#"{"__type":"SerializationException"}"#;
    assert_eq!(refused(empty), (400, broken.to_owned()));
    let unknown = Head {
        target: None,
        ..empty
    };
    assert_eq!(refused(unknown), (400, UNKNOWN.to_owned()));
}

#[test]
fn a_service_without_cbor_does_not_recognize_it() {
    use crate::firehose;
    let target = Some("Firehose_20150804.PutRecord");
    let head = Head { target, ..POST };
    let expected = Route {
        operation: firehose::Operation::PutRecord,
        format: Format::Json,
    };
    assert_eq!(route(&head), Ok(expected));
    let cbor = Head {
        content_type: Some(Format::Cbor.content_type()),
        ..head
    };
    let refused = |head: Head<'_>| route::<firehose::Operation>(&head).unwrap_err();
    assert_eq!(refused(cbor).status, 404);
    let empty = Head {
        body_is_empty: true,
        ..cbor
    };
    assert_eq!(refused(empty).content_type, JSON);
}
