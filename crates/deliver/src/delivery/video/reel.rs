//! The segments of one playlist, and its text.
//!
//! Source: RFC 8216. An object is one resource with its initialisation in front; segments are ranges of it.

use std::fmt::Write as _;

use afflux_media::InitId;
use afflux_types::ProducerTime;
use serde::{Deserialize, Serialize};

use super::{Clock, Placed};
use crate::delivery::settings::Place;

/// Segments of one playlist, whose text is about two megabytes then. An hour of a camera that sends key frames
/// has 900 at most, unless objects are shorter.
pub(crate) const SEGMENTS_MAX: usize = 10_000;
/// A segment ends when it is so long and a key frame follows.
const SEGMENT_NS: i64 = 4_000_000_000;
/// Byte ranges are known since version 4, and an initialisation in a playlist of ordinary segments since 6;
/// playlists of sessions say the same.
const VERSION: u8 = 7;

/// What a playlist is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hour {
    pub(crate) place: Place,
    /// The playlist's name, without its number and its extension.
    pub(crate) key: String,
}

impl Hour {
    /// The name of a playlist in its place.
    pub(crate) fn playlist(&self, number: u32) -> String {
        match number {
            1 => format!("{}.m3u8", self.key),
            number => format!("{}-{number}.m3u8", self.key),
        }
    }
}

/// The segments of one playlist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reel {
    pub(crate) hour: Hour,
    /// One for the first playlist of the hour.
    pub(super) number: u32,
    /// Tells apart what players need before any fragment.
    codec: u64,
    pub(crate) clock: Clock,
    objects: Vec<Object>,
    segments: Vec<Segment>,
}

/// An object of a playlist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Object {
    pub(crate) key: String,
    pub(crate) init_bytes: u64,
}

/// A range of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Segment {
    /// Of these objects, counted from zero.
    object: usize,
    offset: u64,
    bytes: u64,
    /// In nanoseconds of the playlist's time.
    start: i64,
    end: i64,
    /// When it begins, by the producer's clock.
    producer_ms: i64,
    /// Whether decoding can begin here.
    is_key: bool,
    is_behind_gap: bool,
}

/// A fragment in an object.
#[derive(Clone, Debug)]
pub(crate) struct Range<'a> {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) placed: &'a Placed,
    pub(crate) producer_time: ProducerTime,
    pub(crate) is_key: bool,
}

impl Reel {
    /// The playlist of this hour with that number, for what is coded so.
    pub(crate) fn new(hour: Hour, number: u32, codec: InitId) -> Self {
        Self {
            hour,
            number,
            codec: codec.get(),
            clock: Clock::default(),
            objects: Vec::new(),
            segments: Vec::new(),
        }
    }

    /// Whether what is coded so can go on in this playlist.
    pub(crate) fn takes(&self, hour: &Hour, codec: InitId) -> bool {
        self.hour == *hour && self.codec == codec.get() && self.segments.len() < SEGMENTS_MAX
    }

    /// The playlist's name in its place.
    pub(crate) fn key(&self) -> String {
        self.hour.playlist(self.number)
    }

    /// Begins an object.
    pub(crate) fn begin(&mut self, object: Object) {
        self.objects.push(object);
    }

    /// Puts a fragment behind what the last object has.
    pub(crate) fn push(&mut self, range: &Range<'_>) {
        let object = self.objects.len().saturating_sub(1);
        let Range { placed, .. } = *range;
        if let Some(last) = self.segments.last_mut() {
            let is_long = last.end.saturating_sub(last.start) >= SEGMENT_NS;
            if last.object == object && !placed.is_behind_gap && !(range.is_key && is_long) {
                last.bytes = last.bytes.saturating_add(range.bytes);
                last.end = placed.end;
                return;
            }
        }
        self.segments.push(Segment {
            object,
            offset: range.offset,
            bytes: range.bytes,
            start: placed.start,
            end: placed.end,
            producer_ms: range.producer_time.as_millis(),
            is_key: range.is_key,
            is_behind_gap: placed.is_behind_gap,
        });
    }

