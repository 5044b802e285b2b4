//! The documents and the code say the same: FRAMES.md, afflux.proto, and the pinned bytes.

use std::collections::BTreeMap;

use afflux_entry::Kind;
use afflux_types::ErrorKind;
use afflux_types::limits::{ENTRY_RECORDS_MAX, FRAGMENT_BYTES_MAX, SUBSCRIPTION_CREDIT_BYTES_MAX};
use bytes::Bytes;

use crate::message;
use crate::{Frame, FrameType};

const FRAMES: &str = include_str!("../FRAMES.md");

/// The cells of the table whose first line contains `head`.
fn table(head: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| {
        let inner = line.trim_matches('|');
        let cells = inner.split('|').map(|cell| cell.trim().replace('`', ""));
        cells.collect::<Vec<String>>()
    };
    let rows: Vec<Vec<String>> = FRAMES
        .lines()
        .skip_while(|line| !line.contains(head))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(cells)
        .collect();
    assert!(!rows.is_empty(), "FRAMES.md has no table {head:?}");
    rows
}

#[test]
fn frame_types_are_the_documented_ones() {
    let documented: Vec<(String, String)> = table("| type | frame |")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let mut coded: Vec<(String, String)> = FrameType::ALL
        .iter()
        .map(|kind| (format!("{:#04x}", *kind as u8), kind.name().to_owned()))
        .collect();
    coded.sort();
    assert_eq!(documented, coded);
    for kind in FrameType::ALL {
        assert_eq!(FrameType::from_byte(*kind as u8), Some(*kind));
    }
    assert_eq!(FrameType::from_byte(b'A'), None);
}

#[test]
fn error_kinds_are_the_documented_ones() {
    let documented: Vec<(String, String)> = table("| kind | name |")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let coded: Vec<(String, String)> = ErrorKind::ALL
        .iter()
        .map(|kind| (kind.code().to_string(), kind.name().to_owned()))
        .collect();
    assert_eq!(documented, coded);
}

#[test]
fn limits_are_the_documented_ones() {
    let documented: Vec<u64> = table("| what | limit |")
        .into_iter()
        .map(|row| {
            let digits = row[1].split(' ').next().unwrap().replace(',', "");
            digits.parse().unwrap()
        })
        .collect();
    let coded = [
        FrameType::UploadInit.content_bytes_max(),
        FrameType::Open.content_bytes_max(),
        Kind::Batch.body_bytes_max(),
        ENTRY_RECORDS_MAX,
        Kind::Fragment.body_bytes_max(),
        FRAGMENT_BYTES_MAX,
    ];
    let mut coded: Vec<u64> = coded.iter().map(|limit| *limit as u64).collect();
    coded.push(SUBSCRIPTION_CREDIT_BYTES_MAX);
    assert_eq!(documented, coded);
}

/// `message.field` or `enum.value` to number and type, as message.rs has them.
fn fields_of_code() -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let (mut owner, mut attribute) = (String::new(), String::new());
    for line in include_str!("message.rs").lines().map(str::trim) {
        let words: Vec<&str> = line.split([' ', '(', ',', '{', ':', '=']).collect();
        if let Some(inner) = line.strip_prefix("#[prost(") {
            attribute = inner.trim_end_matches(")]").to_owned();
        } else if line.starts_with("pub struct ") || line.starts_with("pub enum ") {
            owner = words[2].to_owned();
        } else if !attribute.is_empty() && !attribute.starts_with("oneof") {
            let name = words[if words[0] == "pub" { 1 } else { 0 }];
            let number = attribute.split("tag = \"").nth(1).unwrap();
            let number = number.split('"').next().unwrap();
            let kind = attribute.split([',', ' ']).next().unwrap();
            let mut inner = line
                .split(['<', '(', ' ', '>', ')', ','])
                .filter(|w| !w.is_empty());
            let kind = match kind {
                "message" => inner.next_back().unwrap(),
                "enumeration" => attribute.split('"').nth(1).unwrap(),
                scalar => scalar,
            };
            let fresh = fields.insert(
                format!("{owner}.{}", snake(name)),
                format!("{number} {kind}"),
            );
            assert_eq!(fresh, None, "{owner}.{name} is read twice");
            attribute.clear();
        } else if attribute.starts_with("oneof") {
            attribute.clear();
        } else if let Some((value, number)) = line.split_once(" = ")
            && number.ends_with(',')
            && number.starts_with(|digit: char| digit.is_ascii_digit())
            && value.chars().all(char::is_alphanumeric)
        {
            let name = format!("{}_{}", snake(&owner), snake(value)).to_uppercase();
            fields.insert(
                format!("{owner}.{name}"),
                number.trim_end_matches(',').to_owned(),
            );
        }
    }
    fields
}

