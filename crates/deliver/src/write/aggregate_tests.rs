//! Aggregated records in an archive, and what only looks like one.

use std::path::Path;
use std::sync::Arc;

use afflux_entry::aggregate::{self, MAGIC};
use afflux_types::{PartitionKey, Record, SequenceNumber};
use bytes::Bytes;

use super::script::{ROOT, Script, lane_of_files, run};
use crate::fs::sim::SimFs;
use crate::settings::Compression;
use crate::verify::{ArchivedRecord, Records, verify_in};

const START: i64 = 1_795_255_200_000;

/// Archives a script into files that end at `file_bytes`, and reads the archive.
fn archived(fs: &SimFs, script: &Script, file_bytes: u64) -> Vec<ArchivedRecord> {
    let mut lane = lane_of_files(Arc::new(fs.clone()), Compression::None, 1, file_bytes);
    run(&mut lane, std::slice::from_ref(script)).unwrap();
    let summary = verify_in(fs, Path::new(ROOT)).unwrap();
    assert_eq!(summary.totals().records, script.end().get());
    let records = Records::open(Arc::new(fs.clone()), Path::new(ROOT)).unwrap();
    records.map(Result::unwrap).collect()
}

fn records(count: u64, key: &str) -> Vec<Record> {
    let key = PartitionKey::new(key).unwrap();
    let record = |index: u64| Record::new(key.clone(), index.to_string().into());
    (0..count).map(record).collect()
}

/// The path and the text of the only file with records.
fn only_file(fs: &SimFs) -> String {
    let files = fs.dump().into_iter();
    let mut files = files.filter(|(path, _)| path.to_str().unwrap().ends_with("0.jsonl"));
    let (_, bytes) = files.next().unwrap();
    assert!(files.next().is_none());
    String::from_utf8(bytes).unwrap()
}

#[test]
fn each_part_has_a_line_with_the_number_of_the_whole() {
    let fs = SimFs::new(Path::new(ROOT));
    let whole = aggregate::join(&records(3, "inside"));
    let script = Script::new(0).batch(START, &[b"before", &whole, b"after"]);
    let found = archived(&fs, &script, 1 << 20);
    let places: Vec<(u64, Option<u64>, &str, &[u8])> = found
        .iter()
        .map(|record| {
            let number: SequenceNumber = record.sequence_number;
            let key = record.partition_key.as_str();
            (
                number.position().get(),
                record.sub_sequence,
                key,
                &record.data[..],
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            (0, None, "key \"0\"", b"before".as_slice()),
            (1, Some(0), "inside", b"0"),
            (1, Some(1), "inside", b"1"),
            (1, Some(2), "inside", b"2"),
            (2, None, "key \"2\"", b"after"),
        ]
    );
    let manifest = &fs.dump()[&Path::new(ROOT).join("clicks/shardId-000000000000/manifest.jsonl")];
    let manifest = String::from_utf8(manifest.clone()).unwrap();
    assert!(
        manifest.contains("\"records\":3,\"lines\":5,"),
        "{manifest}"
    );
}

#[test]
fn what_cannot_be_taken_apart_is_archived_byte_for_byte() {
    let mut wrong_sum = aggregate::join(&records(3, "inside")).to_vec();
    *wrong_sum.last_mut().unwrap() ^= 1;
    let wrong_message = aggregate::seal(b"\x0a\x01k\x1a\x7f");
    let payloads = [
        &MAGIC[..],
        &wrong_sum,
        &wrong_message,
        &aggregate::seal(b""),
    ];
    let script = Script::new(0).batch(START, &payloads);
    let found = archived(&SimFs::new(Path::new(ROOT)), &script, 1 << 20);
    let data: Vec<Bytes> = found.iter().map(|record| record.data.clone()).collect();
    assert_eq!(data, payloads);
    assert!(found.iter().all(|record| record.sub_sequence.is_none()));
}

#[test]
fn a_whole_aggregate_is_in_one_file_and_reaches_it_in_pieces() {
    // 60 KB that become 4 MB of lines, because the parts share a key.
    let fs = SimFs::new(Path::new(ROOT));
    let key = "k".repeat(256);
    let mut message = vec![0x0a, 0x80, 0x02];
    message.extend_from_slice(key.as_bytes());
    for _ in 0..8_000 {
        message.extend_from_slice(b"\x1a\x05\x08\x00\x1a\x01d");
    }
    let script = Script::new(0).batch(START, &[&aggregate::seal(&message)]);
    let found = archived(&fs, &script, 1_024);
    assert_eq!(found.len(), 8_000);
    assert!(found.iter().all(|record| record.partition_key == key));
    let text = only_file(&fs);
    assert_eq!(text.lines().count(), 8_000);
    // A writer that built all lines first would hand them over at once.
    assert!(text.len() > 2_000_000 && fs.piece_max() < 100_000);
}
