//! Delivery streams whose records a function changes, over HTTP, which answers in every way that it should not.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use afflux_deliver::{Deliveries, DeliveryOptions, DeliverySettings, Functions, ObjectSettings};
use afflux_engine::Engine;
use afflux_entry::{BatchBuilder, Header, Kind};
use afflux_transform::{Compression, Processor, TransformerSettings};
use afflux_types::{Clock, ErrorKind, ShardId};
use serde_json::{Value, json};

use crate::delivery::{directory, files, has, name, options, settings, sorted, until};
use crate::function::{ARN, Function, Manner, Reply, records, text};
use crate::support::{clicks, create_clicks, engine, fill};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);

async fn deliveries(
    dir: &Path,
    engine: &Engine,
    function: &Function,
    timeout: Duration,
) -> Deliveries {
    let options = DeliveryOptions {
        functions: Functions::new(&[function.settings(timeout)]).unwrap(),
        ..options(dir)
    };
    let opened = Deliveries::open(engine.clone(), Clock::system(), options);
    opened.await.unwrap()
}

fn transformed(dir: &Path, retries: u32) -> DeliverySettings {
    let before = settings(directory(dir));
    let transformer = TransformerSettings {
        retries,
        buffer_bytes: 300_000,
        ..TransformerSettings::new(ARN.into())
    };
    DeliverySettings {
        processors: vec![
            Processor::AppendDelimiter(b"\n".to_vec()),
            Processor::Transformer(transformer),
        ],
        objects: ObjectSettings {
            prefix: "good/".into(),
            error_prefix: "failed/!{firehose:error-output-type}/".into(),
            compression: Compression::None,
            ..before.objects.clone()
        },
        ..before
    }
}

/// Every line of the objects whose names begin so, sorted.
fn lines(dir: &Path, start: &str) -> Vec<String> {
    let objects = files(&dir.join("objects"));
    let objects = objects.iter().filter(|(name, _)| name.starts_with(start));
    let texts = objects.map(|(_, bytes)| String::from_utf8(bytes.to_vec()).unwrap());
    let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    sorted(lines.collect())
}

/// The lines of error objects as they were: what failed and why.
fn failed(dir: &Path) -> Vec<(String, Value)> {
    let lines = lines(dir, "failed/processing-failed/").into_iter();
    let lines = lines.map(|line| {
        let line: Value = serde_json::from_str(&line).unwrap();
        (text(&line["rawData"]), line)
    });
    let mut lines: Vec<(String, Value)> = lines.collect();
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    lines
}

