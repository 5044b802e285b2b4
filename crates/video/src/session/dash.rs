//! The text of DASH manifests.
//!
//! The timeline has no gaps, see `line.rs`; where the codecs change a period ends and the next begins.
//! Every segment is listed with its time, so that nothing depends on how long segments are.
//!
//! Source: ISO/IEC 23009-1, 5.3; AWS's attributes `kvs:ts` and `kvs:fn`.

use std::fmt::Write as _;
use std::sync::Arc;

use afflux_media::TrackKind;
use afflux_types::{FragmentNumber, ServerTime};

use super::hls::{bandwidth, frame_rate};
use super::layout::{Layout, Played};
use super::segment::{Segment, Span, to_ticks};
use super::ticket::{Mode, Ticket};

/// What a manifest is made of.
#[derive(Debug)]
pub(super) struct Manifest<'a> {
    pub(super) ticket: &'a Ticket,
    pub(super) token: &'a str,
    pub(super) now: ServerTime,
    pub(super) segments: Vec<&'a Segment>,
    pub(super) ended: bool,
    pub(super) layouts: &'a [Arc<Layout>],
    /// The first segment of the session, which the manifest may not show any more.
    pub(super) first: First,
}

/// What players count from.
#[derive(Clone, Copy, Debug)]
pub(super) struct First {
    arrival: ServerTime,
    clock_ns: i64,
    duration_ns: i64,
}

impl First {
    pub(super) fn of(segment: &Segment) -> Self {
        Self {
            arrival: segment.arrival,
            clock_ns: segment.clock_ns(),
            duration_ns: segment.duration_ns,
        }
    }
}