/// The same as afflux.proto has them; the fields of a `oneof` belong to the Rust enum for it.
fn fields_of_schema() -> BTreeMap<String, String> {
    let oneofs = BTreeMap::from([
        ("Open", "Activity"),
        ("Start", "From"),
        ("AdminRequest", "Command"),
        ("AdminResponse", "Answer"),
    ]);
    let mut fields = BTreeMap::new();
    let (mut owner, mut oneof) = ("", false);
    for line in include_str!("../afflux.proto").lines() {
        let line = line.split("//").next().unwrap().trim();
        let words: Vec<&str> = line
            .split([' ', ';', '='])
            .filter(|w| !w.is_empty())
            .collect();
        match words.as_slice() {
            ["message" | "enum", name, ..] => owner = name,
            ["oneof", ..] => oneof = true,
            ["}"] if oneof => oneof = false,
            ["repeated" | "optional", kind, name, number] | [kind, name, number] => {
                let owner = if oneof { oneofs[owner] } else { owner };
                fields.insert(format!("{owner}.{name}"), format!("{number} {kind}"));
            }
            [name, number] if *name != "syntax" => {
                fields.insert(format!("{owner}.{name}"), (*number).to_owned());
            }
            _ => {}
        }
    }
    fields
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for (index, c) in name.char_indices() {
        if c.is_uppercase() && index > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[test]
fn schema_and_messages_have_the_same_fields() {
    let mut schema = fields_of_schema();
    schema.retain(|name, _| !name.starts_with(".package"));
    assert_eq!(schema, fields_of_code());
    assert!(schema.len() > 100);
}

/// One frame of each shape that other languages must get right, with its pinned bytes.
fn golden() -> Vec<(&'static str, Frame)> {
    let produce = message::Produce {
        stream: "orders".into(),
        shard: 1,
        producer_id: 0x0102_0304_0506_0708,
    };
    let subscribe = message::Subscribe {
        stream: "orders".into(),
        shard: 0,
        start: Some(message::Start {
            from: Some(message::From::Position(300)),
        }),
        credit_bytes: 4 << 20,
        consumer: "billing".into(),
    };
    let ack = message::Ack {
        position: 1_000,
        record_count: 64,
        arrival_ms: -2,
        duplicate: true,
    };
    let fragment_ack = message::FragmentAck {
        number: 3,
        state: message::FragmentState::Persisted.into(),
        fragment_number: "91343852333181432392682062655754991969434075136".into(),
        position: 1,
        server_time_ms: 1_690_707_289_209,
    };
    let open = |token: &str, activity| message::Open {
        token: token.into(),
        activity: Some(activity),
    };
    let data = Frame::FragmentData(Bytes::from_static(b"moof"));
    vec![
        (
            "open-produce",
            open("secret", message::Activity::Produce(produce)).into(),
        ),
        (
            "open-subscribe",
            open("", message::Activity::Subscribe(subscribe)).into(),
        ),
        ("acks", message::Acks { acks: vec![ack] }.into()),
        ("failure-shard-moved", moved().into()),
        ("fragment-data", data),
        ("fragment-ack", fragment_ack.into()),
    ]
}

fn moved() -> message::Failure {
    let range = message::Range {
        start_high: 0x8000_0000_0000_0000,
        start_low: 0,
        end_high: u64::MAX,
        end_low: u64::MAX,
    };
    let child = message::Child {
        shard: 2,
        parents: vec![0, 1],
        range: Some(range),
    };
    message::Failure {
        kind: u32::from(ErrorKind::ShardMoved.code()),
        message: "closed".into(),
        children: vec![child],
        retry_after_ms: 0,
        last_sequence: 7,
    }
}

#[test]
fn frames_have_the_pinned_bytes() {
    let pinned: BTreeMap<String, String> = include_str!("../../../fixtures/frames/frames.txt")
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, hex)| (name.to_owned(), hex.to_owned()))
        .collect();
    let encoded: BTreeMap<String, String> = golden()
        .into_iter()
        .map(|(name, frame)| {
            let hex = frame
                .encode()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            (name.to_owned(), hex)
        })
        .collect();
    assert_eq!(encoded, pinned);
}
