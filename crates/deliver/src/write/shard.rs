//! Turns the entries of one shard into files, in order, each record once.
//!
//! The writer's place is [`ShardWriter::next`]: what lies before it is in the manifest or in the
//! open file. Entries may be handed over again from any earlier position; what is known is skipped.
//! After any error the writer must be dropped and opened again: it goes on from the manifest.

use std::sync::Arc;
use std::time::Duration;

use afflux_entry::{Batch, HEADER_LEN, Header, Kind, Stamp};
use afflux_media::playback::{Shift, fragment_bytes, init_segment};
use afflux_media::{Init, InitId, Limits, StoredFragment};
use afflux_types::{Position, ServerTime, ShardId};
use bytes::Bytes;

use super::file::{First, OpenFile};
use super::roll::{Content, Next, Policy};
use crate::fault::{Fault, Result};
use crate::fs::FileSystem;
use crate::json::{Line, LineWriter};
use crate::manifest::{Closed, Gap, GapReason, Identity, Journal, Totals, What};
use crate::names::{Hour, ShardPaths};
use crate::settings::Compression;

/// Lines are handed to the compressor in pieces of about this size.
const CHUNK_BYTES: usize = 64 << 10;

/// What a shard's writer needs beside its place.
#[derive(Clone, Debug)]
pub(crate) struct WriterOptions {
    pub(crate) policy: Policy,
    pub(crate) compression: Compression,
}

/// One shard's archive, open for writing.
#[derive(Debug)]
pub(crate) struct ShardWriter {
    fs: Arc<dyn FileSystem>,
    paths: ShardPaths,
    shard: ShardId,
    options: WriterOptions,
    journal: Journal,
    next: Position,
    file: Option<OpenFile>,
    lines: LineWriter,
    /// Lines that the open file has counted but not taken yet.
    pending: Vec<u8>,
    /// The init that fragments are written with.
    init: Option<Init>,
    /// Of the open video file.
    media: Media,
}

/// How the open video file places fragments in time.
#[derive(Debug, Default)]
struct Media {
    /// Of the next `moof`.
    sequence: u32,
    /// Move the file's start to time zero.
    shifts: Vec<Shift>,
}

/// Where a shard's archive stands when it has been opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Where to go on reading.
    pub(crate) next: Position,
    /// Whether the shard's end is archived.
    pub(crate) closed: bool,
}

/// What became of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// All of it is written.
    All,
    /// The fragment at the writer's place needs an init that the writer has not seen.
    NeedsInit(InitId),
}

/// How far a shard's archive is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) totals: Totals,
    pub(crate) next: Position,
    /// Records in the file that is not finished.
    pub(crate) unfinished: u64,
    /// When [`ShardWriter::finish`] is due, by the clock's elapsed time.
    pub(crate) deadline: Option<Duration>,
}

impl ShardWriter {
    pub(crate) fn open(
        fs: Arc<dyn FileSystem>,
        paths: ShardPaths,
        identity: &Identity,
        start: Position,
        options: WriterOptions,
    ) -> Result<Self> {
        let journal = Journal::open(Arc::clone(&fs), paths.clone(), identity, start)?;
        Ok(Self {
            fs,
            paths,
            shard: identity.shard,
            options,
            next: journal.end(),
            journal,
            file: None,
            lines: LineWriter::new(&identity.stream, identity.shard),
            pending: Vec::new(),
            init: None,
            media: Media::default(),
        })
    }

    /// Writes whole stamped entries.
    ///
    /// A hole before an entry becomes a gap in the manifest.
    pub(crate) fn write(
        &mut self,
        slice: &Bytes,
        now: Duration,
        wall: ServerTime,
    ) -> Result<Written> {
        let mut rest = slice.clone();
        while !rest.is_empty() {
            let (header, stamp, body) = self.take_entry(&mut rest)?;
            if header.kind == Kind::Init {
                let init = Init::decode(&body, &Limits::default());
                self.init = Some(init.map_err(|error| self.unreadable(stamp.position, &error))?);
                continue;
            }
            if header.kind == Kind::Marker || header.end() <= self.next {
                continue;
            }
            if stamp.position > self.next {
                self.gap(stamp.position, GapReason::Retention, wall)?;
            }
            let written = match header.kind {
                Kind::Batch => self.write_batch(&header, stamp, &body, now)?,
                _ => self.write_fragment(&header, stamp, body, now)?,
            };
            if written != Written::All {
                return Ok(written);
            }
        }
        self.flush()?;
        Ok(Written::All)
    }

