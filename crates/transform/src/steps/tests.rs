use std::io::Write;

use afflux_types::{PartitionKey, Position, ServerTime, ShardId};

use super::*;
use crate::Origin;

fn record(data: impl Into<Bytes>) -> Record {
    let origin = Origin {
        shard: ShardId::new(3),
        position: Position::new(42),
        sub_sequence: None,
    };
    Record::new(data.into(), ServerTime::from_millis(1_000), origin, None)
}

fn gzip(plain: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn run(processors: &[Processor], record: Record) -> (Vec<Record>, Vec<Failed>) {
    let steps = Steps::compile(processors).unwrap();
    let (mut out, mut failed) = (Vec::new(), Vec::new());
    steps.before(record, &mut out, &mut failed);
    let after = |record| steps.after(record, &mut failed);
    (out.into_iter().filter_map(after).collect(), failed)
}

fn payloads(records: &[Record]) -> Vec<&[u8]> {
    records.iter().map(|record| record.data.as_ref()).collect()
}

fn query(text: &str) -> Processor {
    Processor::MetadataExtraction {
        query: text.to_owned(),
    }
}

#[test]
fn without_processors_a_record_stays_as_it_is() {
    let one = record("text");
    assert_eq!(run(&[], one.clone()), (vec![one], Vec::new()));
}

#[test]
fn the_order_of_the_settings_does_not_matter() {
    let processors = [
        Processor::AppendDelimiter(b"\n".to_vec()),
        query("{a: .a}"),
        Processor::DeAggregation(SubRecords::Json),
        Processor::CloudWatchLogs {
            extract_messages: true,
        },
        Processor::Decompression(RecordFormat::Gzip),
    ];
    let message = serde_json::json!({
        "messageType": "DATA_MESSAGE",
        "logEvents": [{ "message": "{\"a\":1}{\"a\":2}" }, { "message": "{\"a\":3}" }],
    });
    let data = gzip(&message.to_string());
    let (out, failed) = run(&processors, record(data));
    assert_eq!(failed, []);
    assert_eq!(
        payloads(&out),
        [b"{\"a\":1}\n", b"{\"a\":2}\n", b"{\"a\":3}\n"]
    );
    let keys: Vec<&str> = out
        .iter()
        .map(|record| record.keys.query["a"].as_str())
        .collect();
    assert_eq!(keys, ["1", "2", "3"]);
    assert!(out.iter().all(|record| record.origin == out[0].origin));
}

#[test]
fn control_messages_vanish() {
    let processors = [
        Processor::Decompression(RecordFormat::Gzip),
        Processor::CloudWatchLogs {
            extract_messages: true,
        },
    ];
    let data = gzip(r#"{"messageType":"CONTROL_MESSAGE","logEvents":[]}"#);
    assert_eq!(run(&processors, record(data)), (Vec::new(), Vec::new()));
}

#[test]
fn what_fails_is_shown_as_it_came() {
    let decompression = Processor::Decompression(RecordFormat::Gzip);
    let (out, failed) = run(std::slice::from_ref(&decompression), record("plain"));
    assert!(out.is_empty());
    assert_eq!(failed[0].output, ErrorOutput::Decompression);
    assert_eq!(failed[0].record.raw(), "plain");

    let data = gzip("no JSON");
    let (out, failed) = run(&[decompression, query("{a: .a}")], record(data.clone()));
    assert!(out.is_empty());
    assert_eq!(failed[0].output, ErrorOutput::Processing);
    assert_eq!(
        failed[0].code,
        "DynamicPartitioning.MetadataExtractionFailed"
    );
    assert_eq!(failed[0].attempts, 1);
    assert_eq!(failed[0].record.raw(), &data);
}

#[test]
fn aggregated_records_of_a_data_stream_come_apart() {
    let inside = |key: &str, data: &'static str| {
        afflux_types::Record::new(
            PartitionKey::new(key).unwrap(),
            Bytes::from_static(data.as_bytes()),
        )
    };
    let whole = aggregate::join(&[inside("k", "a#b"), inside("l", "c")]);
    let mut outer = record(whole.clone());
    outer.partition_key = Some(PartitionKey::new("outer").unwrap());
    let parts = [Processor::DeAggregation(SubRecords::Delimited(
        b"#".to_vec(),
    ))];
    let (out, _) = run(&parts, outer);
    assert_eq!(payloads(&out), [b"a", b"b", b"c"]);
    let places: Vec<_> = out
        .iter()
        .map(|record| record.origin.sub_sequence)
        .collect();
    assert_eq!(places, [Some(0), Some(0), Some(1)]);
    let keys = out
        .iter()
        .map(|record| record.partition_key.as_ref().unwrap().as_str());
    assert_eq!(keys.collect::<Vec<_>>(), ["k", "k", "l"]);

    // What was put to a delivery stream is nobody's aggregate.
    let (out, _) = run(&[], record(whole.clone()));
    assert_eq!(payloads(&out), [whole.as_ref()]);
}

#[test]
fn a_record_with_too_many_parts_stays_whole() {
    let data = "{}".repeat(PARTS_MAX + 1);
    let (out, failed) = run(
        &[Processor::DeAggregation(SubRecords::Json)],
        record(data.clone()),
    );
    assert_eq!(payloads(&out), [data.as_bytes()]);
    assert!(failed.is_empty());
}

#[test]
fn processors_that_make_no_sense_are_refused() {
    let logs = Processor::CloudWatchLogs {
        extract_messages: true,
    };
    let settings = TransformerSettings {
        arn: "arn:aws:lambda:us-east-1:000000000000:function:f".to_owned(),
        retries: 3,
        buffer_bytes: 1 << 20,
        buffer_seconds: 60,
    };
    let transformer = Processor::Transformer(settings.clone());
    for (processors, reason) in [
        (
            vec![logs],
            "CloudWatchLogProcessingProcessor can only be enabled with DecompressionProcessor",
        ),
        (
            vec![transformer.clone(), transformer.clone()],
            "Cannot have more than 1 Lambda processor.",
        ),
        (
            vec![Processor::DeAggregation(SubRecords::Delimited(Vec::new()))],
            "Delimiter should be present for DELIMITED",
        ),
        (
            vec![query("{a:")],
            "the metadata extraction query cannot be used: it cannot be parsed",
        ),
    ] {
        let error = Steps::compile(&processors).expect_err("they were accepted");
        assert_eq!(error.to_string(), reason);
    }
    let steps = Steps::compile(&[transformer]).unwrap();
    assert_eq!(steps.transformer(), Some(&settings));
}

#[test]
fn settings_keep_their_form() {
    let processors = [
        Processor::Decompression(RecordFormat::Gzip),
        Processor::DeAggregation(SubRecords::Delimited(b"#".to_vec())),
        query("{a: .a}"),
        Processor::AppendDelimiter(b"\n".to_vec()),
    ];
    let json = serde_json::to_string(&processors).unwrap();
    assert_eq!(
        json,
        r##"[{"decompression":"gzip"},{"de_aggregation":{"delimited":[35]}},{"metadata_extraction":{"query":"{a: .a}"}},{"append_delimiter":[10]}]"##
    );
    let back: Vec<Processor> = serde_json::from_str(&json).unwrap();
    assert_eq!(back, processors);
}

#[test]
fn threads_may_share_the_steps() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&Steps::compile(&[query("{a: .a}")]).unwrap());
}
