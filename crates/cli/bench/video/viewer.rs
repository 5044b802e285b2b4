//! Live viewers: each watches one camera from its first fragment on, by `GetMedia` or by low-latency
//! HLS, and reads from the stamp of each frame how long it took.

use std::sync::Arc;
use std::time::Duration;

use afflux_media::Limits;
use afflux_media::mkv::{Event, Scanner};
use anyhow::{Context as _, Result, bail};
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::sync::watch;

use super::frames::{Stamp, stamps};
use super::hls::Session;
use super::http::{Http, whole};
use super::tape::{Tape, Times};
use crate::bench::raw::Stopwatch;

/// How a viewer gets the media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    GetMedia,
    Hls,
}

/// What all viewers of a kind saw.
#[derive(Debug)]
pub(super) struct Seen {
    /// From each frame sent to the same frame received.
    pub(super) frames: Times,
    /// The same for the last frame of each fragment: the others wait for it.
    pub(super) last: Times,
    /// From a fragment durable to its segment received. Only HLS has it.
    pub(super) served: Times,
    /// From opening a session to its first segment received. Only HLS has it.
    pub(super) opened: Times,
}

/// A viewer of one camera.
#[derive(Debug)]
pub(super) struct Viewer {
    pub(super) kind: Kind,
    pub(super) authority: String,
    pub(super) stream: String,
    pub(super) tape: Arc<Tape>,
    pub(super) seen: Arc<Seen>,
    pub(super) clock: Stopwatch,
}

impl Seen {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            frames: Times::new()?,
            last: Times::new()?,
            served: Times::new()?,
            opened: Times::new()?,
        })
    }

    fn frame(&self, stamp: Stamp, now: Duration) {
        let took = now.saturating_sub(stamp.sent);
        self.frames.record(took);
        if stamp.is_last() {
            self.last.record(took);
        }
    }
}

impl Viewer {
    /// Watches until `over`.
    pub(super) async fn watch(self, mut over: watch::Receiver<bool>) -> Result<()> {
        let mut received = Received::default();
        let ended = tokio::select! {
            ended = self.follow(&mut received) => Some(ended),
            _ = over.wait_for(|over| *over) => None,
        };
        if let Some(ended) = ended {
            ended.with_context(|| format!("watch {}", self.stream))?;
            bail!("{} ended for a viewer before its camera did", self.stream);
        }
        if received.frames == 0 {
            bail!("a viewer of {} has received nothing", self.stream);
        }
        for (fragment, at) in received.segments {
            // An acknowledgement may come after the segment.
            if let Some(durable) = self.tape.durable_at(fragment) {
                self.seen.served.record(at.saturating_sub(durable));
            }
        }
        Ok(())
    }

    async fn follow(&self, received: &mut Received) -> Result<()> {
        match self.kind {
            Kind::GetMedia => self.follow_media(received).await,
            Kind::Hls => self.follow_hls(received).await,
        }
    }

    async fn follow_media(&self, received: &mut Received) -> Result<()> {
        let mut http = Http::connect(&self.authority).await?;
        let input = json!({
            "StreamName": self.stream,
            "StartSelector": {"StartSelectorType": "NOW"},
        });
        let mut body = http.post("/getMedia", &input).await?;
        let mut scanner = Scanner::new(Limits::default());
        while let Some(piece) = body.frame().await {
            let now = self.clock.elapsed();
            let Ok(data) = piece.context("read media")?.into_data() else {
                continue;
            };
            scanner.push(data);
            while let Some(event) = scanner.poll()? {
                let Event::Frame(frame) = event else { continue };
                let bytes = frame.data.iter().flatten().copied();
                let stamp = Stamp::read(bytes).context("a frame has no stamp")?;
                received.frames += 1;
                self.seen.frame(stamp, now);
            }
        }
        Ok(())
    }

    async fn follow_hls(&self, received: &mut Received) -> Result<()> {
        self.tape.recorded().await?;
        let begun = self.clock.elapsed();
        let mut session = Session::live(&self.authority, &self.stream).await?;
        let playlist = session.playlist(None).await?;
        // A player at the live end starts with the newest.
        let newest = playlist.segments.last().context("nothing to play")?;
        let (_, first) = self.segment(&mut session, newest, received).await?;
        self.seen.opened.record(first.saturating_sub(begun));
        let mut next = playlist.end();
        loop {
            let playlist = session.playlist(Some(next)).await?;
            let skip = usize::try_from(next.saturating_sub(playlist.first))?;
            for segment in playlist.segments.iter().skip(skip) {
                let arrived = self.segment(&mut session, segment, received).await?;
                received.segments.push(arrived);
            }
            next = playlist.end();
        }
    }

    /// Fetches a segment; returns which fragment it is, and when it was there.
    async fn segment(
        &self,
        session: &mut Session,
        segment: &str,
        received: &mut Received,
    ) -> Result<(u32, Duration)> {
        let segment = whole(session.http.get(segment).await?).await?;
        let now = self.clock.elapsed();
        let stamps = stamps(&segment);
        let last = stamps.last().context("a segment has no stamps")?;
        for stamp in &stamps {
            received.frames += 1;
            self.seen.frame(*stamp, now);
        }
        Ok((last.fragment, now))
    }
}

/// What one viewer received.
#[derive(Debug, Default)]
struct Received {
    frames: u64,
    /// Fragments that came by HLS as soon as they were there, and when.
    segments: Vec<(u32, Duration)>,
}