fn changed(sent: &[String]) -> Vec<String> {
    sorted(sent.iter().map(|line| format!("{line} changed")).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_is_told_what_firehose_tells_it_and_its_answer_is_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let function = Function::start().await;
    create_clicks(&engine, 2).await;
    let running = deliveries(dir.path(), &engine, &function, LONG).await;
    running
        .create(&name(), transformed(dir.path(), 0), String::new())
        .await
        .unwrap();
    let sent = fill(&engine, [0, 1], 10).await;
    let described = until(&running, has(sent.len())).await;
    assert_eq!(described.status.totals.failed, 0);
    assert_eq!(described.status.last_error, None);
    assert_eq!(lines(dir.path(), "good/"), changed(&sent));
    assert_eq!(failed(dir.path()), []);

    let calls = function.calls();
    let (mut invocations, mut told) = (BTreeSet::new(), Vec::new());
    for call in &calls {
        let arn = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/lake";
        assert_eq!(call["deliveryStreamArn"], arn);
        let source = "arn:aws:kinesis:eu-central-1:123456789012:stream/clicks";
        assert_eq!(call["sourceKinesisStreamArn"], source);
        assert_eq!(call["region"], "eu-central-1");
        invocations.insert(call["invocationId"].as_str().unwrap());
        for record in call["records"].as_array().unwrap() {
            let (metadata, data) = (&record["kinesisRecordMetadata"], text(&record["data"]));
            assert!(data.starts_with(metadata["shardId"].as_str().unwrap()));
            assert_eq!(metadata["partitionKey"], "key");
            told.push(data);
        }
    }
    assert_eq!(invocations.len(), calls.len());
    assert_eq!(sorted(told), sorted(sent));
}

/// Answers that no record can be found in, and what the error objects say then.
const USELESS: [(&str, Manner); 8] = [
    ("Lambda.InternalServerError", |_| {
        Reply::Raw(500, Vec::new())
    }),
    ("Lambda.InvokeLimitExceeded", |_| {
        Reply::Raw(429, Vec::new())
    }),
    ("Lambda.TargetServerFailedToRespond", |_| Reply::End),
    ("Lambda.FunctionError", |call| {
        Reply::Failed(json!({ "records": records(call) }))
    }),
    ("Lambda.FunctionError", |_| {
        Reply::Body(json!({ "errorMessage": "it broke" }))
    }),
    ("Lambda.JsonProcessingException", |_| {
        Reply::Raw(200, b"<html>".to_vec())
    }),
    ("Lambda.FunctionError", |_| {
        Reply::Raw(200, vec![b' '; 7_000_000])
    }),
    // Whoever follows this would call what nobody configured.
    ("Lambda.FunctionError", |_| Reply::Raw(307, Vec::new())),
];

/// Answers that say something wrong, and what the error objects say of every record then.
const WRONG: [(&str, Manner); 7] = [
    ("Lambda.MissingRecordId", |_| Reply::Body(json!({}))),
    ("Lambda.MissingRecordId", |_| {
        Reply::Body(json!({ "records": [] }))
    }),
    ("Lambda.MissingRecordId", |call| {
        with(call, |record| record["recordId"] = "1".into())
    }),
    ("Lambda.DuplicatedRecordId", |call| {
        let records = [records(call), records(call)].concat();
        Reply::Body(json!({ "records": records }))
    }),
    ("Lambda.FunctionError", |call| {
        with(call, |record| record["result"] = "ok".into())
    }),
    ("Lambda.FunctionError", |call| {
        with(call, |record| record["data"] = "%".into())
    }),
    ("Lambda.InvalidReturnFormat", |call| {
        with(call, |record| record["data"] = Value::Null)
    }),
];

fn with(call: &Value, change: fn(&mut Value)) -> Reply {
    let mut records = records(call);
    records.iter_mut().for_each(change);
    Reply::Body(json!({ "records": records }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_function_answers_each_record_is_in_one_object() {
    let manners = USELESS.iter().chain(&WRONG);
    for (number, (code, manner)) in manners.enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine(dir.path());
        let function = Function::start().await;
        create_clicks(&engine, 1).await;
        let lost = fill(&engine, [0], 1).await;
        function.answer_by([*manner]);
        let running = deliveries(dir.path(), &engine, &function, LONG).await;
        running
            .create(&name(), transformed(dir.path(), 0), String::new())
            .await
            .unwrap();
        until(&running, has(lost.len())).await;
        let sent = fill(&engine, [0], 3).await;
        let described = until(&running, has(lost.len() + sent.len())).await;
        running.shutdown().await;

        let what = format!("answer {number}, {code}");
        assert_eq!(lines(dir.path(), "good/"), changed(&sent), "{what}");
        let failed = failed(dir.path());
        let raw: Vec<String> = failed.iter().map(|(raw, _)| raw.clone()).collect();
        assert_eq!(raw, sorted(lost), "{what}");
        for (_, line) in &failed {
            assert_eq!(line["errorCode"], *code, "{what}");
            assert_eq!(line["attemptsMade"], 1, "{what}");
            assert_eq!(line["lambdaARN"], ARN, "{what}");
        }
        assert_eq!(described.status.totals.failed, 3, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_an_answer_is_repeated_with_the_same_records() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let function = Function::start().await;
    create_clicks(&engine, 1).await;
    let lost = fill(&engine, [0], 1).await;
    let (down, hang): (Manner, Manner) = (|_| Reply::Raw(503, Vec::new()), |_| Reply::Hang);
    function.answer_by([down, hang, hang]);
    let running = deliveries(dir.path(), &engine, &function, SHORT).await;
    running
        .create(&name(), transformed(dir.path(), 1), String::new())
        .await
        .unwrap();
    let failing = until(&running, |described| described.status.last_error.is_some()).await;
    let error = failing.status.last_error.unwrap();
    assert!(error.contains("function enrich"), "{error}");
    until(&running, has(lost.len())).await;
    // The third call hangs, the fourth is answered.
    let sent = fill(&engine, [0], 1).await;
    until(&running, has(lost.len() + sent.len())).await;
    running.shutdown().await;

    assert_eq!(lines(dir.path(), "good/"), changed(&sent));
    let failed = failed(dir.path());
    assert_eq!(failed.len(), lost.len());
    for (_, line) in &failed {
        assert_eq!(line["errorCode"], "Lambda.FunctionRequestTimedOut");
        assert_eq!(line["attemptsMade"], 2);
    }
    let calls = function.calls();
    let [first, again, ..] = &calls[..] else {
        panic!("{calls:?}")
    };
    assert_eq!(first["records"], again["records"]);
    assert_ne!(first["invocationId"], again["invocationId"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_dropped_failed_and_partitioned_as_the_function_says() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let function = Function::start().await;
    create_clicks(&engine, 1).await;
    let manner: Manner = |call| {
        let mut records = records(call);
        let [first, second, third] = &mut records[..] else {
            panic!("{call}")
        };
        first["result"] = "Dropped".into();
        second["result"] = "ProcessingFailed".into();
        third["metadata"] = json!({ "partitionKeys": { "place": "Köln", "year": 2026 } });
        records.reverse();
        Reply::Body(json!({ "records": records }))
    };
    function.answer_by([manner; 4]);
    let running = deliveries(dir.path(), &engine, &function, LONG).await;
    let mut settings = transformed(dir.path(), 3);
    settings.partitioned = true;
    settings.objects.prefix =
        "good/!{partitionKeyFromLambda:place}/!{partitionKeyFromLambda:year}/".into();
    running
        .create(&name(), settings, String::new())
        .await
        .unwrap();
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.extend(fill(&engine, [0], 1).await);
        until(&running, has(sent.len())).await;
    }
    running.shutdown().await;

    let third: Vec<String> = sent.iter().skip(2).step_by(3).cloned().collect();
    assert_eq!(lines(dir.path(), "good/Köln/2026/"), changed(&third));
    assert_eq!(lines(dir.path(), "good/"), changed(&third));
    let failed = failed(dir.path());
    let raw: Vec<String> = failed.iter().map(|(raw, _)| raw.clone()).collect();
    let second = sent.iter().skip(1).step_by(3).cloned();
    assert_eq!(raw, sorted(second.collect()));
    for (_, line) in &failed {
        assert_eq!(line["errorCode"], "Lambda.ProcessingFailedStatus");
    }
}

/// A batch ends between two records of one entry, and the next server goes on there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_of_several_calls_goes_on_where_a_stopped_server_left_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = engine(dir.path());
    let function = Function::start().await;
    create_clicks(&first, 1).await;
    let mut builder = BatchBuilder::default();
    let sent: Vec<String> = (0..10)
        .map(|index| format!("{index} {}", "x".repeat(99_000)))
        .collect();
    for payload in &sent {
        builder.push(b"key", None, payload.as_bytes());
    }
    let (body, count) = builder.take();
    let header = Header::for_body(Kind::Batch, count, None, None, &[&body]);
    let shard = first.shard(&clicks(), ShardId::new(0)).await.unwrap();
    shard.append(header, vec![body]).await.unwrap();

    let change: Manner = |call| Reply::Body(json!({ "records": records(call) }));
    function.answer_by([change, change, |_| Reply::Hang]);
    let running = deliveries(dir.path(), &first, &function, LONG).await;
    running
        .create(&name(), transformed(dir.path(), 0), String::new())
        .await
        .unwrap();
    // Three records of 99 kB fit into a call.
    until(&running, has(6)).await;
    while function.calls().len() < 3 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    running.shutdown().await;
    first.shutdown().await.unwrap();
    let short = || {
        lines(dir.path(), "good/")
            .iter()
            .map(|line| line[..1].to_owned())
            .collect::<String>()
    };
    assert_eq!(short(), "012345");

    let second = engine(dir.path());
    let running = deliveries(dir.path(), &second, &function, LONG).await;
    let described = until(&running, has(10)).await;
    running.shutdown().await;
    assert_eq!(short(), "0123456789");
    assert_eq!(described.status.totals.records, 10);
    assert_eq!(described.status.totals.missing, 0);
    let calls = function.calls();
    assert!(calls[2]["records"] == calls[3]["records"], "other records");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_that_are_not_configured_are_refused_and_missed_later() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let function = Function::start().await;
    create_clicks(&engine, 1).await;
    let running = deliveries(dir.path(), &engine, &function, LONG).await;
    let mut unknown = transformed(dir.path(), 0);
    let other = TransformerSettings::new(ARN.replace("enrich", "other"));
    unknown.processors = vec![Processor::Transformer(other)];
    let name = name();
    let refused = running.create(&name, unknown.clone(), String::new());
    let error = refused.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        error
            .message()
            .contains("function other is not among the [[functions]]")
    );
    unknown.processors = vec![Processor::Transformer(TransformerSettings::new(
        "enrich".into(),
    ))];
    let refused = running.create(&name, unknown, String::new());
    assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::Invalid);

    running
        .create(&name, transformed(dir.path(), 0), String::new())
        .await
        .unwrap();
    running.shutdown().await;
    // The function was taken out of the configuration: nothing is delivered as it came.
    let running = Deliveries::open(engine.clone(), Clock::system(), options(dir.path()));
    let running = running.await.unwrap();
    fill(&engine, [0], 1).await;
    let described = until(&running, |described| described.status.last_error.is_some()).await;
    assert!(
        described
            .status
            .last_error
            .unwrap()
            .contains("[[functions]]")
    );
    running.shutdown().await;
    assert_eq!(files(&dir.path().join("objects")).len(), 0);
}