    /// The playlist as it is now; nothing that was in it before is changed by what follows.
    pub(crate) fn text(&self) -> String {
        let durations = self.segments.iter().map(Segment::duration);
        let longest = durations.max().unwrap_or(0).div_ceil(1_000_000_000).max(1);
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{longest}\n\
             #EXT-X-MEDIA-SEQUENCE:0\n"
        );
        if self.segments.iter().all(|segment| segment.is_key) {
            text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
        }
        let from = self.key();
        if let Some(first) = self.objects.first() {
            let uri = relative(&from, &first.key);
            let bytes = first.init_bytes;
            let _ = writeln!(text, "#EXT-X-MAP:URI=\"{uri}\",BYTERANGE=\"{bytes}@0\"");
        }
        for segment in &self.segments {
            let key = self.objects.get(segment.object);
            let uri = key.map_or_else(String::new, |object| relative(&from, &object.key));
            segment.write(&uri, &mut text);
        }
        text.push_str("#EXT-X-ENDLIST\n");
        text
    }
}

impl Segment {
    /// In nanoseconds.
    fn duration(&self) -> u64 {
        u64::try_from(self.end.saturating_sub(self.start)).unwrap_or(0)
    }

    fn write(&self, uri: &str, text: &mut String) {
        if self.is_behind_gap {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        let time = ProducerTime::from_millis(self.producer_ms);
        let micros = (self.duration() + 500) / 1_000;
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        let (bytes, offset) = (self.bytes, self.offset);
        let _ = write!(
            text,
            "#EXT-X-PROGRAM-DATE-TIME:{time}\n#EXTINF:{seconds}.{micros:06},\n\
             #EXT-X-BYTERANGE:{bytes}@{offset}\n{uri}\n"
        );
    }
}

/// What a playlist of one name calls an object of another name in the same place.
fn relative(from: &str, to: &str) -> String {
    let (mut from, mut to) = (from, to);
    while let (Some((a, rest_a)), Some((b, rest_b))) = (from.split_once('/'), to.split_once('/'))
        && a == b
    {
        (from, to) = (rest_a, rest_b);
    }
    let mut uri = "../".repeat(from.matches('/').count());
    // Otherwise it would be taken for a scheme, or for the path of a host.
    if to.starts_with('/') || to.split('/').next().is_some_and(|name| name.contains(':')) {
        uri.push_str("./");
    }
    for byte in to.bytes() {
        // What RFC 3986 lets stand in a path. Some players do not decode paths of files, so no more is
        // coded than has to be.
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => uri.push(char::from(byte)),
            byte if b"-._~!$&'()*+,;=:@/".contains(&byte) => uri.push(char::from(byte)),
            byte => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn hour(key: &str) -> Hour {
        Hour {
            place: Place::Bucket("lake".into()),
            key: key.into(),
        }
    }

    fn reel() -> Reel {
        let hour = hour("2026/11/21/23/cam-2026-11-21-23");
        Reel::new(hour, 1, InitId::new(1))
    }

    fn begin(reel: &mut Reel, key: &str) {
        let key = key.to_owned();
        let init_bytes = 700;
        reel.begin(Object { key, init_bytes });
    }

    /// A fragment of a thousand bytes behind `before` others of its object.
    fn push(reel: &mut Reel, before: u64, (start, end): (i64, i64), is_key: bool) {
        reel.push(&Range {
            offset: 700 + 1_000 * before,
            bytes: 1_000,
            placed: &Placed {
                start,
                end,
                shifts: Vec::new(),
                is_behind_gap: start == 20 * SECOND,
            },
            producer_time: ProducerTime::from_millis(1_795_302_000_000 + start / 1_000_000),
            is_key,
        });
    }

    #[test]
    fn a_playlist_says_where_what_is_and_when() {
        let mut reel = reel();
        begin(&mut reel, "2026/11/21/23/cam-1-a.mp4");
        push(&mut reel, 0, (0, 4 * SECOND), true);
        push(&mut reel, 1, (4 * SECOND, 8 * SECOND), true);
        begin(&mut reel, "2026/11/21/23/cam-1-b.mp4");
        push(&mut reel, 0, (8 * SECOND, 10 * SECOND + 33_366_700), true);
        push(&mut reel, 1, (20 * SECOND, 22 * SECOND), true);
        assert_eq!(reel.key(), "2026/11/21/23/cam-2026-11-21-23.m3u8");
        assert_eq!(
            reel.text(),
            "#EXTM3U\n\
             #EXT-X-VERSION:7\n\
             #EXT-X-TARGETDURATION:4\n\
             #EXT-X-MEDIA-SEQUENCE:0\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-MAP:URI=\"cam-1-a.mp4\",BYTERANGE=\"700@0\"\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-11-21T23:00:00.000Z\n\
             #EXTINF:4.000000,\n\
             #EXT-X-BYTERANGE:1000@700\n\
             cam-1-a.mp4\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-11-21T23:00:04.000Z\n\
             #EXTINF:4.000000,\n\
             #EXT-X-BYTERANGE:1000@1700\n\
             cam-1-a.mp4\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-11-21T23:00:08.000Z\n\
             #EXTINF:2.033367,\n\
             #EXT-X-BYTERANGE:1000@700\n\
             cam-1-b.mp4\n\
             #EXT-X-DISCONTINUITY\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-11-21T23:00:20.000Z\n\
             #EXTINF:2.000000,\n\
             #EXT-X-BYTERANGE:1000@1700\n\
             cam-1-b.mp4\n\
             #EXT-X-ENDLIST\n"
        );
    }

    #[test]
    fn short_fragments_share_segments_that_begin_with_key_frames() {
        let mut reel = reel();
        begin(&mut reel, "a.mp4");
        for number in 0..20 {
            let start = i64::try_from(number).unwrap() * SECOND;
            push(
                &mut reel,
                number,
                (start, start + SECOND),
                number % 4 == 0 && number < 12,
            );
        }
        let lengths: Vec<u64> = reel.segments.iter().map(Segment::duration).collect();
        // From the twelfth on there is no key frame.
        let seconds: Vec<u64> = lengths.iter().map(|ns| ns / 1_000_000_000).collect();
        assert_eq!(seconds, [4, 4, 12]);
        let text = reel.text();
        assert!(text.contains("#EXT-X-TARGETDURATION:12\n"), "{text}");
        assert!(text.contains("#EXT-X-BYTERANGE:12000@8700\n"), "{text}");
    }

    #[test]
    fn another_codec_another_hour_and_too_many_segments_are_another_playlist() {
        let (mut reel, codec) = (reel(), InitId::new(1));
        let here = reel.hour.clone();
        assert!(reel.takes(&here, codec));
        assert!(!reel.takes(&here, InitId::new(2)));
        assert!(!reel.takes(&hour("2026/11/22/00/cam-2026-11-22-00"), codec));
        begin(&mut reel, "a.mp4");
        for number in 0..SEGMENTS_MAX {
            assert!(reel.takes(&here, codec));
            let start = i64::try_from(number).unwrap() * 30 * SECOND;
            push(&mut reel, 0, (start, start + 30 * SECOND), true);
        }
        assert!(!reel.takes(&here, codec));
        let next = Reel::new(here, 2, codec);
        assert_eq!(next.key(), "2026/11/21/23/cam-2026-11-21-23-2.m3u8");
    }

    #[test]
    fn objects_are_named_from_where_the_playlist_is() {
        for (from, to, expected) in [
            ("a/b/list", "a/b/x.mp4", "x.mp4"),
            ("a/b/list", "a/c/x.mp4", "../c/x.mp4"),
            ("list", "a/x.mp4", "a/x.mp4"),
            ("a/b/list", "x.mp4", "../../x.mp4"),
            ("a/list", "a/10:05 #1%.mp4", "./10:05%20%231%25.mp4"),
            ("a/list", "a/t\u{fc}r=1+2.mp4", "t%C3%BCr=1+2.mp4"),
            ("a/list", "a//x.mp4", ".//x.mp4"),
        ] {
            assert_eq!(relative(from, to), expected);
        }
    }
}
