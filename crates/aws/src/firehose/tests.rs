use proptest::prelude::*;

use super::*;
use crate::firehose::input::Record;

fn decode(operation: Operation, body: impl Into<Bytes>) -> Result<Request, Error> {
    Request::decode(operation, &body.into())
}

fn message(operation: Operation, body: impl Into<Bytes>) -> String {
    decode(operation, body).unwrap_err().to_string()
}

#[test]
fn every_operation_is_found_by_its_target_and_served() {
    assert_eq!(Operation::ALL.len(), 12);
    for &operation in Operation::ALL {
        let target = format!("{TARGET_PREFIX}.{operation}");
        assert_eq!(Operation::from_target(&target), Some(operation));
        assert!(Request::shape(operation).is_some(), "{operation}");
        if let Ok(request) = decode(operation, "{}") {
            assert_eq!(request.operation(), operation);
            assert_eq!(request.delivery_stream(), None);
        }
    }
    assert_eq!(Operation::from_target("Kinesis_20131202.PutRecord"), None);
    assert_eq!(Operation::PutRecord.action(), "firehose:PutRecord");
}

#[test]
fn the_records_of_a_batch_share_one_buffer() {
    let body =
        r#"{"DeliveryStreamName":"a","Records":[{"Data":"YWJj"},{"Data":""},{"Data":"ZGVm"}]}"#;
    let Request::PutRecordBatch(input) = decode(Operation::PutRecordBatch, body).unwrap() else {
        panic!("not a PutRecordBatch");
    };
    let data: Vec<&[u8]> = input
        .records
        .iter()
        .map(|record| &record.data[..])
        .collect();
    assert_eq!(data, [&b"abc"[..], b"", b"def"]);
    assert_eq!(data[0].as_ptr_range().end, data[2].as_ptr());
    assert_eq!(Request::PutRecordBatch(input).delivery_stream(), Some("a"));
}

#[test]
fn broken_constraints_are_listed_in_the_words_of_the_service() {
    assert_eq!(
        message(
            Operation::PutRecord,
            r#"{"DeliveryStreamName":"a b","Record":{}}"#
        ),
        "ValidationException: 2 validation errors detected: Value 'a b' at 'deliveryStreamName' failed \
         to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value \
         null at 'record.data' failed to satisfy constraint: Member must not be null"
    );
    let name = "a".repeat(65);
    assert_eq!(
        message(
            Operation::DescribeDeliveryStream,
            format!(r#"{{"DeliveryStreamName":"{name}","Limit":0}}"#)
        ),
        format!(
            "ValidationException: 2 validation errors detected: Value '{name}' at 'deliveryStreamName' \
             failed to satisfy constraint: Member must have length less than or equal to 64; Value '0' \
             at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"
        )
    );
    assert_eq!(
        message(
            Operation::CreateDeliveryStream,
            r#"{"DeliveryStreamName":"a","ExtendedS3DestinationConfiguration":{"BucketARN":"b",
                "RoleARN":"arn:aws:iam::123456789012:role/r","BufferingHints":{"SizeInMBs":129}}}"#
        ),
        "ValidationException: 2 validation errors detected: Value 'b' at \
         'extendedS3DestinationConfiguration.bucketARN' failed to satisfy constraint: Member must \
         satisfy regular expression pattern: arn:.*:s3:::[\\w\\.\\-]{1,255}; Value '129' at \
         'extendedS3DestinationConfiguration.bufferingHints.sizeInMBs' failed to satisfy constraint: \
         Member must have value less than or equal to 128"
    );
}

#[test]
fn records_have_a_largest_size_and_a_largest_number() {
    let record = |bytes: usize| {
        let data = base64_simd::STANDARD.encode_to_string(vec![0; bytes]);
        format!(r#"{{"DeliveryStreamName":"a","Record":{{"Data":"{data}"}}}}"#)
    };
    assert!(decode(Operation::PutRecord, record(1_024_000)).is_ok());
    assert_eq!(
        message(Operation::PutRecord, record(1_024_001)),
        "ValidationException: 1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 \
         lim=1024001 cap=1024001]' at 'record.data' failed to satisfy constraint: Member must have \
         length less than or equal to 1024000"
    );
    let batch = |records: usize| {
        let records = vec![r#"{"Data":""}"#; records].join(",");
        format!(r#"{{"DeliveryStreamName":"a","Records":[{records}]}}"#)
    };
    assert!(decode(Operation::PutRecordBatch, batch(500)).is_ok());
    for records in [0, 501] {
        let error = decode(Operation::PutRecordBatch, batch(records)).unwrap_err();
        assert_eq!(error.code(), Code::Validation, "{records}");
    }
}

#[test]
fn an_error_has_its_code_and_its_sentence_in_the_body() {
    let error = Error::new(Code::InvalidKmsResource, "No such key.");
    assert_eq!(
        error.to_bytes(Format::Json),
        r#"{"__type":"InvalidKMSResourceException","message":"No such key."}"#
    );
    assert_eq!(Code::ServiceUnavailable.status(), 500);
    assert_eq!(
        decode(Operation::PutRecord, "{").unwrap_err(),
        Error::bare(Code::Serialization)
    );
}

#[test]
fn answers_have_the_members_of_the_model() {
    use output::{EmptyOutput, PutRecordBatchOutput, PutRecordBatchResponseEntry};
    let answer = PutRecordBatchOutput {
        failed_put_count: 1,
        encrypted: Some(false),
        request_responses: vec![
            PutRecordBatchResponseEntry::accepted("1".to_owned()),
            PutRecordBatchResponseEntry::refused("ServiceUnavailableException", "Slow down."),
        ],
    };
    assert_eq!(
        answer.to_bytes(),
        r#"{"FailedPutCount":1,"Encrypted":false,"RequestResponses":[{"RecordId":"1"},{"ErrorCode":"ServiceUnavailableException","ErrorMessage":"Slow down."}]}"#
    );
    assert_eq!(encode(&EmptyOutput {}), "{}");
}

#[test]
fn a_record_is_no_more_than_its_data() {
    let body = Bytes::from_static(br#"{"Data":"YQ==","Other":{}}"#);
    let record = <Record as crate::Decode>::decode(Format::Json, &body).unwrap();
    assert_eq!(record.data, "a");
}

proptest! {
    #[test]
    fn hostile_requests_never_panic(index in 0_usize..12, body in "\\{\"(DeliveryStreamName|Record|Records|Tags|S3DestinationUpdate|Limit)\":(\"\\PC{0,5}\"|[0-9.e-]{1,6}|\\[\\{\\}\\]|null|\\{\\})\\}") {
        let _ = decode(Operation::ALL[index], body);
    }
}
