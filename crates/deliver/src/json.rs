//! Writes archived records as JSON Lines, at the speed of copying.
//!
//! A line is assembled from pieces that rarely change (the shard's prefix, the batch's arrival
//! time) and from escaped text. The escapes are those of `serde_json`: a test compares every byte.

use std::io::Write as _;

use afflux_types::{HashKey, Position, SequenceNumber, ServerTime, ShardId, StreamName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Writes the lines of one shard.
#[derive(Debug)]
pub(crate) struct LineWriter {
    shard: ShardId,
    /// `{"stream":"…","shard":"…","sequence_number":"`
    head: Vec<u8>,
    /// `,"arrival_time":"…",` of the time in `arrival`.
    arrival_text: Vec<u8>,
    arrival: Option<ServerTime>,
}

/// A record as a line shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) position: Position,
    /// The place inside an aggregated record.
    pub(crate) sub_sequence: Option<u64>,
    pub(crate) arrival: ServerTime,
    pub(crate) partition_key: &'a str,
    pub(crate) explicit_hash_key: Option<HashKey>,
    pub(crate) data: &'a [u8],
}

impl LineWriter {
    pub(crate) fn new(stream: &StreamName, shard: ShardId) -> Self {
        let mut head = b"{\"stream\":".to_vec();
        push_text(&mut head, stream.as_str());
        head.extend_from_slice(format!(",\"shard\":\"{shard}\",\"sequence_number\":\"").as_bytes());
        Self {
            shard,
            head,
            arrival_text: Vec::new(),
            arrival: None,
        }
    }

    /// Appends one line with its line feed to `out`.
    pub(crate) fn push(&mut self, line: Line<'_>, out: &mut Vec<u8>) {
        if self.arrival != Some(line.arrival) {
            self.arrival_text = format!(",\"arrival_time\":\"{}\",", line.arrival).into_bytes();
            self.arrival = Some(line.arrival);
        }
        out.reserve(self.head.len() + self.arrival_text.len() + line.data.len() + 160);
        out.extend_from_slice(&self.head);
        push_display(out, SequenceNumber::new(self.shard, line.position));
        out.push(b'"');
        if let Some(sub_sequence) = line.sub_sequence {
            out.extend_from_slice(b",\"sub_sequence_number\":");
            push_display(out, sub_sequence);
        }
        out.extend_from_slice(b",\"partition_key\":");
        push_text(out, line.partition_key);
        if let Some(hash_key) = line.explicit_hash_key {
            out.extend_from_slice(b",\"explicit_hash_key\":\"");
            push_display(out, hash_key);
            out.push(b'"');
        }
        out.extend_from_slice(&self.arrival_text);
        match std::str::from_utf8(line.data) {
            Ok(text) => {
                out.extend_from_slice(b"\"data\":");
                push_text(out, text);
            }
            Err(_) => push_base64(out, line.data),
        }
        out.extend_from_slice(b"}\n");
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
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn text(s: &str) -> String {
        let mut out = Vec::new();
        push_text(&mut out, s);
        String::from_utf8(out).unwrap()
    }

    fn write(line: Line<'_>) -> Vec<u8> {
        let stream = StreamName::new("clicks").unwrap();
        let mut out = Vec::new();
        LineWriter::new(&stream, ShardId::new(7)).push(line, &mut out);
        out
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
            key in "\\PC{1,20}",
            hash in proptest::option::of(any::<u128>()),
            data in prop_oneof![any::<String>().prop_map(String::into_bytes), any::<Vec<u8>>()],
        ) {
            let arrival = ServerTime::from_millis(millis);
            let out = write(Line {
                position: Position::new(position),
                sub_sequence,
                arrival,
                partition_key: &key,
                explicit_hash_key: hash.map(HashKey::new),
                data: &data,
            });
            prop_assert_eq!(out.last(), Some(&b'\n'));
            prop_assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 1);
            let number = SequenceNumber::new(ShardId::new(7), Position::new(position));
            let mut expected = json!({
                "stream": "clicks",
                "shard": "shardId-000000000007",
                "sequence_number": number.to_string(),
                "partition_key": key,
                "arrival_time": arrival.to_string(),
            });
            let fields = expected.as_object_mut().unwrap();
            if let Some(sub_sequence) = sub_sequence {
                fields.insert("sub_sequence_number".into(), sub_sequence.into());
            }
            if let Some(hash) = hash {
                fields.insert("explicit_hash_key".into(), hash.to_string().into());
            }
            match String::from_utf8(data.clone()) {
                Ok(text) => fields.insert("data".into(), text.into()),
                Err(_) => fields.insert("data_base64".into(), STANDARD.encode(&data).into()),
            };
            prop_assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected);
        }
    }

    #[test]
    fn a_line_has_the_documented_form() {
        let line = Line {
            position: Position::new(42),
            sub_sequence: None,
            arrival: ServerTime::from_millis(1_795_255_200_250),
            partition_key: "user \"1\"",
            explicit_hash_key: None,
            data: b"hello\n",
        };
        assert_eq!(
            String::from_utf8(write(line)).unwrap(),
            "{\"stream\":\"clicks\",\"shard\":\"shardId-000000000007\",\
             \"sequence_number\":\"49000000000700000000000000000042000000000000000000000000\",\
             \"partition_key\":\"user \\\"1\\\"\",\"arrival_time\":\"2026-11-21T10:00:00.250Z\",\
             \"data\":\"hello\\n\"}\n"
        );
        let part = Line {
            sub_sequence: Some(3),
            ..line
        };
        let text = String::from_utf8(write(part)).unwrap();
        assert!(
            text.contains("000000\",\"sub_sequence_number\":3,\"partition_key\""),
            "{text}"
        );
    }
}