    /// Hands over an init that [`Written::NeedsInit`] asked for.
    pub(crate) fn set_init(&mut self, init: Init) {
        self.init = Some(init);
    }

    /// Skips to `to`, and says so in the manifest.
    pub(crate) fn gap(&mut self, to: Position, reason: GapReason, wall: ServerTime) -> Result<()> {
        if to <= self.next {
            return Ok(());
        }
        self.finish()?;
        let gap = Gap {
            from_position: self.next.get(),
            to_position: to.get(),
            reason,
            noticed: wall.to_string(),
        };
        self.journal.commit(What::Gap(gap), to, None)?;
        self.next = to;
        Ok(())
    }

    /// Finishes the open file, if there is one.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.flush()?;
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let end = file.end();
        let (line, temporary) = file.finish(&*self.fs)?;
        self.journal.commit(What::File(line), end, Some(&temporary))
    }

    /// Finishes the open file if it is due.
    pub(crate) fn finish_if_due(&mut self, now: Duration) -> Result<()> {
        match self.progress().deadline {
            Some(deadline) if deadline <= now => self.finish(),
            _ => Ok(()),
        }
    }

    /// Notes the shard's end after everything in it.
    pub(crate) fn close(&mut self, children: &[ShardId]) -> Result<()> {
        if self.opened().closed {
            return Ok(());
        }
        self.finish()?;
        let children = children.iter().map(ShardId::to_string).collect();
        self.journal
            .commit(What::Closed(Closed { children }), self.next, None)
    }

    /// Closes the open file's handle until it is written again.
    pub(crate) fn put_aside(&mut self) -> Result<()> {
        self.flush()?;
        self.file.as_mut().map_or(Ok(()), OpenFile::put_aside)
    }

    /// Whether a file handle is held.
    pub(crate) fn is_writing(&self) -> bool {
        self.file.as_ref().is_some_and(OpenFile::is_writing)
    }

    pub(crate) fn opened(&self) -> Opened {
        Opened {
            next: self.next,
            closed: matches!(self.journal.last().what, What::Closed(_)),
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        let file = self.file.as_ref();
        Progress {
            totals: self.journal.last().totals,
            next: self.next,
            unfinished: file.map_or(0, OpenFile::records),
            deadline: file.map(|file| self.options.policy.deadline(&file.current())),
        }
    }

    /// The first entry of `rest`, verified, which then starts with the entry after it.
    fn take_entry(&self, rest: &mut Bytes) -> Result<(Header, Stamp, Bytes)> {
        let unreadable = |error: &dyn std::fmt::Display| self.unreadable(self.next, error);
        let header = Header::decode(rest).map_err(|error| unreadable(&error))?;
        let stamp = header.stamp.ok_or_else(|| unreadable(&"it has no stamp"))?;
        if rest.len() < header.entry_len() {
            return Err(self.unreadable(
                stamp.position,
                &format!("it has {} of {} bytes", rest.len(), header.entry_len()),
            ));
        }
        let body = rest.split_to(header.entry_len()).slice(HEADER_LEN..);
        header
            .verify(&[&body])
            .map_err(|error| self.unreadable(stamp.position, &error))?;
        Ok((header, stamp, body))
    }

    fn write_batch(
        &mut self,
        header: &Header,
        stamp: Stamp,
        body: &Bytes,
        now: Duration,
    ) -> Result<Written> {
        let mut position = stamp.position;
        let next = Next {
            content: Content::Records,
            hour: Hour::of(stamp.arrival),
            starts_well: true,
            discontinuous: false,
        };
        for record in Batch::new(body, header.record_count) {
            let record = record.map_err(|error| self.unreadable(position, &error))?;
            let key = std::str::from_utf8(record.partition_key);
            let line = Line {
                position,
                arrival: stamp.arrival,
                partition_key: key.map_err(|error| self.unreadable(position, &error))?,
                explicit_hash_key: record.explicit_hash_key,
                data: record.data,
            };
            if position >= self.next {
                self.start_file(next, line.position, line.arrival, now)?;
                self.write_line(line)?;
            }
            position = position.advance(1);
        }
        Ok(Written::All)
    }

    fn write_line(&mut self, line: Line<'_>) -> Result<()> {
        let before = self.pending.len();
        self.lines.push(line, &mut self.pending);
        self.next = line.position.advance(1);
        let file = self.file.as_mut().expect("the caller has started a file");
        file.count(line.arrival, self.pending.len() - before);
        if self.options.policy.ends_after(&file.current()) {
            return self.finish();
        }
        if self.pending.len() >= CHUNK_BYTES {
            return self.flush();
        }
        Ok(())
    }

    /// Makes sure that a file is open which may take `next`.
    fn start_file(
        &mut self,
        next: Next,
        position: Position,
        arrival: ServerTime,
        now: Duration,
    ) -> Result<&mut OpenFile> {
        let current = self.file.as_ref().map(OpenFile::current);
        if current.is_some_and(|current| self.options.policy.ends_before(&current, &next, now)) {
            self.finish()?;
        }
        let first = First {
            position,
            arrival,
            content: next.content,
            now,
        };
        Ok(self.file.get_or_insert_with(|| {
            OpenFile::new(&self.paths, self.shard, first, self.options.compression)
        }))
    }

    fn write_fragment(
        &mut self,
        header: &Header,
        stamp: Stamp,
        body: Bytes,
        now: Duration,
    ) -> Result<Written> {
        let unreadable = |error: &dyn std::fmt::Display| self.unreadable(stamp.position, error);
        let fragment = StoredFragment::decode(body).map_err(|error| unreadable(&error))?;
        let init_id = fragment.meta().init_id;
        let Some(init) = self.init.clone().filter(|init| init.id() == init_id) else {
            return Ok(Written::NeedsInit(init_id));
        };
        // A track may begin before the time that the file's first fragment made zero.
        let fits = fragment_bytes(&fragment, 0, &self.media.shifts).is_ok();
        let next = Next {
            content: Content::Video(init_id),
            hour: Hour::of(stamp.arrival),
            starts_well: header.key_frame || fragment.meta().flags.is_keyframe(),
            discontinuous: fragment.meta().flags.is_discontinuity() || !fits,
        };
        let fs = Arc::clone(&self.fs);
        let file = self.start_file(next, stamp.position, stamp.arrival, now)?;
        let mut pieces = Vec::new();
        if file.records() == 0 {
            pieces.push(init_segment(&init));
            self.media = Media {
                sequence: 1,
                shifts: shifts_to_zero(&init, &fragment),
            };
        }
        let Media { sequence, shifts } = &self.media;
        let played = fragment_bytes(&fragment, *sequence, shifts)
            .map_err(|error| self.unreadable(stamp.position, &error))?;
        let boxes = u32::try_from(fragment.meta().tracks.len()).unwrap_or(u32::MAX);
        self.media.sequence = sequence.wrapping_add(boxes);
        pieces.extend(played);
        let file = self.file.as_mut().expect("a file was started above");
        for piece in &pieces {
            file.write(&*fs, piece)?;
        }
        file.count(stamp.arrival, pieces.iter().map(Bytes::len).sum());
        let init_bytes = u64::try_from(init.bytes().len()).unwrap_or(u64::MAX);
        file.span_video(fragment.meta().producer_time, init_bytes);
        self.next = header.end();
        Ok(Written::All)
    }

    /// Hands collected lines to the file.
    fn flush(&mut self) -> Result<()> {
        if let Some(file) = &mut self.file
            && !self.pending.is_empty()
        {
            file.write(&*self.fs, &self.pending)?;
        }
        self.pending.clear();
        Ok(())
    }

    fn unreadable(&self, position: Position, reason: &dyn std::fmt::Display) -> Fault {
        Fault::Entry {
            shard: self.shard,
            position,
            reason: reason.to_string(),
        }
    }
}

/// Moves every track by the same time so that the first one of `fragment` starts at zero.
fn shifts_to_zero(init: &Init, fragment: &StoredFragment) -> Vec<Shift> {
    let start = |track: &&afflux_media::TrackMeta| {
        // As a fraction of a second with 64 bits after the point: exact enough to compare.
        (u128::from(track.base_decode_time) << 64) / u128::from(track.timescale.max(1))
    };
    let Some(first) = fragment.meta().tracks.iter().min_by_key(start) else {
        return Vec::new();
    };
    let (base, scale) = (
        u128::from(first.base_decode_time),
        u128::from(first.timescale.max(1)),
    );
    let shift = |track: &afflux_media::Track| {
        let ticks = base * u128::from(track.timescale()) / scale;
        Shift {
            track_id: track.id(),
            ticks: -i64::try_from(ticks).unwrap_or(i64::MAX),
        }
    };
    init.tracks().iter().map(shift).collect()
}
