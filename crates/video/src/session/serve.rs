//! Answers of a session, by the path that a player asks for.

use std::sync::Arc;
use std::time::Duration;

use afflux_aws::video::{Code, Error};
use afflux_media::{Limits, StoredFragment, StoredTrack, part, segment, ts};
use bytes::Bytes;

use super::dash::Manifest;
use super::hls::{self, Links, Media, PART_MS, PartLine, Parts};
use super::layout::{Layout, Played};
use super::line::{Segment, Span, seconds};
use super::open;
use super::play::{Lined, Play};
use super::ticket::{Container, Mode, Protocol};
use crate::context::{Context, service_error};
use crate::pieces::{Pieces, Source};
use crate::service::SessionAnswer;

const HLS_TYPE: &str = "application/vnd.apple.mpegurl";
const DASH_TYPE: &str = "application/dash+xml";
const MP4_TYPE: &str = "video/mp4";
const TS_TYPE: &str = "video/mp2t";

/// A request waits for what is not there yet for so many of the longest segments at most.
const WAIT_SEGMENTS: u64 = 3;
/// How far ahead of the newest segment a request may be.
const AHEAD_MAX: u64 = 2;
/// Segments, from the end, whose parts are listed: three of the longest segments' time.
const PART_SEGMENTS: usize = 4;
/// Nanoseconds before the first sample of a transport stream: sound may start before pictures.
const LEAD_NS: i64 = 10_000_000_000;

pub(super) async fn get(
    ctx: &Arc<Context>,
    path: &str,
    query: &str,
) -> Result<SessionAnswer, Error> {
    let unknown = || Error::new(Code::ResourceNotFound, format!("There is no {path}."));
    let (protocol, name) = match path.strip_prefix("/hls/v1/") {
        Some(name) => (Protocol::Hls, name),
        None => (
            Protocol::Dash,
            path.strip_prefix("/dash/v1/").ok_or_else(unknown)?,
        ),
    };
    let asked = Asked::parse(query)?;
    let token = asked
        .token
        .as_deref()
        .ok_or_else(|| Error::new(Code::NotAuthorized, "The request has no SessionToken."))?;
    let play = open(ctx, protocol, token).await?;
    let call = Call {
        ctx,
        play: &play,
        asked: &asked,
        token,
    };
    match (protocol, name) {
        (Protocol::Hls, "getHLSMasterPlaylist.m3u8") => call.master().await,
        (Protocol::Hls, "getHLSMediaPlaylist.m3u8") => call.playlist().await,
        (Protocol::Hls, "getTSFragment.ts") => call.stream().await,
        (Protocol::Dash, "getDASHManifest.mpd") => call.manifest().await,
        (_, "getMP4InitFragment.mp4") => call.init().await,
        (_, "getMP4MediaFragment.mp4") => call.segment().await,
        _ => Err(unknown()),
    }
}

/// An error, for a player.
pub(super) fn refusal(error: &Error) -> SessionAnswer {
    let body = error.to_bytes();
    SessionAnswer {
        status: error.status(),
        content_type: "application/json",
        headers: vec![
            ("cache-control", "no-store".to_owned()),
            ("x-amzn-errortype", error.code().name().to_owned()),
        ],
        length: u64::try_from(body.len()).ok(),
        body: Pieces::whole([body]),
    }
}

/// What a query says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    token: Option<String>,
    track: Option<usize>,
    number: Option<u64>,
    init: Option<u32>,
    part: Option<usize>,
    /// The segment, and the part of it, that a playlist must have.
    wait_segment: Option<u64>,
    wait_part: Option<u64>,
}

impl Asked {
    fn parse(query: &str) -> Result<Self, Error> {
        let mut asked = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                // Sealed text has no character that needs an escape, but for padding of none.
                "SessionToken" => asked.token = Some(value.to_owned()),
                "TrackNumber" => asked.track = Some(number(name, value)?),
                "FragmentNumber" => asked.number = Some(number(name, value)?),
                "SequenceNumber" => asked.init = Some(number(name, value)?),
                "PartNumber" => asked.part = Some(number(name, value)?),
                "_HLS_msn" => asked.wait_segment = Some(number(name, value)?),
                "_HLS_part" => asked.wait_part = Some(number(name, value)?),
                _ => {}
            }
        }
        Ok(asked)
    }
}

fn number<N: std::str::FromStr>(name: &str, value: &str) -> Result<N, Error> {
    value
        .parse()
        .map_err(|_| invalid(format!("{name} is not a number that can be used.")))
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::InvalidArgument, message)
}

