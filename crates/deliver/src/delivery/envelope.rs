//! Records as lines of JSON that say where they come from, at the speed of copying.
//!
//! A line is assembled from pieces that rarely change (the shard's prefix, the batch's arrival
//! time) and from escaped text. The escapes are those of `serde_json`: a test compares every byte.

use std::io::Write as _;

use afflux_transform::Record;
use afflux_types::{SequenceNumber, ServerTime, ShardId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Writes the lines of a delivery stream.
#[derive(Debug)]
pub(crate) struct Envelope {
    /// `{"stream":"…","shard":"`
    stream: Vec<u8>,
    /// That of the shard in `shard`, to the beginning of the sequence number.
    head: Vec<u8>,
    shard: Option<ShardId>,
    /// `,"arrival_time":"…",` of the time in `arrival`.
    arrival_text: Vec<u8>,
    arrival: Option<ServerTime>,
    line: Vec<u8>,
}

impl Envelope {
    /// Lines of records that come from `stream`.
    pub(crate) fn new(stream: &str) -> Self {
        let mut head = b"{\"stream\":".to_vec();
        push_text(&mut head, stream);
        head.extend_from_slice(b",\"shard\":\"");
        Self {
            stream: head,
            head: Vec::new(),
            shard: None,
            arrival_text: Vec::new(),
            arrival: None,
            line: Vec::new(),
        }
    }

    /// The record's line, with its line feed.
    pub(crate) fn line(&mut self, record: &Record) -> &[u8] {
        let origin = record.origin;
        if self.shard != Some(origin.shard) {
            self.head.clone_from(&self.stream);
            push_display(&mut self.head, origin.shard);
            self.head.extend_from_slice(b"\",\"sequence_number\":\"");
            self.shard = Some(origin.shard);
        }
        if self.arrival != Some(record.arrival) {
            self.arrival_text = format!(",\"arrival_time\":\"{}\",", record.arrival).into_bytes();
            self.arrival = Some(record.arrival);
        }
        let out = &mut self.line;
        out.clear();
        out.reserve(self.head.len() + self.arrival_text.len() + record.data.len() + 160);
        out.extend_from_slice(&self.head);
        push_display(out, SequenceNumber::new(origin.shard, origin.position));
        out.push(b'"');
        if let Some(sub_sequence) = origin.sub_sequence {
            out.extend_from_slice(b",\"sub_sequence_number\":");
            push_display(out, sub_sequence);
        }
        if let Some(key) = &record.partition_key {
            out.extend_from_slice(b",\"partition_key\":");
            push_text(out, key.as_str());
        }
        if let Some(hash_key) = record.explicit_hash_key {
            out.extend_from_slice(b",\"explicit_hash_key\":\"");
            push_display(out, hash_key);
            out.push(b'"');
        }
        out.extend_from_slice(&self.arrival_text);
        match std::str::from_utf8(&record.data) {
            Ok(text) => {
                out.extend_from_slice(b"\"data\":");
                push_text(out, text);
            }
            Err(_) => push_base64(out, &record.data),
        }
        out.extend_from_slice(b"}\n");
        out
    }
}

fn push_display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    write!(out, "{value}").expect("writing to memory does not fail");
}

fn push_base64(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(b"\"data_base64\":\"");
    let start = out.len();
    // Four characters for every three bytes begun, as base64 with padding has it.
    let len = data.len().div_ceil(3) * 4;
    out.resize(start + len, 0);
    let room = out.get_mut(start..).unwrap_or_default();
    STANDARD
        .encode_slice(data, room)
        .expect("the room was computed for this data");
    out.push(b'"');
}

/// What a byte of text becomes: 0 itself, `u` a `\u00XX`, anything else a backslash and that.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[b'\t' as usize] = b't';
    table[b'\n' as usize] = b'n';
    table[0x0c] = b'f';
    table[b'\r' as usize] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

const HEX: [u8; 16] = *b"0123456789abcdef";

