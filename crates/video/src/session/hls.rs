//! The text of HLS playlists.
//!
//! Tags and attributes are those that AWS writes, in its order; live sessions that can be played with
//! low latency have the tags of parts besides, which other players pass over.
//!
//! Source: RFC 8216; draft-pantos-hls-rfc8216bis, 4.4.3.7 and on (parts); AWS's playlists.

use std::fmt::Write as _;
use std::sync::Arc;

use afflux_media::TrackKind;
use afflux_types::ServerTime;

use super::layout::Layout;
use super::segment::Segment;
use super::ticket::{Container, Mode, Ticket};
use super::window::Window;

/// How long the parts of short segments are, but for those of one sample that is longer.
///
/// # Units
/// Milliseconds.
pub(super) const PART_MS: u64 = 500;

/// Where segments are fetched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links<'a> {
    pub(super) token: &'a str,
    /// The track, counted from one; none for MPEG-TS, which has all.
    pub(super) track: Option<usize>,
}

impl Links<'_> {
    fn track(&self) -> String {
        self.track
            .map_or_else(String::new, |track| format!("&TrackNumber={track}"))
    }

    fn init(&self, init: u32) -> String {
        let (token, track) = (self.token, self.track());
        format!("getMP4InitFragment.mp4?SessionToken={token}{track}&SequenceNumber={init}")
    }

    fn segment(&self, number: u64) -> String {
        let (token, track) = (self.token, self.track());
        let name = match self.track {
            Some(_) => "getMP4MediaFragment.mp4",
            None => "getTSFragment.ts",
        };
        format!("{name}?FragmentNumber={number}&SessionToken={token}{track}")
    }

    pub(super) fn part(&self, number: u64, part: usize) -> String {
        format!("{}&PartNumber={part}", self.segment(number))
    }
}

/// The playlist of the whole session.
pub(super) fn master(
    ticket: &Ticket,
    layout: &Layout,
    segments: &[&Segment],
    token: &str,
) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:1\n");
    let has_video = has_video(layout);
    let apart = ticket.container == Container::Mp4 && layout.tracks.len() > 1;
    let sound = layout.tracks.iter().enumerate().skip(1);
    if apart {
        for (index, _) in sound {
            let (track, name) = (index + 1, sound_name(index));
            let default = if index == 1 { "YES" } else { "NO" };
            let _ = writeln!(
                text,
                "#EXT-X-MEDIA:AUTOSELECT=YES,FORCED=NO,TYPE=AUDIO,URI=\"getHLSMediaPlaylist.m3u8?\
                 SessionToken={token}&TrackNumber={track}\",GROUP-ID=\"audio\",\
                 DEFAULT={default},NAME=\"{name}\""
            );
        }
    }
    let _ = write!(text, "#EXT-X-STREAM-INF:CODECS=\"{}\"", layout.codecs());
    if let Some(video) = layout.tracks.first().filter(|_| has_video) {
        if video.width > 0 && video.height > 0 {
            let _ = write!(text, ",RESOLUTION={}x{}", video.width, video.height);
        }
        if let Some(rate) = frame_rate(segments) {
            let _ = write!(text, ",FRAME-RATE={}", decimals(rate, 3));
        }
    }
    let _ = write!(text, ",BANDWIDTH={}", bandwidth(segments));
    if apart {
        text.push_str(",AUDIO=\"audio\"");
    }
    let _ = writeln!(
        text,
        "\ngetHLSMediaPlaylist.m3u8?SessionToken={token}&TrackNumber=1"
    );
    text
}

fn has_video(layout: &Layout) -> bool {
    let first = layout.tracks.first();
    first.is_some_and(|track| track.kind == TrackKind::Video)
}

fn sound_name(index: usize) -> String {
    match index {
        1 => "audio".to_owned(),
        more => format!("audio {more}"),
    }
}

/// Bits in a second of the segment that needs most.
pub(super) fn bandwidth(segments: &[&Segment]) -> u64 {
    let needs = segments.iter().map(|segment| {
        let ns = segment.duration_ns.max(1_000_000).unsigned_abs();
        let bits = u128::from(segment.bytes) * 8 * 1_000_000_000;
        u64::try_from(bits / u128::from(ns)).unwrap_or(u64::MAX)
    });
    needs.max().unwrap_or(0).max(1)
}

/// Pictures in a second, of all segments.
#[expect(
    clippy::cast_precision_loss,
    reason = "a rate has three digits behind the point"
)]
pub(super) fn frame_rate(segments: &[&Segment]) -> Option<f64> {
    let spans = segments.iter().filter_map(|segment| segment.span(0));
    let (mut samples, mut seconds) = (0_u64, 0.0);
    for span in spans {
        samples += u64::from(span.samples);
        seconds += span.seconds();
    }
    (seconds > 0.0).then(|| samples as f64 / seconds)
}

/// A number with `digits` behind the point, without zeros that say nothing.
fn decimals(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

/// A duration, to the microsecond, with three digits at least.
fn duration(seconds: f64) -> String {
    let text = format!("{seconds:.6}");
    let zeros = text.len() - text.trim_end_matches('0').len();
    let keep = text.len() - zeros.min(3);
    text.get(..keep).unwrap_or(&text).to_owned()
}

/// One part of a segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PartLine {
    pub(super) seconds: f64,
    pub(super) is_independent: bool,
}

