//! Turns the entries of one shard into files, in order, each record once.
//!
//! The writer's place is [`ShardWriter::next`]: what lies before it is in the manifest or in the
//! open file. Entries may be handed over again from any earlier position; what is known is skipped.
//! After any error the writer must be dropped and opened again: it goes on from the manifest.

use std::sync::Arc;
use std::time::Duration;

use afflux_entry::aggregate::Parts;
use afflux_entry::{Batch, Header, Kind, Stamp};
use afflux_media::{Init, InitId, Limits, StoredFragment};
use afflux_types::{Position, ServerTime, ShardId};
use bytes::Bytes;

use super::file::{First, OpenFile, Size};
use super::roll::{Content, Next, Policy};
use super::video::Video;
use crate::entries::{Entry, parts, unreadable};
use crate::fault::Result;
use crate::fs::FileSystem;
use crate::inits::{Inits, Known};
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
    /// Lines that the open file has counted but not taken yet. Takes memory only while a handle is
    /// held: there may be thousands of writers.
    pending: Vec<u8>,
    video: Video,
    /// From there to `next`, and no file is open.
    skipped: Option<Skipped>,
}

/// Fragments that are left out because nobody can play them.
#[derive(Clone, Copy, Debug)]
struct Skipped {
    from: Position,
    since: Moment,
}

