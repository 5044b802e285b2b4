//! One line of a manifest as text: JSON that ends with the CRC-32C of what is before it.

use afflux_entry::crc32c;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The version of the archive's layout and of its manifests.
pub(crate) const VERSION: u32 = 1;

/// A line of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    #[serde(flatten)]
    pub(crate) what: What,
    /// Everything before this position is accounted for.
    pub(crate) end_position: u64,
    /// Sums over this line and all before it.
    pub(crate) totals: Totals,
}

/// What a line is about; the name of the variant is the line's first key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    Start(Start),
    File(FileLine),
    Gap(Gap),
    Closed(Closed),
}

/// The first line: whose archive this is and where it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) version: u32,
    pub(crate) stream: String,
    /// Tells streams apart that had the same name one after the other.
    pub(crate) stream_identity: String,
    pub(crate) shard: String,
    pub(crate) position: u64,
}

/// A finished file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileLine {
    /// From the shard's directory.
    pub(crate) path: String,
    /// Of the file as it is, in hexadecimal.
    pub(crate) md5: String,
    pub(crate) bytes: u64,
    pub(crate) uncompressed_bytes: u64,
    /// Records of the stream, or fragments of video.
    pub(crate) records: u64,
    /// Lines, where these are not as many because aggregated records were taken apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lines: Option<u64>,
    pub(crate) first_sequence_number: String,
    pub(crate) last_sequence_number: String,
    pub(crate) first_arrival_time: String,
    pub(crate) last_arrival_time: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) video: Option<VideoLine>,
}

/// What is known of a video file beside that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VideoLine {
    /// The codec initialisation that the file starts with, in hexadecimal.
    pub(crate) init_id: String,
    /// How long that is.
    pub(crate) init_bytes: u64,
    /// When the first fragment starts, by the producer's clock; the file's own time starts at zero.
    pub(crate) first_producer_time: String,
    /// When the last fragment starts.
    pub(crate) last_producer_time: String,
}

/// Positions that are not archived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gap {
    pub(crate) from_position: u64,
    /// Exclusive.
    pub(crate) to_position: u64,
    pub(crate) reason: GapReason,
    pub(crate) noticed: String,
}

/// Why positions are missing from an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GapReason {
    /// The stream's retention deleted them before they were archived.
    Retention,
    /// A fragment of video whose codec initialisation is nowhere in the stream: nobody can play it.
    MissingInit,
}

/// The last line of a shard that was split or merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Closed {
    pub(crate) children: Vec<String>,
}

/// Sums over the lines of a manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Finished files.
    pub files: u64,
    /// Records of the stream, or fragments of video, in finished files. An aggregated record is one.
    pub records: u64,
    /// Bytes of finished files.
    pub bytes: u64,
    /// Bytes of finished files before compression.
    pub uncompressed_bytes: u64,
    /// Gaps.
    pub gaps: u64,
    /// Positions in gaps.
    pub missing: u64,
}

impl Totals {
    /// The sums with one more line.
    #[must_use]
    pub(crate) fn with(self, what: &What) -> Self {
        match what {
            What::Start(_) | What::Closed(_) => self,
            What::File(file) => Self {
                files: self.files.saturating_add(1),
                records: self.records.saturating_add(file.records),
                bytes: self.bytes.saturating_add(file.bytes),
                uncompressed_bytes: self
                    .uncompressed_bytes
                    .saturating_add(file.uncompressed_bytes),
                ..self
            },
            What::Gap(gap) => Self {
                gaps: self.gaps.saturating_add(1),
                missing: self
                    .missing
                    .saturating_add(gap.to_position.saturating_sub(gap.from_position)),
                ..self
            },
        }
    }

    /// The sums of two archives together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            files: self.files.saturating_add(other.files),
            records: self.records.saturating_add(other.records),
            bytes: self.bytes.saturating_add(other.bytes),
            uncompressed_bytes: self
                .uncompressed_bytes
                .saturating_add(other.uncompressed_bytes),
            gaps: self.gaps.saturating_add(other.gaps),
            missing: self.missing.saturating_add(other.missing),
        }
    }
}

impl Line {
    /// The line's text, with its line feed.
    pub(crate) fn encode(&self) -> String {
        seal(self)
    }

    /// Reads a line without its line feed; the error says what is wrong with it.
    pub(crate) fn decode(text: &[u8]) -> Result<Self, String> {
        unseal(text)
    }
}

/// `,"crc32c":"01234567"}`
const SEAL_BYTES: usize = 21;

/// `value`, which becomes a JSON object, with a checksum and a line feed at its end.
pub(crate) fn seal(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).expect("plain structs with string keys are JSON");
    let brace = text.pop();
    debug_assert_eq!(brace, Some('}'), "only objects are sealed");
    let checksum = crc32c(text.as_bytes());
    text.push_str(&format!(",\"crc32c\":\"{checksum:08x}\"}}\n"));
    text
}