/// One request.
struct Call<'a> {
    ctx: &'a Arc<Context>,
    play: &'a Arc<Play>,
    asked: &'a Asked,
    token: &'a str,
}

impl Call<'_> {
    async fn master(&self) -> Result<SessionAnswer, Error> {
        let now = self.ctx.now();
        let lined = self.play.lined(now).await?;
        let ticket = &self.play.ticket;
        let window = lined.window(None, ticket, now)?;
        let layout = lined.layout(0)?;
        let text = hls::master(ticket, &layout, &window.segments, self.token);
        Ok(playlist(HLS_TYPE, text, false))
    }

    /// The index of the track that is asked for; none for MPEG-TS.
    fn track(&self) -> Result<Option<usize>, Error> {
        match (self.play.ticket.container, self.asked.track) {
            (Container::Ts, _) => Ok(None),
            (Container::Mp4, None) => Ok(Some(0)),
            (Container::Mp4, Some(track)) => track
                .checked_sub(1)
                .map(Some)
                .ok_or_else(|| invalid("TrackNumber counts from 1.")),
        }
    }

    async fn playlist(&self) -> Result<SessionAnswer, Error> {
        let ticket = &self.play.ticket;
        let track = self.track()?;
        if let Some(segment) = self.asked.wait_segment {
            self.wait_for(track, segment).await?;
        }
        let now = self.ctx.now();
        let lined = self.play.lined(now).await?;
        let count = lined.layout(0)?.tracks.len();
        if track.is_some_and(|track| track >= count) {
            return Err(invalid(format!("The session has {count} tracks.")));
        }
        let window = lined.window(track, ticket, now)?;
        let ended = window.ended;
        let media = Media {
            ticket,
            links: Links {
                token: self.token,
                track: track.map(|track| track + 1),
            },
            longest_s: lined
                .longest_s
                .get(track.unwrap_or(0))
                .copied()
                .unwrap_or(1),
            parts: match track {
                Some(track) if ticket.is_low_latency() => {
                    Some(self.parts(&lined, &window.segments, track, count).await?)
                }
                _ => None,
            },
            window,
        };
        Ok(playlist(HLS_TYPE, media.text(), ended))
    }

    /// The parts of the last segments of a playlist.
    async fn parts(
        &self,
        lined: &Lined,
        segments: &[&Segment],
        track: usize,
        count: usize,
    ) -> Result<Parts, Error> {
        let mut parts = Parts::default();
        let skip = segments.len().saturating_sub(PART_SEGMENTS);
        for segment in segments.iter().skip(skip) {
            let Some(span) = segment.span(track) else {
                continue;
            };
            let lines = self.part_lines(lined, segment, span).await?;
            parts.lines.push((span.number, lines));
        }
        for other in (0..count).filter(|other| *other != track) {
            let newest = lined.newest(other);
            let segment = newest.and_then(|number| lined.segment(Some(other), number));
            let span = segment.and_then(|segment| segment.span(other));
            if let Some((segment, span)) = segment.zip(span) {
                let lines = self.part_lines(lined, segment, span).await?;
                parts.others.push((other + 1, span.number, lines.len()));
            }
        }
        Ok(parts)
    }

    async fn part_lines(
        &self,
        lined: &Lined,
        segment: &Segment,
        span: &Span,
    ) -> Result<Vec<PartLine>, Error> {
        let fragment = self.play.fragment(segment).await?;
        let layout = lined.layout(segment.init)?;
        let stored = stored_track(&fragment, &layout, span.track)?;
        let cut = cut(&stored)?;
        let line = |part: &part::Part| PartLine {
            seconds: seconds(part.duration(), span.timescale),
            is_independent: part.is_independent(),
        };
        Ok(cut.iter().map(line).collect())
    }

    /// Waits until the track has a segment with this number.
    async fn wait_for(&self, track: Option<usize>, number: u64) -> Result<(), Error> {
        let longest = {
            let lined = self.play.lined(self.ctx.now()).await?;
            lined.longest_s.iter().copied().max().unwrap_or(1)
        };
        let arrived = async {
            while !self.is_there(track, number).await? {
                self.play.wait().await?;
            }
            Ok(())
        };
        let limit = Duration::from_secs(WAIT_SEGMENTS.saturating_mul(longest.max(2)));
        let late = |_| {
            Error::new(
                Code::ServiceUnavailable,
                format!("Segment {number} did not come in time."),
            )
        };
        tokio::time::timeout(limit, arrived).await.map_err(late)?
    }

    /// Whether a segment is there, or will never be.
    async fn is_there(&self, track: Option<usize>, number: u64) -> Result<bool, Error> {
        let lined = self.play.lined(self.ctx.now()).await?;
        let newest = lined.newest(track.unwrap_or(0));
        // The parts of a segment come together: one part more is the next segment.
        let parts = self.part_count(&lined, track, number).await?;
        let wanted = match (self.asked.wait_part, parts) {
            (Some(part), Some(parts)) if part >= parts => number.saturating_add(1),
            _ => number,
        };
        if lined.is_over() || newest.is_some_and(|newest| newest >= wanted) {
            return Ok(true);
        }
        let next = newest.map_or(0, |newest| newest.saturating_add(1));
        let is_far = wanted > next.saturating_add(AHEAD_MAX);
        if is_far || self.play.ticket.mode != Mode::Live {
            return Err(invalid(format!(
                "Segment {number} is too far ahead of the newest."
            )));
        }
        Ok(false)
    }

    async fn part_count(
        &self,
        lined: &Lined,
        track: Option<usize>,
        number: u64,
    ) -> Result<Option<u64>, Error> {
        if self.asked.wait_part.is_none() || !self.play.ticket.is_low_latency() {
            return Ok(None);
        }
        let segment = lined.segment(track, number);
        let span = track.and_then(|track| segment?.span(track));
        match segment.zip(span) {
            None => Ok(None),
            Some((segment, span)) => {
                let lines = self.part_lines(lined, segment, span).await?;
                Ok(u64::try_from(lines.len()).ok())
            }
        }
    }

    async fn manifest(&self) -> Result<SessionAnswer, Error> {
        let now = self.ctx.now();
        let lined = self.play.lined(now).await?;
        let ticket = &self.play.ticket;
        let window = lined.window(None, ticket, now)?;
        let Some(first) = lined.first else {
            return Err(Error::new(
                Code::ResourceNotFound,
                "No fragments found in the stream for the streaming request.",
            ));
        };
        let manifest = Manifest {
            ticket,
            token: self.token,
            now,
            segments: window.segments,
            ended: window.ended,
            layouts: &lined.layouts,
            first,
        };
        Ok(playlist(DASH_TYPE, manifest.text(), window.ended))
    }

    async fn init(&self) -> Result<SessionAnswer, Error> {
        let layout = {
            let lined = self.play.lined(self.ctx.now()).await?;
            lined.layout(self.asked.init.unwrap_or(0))?
        };
        let played = track_of(&layout, self.track()?.unwrap_or(0))?;
        let init = self.play.init(&layout).await?;
        let track = init.track(played.id).ok_or_else(no_track)?;
        let bytes = segment::init(&init, track).map_err(|error| service_error(&error.into()))?;
        Ok(media(self.play, MP4_TYPE, vec![bytes]))
    }

    /// The segment that is asked for, and its fragment; waits for the next one of a live session.
    async fn found(&self, track: Option<usize>) -> Result<(Segment, Arc<Layout>, i64), Error> {
        let number = self
            .asked
            .number
            .ok_or_else(|| invalid("The request has no FragmentNumber."))?;
        if self.asked.part.is_some() && self.play.ticket.is_low_latency() {
            self.wait_for(track, number).await?;
        }
        let lined = self.play.lined(self.ctx.now()).await?;
        let segment = lined.segment(track, number).cloned().ok_or_else(|| {
            Error::new(
                Code::ResourceNotFound,
                format!("The session has no fragment {number}."),
            )
        })?;
        let layout = lined.layout(segment.init)?;
        let origin = lined.origin_ms(&self.play.ticket);
        Ok((segment, layout, origin))
    }

    async fn segment(&self) -> Result<SessionAnswer, Error> {
        let track = self.track()?.unwrap_or(0);
        let (found, layout, _) = self.found(Some(track)).await?;
        let fragment = self.play.fragment(&found).await?;
        let stored = stored_track(&fragment, &layout, track)?;
        let shift = found.shift(stored.meta().timescale);
        let sequence = u32::try_from(found.number & u64::from(u32::MAX)).unwrap_or(0);
        let pieces = match self.asked.part {
            None => segment::media(&stored, shift, sequence),
            Some(number) => {
                let parts = cut(&stored)?;
                let part = parts.get(number).ok_or_else(|| {
                    Error::new(
                        Code::ResourceNotFound,
                        format!("The fragment has {} parts.", parts.len()),
                    )
                })?;
                part::media(&stored, part, shift, sequence)
            }
        };
        let pieces = pieces.map_err(|error| service_error(&error.into()))?;
        Ok(media(self.play, MP4_TYPE, pieces))
    }

    async fn stream(&self) -> Result<SessionAnswer, Error> {
        if self.play.ticket.container != Container::Ts {
            return Err(invalid("The session is not one of MPEG_TS."));
        }
        let (found, layout, origin_ms) = self.found(None).await?;
        let fragment = self.play.fragment(&found).await?;
        let init = self.play.init(&layout).await?;
        let shift = found
            .shift_ns
            .saturating_sub(origin_ms.saturating_mul(1_000_000))
            .saturating_add(LEAD_NS);
        let made = ts::Plan::of(&init).and_then(|plan| {
            plan.map(|plan| plan.segment(&fragment, shift, &Limits::default()))
                .transpose()
        });
        let made = made.map_err(|error| service_error(&error.into()))?;
        let Some(made) = made else {
            return Err(no_track());
        };
        Ok(SessionAnswer {
            status: 200,
            content_type: TS_TYPE,
            headers: vec![kept(self.play)],
            length: None,
            body: Pieces::new(Muxed(made)),
        })
    }
}

