//! The body of PutMedia as fragments: what a producer sends goes in, cut anywhere; what has to be
//! acknowledged and stored comes out.
//!
//! One Cluster is one fragment. Tags between two Clusters belong to the first of them, tags before
//! all Clusters to the first one, so a fragment is complete when the next Cluster starts, when a tag
//! says so, or at the end.
//!
//! ffmpeg cuts a Cluster for every 32 KiB when it writes to a pipe. Such small Clusters that start
//! without a key frame go into the open fragment: a fragment that cannot be decoded by itself would
//! be of little use. Whether a Cluster starts with a key frame is known when its first picture has
//! come, so frames of a Cluster wait until then; one that joins does so when all of it has come.
//!
//! ```text
//!              Cluster          first picture                   next Cluster, tag, end
//!   Closed ──────────► Waiting ───────────────► Open: Started ────────────────► Finished
//!                         └── small, no key frame: Joined ──► the fragment that is open
//! ```
//!
//! Where an input fails, a fragment whose Clusters are whole is complete: what is damaged comes behind
//! it. Damaged tags are the fragment's own.
//!
//! Nothing is said here to the producer, and a timestamp that goes backward is no error: the caller
//! decides.

use std::collections::VecDeque;

use bytes::Bytes;

use super::assembled::{Assembled, Assembly, Closed, Coalesce, FragmentStart, Settings};
use super::error::Error;
use super::header::Header;
use super::lanes::Lanes;
use super::scanner::{ClusterStart, Event, Frame, Scanner};
use super::tags::{END_OF_FRAGMENT, Scope, Tag, Tags};
use crate::error::Result;
use crate::fragment::{TAGS_MAX as STORED_TAGS_MAX, Tag as StoredTag};
use crate::frames::{self, Closing};
use crate::init::TrackKind;
use crate::rope::length;

/// Tags of one fragment that are kept; how many may be stored is the caller's to say.
const TAGS_MAX: usize = 64;
/// A Cluster is small if the next one starts within this time, the least of Kinesis Video Streams.
const SMALL_MS: i64 = 1_000;
/// How long a fragment may become by Clusters that join it.
const JOINED_MS_MAX: i64 = 10_000;

/// Puts fragments together.
#[derive(Debug)]
pub struct Assembler {
    settings: Settings,
    scanner: Scanner,
    document: Option<Document>,
    /// Tags that came before their fragment; at most [`TAGS_MAX`].
    leading: Vec<Tag>,
    /// What one event of the scanner made; at most three.
    ready: VecDeque<Assembled>,
    is_finished: bool,
    failed: Option<crate::Error>,
    /// The fragment that an error is about, if it is not the Cluster that is being read.
    blamed: Option<u64>,
}

/// The document that is being read.
#[derive(Debug)]
struct Document {
    lanes: Lanes,
    builder: frames::Builder,
    open: Option<Open>,
    waiting: Option<Waiting>,
    /// The track whose first frame decides what becomes of a Cluster.
    deciding: u64,
    /// The timestamp of the fragment before.
    before: Option<u64>,
}

/// A fragment that has started.
#[derive(Debug)]
struct Open {
    start: ClusterStart,
    joined: Vec<u64>,
    /// The latest Cluster of the fragment.
    last: ClusterStart,
    tags: Vec<Tag>,
    /// Nothing of its latest Cluster is outstanding.
    is_whole: bool,
}

/// A Cluster of which it is not known yet whether it is a fragment.
#[derive(Debug)]
struct Waiting {
    start: ClusterStart,
    frames: Vec<Frame>,
    bytes: u64,
}