/// Reads what [`seal`] wrote, without its line feed.
pub(crate) fn unseal<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let (body, end) = text
        .len()
        .checked_sub(SEAL_BYTES)
        .and_then(|at| text.split_at_checked(at))
        .ok_or_else(|| format!("it has {} bytes, too few for a line", text.len()))?;
    let expected = format!(",\"crc32c\":\"{:08x}\"}}", crc32c(body));
    if end != expected.as_bytes() {
        return Err(format!(
            "it ends with {:?} where its checksum is {expected:?}",
            String::from_utf8_lossy(end)
        ));
    }
    let mut json = body.to_vec();
    json.push(b'}');
    serde_json::from_slice(&json).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line() -> Line {
        let what = What::File(FileLine {
            path: "2026/11/21/10/shardId-000000000000-00000000000000000000.jsonl.gz".into(),
            md5: "d41d8cd98f00b204e9800998ecf8427e".into(),
            bytes: 20,
            uncompressed_bytes: 100,
            records: 3,
            lines: None,
            first_sequence_number: "49".into(),
            last_sequence_number: "50".into(),
            first_arrival_time: "2026-11-21T10:00:00.000Z".into(),
            last_arrival_time: "2026-11-21T10:00:01.000Z".into(),
            video: None,
        });
        Line {
            totals: Totals::default().with(&what),
            end_position: 3,
            what,
        }
    }

    #[test]
    fn a_line_has_the_documented_form() {
        let gap = What::Gap(Gap {
            from_position: 3,
            to_position: 7,
            reason: GapReason::Retention,
            noticed: "2026-11-21T10:00:00.000Z".into(),
        });
        let line = Line {
            totals: line().totals.with(&gap),
            end_position: 7,
            what: gap,
        };
        assert_eq!(
            line.encode(),
            "{\"gap\":{\"from_position\":3,\"to_position\":7,\"reason\":\"retention\",\
             \"noticed\":\"2026-11-21T10:00:00.000Z\"},\"end_position\":7,\
             \"totals\":{\"files\":1,\"records\":3,\"bytes\":20,\"uncompressed_bytes\":100,\
             \"gaps\":1,\"missing\":4},\"crc32c\":\"PLACE\"}\n"
                .replace(
                    "PLACE",
                    &format!(
                        "{:08x}",
                        crc32c(
                            line.encode()
                                .split(",\"crc32c\"")
                                .next()
                                .unwrap()
                                .as_bytes()
                        )
                    )
                )
        );
    }

    #[test]
    fn every_key_is_documented() {
        let documented = include_str!("../../ARCHIVE.md");
        let What::File(mut file) = line().what else {
            unreachable!("the sample is a file");
        };
        file.lines = Some(5);
        file.video = Some(VideoLine {
            init_id: String::new(),
            init_bytes: 0,
            first_producer_time: String::new(),
            last_producer_time: String::new(),
        });
        let start = Start {
            version: VERSION,
            stream: String::new(),
            stream_identity: String::new(),
            shard: String::new(),
            position: 0,
        };
        let gap = Gap {
            from_position: 0,
            to_position: 0,
            reason: GapReason::Retention,
            noticed: String::new(),
        };
        let closed = Closed {
            children: Vec::new(),
        };
        for what in [
            What::Start(start),
            What::File(file),
            What::Gap(gap),
            What::Closed(closed),
        ] {
            let text = Line { what, ..line() }.encode();
            let keys = text
                .split('"')
                .skip(1)
                .step_by(2)
                .zip(text.split('"').skip(2).step_by(2));
            for (key, _) in keys.filter(|(_, after)| after.starts_with(':')) {
                assert!(
                    documented.contains(&format!("`{key}`")),
                    "{key} is not in ARCHIVE.md"
                );
            }
        }
        for reason in ["retention", "missing_init"] {
            assert!(documented.contains(&format!("`{reason}`")));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_line_is_noticed() {
        let text = line().encode();
        let text = text.trim_end().as_bytes();
        assert_eq!(Line::decode(text).unwrap(), line());
        for cut in 0..text.len() {
            assert!(Line::decode(&text[..cut]).is_err(), "cut at {cut}");
        }
        for bit in 0..text.len() * 8 {
            let mut bytes = text.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Line::decode(&bytes).is_err(), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_are_never_a_line(bytes in any::<Vec<u8>>()) {
            prop_assert!(Line::decode(&bytes).is_err());
        }

        #[test]
        fn any_text_survives_sealing(path in any::<String>(), end: u64) {
            let mut line = line();
            if let What::File(file) = &mut line.what {
                file.path = path;
            }
            line.end_position = end;
            let text = line.encode();
            prop_assert_eq!(text.matches('\n').count(), 1);
            prop_assert_eq!(Line::decode(text.trim_end_matches('\n').as_bytes()), Ok(line));
        }
    }
}
