use std::collections::BTreeMap;

use afflux_types::{PartitionKey, Position, ServerTime, ShardId};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Origin, Processor, Steps};

const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:enrich";

fn record(position: u64, data: &str, key: Option<&str>) -> Record {
    let origin = Origin {
        shard: ShardId::new(3),
        position: Position::new(position),
        sub_sequence: (position == 1).then_some(7),
    };
    let arrival = ServerTime::from_millis(1_789_014_240_448);
    let key = key.map(|key| PartitionKey::new(key).unwrap());
    Record::new(
        Bytes::copy_from_slice(data.as_bytes()),
        arrival,
        origin,
        key,
    )
}

fn call(payloads: &[&str]) -> Call {
    let records = (0..).zip(payloads);
    Call {
        records: records
            .map(|(position, data)| record(position, data, None))
            .collect(),
    }
}

fn caller(source: Option<&str>) -> Caller {
    Caller {
        delivery_stream_arn: "arn:aws:firehose:us-east-1:123456789012:deliverystream/d".into(),
        source_kinesis_stream_arn: source.map(str::to_owned),
        region: "us-east-1".into(),
    }
}

fn id(call: &Call, index: usize) -> String {
    request::record_id(index, &call.records[index])
}

fn calls(records: Vec<Record>, buffer_bytes: u64) -> Vec<usize> {
    let mut records = records.into_iter().peekable();
    let next = || Call::next(&mut records, buffer_bytes).map(|call| call.records.len());
    std::iter::from_fn(next).collect()
}

/// What became of the records, in words.
fn settled(call: &Call, answer: &str) -> Vec<String> {
    let (records, failed) = call.clone().settle(
        call.answer(answer.as_bytes()),
        2,
        &TransformerSettings::new(ARN.into()),
    );
    let texts = records
        .iter()
        .map(|record| String::from_utf8(record.data.to_vec()).unwrap());
    let codes = failed.iter().map(|failed| {
        assert_eq!(
            (failed.attempts, failed.transformer.as_deref()),
            (2, Some(ARN))
        );
        format!("{} {}", failed.record.origin.position, failed.code)
    });
    texts.chain(codes).collect()
}

#[test]
fn a_request_is_the_event_that_functions_are_written_for() {
    let call = Call {
        records: vec![record(0, "a", Some("k\"")), record(1, "", Some("k"))],
    };
    let body = call.request(&caller(Some("arn:s")), [7; 16]).unwrap();
    let sequence = |position| format!("490000000003{position:020}{:024}", 0);
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap(),
        json!({
            "invocationId": "07070707-0707-4707-8707-070707070707",
            "deliveryStreamArn": "arn:aws:firehose:us-east-1:123456789012:deliverystream/d",
            "sourceKinesisStreamArn": "arn:s",
            "region": "us-east-1",
            "records": [
                {
                    "recordId": format!("{}000000", sequence(0)),
                    "approximateArrivalTimestamp": 1_789_014_240_448_i64,
                    "data": "YQ==",
                    "kinesisRecordMetadata": {
                        "sequenceNumber": sequence(0),
                        "subsequenceNumber": 0,
                        "partitionKey": "k\"",
                        "shardId": "shardId-000000000003",
                        "approximateArrivalTimestamp": 1_789_014_240_448_i64,
                    },
                },
                {
                    "recordId": format!("{}000001", sequence(1)),
                    "approximateArrivalTimestamp": 1_789_014_240_448_i64,
                    "data": "",
                    "kinesisRecordMetadata": {
                        "sequenceNumber": sequence(1),
                        "subsequenceNumber": 7,
                        "partitionKey": "k",
                        "shardId": "shardId-000000000003",
                        "approximateArrivalTimestamp": 1_789_014_240_448_i64,
                    },
                },
            ],
        })
    );
}

#[test]
fn records_that_were_put_to_the_delivery_stream_have_no_metadata() {
    let body = call(&["a"]).request(&caller(None), [0; 16]).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body.get("sourceKinesisStreamArn"), None);
    assert_eq!(body["records"][0].get("kinesisRecordMetadata"), None);
}

#[test]
fn a_call_has_at_most_the_bytes_and_records_that_it_may() {
    let some = |count, bytes: usize| vec![record(0, &"x".repeat(bytes), None); count];
    assert_eq!(calls(some(5, 100), 300), [3, 2]);
    assert_eq!(calls(some(3, 100), 99), [1, 1, 1]);
    assert_eq!(calls(some(25_000, 0), 300), [10_000, 10_000, 5_000]);
    assert!(calls(Vec::new(), 300).is_empty());
}

#[test]
fn no_request_is_larger_than_lambda_takes() {
    let most = 3 << 20;
    // Keys that need six bytes for each of theirs are the worst there is.
    let key = "\u{1}".repeat(256);
    let records = vec![record(u64::MAX, "x", Some(&key)); 10_000];
    let mut records = records.into_iter().peekable();
    while let Some(call) = Call::next(&mut records, most) {
        call.request(&caller(Some(ARN)), [0; 16]).unwrap();
    }
    let one = call(&[&"x".repeat(5 << 20)]);
    let refused = one.request(&caller(None), [0; 16]);
    assert_eq!(refused, Err(TransformerError::RequestTooLarge));
}