impl Assembler {
    /// An assembler at the start of an input.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            scanner: Scanner::new(settings.limits),
            document: None,
            leading: Vec::new(),
            ready: VecDeque::new(),
            is_finished: false,
            failed: None,
            blamed: None,
        }
    }

    /// Adds the next bytes of the input. Call [`Assembler::poll`] until it returns `None`.
    pub fn push(&mut self, bytes: Bytes) {
        if self.failed.is_none() {
            self.scanner.push(bytes);
        }
    }

    /// What has to be acted on next, or `None` when more input is needed.
    ///
    /// # Errors
    /// If the input is not Matroska, is damaged, or exceeds a limit; every later call returns the
    /// same error. What was handed out before is good, and all that was complete has been.
    pub fn poll(&mut self) -> Result<Option<Assembled>> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(Some(ready));
            }
            if let Some(error) = &self.failed {
                return Err(error.clone());
            }
            match self.step() {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) => self.fail(error),
            }
        }
    }

    /// The timestamp as sent of the Cluster that the error is about, if the input has failed in one.
    #[must_use]
    pub fn failed_cluster(&self) -> Option<u64> {
        self.failed.as_ref().and(self.blamed)
    }

    /// Says that the input is over, after the last `poll` returned `None`. Polling again gives the
    /// last fragment.
    ///
    /// # Errors
    /// If the input ended inside an element or before any Tracks, or if it had failed. Then polling
    /// again gives the last fragment if that is complete, and the error.
    pub fn finish(&mut self) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if let Err(error) = self.scanner.finish() {
            self.fail(error.clone());
            return Err(error);
        }
        self.is_finished = true;
        Ok(())
    }

    /// How many bytes of the input have been read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.scanner.position()
    }

    /// Whether a fragment has started and is not complete.
    #[must_use]
    pub fn has_open_fragment(&self) -> bool {
        self.document
            .as_ref()
            .is_some_and(|document| document.open.is_some() || document.waiting.is_some())
    }

    /// Acts on one event; says whether there was one.
    fn step(&mut self) -> Result<bool> {
        match self.scanner.poll()? {
            Some(Event::Header(header)) => self.start_document(header)?,
            Some(Event::ClusterStarted(start)) => self.start_cluster(start)?,
            Some(Event::Frame(frame)) => self.frame(frame)?,
            Some(Event::Tags(tags)) => self.tags(&tags)?,
            Some(Event::ClusterEnded) => self.end_cluster()?,
            None if self.is_finished => return self.close(Closed::EndOfInput, None),
            None => return Ok(false),
        }
        Ok(true)
    }

    /// Keeps an error, behind what is complete.
    fn fail(&mut self, error: crate::Error) {
        self.failed = Some(error);
        if self.blamed.is_some() {
            return;
        }
        let document = self.document.as_ref();
        let open = document.and_then(|document| document.open.as_ref());
        let waiting = document.and_then(|document| document.waiting.as_ref());
        let is_damaged = |open: &&Open| !open.is_whole || self.scanner.is_in_tags();
        if let Some(damaged) = open.filter(is_damaged) {
            self.blamed = Some(damaged.start.timecode);
            return;
        }
        let blamed = waiting.map(|waiting| waiting.start.timecode);
        match self.close(Closed::Failure, None) {
            Ok(_) => self.blamed = blamed,
            Err(error) => self.failed = Some(error),
        }
    }

    fn start_document(&mut self, header: Header) -> Result<()> {
        self.close(Closed::NextHeader, None)?;
        let video = header
            .tracks()
            .iter()
            .find(|track| track.kind == TrackKind::Video);
        let deciding = video.or_else(|| header.tracks().first());
        let deciding = deciding.map_or(0, |track| track.number);
        let lanes = Lanes::new(header.clone(), &self.settings.limits)?;
        self.document = Some(Document {
            builder: lanes.builder(),
            lanes,
            open: None,
            waiting: None,
            deciding,
            before: None,
        });
        self.ready.push_back(Assembled::Header(header));
        Ok(())
    }

    fn start_cluster(&mut self, start: ClusterStart) -> Result<()> {
        self.settle()?;
        if let Some(document) = &mut self.document {
            document.waiting = Some(Waiting {
                start,
                frames: Vec::new(),
                bytes: 0,
            });
        }
        Ok(())
    }

    fn frame(&mut self, frame: Frame) -> Result<()> {
        let Some(document) = &mut self.document else {
            return Ok(());
        };
        let number = frame.track;
        document.lanes.id(number)?;
        let Some(waiting) = &mut document.waiting else {
            if let Some(open) = &mut document.open {
                open.is_whole = false;
            }
            let sample = document.lanes.sample(frame)?;
            return document.builder.push(sample);
        };
        let bytes = frame.data.iter().map(|piece| length(piece)).sum::<u64>();
        waiting.bytes = waiting.bytes.saturating_add(bytes);
        let (bytes, limit) = (waiting.bytes, self.settings.limits.fragment_bytes_max());
        if bytes > limit {
            return Err(crate::Error::FragmentTooLarge { bytes, limit });
        }
        if waiting.frames.len() >= self.settings.limits.fragment_samples {
            return Err(crate::Error::TooManySamples {
                track_id: u32::try_from(number).unwrap_or(u32::MAX),
                samples: 1,
                limit: self.settings.limits.fragment_samples,
            });
        }
        waiting.frames.push(frame);
        if number == document.deciding && !document.joins(&self.settings) {
            self.settle()?;
        }
        Ok(())
    }

    fn end_cluster(&mut self) -> Result<()> {
        self.settle()?;
        if let Some(open) = self.document.as_mut().and_then(|it| it.open.as_mut()) {
            open.is_whole = true;
        }
        Ok(())
    }

    /// Decides what becomes of a Cluster that waits, by the frames that it has.
    fn settle(&mut self) -> Result<()> {
        let Some(document) = &mut self.document else {
            return Ok(());
        };
        let joins = document.joins(&self.settings);
        let next = document.first_deciding().map(|frame| {
            let track_id = document.lanes.id(frame.track)?;
            Ok::<_, Error>((track_id, document.lanes.shown(frame)?))
        });
        let next = next.transpose()?;
        let Some(waiting) = document.waiting.take().filter(|it| !it.frames.is_empty()) else {
            return Ok(());
        };
        match &mut document.open {
            Some(open) if joins => {
                let timecode = waiting.start.timecode;
                open.joined.push(timecode);
                open.last = waiting.start;
                open.is_whole = false;
                self.ready.push_back(Assembled::Joined { timecode });
            }
            _ => {
                self.close(Closed::NextCluster, next)?;
                self.open(waiting.start);
            }
        }
        if let Some(document) = &mut self.document {
            for frame in waiting.frames {
                let sample = document.lanes.sample(frame)?;
                document.builder.push(sample)?;
            }
        }
        Ok(())
    }

    fn open(&mut self, start: ClusterStart) {
        let Some(document) = &mut self.document else {
            return;
        };
        let before = document.before.replace(start.timecode);
        document.open = Some(Open {
            start,
            joined: Vec::new(),
            last: start,
            tags: std::mem::take(&mut self.leading),
            is_whole: false,
        });
        self.ready.push_back(Assembled::Started(FragmentStart {
            timecode: start.timecode,
            time_ms: start.time_ms,
            backward: before.is_some_and(|before| start.timecode < before),
        }));
    }

    fn tags(&mut self, tags: &Tags) -> Result<()> {
        self.settle()?;
        let open = self.document.as_mut().and_then(|it| it.open.as_mut());
        let timecode = open.as_ref().map(|open| open.start.timecode);
        let kept = open.map_or(&mut self.leading, |open| &mut open.tags);
        let own = tags.tags().iter();
        let own = own.filter(|tag| tag.scope != Scope::Part && tag.name != END_OF_FRAGMENT);
        for tag in own {
            let of_scope = kept.iter().filter(|other| other.scope == tag.scope).count();
            match tag.scope {
                Scope::Fragment if of_scope >= TAGS_MAX => {
                    self.blamed = timecode;
                    return Err(Error::TooManyTags { limit: TAGS_MAX }.into());
                }
                // One too many is enough to leave them all out.
                Scope::File if of_scope > STORED_TAGS_MAX => {}
                _ => kept.push(tag.clone()),
            }
        }
        if tags.ends_fragment() {
            self.close(Closed::EndOfFragmentTag, None)?;
        }
        Ok(())
    }

    /// Completes the open fragment, if there is one; `next` is a track and the time of its first
    /// frame in the next fragment.
    fn close(&mut self, closed: Closed, next: Option<(u32, i64)>) -> Result<bool> {
        let Some(document) = &mut self.document else {
            return Ok(false);
        };
        let Some(open) = document.open.take() else {
            return Ok(false);
        };
        let timecode = open.start.timecode;
        let assembly = document.assemble(open, closed, next);
        let assembly = assembly.inspect_err(|_| self.blamed = Some(timecode))?;
        let Some(assembly) = assembly else {
            return Ok(false);
        };
        self.ready
            .push_back(Assembled::Finished(Box::new(assembly)));
        Ok(true)
    }
}