/// A moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Decides when files are due.
    pub(crate) elapsed: Duration,
    /// Is noted in the manifest.
    pub(crate) wall: ServerTime,
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
        let video = Video::new(Inits::load(&*fs, paths.init())?);
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
            video,
            skipped: None,
        })
    }

    /// Writes whole stamped entries.
    ///
    /// A hole before an entry becomes a gap in the manifest.
    pub(crate) fn write(&mut self, slice: &Bytes, now: Moment) -> Result<Written> {
        let mut rest = slice.clone();
        while !rest.is_empty() {
            let Entry {
                header,
                stamp,
                body,
            } = Entry::take(&mut rest, self.shard, self.next)?;
            if header.kind == Kind::Init {
                let init = Init::decode(&body, &Limits::default());
                self.set_init(
                    init.map_err(|error| unreadable(self.shard, stamp.position, &error))?,
                )?;
                continue;
            }
            if header.kind == Kind::Marker || header.end() <= self.next {
                continue;
            }
            if stamp.position > self.next {
                self.gap(stamp.position, GapReason::Retention, now.wall)?;
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
    pub(crate) fn set_init(&mut self, init: Init) -> Result<()> {
        self.video.inits.learn(&*self.fs, init)
    }

    /// Says that the init is nowhere: fragments that need it become a gap.
    pub(crate) fn give_up_init(&mut self, init: InitId) {
        self.video.inits.give_up(init);
    }

    /// Skips to `to`, and says so in the manifest.
    pub(crate) fn gap(&mut self, to: Position, reason: GapReason, wall: ServerTime) -> Result<()> {
        if to <= self.next {
            return Ok(());
        }
        self.finish()?;
        self.commit_gap(self.next, to, reason, wall)?;
        self.next = to;
        Ok(())
    }

    fn commit_gap(
        &mut self,
        from: Position,
        to: Position,
        reason: GapReason,
        noticed: ServerTime,
    ) -> Result<()> {
        let gap = Gap {
            from_position: from.get(),
            to_position: to.get(),
            reason,
            noticed: noticed.to_string(),
        };
        self.journal.commit(What::Gap(gap), to, None)
    }

    /// Finishes the open file, if there is one, and lists what was left out.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.flush()?;
        self.pending = Vec::new();
        if let Some(Skipped { from, since }) = self.skipped.take() {
            self.commit_gap(from, self.next, GapReason::MissingInit, since.wall)?;
        }
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
        self.pending = Vec::new();
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
        let policy = &self.options.policy;
        let skipped = self
            .skipped
            .map(|skipped| skipped.since.elapsed.saturating_add(policy.age));
        Progress {
            totals: self.journal.last().totals,
            next: self.next,
            unfinished: file.map_or(0, OpenFile::records),
            deadline: file
                .map(|file| policy.deadline(&file.current()))
                .or(skipped),
        }
    }

    fn write_batch(
        &mut self,
        header: &Header,
        stamp: Stamp,
        body: &Bytes,
        now: Moment,
    ) -> Result<Written> {
        let mut position = stamp.position;
        let next = Next {
            content: Content::Records,
            hour: Hour::of(stamp.arrival),
            starts_well: true,
            discontinuous: false,
        };
        for record in Batch::new(body, header.record_count) {
            let record = record.map_err(|error| unreadable(self.shard, position, &error))?;
            let key = std::str::from_utf8(record.partition_key);
            let line = Line {
                position,
                sub_sequence: None,
                arrival: stamp.arrival,
                partition_key: key.map_err(|error| unreadable(self.shard, position, &error))?,
                explicit_hash_key: record.explicit_hash_key,
                data: record.data,
            };
            if position >= self.next {
                self.start_file(next, line.position, line.arrival, now)?;
                self.write_record(line, parts(body, &record))?;
            }
            position = position.advance(1);
        }
        Ok(Written::All)
    }

    /// Writes a record, or all of its parts: one file has them all, and only the last one moves the
    /// writer's place.
    fn write_record(&mut self, record: Line<'_>, parts: Option<Parts>) -> Result<()> {
        let mut size = Size::default();
        let Some(parts) = parts else {
            self.write_line(record, &mut size)?;
            return self.end_record(record, size);
        };
        for (sub_sequence, part) in (0..).zip(parts) {
            let line = Line {
                sub_sequence: Some(sub_sequence),
                partition_key: part.partition_key.as_str(),
                explicit_hash_key: part.explicit_hash_key,
                data: &part.data,
                ..record
            };
            self.write_line(line, &mut size)?;
        }
        self.end_record(record, size)
    }

    fn write_line(&mut self, line: Line<'_>, size: &mut Size) -> Result<()> {
        let before = self.pending.len();
        self.lines.push(line, &mut self.pending);
        size.lines += 1;
        size.bytes += u64::try_from(self.pending.len() - before).unwrap_or(u64::MAX);
        if self.pending.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn end_record(&mut self, record: Line<'_>, size: Size) -> Result<()> {
        self.next = record.position.advance(1);
        let file = self.file.as_mut().expect("the caller has started a file");
        file.count(record.arrival, size);
        if self.options.policy.ends_after(&file.current()) {
            return self.finish();
        }
        Ok(())
    }

    /// Makes sure that a file is open which may take `next`.
    fn start_file(
        &mut self,
        next: Next,
        position: Position,
        arrival: ServerTime,
        now: Moment,
    ) -> Result<&mut OpenFile> {
        let policy = &self.options.policy;
        let current = self.file.as_ref().map(OpenFile::current);
        let ends = |current| policy.ends_before(&current, &next, now.elapsed);
        if current.is_some_and(ends) || self.skipped.is_some() {
            self.finish()?;
        }
        let first = First {
            position,
            arrival,
            content: next.content,
            now: now.elapsed,
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
        now: Moment,
    ) -> Result<Written> {
        let fragment = StoredFragment::decode(body)
            .map_err(|error| unreadable(self.shard, stamp.position, &error))?;
        let meta = fragment.meta();
        match self.video.inits.known(meta.init_id) {
            Known::Yes => {}
            Known::NotYet => return Ok(Written::NeedsInit(meta.init_id)),
            Known::Never => return self.skip(header.end(), now),
        }
        let next = Next {
            content: Content::Video(meta.init_id),
            hour: Hour::of(stamp.arrival),
            starts_well: header.key_frame || meta.flags.is_keyframe(),
            // A track may begin before the time that the file's first fragment made zero.
            discontinuous: meta.flags.is_discontinuity() || !self.video.fits(&fragment),
        };
        let starts = self
            .start_file(next, stamp.position, stamp.arrival, now)?
            .records()
            == 0;
        let head = starts.then(|| self.video.begin(&fragment));
        let played = self.video.play(&fragment);
        let played = played.map_err(|error| unreadable(self.shard, stamp.position, &error))?;
        let file = self.file.as_mut().expect("a file was started above");
        let mut size = Size { lines: 1, bytes: 0 };
        for piece in head.iter().chain(&played) {
            file.write(&*self.fs, piece)?;
            size.bytes += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        }
        file.count(stamp.arrival, size);
        file.span_video(meta.producer_time, self.video.init_bytes());
        self.next = header.end();
        Ok(Written::All)
    }

    /// Leaves a fragment out; the gap is listed when something else is.
    fn skip(&mut self, end: Position, now: Moment) -> Result<Written> {
        if self.skipped.is_none() {
            self.finish()?;
            self.skipped = Some(Skipped {
                from: self.next,
                since: now,
            });
        }
        self.next = end;
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
        // One large record must not cost its size for ever.
        self.pending.shrink_to(2 * CHUNK_BYTES);
        Ok(())
    }
}