/// What a playlist with parts says besides.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    /// The parts of the last segments, by the number of the segment.
    pub(super) lines: Vec<(u64, Arc<[PartLine]>)>,
    /// The newest segment of each other track: its number from one, its newest segment, and how many
    /// parts that has.
    pub(super) others: Vec<(usize, u64, usize)>,
}

/// What the playlist of one track is made of.
#[derive(Debug)]
pub(super) struct Media<'a> {
    pub(super) ticket: &'a Ticket,
    pub(super) links: Links<'a>,
    pub(super) window: Window<'a>,
    /// The longest segment so far, in whole seconds.
    pub(super) longest_s: u64,
    pub(super) parts: Option<Parts>,
}

impl Media<'_> {
    /// The number and the duration of a segment in this playlist.
    fn entry(&self, segment: &Segment) -> (u64, f64) {
        let span = self.links.track.and_then(|track| segment.span(track - 1));
        match span {
            Some(span) => (span.number, span.seconds()),
            None => (
                segment.number,
                super::segment::seconds(segment.duration_ns.unsigned_abs(), 1_000_000_000),
            ),
        }
    }

    /// The playlist's text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        self.head(&mut text);
        let mut before: Option<&Segment> = None;
        for segment in &self.window.segments {
            self.segment(segment, before, &mut text);
            before = Some(segment);
        }
        if let Some(parts) = &self.parts {
            self.tail(parts, &mut text);
        }
        if self.window.ended {
            text.push_str("#EXT-X-ENDLIST\n");
        }
        text
    }

    fn head(&self, text: &mut String) {
        let version = match self.ticket.container {
            Container::Mp4 => 7,
            Container::Ts => 3,
        };
        let _ = writeln!(text, "#EXTM3U\n#EXT-X-VERSION:{version}");
        if self.ticket.mode == Mode::OnDemand {
            text.push_str("#EXT-X-PLAYLIST-TYPE:VOD\n");
        }
        let _ = writeln!(text, "#EXT-X-TARGETDURATION:{}", self.longest_s);
        if let Some(parts) = &self.parts {
            let target = parts.target();
            // The parts of a segment come together: who holds back a segment and some parts is safe.
            let seconds = u32::try_from(self.longest_s).unwrap_or(u32::MAX);
            let hold_back = duration(f64::from(seconds) + 3.0 * target);
            let _ = writeln!(
                text,
                "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={hold_back}\n\
                 #EXT-X-PART-INF:PART-TARGET={}",
                duration(target)
            );
        }
        let first = self.window.segments.first();
        let number = first.map_or(0, |segment| self.entry(segment).0);
        let _ = writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{number}");
        let period = first.map_or(0, |segment| segment.period);
        if period > 0 {
            let _ = writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{period}");
        }
        if self.window.segments.iter().all(|segment| segment.is_key) {
            text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
        }
    }

    fn segment(&self, segment: &Segment, before: Option<&Segment>, text: &mut String) {
        let (number, seconds) = self.entry(segment);
        if before.is_some_and(|before| before.period != segment.period) {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        let is_new_init = before.is_none_or(|before| before.init != segment.init);
        if is_new_init && self.links.track.is_some() {
            let _ = writeln!(text, "#EXT-X-MAP:URI=\"{}\"", self.links.init(segment.init));
        }
        if self.ticket.shows_times {
            let ns = segment.begin_ns(self.links.track.map(|track| track - 1));
            let time = ServerTime::from_millis(ns.div_euclid(1_000_000));
            let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{time}");
        }
        let parts = self.parts.iter().flat_map(|parts| &parts.lines);
        for (_, lines) in parts.filter(|(of, _)| *of == number) {
            for (part, line) in lines.iter().enumerate() {
                let independent = if line.is_independent {
                    ",INDEPENDENT=YES"
                } else {
                    ""
                };
                let _ = writeln!(
                    text,
                    "#EXT-X-PART:DURATION={},URI=\"{}\"{independent}",
                    duration(line.seconds),
                    self.links.part(number, part)
                );
            }
        }
        let _ = writeln!(
            text,
            "#EXTINF:{},\n{}",
            duration(seconds),
            self.links.segment(number)
        );
    }

    /// What comes next, and where the other tracks are.
    fn tail(&self, parts: &Parts, text: &mut String) {
        if let Some(last) = self.window.segments.last() {
            let next = self.entry(last).0 + 1;
            let _ = writeln!(
                text,
                "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}\"",
                self.links.part(next, 0)
            );
        }
        for (track, number, count) in &parts.others {
            let _ = writeln!(
                text,
                "#EXT-X-RENDITION-REPORT:URI=\"getHLSMediaPlaylist.m3u8?SessionToken={}\
                 &TrackNumber={track}\",LAST-MSN={number},LAST-PART={}",
                self.links.token,
                count.saturating_sub(1)
            );
        }
    }
}

impl Parts {
    /// No part is longer.
    fn target(&self) -> f64 {
        let longest = self.lines.iter().flat_map(|(_, lines)| lines.iter());
        let target = f64::from(u32::try_from(PART_MS).unwrap_or(u32::MAX)) / 1_000.0;
        longest.fold(target, |longest, line| longest.max(line.seconds))
    }
}