impl Document {
    /// The frame that decides what becomes of the Cluster that waits.
    fn first_deciding(&self) -> Option<&Frame> {
        let mut frames = self.waiting.as_ref()?.frames.iter();
        frames.find(|frame| frame.track == self.deciding)
    }

    /// Whether the Cluster that waits belongs to the open fragment, by the frames that it has.
    fn joins(&self, settings: &Settings) -> bool {
        let (Some(open), Some(waiting)) = (&self.open, &self.waiting) else {
            return false;
        };
        let bytes = self.builder.bytes().saturating_add(waiting.bytes);
        settings.coalesce == Coalesce::Small
            && !self.first_deciding().is_some_and(|frame| frame.key)
            && bytes <= settings.limits.fragment_bytes_max() / 2
            && open.can_be_joined(&waiting.start)
    }

    /// The frames so far as the fragment that has started.
    fn assemble(
        &mut self,
        open: Open,
        closed: Closed,
        next: Option<(u32, i64)>,
    ) -> Result<Option<Assembly>> {
        let init = self.lanes.init()?;
        let missing = self.lanes.missing(&self.builder);
        let scale = self.lanes.header().timestamp_scale();
        let closing = Closing {
            next,
            cluster: Some((open.start.timecode, scale)),
        };
        let fragment = self.builder.close(&init, closing)?;
        Ok(fragment.map(|fragment| Assembly {
            timecode: open.start.timecode,
            time_ms: open.start.time_ms,
            joined: open.joined,
            init,
            fragment,
            tags: fitting(open.tags),
            missing,
            closed,
        }))
    }
}

/// Without tags of the file where those would keep the fragment from being stored: whoever has
/// ffmpeg copy a file did not choose them.
fn fitting(mut tags: Vec<Tag>) -> Vec<Tag> {
    tags.retain(|tag| tag.scope != Scope::File || StoredTag::new(&*tag.name, &*tag.value).is_ok());
    if tags.len() > STORED_TAGS_MAX {
        tags.retain(|tag| tag.scope != Scope::File);
    }
    tags
}

impl Open {
    /// Whether a Cluster may go into this fragment.
    fn can_be_joined(&self, next: &ClusterStart) -> bool {
        let since = |cluster: &ClusterStart| next.time_ms.checked_sub(cluster.time_ms);
        since(&self.last).is_some_and(|ms| (0..SMALL_MS).contains(&ms))
            && since(&self.start).is_some_and(|ms| (0..JOINED_MS_MAX).contains(&ms))
    }
}
