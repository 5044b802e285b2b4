//! What the two formats cost: 500 records of 1 KiB in, and an answer of 10 MB out.
//!
//! Beside each stands what cannot be avoided: decoding or encoding the same bytes as base64, and one
//! copy. Times are the shortest of many runs, so that other programs disturb them little.
//!
//! `cargo bench -p afflux-aws --bench codec`
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a bench prints, and fails loudly"
)]

use std::hint::black_box;
use std::time::Duration;

use afflux_aws::document::{Encoder, Format, Value};
use afflux_aws::kinesis::output::{
    GetRecordsOutput, PutRecordsOutput, PutRecordsResultEntry, Record,
};
use afflux_aws::kinesis::{Operation, Origin, Request};
use afflux_aws::sigv4;
use afflux_types::{Clock, Position, ServerTime, ShardId};
use bytes::Bytes;

const RECORDS: u64 = 500;
const RUNS: u32 = 400;

fn shortest(clock: &Clock, mut run: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let start = clock.elapsed();
        run();
        best = best.min(clock.elapsed().saturating_sub(start));
    }
    best
}

fn report(name: &str, took: Duration, bytes: usize, records: u64) {
    let seconds = took.as_secs_f64();
    println!(
        "{name:44} {:9.1} us {:8.0} MB/s {:7.2} M records/s",
        seconds * 1e6,
        bytes as f64 / seconds / 1e6,
        records as f64 / seconds / 1e6,
    );
}

fn put_records(format: Format, data: &[Bytes]) -> Bytes {
    let record = |(i, data): (usize, &Bytes)| {
        let data = match format {
            Format::Json => Value::Str(base64_simd::STANDARD.encode_to_string(data).into()),
            Format::Cbor => Value::Blob(data.clone()),
        };
        let key = Value::Str(format!("partition-key-{i}").into());
        Value::Map(vec![("Data".into(), data), ("PartitionKey".into(), key)])
    };
    let records = data.iter().enumerate().map(record).collect();
    let body = Value::Map(vec![
        ("Records".into(), Value::List(records)),
        ("StreamName".into(), Value::Str("a-stream".into())),
    ]);
    Encoder::to_bytes(format, 0, &body)
}

fn main() {
    let clock = Clock::system();
    let data: Vec<Bytes> = (0..RECORDS)
        .map(|i| (0..1_024_u64).map(|j| (i * 31 + j * j) as u8).collect())
        .collect();
    let payload = 1_024 * data.len();
    for format in [Format::Json, Format::Cbor] {
        let body = put_records(format, &data);
        let took = shortest(&clock, || {
            black_box(Request::decode(Operation::PutRecords, format, &body).unwrap());
        });
        report(
            &format!("PutRecords in, {format:?}"),
            took,
            payload,
            RECORDS,
        );
    }
    let encoded: Vec<String> = data
        .iter()
        .map(|data| base64_simd::STANDARD.encode_to_string(data))
        .collect();
    let mut out = vec![0; 1_024];
    let took = shortest(&clock, || {
        for text in &encoded {
            let room = base64_simd::Out::from_slice(&mut out);
            black_box(base64_simd::STANDARD.decode(text.as_bytes(), room).unwrap());
        }
    });
    report("the same base64, alone", took, payload, RECORDS);
    let body = put_records(Format::Json, &data);
    let took = shortest(&clock, || {
        black_box(serde_json::from_slice::<serde::de::IgnoredAny>(&body).unwrap());
    });
    report(
        "the same JSON, looked over by serde_json",
        took,
        payload,
        RECORDS,
    );
    let took = shortest(&clock, || {
        black_box(ring::digest::digest(&ring::digest::SHA256, &body));
    });
    report(
        "SHA-256 of the body, for its signature",
        took,
        payload,
        RECORDS,
    );

    let now = ServerTime::from_millis(1_790_000_000_000);
    let origin = Origin::new(ShardId::new(3), ServerTime::from_millis(1_700_000_000_000));
    put_results(&clock, origin, now);
    get_records(&clock, origin, now, &data);
    signature(&clock);
}

fn put_results(clock: &Clock, origin: Origin, now: ServerTime) {
    let payload = 1_024 * 500;
    let took = shortest(clock, || {
        for i in 0..RECORDS {
            black_box(origin.record(Position::new(i), now).digits());
        }
    });
    report("sequence numbers", took, payload, RECORDS);
    let results = (0..RECORDS).map(|i| {
        PutRecordsResultEntry::accepted(ShardId::new(3), origin.record(Position::new(i), now))
    });
    let answer = PutRecordsOutput {
        failed_record_count: 0,
        records: results.collect(),
        encryption_type: None,
    };
    for format in [Format::Json, Format::Cbor] {
        let took = shortest(clock, || {
            black_box(answer.to_bytes(format));
        });
        report(
            &format!("PutRecords out, {format:?}"),
            took,
            payload,
            RECORDS,
        );
    }
}

fn get_records(clock: &Clock, origin: Origin, now: ServerTime, data: &[Bytes]) {
    let record = |i: u64, data| Record {
        sequence_number: origin.record(Position::new(i), now),
        approximate_arrival_timestamp: Some(now),
        data,
        partition_key: Some("partition-key-1"),
        encryption_type: None,
    };
    let many = data.iter().cycle().take(10_000);
    let answer = GetRecordsOutput {
        records: (0..).zip(many).map(|(i, data)| record(i, data)).collect(),
        next_shard_iterator: Some("x".repeat(280)),
        millis_behind_latest: 0,
        child_shards: None,
    };
    for format in [Format::Json, Format::Cbor] {
        let took = shortest(clock, || {
            black_box(answer.to_bytes(format));
        });
        report(
            &format!("GetRecords out, {format:?}"),
            took,
            10_240_000,
            10_000,
        );
    }
    let took = shortest(clock, || {
        let mut out = Vec::with_capacity(10_240_000);
        for record in &answer.records {
            out.extend_from_slice(record.data);
        }
        black_box(out);
    });
    report("the same bytes, copied", took, 10_240_000, 10_000);
}

fn signature(clock: &Clock) {
    let headers: [(&str, &[u8]); 5] = [
        ("host", b"localhost:4567"),
        ("content-type", b"application/x-amz-json-1.1"),
        ("x-amz-target", b"Kinesis_20131202.PutRecord"),
        ("x-amz-date", b"20150830T123600Z"),
        (
            "authorization",
            b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/kinesis/aws4_request, \
              SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=00",
        ),
    ];
    let body = [b'x'; 1_400];
    let request = sigv4::Request {
        method: "POST",
        path: "/",
        query: "",
        headers: &headers,
        payload: sigv4::Payload::Whole(&body),
    };
    let secret = sigv4::Secret {
        key: "secret",
        session_token: None,
    };
    let scope = sigv4::Scope {
        region: None,
        service: "kinesis",
    };
    let took = shortest(clock, || {
        let claim = sigv4::Claim::find(&request).unwrap();
        let _ = black_box(claim.verify(&request, &secret, &scope, claim.time()));
    });
    report("one signature over 1,400 bytes", took, body.len(), 1);
}