/// A transport stream that is made while it is sent.
struct Muxed(ts::Segment);

impl Source for Muxed {
    async fn next(&mut self) -> Option<afflux_types::Result<Bytes>> {
        self.0.next().map(|piece| piece.map_err(Into::into))
    }
}

fn no_track() -> Error {
    Error::new(Code::ResourceNotFound, "The fragment has no such track.")
}

fn track_of(layout: &Layout, track: usize) -> Result<&Played, Error> {
    layout.tracks.get(track).ok_or_else(no_track)
}

fn stored_track(
    fragment: &StoredFragment,
    layout: &Layout,
    track: usize,
) -> Result<StoredTrack, Error> {
    let id = track_of(layout, track)?.id;
    fragment
        .tracks()
        .find(|stored| stored.meta().track_id == id)
        .ok_or_else(no_track)
}

/// The parts of a track: halves, but for segments that are shorter than two parts. Players wait for
/// the next part no longer than three parts take (hls.js), and here that is the next segment.
fn cut(stored: &StoredTrack) -> Result<Vec<part::Part>, Error> {
    let meta = stored.meta();
    let least = u64::from(meta.timescale) * PART_MS / 1_000;
    let half = u128::from(meta.duration) * u128::from(meta.samples.div_ceil(2));
    let half = half.div_ceil(u128::from(meta.samples.max(1)));
    let target = least.max(u64::try_from(half).unwrap_or(u64::MAX));
    part::cut(stored, target, &Limits::default()).map_err(|error| service_error(&error.into()))
}