impl Manifest<'_> {
    /// The manifest's text.
    pub(super) fn text(&self) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.head(&mut text);
        let mut rest = self.segments.as_slice();
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|segment| segment.run == first.run);
            let (period, after) = rest.split_at(same.count().max(1));
            self.period(period, &mut text);
            rest = after;
        }
        text.push_str("</MPD>\n");
        text
    }

    fn head(&self, text: &mut String) {
        text.push_str(
            "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" \
             xmlns:kvs=\"http://docs.aws.amazon.com/kinesisvideo\" \
             profiles=\"urn:mpeg:dash:profile:isoff-live:2011\"",
        );
        let longest = self
            .segments
            .iter()
            .map(|segment| segment.duration_ns)
            .max();
        let longest_ns = longest.unwrap_or(0);
        let longest = period_time(longest_ns);
        if self.ticket.mode == Mode::OnDemand {
            text.push_str(" type=\"static\"");
        } else {
            self.dynamic(longest_ns, text);
        }
        if self.ended {
            let end = self.segments.last().map_or(0, |last| last.end_ns());
            let end = period_time(end.saturating_sub(self.first.clock_ns));
            let _ = write!(text, " mediaPresentationDuration=\"{end}\"");
        }
        let _ = writeln!(
            text,
            " maxSegmentDuration=\"{longest}\" minBufferTime=\"{longest}\">"
        );
    }

    /// What makes a player come again.
    fn dynamic(&self, longest_ns: i64, text: &mut String) {
        // When the first segment began to come: each is there when the time up to its end is over.
        let came = match self.ticket.mode {
            Mode::Replay => self.ticket.created,
            Mode::Live | Mode::OnDemand => self.first.arrival,
        };
        let before = self.first.duration_ns / 1_000_000;
        let begun = ServerTime::from_millis(came.as_millis().saturating_sub(before));
        let durations = self.segments.iter().map(|segment| segment.duration_ns);
        let window = period_time(durations.fold(0, i64::saturating_add));
        let now = self.now;
        // One segment is being sent, another may be late.
        let delay = period_time(longest_ns.saturating_mul(2));
        let _ = write!(
            text,
            " type=\"dynamic\" availabilityStartTime=\"{begun}\" publishTime=\"{now}\" \
             timeShiftBufferDepth=\"{window}\" suggestedPresentationDelay=\"{delay}\""
        );
        if !self.ended {
            text.push_str(" minimumUpdatePeriod=\"PT1S\"");
        }
    }

    fn period(&self, segments: &[&Segment], text: &mut String) {
        let Some(first) = segments.first() else {
            return;
        };
        let index = usize::try_from(first.init).unwrap_or(usize::MAX);
        let Some(layout) = self.layouts.get(index) else {
            return;
        };
        // The same in every manifest of the session, also when its first segments are not shown.
        let begins = first.run_ns;
        let _ = writeln!(
            text,
            "<Period id=\"{}\" start=\"{}\">",
            first.run,
            period_time(begins.saturating_sub(self.first.clock_ns))
        );
        for (track, played) in layout.tracks.iter().enumerate() {
            self.adaptation(track, played, segments, begins, text);
        }
        text.push_str("</Period>\n");
    }

    fn adaptation(
        &self,
        track: usize,
        played: &Played,
        segments: &[&Segment],
        begins: i64,
        text: &mut String,
    ) {
        let spans: Vec<(&Segment, &Span)> = segments
            .iter()
            .filter_map(|segment| Some((*segment, segment.span(track)?)))
            .collect();
        let Some((first, first_span)) = spans.first() else {
            return;
        };
        let kind = match played.kind {
            TrackKind::Video => "video",
            TrackKind::Audio | TrackKind::Other => "audio",
        };
        let _ = writeln!(
            text,
            "<AdaptationSet id=\"{track}\" contentType=\"{kind}\" mimeType=\"{kind}/mp4\" \
             segmentAlignment=\"true\" startWithSAP=\"1\">"
        );
        let number = track + 1;
        let _ = write!(
            text,
            "<Representation id=\"{number}\" codecs=\"{}\" bandwidth=\"{}\"",
            played.codec,
            bandwidth(segments)
        );
        if played.kind == TrackKind::Video {
            if played.width > 0 && played.height > 0 {
                let (width, height) = (played.width, played.height);
                let _ = write!(text, " width=\"{width}\" height=\"{height}\"");
            }
            if let Some(rate) = frame_rate(segments) {
                // A fraction of whole numbers, as the schema wants it.
                let _ = write!(text, " frameRate=\"{:.0}/1000\"", rate * 1_000.0);
            }
        } else if played.sample_rate > 0 {
            let _ = write!(text, " audioSamplingRate=\"{}\"", played.sample_rate);
        }
        text.push_str(">\n");
        if played.kind == TrackKind::Audio && played.channels > 0 {
            let _ = writeln!(
                text,
                "<AudioChannelConfiguration \
                 schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" \
                 value=\"{}\"/>",
                played.channels
            );
        }
        let token = self.token;
        let timescale = first_span.timescale;
        let offset = to_ticks(begins, timescale);
        let _ = writeln!(
            text,
            "<SegmentTemplate timescale=\"{timescale}\" presentationTimeOffset=\"{offset}\" \
             startNumber=\"{}\" initialization=\"getMP4InitFragment.mp4?SessionToken={token}\
             &amp;TrackNumber={number}&amp;SequenceNumber={}\" \
             media=\"getMP4MediaFragment.mp4?FragmentNumber=$Number$&amp;SessionToken={token}\
             &amp;TrackNumber={number}\">\n<SegmentTimeline>",
            first_span.number, first.init
        );
        for (segment, span) in spans {
            self.entry(segment, span, text);
        }
        text.push_str(
            "</SegmentTimeline>\n</SegmentTemplate>\n</Representation>\n</AdaptationSet>\n",
        );
    }

    fn entry(&self, segment: &Segment, span: &Span, text: &mut String) {
        let _ = write!(text, "<S t=\"{}\" d=\"{}\"", span.start, span.duration);
        if self.ticket.shows_times {
            let millis = segment.axis_ms;
            let (seconds, rest) = (millis.div_euclid(1_000), millis.rem_euclid(1_000));
            let _ = write!(text, " kvs:ts=\"{seconds}.{rest:03}\"");
        }
        if self.ticket.shows_numbers {
            let number = FragmentNumber::new(segment.position, segment.arrival);
            let _ = write!(text, " kvs:fn=\"{number}\"");
        }
        text.push_str("/>\n");
    }
}

/// A duration in the form of XML.
fn period_time(ns: i64) -> String {
    let ms = ns.max(0) / 1_000_000;
    format!("PT{}.{:03}S", ms / 1_000, ms % 1_000)
}
