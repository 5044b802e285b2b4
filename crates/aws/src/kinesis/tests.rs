use afflux_types::{HashKey, Position, ServerTime, ShardId};
use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::document::Value;

fn decode(operation: Operation, body: &'static str) -> Result<Request, Error> {
    Request::decode(
        operation,
        Format::Json,
        &Bytes::from_static(body.as_bytes()),
    )
}

fn message(operation: Operation, body: &'static str) -> String {
    decode(operation, body).unwrap_err().to_string()
}

#[test]
fn put_record_takes_its_members() {
    let body = r#"{"StreamName":"a","Data":"aGVsbG8=","PartitionKey":"k\u00e4","Unknown":[1,{"x":null}],"DryRun":null}"#;
    let Request::PutRecord(input) = decode(Operation::PutRecord, body).unwrap() else {
        panic!("not a PutRecord");
    };
    assert_eq!(input.stream_name.as_deref(), Some("a"));
    assert_eq!(input.data, Bytes::from_static(b"hello"));
    assert_eq!(input.partition_key.unwrap().as_str(), "kä");
    assert_eq!(input.dry_run, None);
}

#[test]
fn broken_constraints_are_listed_in_the_words_of_the_service() {
    assert_eq!(
        message(Operation::GetRecords, r#"{"ShardIterator":"","Limit":0}"#),
        "ValidationException: 2 validation errors detected: Value '' at 'shardIterator' failed to \
         satisfy constraint: Member must have length greater than or equal to 1; Value '0' at \
         'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"
    );
    assert_eq!(
        message(
            Operation::PutRecords,
            r#"{"StreamName":"a","Records":[{"PartitionKey":"","Data":"","ExplicitHashKey":"01"}]}"#
        ),
        "ValidationException: 2 validation errors detected: Value '01' at \
         'records.1.member.explicitHashKey' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: ^(0|([1-9]\\d{0,38}))$; Value '' at \
         'records.1.member.partitionKey' failed to satisfy constraint: Member must have length \
         greater than or equal to 1"
    );
    assert_eq!(
        message(Operation::PutRecord, "{}"),
        "ValidationException: 1 validation error detected: Value null at 'data' failed to satisfy \
         constraint: Member must not be null"
    );
    assert_eq!(
        message(Operation::AddTagsToStream, r#"{"Tags":{"":"1"}}"#),
        "ValidationException: 1 validation error detected: Value '{=1}' at 'tags' failed to satisfy \
         constraint: Map keys must satisfy constraint: [Member must have length less than or equal \
         to 128, Member must have length greater than or equal to 1]"
    );
    assert_eq!(
        message(
            Operation::EnableEnhancedMonitoring,
            r#"{"StreamName":"a","ShardLevelMetrics":["x"]}"#
        ),
        "ValidationException: 1 validation error detected: Value '[x]' at 'shardLevelMetrics' \
         failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum \
         value set: [IncomingBytes, IncomingRecords, OutgoingBytes, OutgoingRecords, \
         WriteProvisionedThroughputExceeded, ReadProvisionedThroughputExceeded, \
         IteratorAgeMilliseconds, ALL]]"
    );
}

#[test]
fn a_wrong_type_is_told_in_the_words_of_the_service() {
    let cases = [
        (
            r#"{"Data":true}"#,
            "class java.lang.Boolean can not be converted to a Blob",
        ),
        (r#"{"Data":[]}"#, "Start of list found where not expected"),
        (
            r#"{"Data":{}}"#,
            "Start of structure or map found where not expected.",
        ),
        (
            r#"{"Data":34.5}"#,
            "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to a Blob",
        ),
        (
            r#"{"Data":"23456"}"#,
            "'23456' can not be converted to a Blob: Base64 encoded length is expected a multiple \
             of 4 bytes but found: 5",
        ),
        (
            r#"{"Data":"=+/="}"#,
            "'=+/=' can not be converted to a Blob: Invalid Base64 character: '='",
        ),
        (
            r#"{"Data":"+/+="}"#,
            "'+/+=' can not be converted to a Blob: Invalid last non-pad Base64 character dectected",
        ),
        (
            r#"{"PartitionKey":23}"#,
            "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an String",
        ),
        (
            r#"{"DryRun":"maybe"}"#,
            "'MAYBE' can not be converted to an Boolean",
        ),
    ];
    for (body, text) in cases {
        let error = decode(Operation::PutRecord, body).unwrap_err();
        assert_eq!(error.code(), Code::Serialization, "{body}");
        assert_eq!(error.message(), Some(text), "{body}");
    }
    let error = decode(Operation::PutRecord, r#"{"Data""#).unwrap_err();
    assert_eq!(error, Error::bare(Code::Serialization));
    assert_eq!(
        error.to_bytes(Format::Json),
        r#"{"__type":"SerializationException"}"#
    );
}

#[test]
fn every_operation_is_known_and_channels_and_queues_are_refused() {
    assert_eq!(Operation::ALL.len(), 57);
    let mut served = 0;
    for operation in Operation::ALL.iter().copied() {
        let target = format!("{TARGET_PREFIX}.{operation}");
        assert_eq!(Operation::from_target(&target), Some(operation));
        let answer = decode(operation, "{}");
        if Request::shape(operation).is_some() {
            served += 1;
            if let Ok(request) = answer {
                assert_eq!(request.operation(), operation);
            }
        } else {
            assert_eq!(answer.unwrap_err().code(), Code::InvalidArgument);
        }
    }
    assert_eq!(served, 40);
    assert_eq!(Operation::from_target("Kinesis_20131202.putRecord"), None);
    assert_eq!(Operation::from_target("PutRecord"), None);
    assert_eq!(
        message(Operation::CreateQueue, "{}"),
        "InvalidArgumentException: CreateQueue is not supported: this server has no queues."
    );
}

#[test]
fn an_answer_is_written_in_both_formats() {
    let origin = Origin::new(
        ShardId::new(4_294),
        ServerTime::from_millis(1_700_000_000_000),
    );
    let now = ServerTime::from_millis(1_700_000_000_123);
    let answer = output::GetRecordsOutput {
        records: vec![output::Record {
            sequence_number: origin.record(Position::ZERO, now),
            approximate_arrival_timestamp: Some(now),
            data: b"hello",
            partition_key: Some("\"k\""),
            encryption_type: Some(values::EncryptionType::Kms),
        }],
        next_shard_iterator: None,
        millis_behind_latest: 1_000,
        child_shards: Some(vec![output::ChildShard {
            shard_id: ShardId::new(4_295),
            parent_shards: vec![ShardId::new(0), ShardId::new(u32::MAX)],
            hash_key_range: output::HashKeyRange {
                starting_hash_key: HashKey::MIN,
                ending_hash_key: HashKey::MAX,
            },
        }]),
    };
    let number = origin.record(Position::ZERO, now);
    assert_eq!(
        answer.to_bytes(Format::Json),
        format!(
            r#"{{"Records":[{{"SequenceNumber":"{number}","ApproximateArrivalTimestamp":1700000000.123,"Data":"aGVsbG8=","PartitionKey":"\"k\"","EncryptionType":"KMS"}}],"MillisBehindLatest":1000,"ChildShards":[{{"ShardId":"shardId-000000004295","ParentShards":["shardId-000000000000","shardId-004294967295"],"HashKeyRange":{{"StartingHashKey":"0","EndingHashKey":"340282366920938463463374607431768211455"}}}}]}}"#
        )
    );
    let cbor = answer.to_bytes(Format::Cbor);
    let Value::Map(members) = crate::document::decode(Format::Cbor, &cbor).unwrap() else {
        panic!("not a map");
    };
    let Some((_, Value::List(records))) = members.first() else {
        panic!("no records");
    };
    let Value::Map(record) = &records[0] else {
        panic!("not a record");
    };
    assert!(record.contains(&("Data".into(), Value::Blob(Bytes::from_static(b"hello")))));
    let arrival = Value::Timestamp(1_700_000_000_123);
    assert!(record.contains(&("ApproximateArrivalTimestamp".into(), arrival)));
}

#[test]
fn an_error_has_the_shape_of_its_format() {
    let error = Error::new(Code::ResourceNotFound, "Stream \"a\" not found.");
    assert_eq!(
        error.to_bytes(Format::Json),
        r#"{"__type":"ResourceNotFoundException","message":"Stream \"a\" not found."}"#
    );
    let body = Error::bare(Code::InternalFailure).to_bytes(Format::Cbor);
    assert_eq!(body, b"\xbf\x66__type\x6fInternalFailure\xff"[..]);
    assert_eq!(Code::InternalFailure.status(), 500);
}

#[test]
fn the_records_of_a_put_share_what_they_came_in() {
    let body = Bytes::from_static(
        br#"{"StreamName":"a","Records":[{"Data":"YQ==","PartitionKey":"1"},{"Data":"","PartitionKey":"2","ExplicitHashKey":"0"}]}"#,
    );
    let request = Request::decode(Operation::PutRecords, Format::Json, &body).unwrap();
    let Request::PutRecords(input) = request else {
        panic!("not PutRecords");
    };
    assert_eq!(input.records.len(), 2);
    assert_eq!(input.records[0].data, "a");
    assert_eq!(input.records[1].data, "");
    assert_eq!(input.records[1].explicit_hash_key.as_deref(), Some("0"));
    let key = input.records[0].partition_key.as_ref().unwrap();
    assert!(body.as_ptr_range().contains(&key.as_bytes().as_ptr()));
}

proptest! {
    #[test]
    fn hostile_requests_never_panic(index in 0_usize..57, body in "\\{\"(StreamName|Data|Records|Tags|ShardFilter|Timestamp)\":(\"\\PC{0,5}\"|[0-9.e-]{1,6}|\\[\\{\\}\\]|null)\\}") {
        let body = Bytes::from(body);
        for format in [Format::Json, Format::Cbor] {
            let _ = Request::decode(Operation::ALL[index], format, &body);
        }
    }
}