fn playlist(content_type: &'static str, text: String, ended: bool) -> SessionAnswer {
    let cache = if ended { "max-age=60" } else { "no-cache" };
    let body = Bytes::from(text);
    SessionAnswer {
        status: 200,
        content_type,
        headers: vec![("cache-control", cache.to_owned())],
        length: u64::try_from(body.len()).ok(),
        body: Pieces::whole([body]),
    }
}

fn media(play: &Play, content_type: &'static str, pieces: Vec<Bytes>) -> SessionAnswer {
    let length = pieces.iter().map(Bytes::len).sum::<usize>();
    SessionAnswer {
        status: 200,
        content_type,
        headers: vec![kept(play)],
        length: u64::try_from(length).ok(),
        body: Pieces::whole(pieces),
    }
}

/// What a number stands for in a session never changes.
fn kept(play: &Play) -> (&'static str, String) {
    let good = play.ticket.expires.since(play.ticket.created).as_secs();
    (
        "cache-control",
        format!("private, max-age={good}, immutable"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_and_numbers_checked() {
        let asked =
            Asked::parse("SessionToken=a-b_c&TrackNumber=2&_HLS_msn=7&_HLS_part=1&x").unwrap();
        assert_eq!(asked.token.as_deref(), Some("a-b_c"));
        assert_eq!((asked.track, asked.wait_segment), (Some(2), Some(7)));
        for query in [
            "TrackNumber=",
            "FragmentNumber=-1",
            "_HLS_msn=99999999999999999999",
        ] {
            assert!(Asked::parse(query).is_err(), "{query}");
        }
    }
}