/// Appends `text` as a JSON string, in runs that need no escape.
fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let run = rest
            .iter()
            .position(|&byte| ESCAPES[usize::from(byte)] != 0)
            .unwrap_or(rest.len());
        let (plain, tail) = rest.split_at(run);
        out.extend_from_slice(plain);
        let Some((&byte, tail)) = tail.split_first() else {
            break;
        };
        match ESCAPES[usize::from(byte)] {
            b'u' => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
            escape => out.extend_from_slice(&[b'\\', escape]),
        }
        rest = tail;
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use afflux_transform::Origin;
    use afflux_types::{HashKey, PartitionKey, Position};
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn text(s: &str) -> String {
        let mut out = Vec::new();
        push_text(&mut out, s);
        String::from_utf8(out).unwrap()
    }

    fn record(position: u64, millis: i64, key: Option<&str>, data: &[u8]) -> Record {
        let origin = Origin {
            shard: ShardId::new(7),
            position: Position::new(position),
            sub_sequence: None,
        };
        let key = key.map(|key| PartitionKey::new(key).unwrap());
        let data = Bytes::copy_from_slice(data);
        Record::new(data, ServerTime::from_millis(millis), origin, key)
    }

    fn line(record: &Record) -> String {
        String::from_utf8(Envelope::new("clicks").line(record).to_vec()).unwrap()
    }

    #[test]
    fn every_character_of_the_first_plane_is_escaped_as_serde_json_does() {
        for c in (0..0xffff_u32).filter_map(char::from_u32) {
            let s = format!("a{c}b");
            assert_eq!(text(&s), serde_json::to_string(&s).unwrap(), "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn text_is_escaped_as_serde_json_does(s in any::<String>()) {
            prop_assert_eq!(text(&s), serde_json::to_string(&s).unwrap());
        }

        #[test]
        fn a_line_is_json_and_holds_the_record(
            position: u64,
            sub_sequence in proptest::option::of(any::<u64>()),
            millis in 0_i64..4_102_444_800_000,
            key in proptest::option::of("\\PC{1,20}"),
            hash in proptest::option::of(any::<u128>()),
            data in prop_oneof![any::<String>().prop_map(String::into_bytes), any::<Vec<u8>>()],
        ) {
            let mut record = record(position, millis, key.as_deref(), &data);
            record.origin.sub_sequence = sub_sequence;
            record.explicit_hash_key = hash.map(HashKey::new);
            let line = line(&record);
            prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
            let number = SequenceNumber::new(ShardId::new(7), Position::new(position));
            let mut expected = json!({
                "stream": "clicks",
                "shard": "shardId-000000000007",
                "sequence_number": number.to_string(),
                "arrival_time": record.arrival.to_string(),
            });
            let fields = expected.as_object_mut().unwrap();
            if let Some(sub_sequence) = sub_sequence {
                fields.insert("sub_sequence_number".into(), sub_sequence.into());
            }
            if let Some(key) = key {
                fields.insert("partition_key".into(), key.into());
            }
            if let Some(hash) = hash {
                fields.insert("explicit_hash_key".into(), hash.to_string().into());
            }
            match String::from_utf8(data.clone()) {
                Ok(text) => fields.insert("data".into(), text.into()),
                Err(_) => fields.insert("data_base64".into(), STANDARD.encode(&data).into()),
            };
            prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), expected);
        }
    }

    #[test]
    fn a_line_has_the_documented_form() {
        let mut record = record(42, 1_795_255_200_250, Some("user \"1\""), b"hello\n");
        assert_eq!(
            line(&record),
            "{\"stream\":\"clicks\",\"shard\":\"shardId-000000000007\",\
             \"sequence_number\":\"49000000000700000000000000000042000000000000000000000000\",\
             \"partition_key\":\"user \\\"1\\\"\",\"arrival_time\":\"2026-11-21T10:00:00.250Z\",\
             \"data\":\"hello\\n\"}\n"
        );
        record.origin.sub_sequence = Some(3);
        let text = line(&record);
        assert!(
            text.contains("000000\",\"sub_sequence_number\":3,\"partition_key\""),
            "{text}"
        );
    }

    #[test]
    fn lines_follow_the_shard_and_the_time_of_their_records() {
        let mut envelope = Envelope::new("clicks");
        let first = record(1, 1_795_255_200_250, None, b"a");
        let mut second = record(2, 1_795_255_200_251, None, b"b");
        second.origin.shard = ShardId::new(8);
        for one in [&first, &second, &first] {
            assert_eq!(envelope.line(one), line(one).as_bytes());
        }
    }
}