#[test]
fn an_answer_counts_record_by_record() {
    let call = call(&["0", "1", "2", "3", "4", "5"]);
    let answer = json!({
        "more": { "than": ["we", "know"] },
        "records": [
            { "recordId": id(&call, 5), "result": "Ok", "data": "ZmlmdGg=" },
            { "recordId": id(&call, 0), "result": "Ok", "data": "" },
            { "recordId": id(&call, 1), "result": "Dropped" },
            { "recordId": id(&call, 2), "result": "ProcessingFailed", "data": "ZmlmdGg=" },
            { "recordId": id(&call, 3), "result": "Ok", "data": "Zg==" },
            { "recordId": id(&call, 3), "result": "Dropped", "data": "Zg==" },
            { "recordId": "strange", "result": "Ok", "data": "Zg==" },
            { "result": "Ok", "data": "Zg==" },
        ],
    });
    assert_eq!(
        settled(&call, &answer.to_string()),
        [
            "",
            "fifth",
            "2 Lambda.ProcessingFailedStatus",
            "3 Lambda.DuplicatedRecordId",
            "4 Lambda.MissingRecordId",
        ]
    );
}

#[test]
fn what_an_answer_says_wrongly_of_a_record_fails_the_record() {
    let call = call(&["a"]);
    for (wrong, code) in [
        (json!({ "result": "Ok" }), "Lambda.InvalidReturnFormat"),
        (
            json!({ "result": "ok", "data": "" }),
            "Lambda.FunctionError",
        ),
        (json!({ "data": "" }), "Lambda.FunctionError"),
        (
            json!({ "result": "Ok", "data": "%" }),
            "Lambda.FunctionError",
        ),
    ] {
        let mut said = wrong.clone();
        said["recordId"] = id(&call, 0).into();
        let answer = json!({ "records": [said] }).to_string();
        assert_eq!(settled(&call, &answer), [format!("0 {code}")], "{wrong}");
    }
}

#[test]
fn partition_keys_are_scalars_that_a_prefix_can_hold() {
    let call = call(&["a"]);
    let with = |keys: Value| {
        let said = json!({ "recordId": id(&call, 0), "result": "Ok", "data": "", "metadata": {
            "partitionKeys": keys } });
        let answer = call.answer(json!({ "records": [said] }).to_string().as_bytes());
        let settings = TransformerSettings::new(ARN.into());
        let (records, failed) = call.clone().settle(answer, 1, &settings);
        let keys = records
            .into_iter()
            .next()
            .map(|record| record.keys.transformer);
        (keys, failed.first().map(|failed| failed.code.to_string()))
    };
    let keys = json!({ "a": "x", "b": 7, "c": true });
    let found = [("a", "x"), ("b", "7"), ("c", "true")];
    let found = found.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(with(keys), (Some(BTreeMap::from(found)), None));
    assert_eq!(with(Value::Null), (Some(BTreeMap::new()), None));
    let many: serde_json::Map<String, Value> =
        (0..51).map(|key| (key.to_string(), "v".into())).collect();
    for wrong in [
        json!({ "a": "" }),
        json!({ "a": null }),
        json!({ "a": ["x"] }),
        json!({ "a": "x".repeat(1_025) }),
        Value::Object(many),
    ] {
        let code = Some("DynamicPartitioning.MetadataExtractionFailed");
        assert_eq!(
            with(wrong.clone()),
            (None, code.map(str::to_owned)),
            "{wrong}"
        );
    }
}

#[test]
fn an_answer_without_records_says_why_or_misses_all() {
    let call = call(&["a", "b"]);
    let failed = json!({ "errorMessage": "it broke", "errorType": "Error" }).to_string();
    assert_eq!(
        call.answer(failed.as_bytes()),
        Err(TransformerError::Function)
    );
    let missing = ["0 Lambda.MissingRecordId", "1 Lambda.MissingRecordId"];
    assert_eq!(settled(&call, "{}"), missing);
    assert_eq!(settled(&call, r#"{"records":[]}"#), missing);
}

#[test]
fn what_is_not_an_answer_is_unreadable() {
    let call = call(&["a"]);
    for wrong in [
        "",
        "null",
        "[]",
        "{",
        "{} {}",
        r#"{"records":{}}"#,
        r#"{"records":[1]}"#,
    ] {
        let read = call.answer(wrong.as_bytes());
        assert_eq!(read, Err(TransformerError::Unreadable), "{wrong}");
    }
    let large = vec![b' '; CALL_BYTES_MAX + 1];
    assert_eq!(call.answer(&large), Err(TransformerError::AnswerTooLarge));
}

#[test]
fn settings_out_of_their_bounds_are_refused() {
    let good = TransformerSettings::new(ARN.into());
    let compile = |settings: &TransformerSettings| {
        let compiled = Steps::compile(&[Processor::Transformer(settings.clone())]);
        compiled
            .map(|_| ())
            .map_err(|error| error.message().to_owned())
    };
    assert_eq!(compile(&good), Ok(()));
    let small = TransformerSettings {
        buffer_bytes: 1,
        ..good.clone()
    };
    let message = "buffer_bytes of the transformer is 1; allowed are 209715 to 3145728";
    assert_eq!(compile(&small), Err(message.to_owned()));
    let patient = TransformerSettings {
        retries: 301,
        ..good
    };
    assert!(compile(&patient).is_err());
}

proptest! {
    #[test]
    fn whatever_is_answered_one_thing_becomes_of_each_record(
        pieces in prop::collection::vec(0_usize..12, 0..20),
    ) {
        let call = call(&["a", "b"]);
        let words = [
            "{", "}", "[", "]", ",", "\"records\":", "\"recordId\":", "\"result\":", "\"Ok\"",
            "\"data\":", "\"\"", &format!("\"{}\"", id(&call, 0)),
        ];
        let answer: String = pieces.iter().map(|&piece| words[piece]).collect();
        let settled = settled(&call, &answer);
        prop_assert_eq!(settled.len(), 2);
    }
}
