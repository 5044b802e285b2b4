use afflux_transform::Compression;
use afflux_types::ServerTime;
use serde_json::{Value, json};

use super::*;

fn request(encoding: ContentEncoding) -> Request {
    let endpoint = EndpointSettings {
        encoding,
        ..EndpointSettings::new("https://collector.example.com/".into())
    };
    let made = ServerTime::from_millis(1_789_014_240_448);
    Request::new([0xab; 16], made, endpoint, Compression::None)
}

fn frames() -> Vec<u8> {
    let arrival = ServerTime::from_millis(1_789_014_240_000);
    [
        frame(arrival, b"one"),
        frame(arrival, b""),
        frame(arrival, b"three"),
    ]
    .concat()
}

#[test]
fn a_body_has_the_records_of_the_file() {
    let request = request(ContentEncoding::Identity);
    let body = request.body(&frames().into()).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap(),
        json!({
            "requestId": "abababab-abab-abab-abab-abababababab",
            "timestamp": 1_789_014_240_448_i64,
            "records": [{ "data": "b25l" }, { "data": "" }, { "data": "dGhyZWU=" }],
        })
    );
}

#[test]
fn headers_say_only_what_there_is_to_say() {
    let plain = request(ContentEncoding::Identity).headers("arn");
    let names: Vec<&str> = plain.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "content-type",
            "x-amz-firehose-protocol-version",
            "x-amz-firehose-request-id",
            "x-amz-firehose-source-arn"
        ]
    );
    let zipped = request(ContentEncoding::Gzip).headers("arn");
    assert!(zipped.contains(&("content-encoding", "gzip".to_owned())));
}

#[test]
fn records_that_were_given_up_are_lines() {
    let refusal = Refusal {
        code: "HttpEndpoint.RequestTimeout",
        message: "late".into(),
        is_final: false,
    };
    let now = ServerTime::from_millis(1_789_014_250_000);
    let (lines, count) = Request::lines(frames().into(), &refusal, 3, now);
    assert_eq!(count, 3);
    let lines = String::from_utf8(lines).unwrap();
    assert_eq!(
        lines.lines().next().unwrap(),
        "{\"rawData\":\"b25l\",\"errorCode\":\"HttpEndpoint.RequestTimeout\",\"errorMessage\":\"late\",\
         \"attemptsMade\":3,\"arrivalTimestamp\":1789014240000,\"attemptEndingTimestamp\":1789014250000}"
    );
}

/// A body may have 64 MiB before it is compressed.
#[test]
fn a_request_is_no_larger_than_firehose_sends() {
    let record_max = 10 << 20;
    let payload = FRAMES_BYTES_MAX + record_max;
    let around = "{\"data\":\"==\"},".len() as u64 * u64::from(RECORDS_MAX);
    assert!(payload.div_ceil(3) * 4 + around + 1_000 < 64 << 20);
}

#[test]
fn waits_double_with_some_jitter_up_to_two_minutes() {
    let mut waits = Waits::new();
    for seconds in [1, 2, 4, 8, 16, 32, 64, 120, 120] {
        let wait = waits.next().unwrap().as_millis();
        assert!(
            (seconds * 850..=seconds * 1_150).contains(&wait),
            "{wait} ms"
        );
    }
}

#[test]
fn settings_out_of_their_bounds_and_secrets_are_not_shown() {
    let good = EndpointSettings {
        access_key: "secret".into(),
        ..EndpointSettings::new("https://collector.example.com/".into())
    };
    good.check().unwrap();
    assert!(!format!("{good:?}").contains("secret"));
    let patient = EndpointSettings {
        retry_seconds: 7_201,
        ..good
    };
    let message = "retry_seconds of the HTTP endpoint is 7201; allowed are 0 to 7200";
    assert_eq!(patient.check().unwrap_err().message(), message);
}
