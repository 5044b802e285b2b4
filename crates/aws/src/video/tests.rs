use super::*;
use crate::validate::Kind;

fn decode(operation: Operation, body: &'static str) -> Result<Request, Error> {
    Request::decode(operation, &Bytes::from_static(body.as_bytes()))
}

#[test]
fn every_operation_is_found_by_its_path() {
    for &operation in Operation::ALL {
        assert_eq!(Operation::from_path(operation.path()), Some(operation));
    }
    for path in ["/", "/CreateStream", "/createStream/", "/tagresource", ""] {
        assert_eq!(Operation::from_path(path), None, "{path}");
    }
}

#[test]
fn every_operation_is_served_or_says_that_it_is_not() {
    for &operation in Operation::ALL {
        let served = Request::shape(operation).is_some() || operation == Operation::PutMedia;
        assert_eq!(served, operation.unserved().is_none(), "{operation}");
    }
    let error = decode(Operation::CreateSignalingChannel, "{}").unwrap_err();
    assert_eq!(
        error.to_string(),
        "InvalidArgumentException: CreateSignalingChannel is not supported: this server has no \
         signaling channels."
    );
}

#[test]
fn a_request_without_members_may_have_no_body() {
    assert!(matches!(
        decode(Operation::ListStreams, ""),
        Ok(Request::ListStreams(_))
    ));
    let error = decode(Operation::GetDataEndpoint, "").unwrap_err();
    assert_eq!(
        error.to_string(),
        "ValidationException: 1 validation error detected: Value null at 'aPIName' failed to satisfy \
         constraint: Member must not be null"
    );
}

#[test]
fn times_are_read_in_seconds_with_a_fraction() {
    let body = r#"{"StreamName":"a","ClipFragmentSelector":{"FragmentSelectorType":
        "PRODUCER_TIMESTAMP","TimestampRange":{"StartTimestamp":1511852109.126,
        "EndTimestamp":1511852110}}}"#;
    let Request::GetClip(input) = decode(Operation::GetClip, body).unwrap() else {
        panic!("not a GetClip");
    };
    let range = input.clip_fragment_selector.timestamp_range;
    assert_eq!(range.start_timestamp.as_millis(), 1_511_852_109_126);
    assert_eq!(range.end_timestamp.as_millis(), 1_511_852_110_000);
    assert_eq!(input.exact, None);
}

#[test]
fn a_request_names_its_stream_in_one_place() {
    let arn = "arn:aws:kinesisvideo:us-east-1:000000000000:stream/a/1";
    for (operation, body, named) in [
        (
            Operation::DescribeStream,
            r#"{"StreamName":"a"}"#,
            (Some("a"), None),
        ),
        (
            Operation::TagResource,
            r#"{"ResourceARN":"arn:aws:kinesisvideo:us-east-1:000000000000:stream/a/1",
                "Tags":[{"Key":"k","Value":""}]}"#,
            (None, Some(arn)),
        ),
        (Operation::ListStreams, "{}", (None, None)),
    ] {
        assert_eq!(decode(operation, body).unwrap().stream(), named);
    }
}

#[test]
fn an_error_has_its_sentence_in_the_body_and_its_code_elsewhere() {
    let error = Error::new(Code::ResourceNotFound, "Gone.");
    assert_eq!(error.to_bytes(), r#"{"Message":"Gone."}"#.as_bytes());
    assert_eq!(
        (error.status(), error.code().name()),
        (404, "ResourceNotFoundException")
    );
    assert_eq!(
        Error::bare(Code::InternalFailure).to_bytes(),
        "{}".as_bytes()
    );
}

#[test]
fn put_media_is_read_from_headers() {
    use input::{FragmentTimecodeType, PutMediaInput};
    let read = |headers: &'static [(&str, &str)]| {
        PutMediaInput::from_headers(|name| {
            let found = headers.iter().find(|(found, _)| *found == name);
            found.map(|(_, value)| *value)
        })
    };
    let input = read(&[
        ("x-amzn-stream-name", "door"),
        ("x-amzn-fragment-timecode-type", "RELATIVE"),
        ("x-amzn-producer-start-timestamp", "1763740800.5"),
        ("x-amzn-fragment-acknowledgment-required", "1"),
    ])
    .unwrap();
    assert_eq!(input.stream_name.as_deref(), Some("door"));
    assert_eq!(input.timecode_type, FragmentTimecodeType::Relative);
    assert_eq!(
        input.producer_start.map(|time| time.as_millis()),
        Some(1_763_740_800_500)
    );
    assert_eq!(input.acks, Some(true));
    for (headers, code) in [
        (&[("x-amzn-stream-name", "door")][..], Code::Validation),
        (
            &[
                ("x-amzn-stream-name", "a/b"),
                ("x-amzn-fragment-timecode-type", "ABSOLUTE"),
            ],
            Code::Validation,
        ),
        (
            &[
                ("x-amzn-fragment-timecode-type", "ABSOLUTE"),
                ("x-amzn-producer-start-timestamp", "-1"),
            ],
            Code::InvalidArgument,
        ),
    ] {
        assert_eq!(read(headers).unwrap_err().code(), code, "{headers:?}");
    }
}

#[test]
fn every_input_is_a_structure() {
    let shapes = Operation::ALL.iter().filter_map(|&op| Request::shape(op));
    for shape in shapes {
        assert!(matches!(shape.kind(), Kind::Structure(..)));
    }
}
