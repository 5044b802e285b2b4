use afflux_transform::{BULK_DOCUMENTS_MAX, Compression, IndexSettings};
use afflux_types::ServerTime;
use bytes::Bytes;
use serde_json::{Value, json};

use super::request::pick;
use super::*;
use crate::delivery::frames::frame;

const ID: &str = "abababab-abab-abab-abab-abababababab";

fn endpoint(encoding: ContentEncoding) -> EndpointSettings {
    EndpointSettings {
        encoding,
        ..EndpointSettings::new("https://collector.example.com/".into())
    }
}

fn cluster() -> ClusterSettings {
    let index = IndexSettings::new("clicks".into());
    ClusterSettings::new("https://search.example.com/".into(), index)
}

fn request(receiver: Receiver) -> Request {
    let made = ServerTime::from_millis(1_789_014_240_448);
    Request::new([0xab; 16], made, receiver, Compression::None)
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
    let request = request(Receiver::Http(endpoint(ContentEncoding::Identity)));
    let (ordinals, given_up) = request.sort(frames().into());
    assert_eq!(given_up, []);
    let body = request.body(&pick(frames().into(), &ordinals)).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap(),
        json!({
            "requestId": ID,
            "timestamp": 1_789_014_240_448_i64,
            "records": [{ "data": "b25l" }, { "data": "" }, { "data": "dGhyZWU=" }],
        })
    );
}

#[test]
fn headers_say_only_what_there_is_to_say() {
    let headers = |encoding| {
        let endpoint = endpoint(encoding);
        http::headers(&request(Receiver::Http(endpoint.clone())), &endpoint, "arn")
    };
    let plain = headers(ContentEncoding::Identity);
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
    let zipped = headers(ContentEncoding::Gzip);
    assert!(zipped.contains(&("content-encoding", "gzip".to_owned())));
}

#[test]
fn records_that_were_given_up_are_lines() {
    let refusal = Arc::new(Refusal {
        code: "HttpEndpoint.RequestTimeout".into(),
        message: "late".into(),
        is_final: false,
    });
    let now = ServerTime::from_millis(1_789_014_250_000);
    let given_up = records(frames().into()).map(|record| GivenUp {
        ordinal: record.ordinal,
        refusal: Arc::clone(&refusal),
        attempts: 3,
    });
    let given_up: Vec<_> = given_up.collect();
    let lines = |receiver| {
        let lines = request(receiver).lines(frames().into(), &given_up, now);
        String::from_utf8(lines).unwrap()
    };
    let of_endpoint = lines(Receiver::Http(endpoint(ContentEncoding::Identity)));
    assert_eq!(of_endpoint.lines().count(), 3);
    let line = "{\"rawData\":\"b25l\",\"errorCode\":\"HttpEndpoint.RequestTimeout\",\"errorMessage\":\"late\",\
         \"attemptsMade\":3,\"arrivalTimestamp\":1789014240000,\"attemptEndingTimestamp\":1789014250000";
    assert_eq!(of_endpoint.lines().next().unwrap(), format!("{line}}}"));
    let of_cluster = lines(Receiver::OpenSearch(cluster()));
    let place = format!(r#""esDocumentId":"{ID}-0","esIndexName":"clicks-2026-09-10""#);
    assert_eq!(
        of_cluster.lines().next().unwrap(),
        format!("{line},{place}}}")
    );
}

#[test]
fn a_cluster_gets_documents_and_what_is_none_is_given_up() {
    let request = request(Receiver::OpenSearch(cluster()));
    let arrival = ServerTime::from_millis(1_789_014_240_000);
    let frames = [
        frame(arrival, b"{\"a\":1}\n"),
        frame(arrival, b"{}{}"),
        frame(arrival, b"{}"),
    ];
    let frames = Bytes::from(frames.concat());
    let (ordinals, given_up) = request.sort(frames.clone());
    let body = request.body(&pick(frames, &ordinals)).unwrap();
    let body = String::from_utf8(body).unwrap();
    let action =
        |ordinal| format!(r#"{{"index":{{"_index":"clicks-2026-09-10","_id":"{ID}-{ordinal}"}}}}"#);
    let lines: Vec<&str> = body.lines().collect();
    assert_eq!(lines, [&action(0), r#"{"a":1}"#, &action(2), "{}"]);
    let [none] = &given_up[..] else {
        panic!("{given_up:?}")
    };
    assert_eq!((none.ordinal, none.attempts), (1, 0));
    assert_eq!(none.refusal.message, "the record is not one JSON object");
    assert!(none.refusal.is_final);
}

#[test]
fn documents_go_to_the_bulk_api_below_the_path_of_the_cluster() {
    for (cluster, bulk) in [
        ("https://a:9200", "https://a:9200/_bulk"),
        ("https://a/", "https://a/_bulk"),
        ("https://a/search/", "https://a/search/_bulk"),
    ] {
        let found = opensearch::bulk(Url::parse(cluster).unwrap());
        assert!(
            found.as_str().starts_with(&format!("{bulk}?filter_path=")),
            "{found}"
        );
    }
}

#[test]
fn an_answer_is_about_as_many_documents_as_a_request_may_have() {
    let records = usize::try_from(RECORDS_MAX).unwrap();
    assert_eq!(records, BULK_DOCUMENTS_MAX);
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
        ..endpoint(ContentEncoding::Identity)
    };
    good.check().unwrap();
    assert!(!format!("{good:?}").contains("secret"));
    let patient = EndpointSettings {
        retry_seconds: 7_201,
        ..good
    };
    let message = "retry_seconds of the HTTP endpoint is 7201; allowed are 0 to 7200";
    assert_eq!(patient.check().unwrap_err().message(), message);
    let login = Login {
        username: "me".into(),
        password: "secret".into(),
    };
    assert!(!format!("{login:?}").contains("secret"));
}

#[test]
fn settings_of_clusters_have_bounds_and_no_password() {
    cluster().check().unwrap();
    let large = ClusterSettings {
        buffer_bytes: (100 << 20) + 1,
        ..cluster()
    };
    let message = "buffer_bytes of the cluster is 104857601; allowed are 1048576 to 104857600";
    assert_eq!(large.check().unwrap_err().message(), message);
    for url in [
        "https://me@a/",
        "https://:secret@a/",
        "https://a/?b",
        "https://a/#b",
    ] {
        let url = ClusterSettings {
            url: url.into(),
            ..cluster()
        };
        let error = url.check().unwrap_err();
        assert!(error.message().contains("[[endpoints]]"), "{error:?}");
        assert!(!error.message().contains("secret"), "{error:?}");
    }
}

#[test]
fn settings_are_read_as_they_were_written() {
    for receiver in [
        Receiver::Http(endpoint(ContentEncoding::Gzip)),
        Receiver::OpenSearch(cluster()),
    ] {
        let json = serde_json::to_string(&receiver).unwrap();
        assert_eq!(serde_json::from_str::<Receiver>(&json).unwrap(), receiver);
        let foreign = json.replace("retry_seconds", "retry_minutes");
        assert!(serde_json::from_str::<Receiver>(&foreign).is_err());
    }
}
