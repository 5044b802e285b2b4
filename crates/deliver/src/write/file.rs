//! The file that a shard is writing: under a temporary name, open or put aside.

use std::path::PathBuf;
use std::time::Duration;

use afflux_types::{Position, ProducerTime, SequenceNumber, ServerTime, ShardId};

use super::encoder::{Encoder, Written};
use super::roll::{Content, Current};
use crate::fault::{Fault, Result};
use crate::fs::FileSystem;
use crate::manifest::{FileLine, VideoLine};
use crate::names::{Format, Hour, ShardPaths, file_name, file_path};
use crate::settings::Compression;

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct OpenFile {
    shard: ShardId,
    format: Format,
    name: String,
    temporary: PathBuf,
    state: State,
    content: Content,
    first: Position,
    first_arrival: ServerTime,
    last_arrival: ServerTime,
    records: u64,
    /// More than records where aggregated ones were taken apart.
    lines: u64,
    bytes: u64,
    opened: Duration,
    video: Option<VideoSpan>,
}

#[derive(Debug)]
enum State {
    Writing(Encoder),
    Aside(Written),
    /// Only while a state is taken out, and after an error.
    Broken,
}

/// What a record takes in a file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
}

/// What only the manifest's line of a video file says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VideoSpan {
    pub(crate) init_bytes: u64,
    pub(crate) first: ProducerTime,
    pub(crate) last: ProducerTime,
}

/// The first record of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct First {
    pub(crate) position: Position,
    pub(crate) arrival: ServerTime,
    pub(crate) content: Content,
    pub(crate) now: Duration,
}

impl OpenFile {
    /// A file that starts with `first`; it is made on the disk when something is written.
    pub(crate) fn new(
        paths: &ShardPaths,
        shard: ShardId,
        first: First,
        compression: Compression,
    ) -> Self {
        let format = match first.content {
            Content::Records => Format::JsonLines(compression),
            Content::Video(_) => Format::Mp4,
        };
        let name = file_name(shard, first.position, format);
        Self {
            shard,
            format,
            temporary: paths.temporary(&name),
            name,
            state: State::Aside(Written::default()),
            content: first.content,
            first: first.position,
            first_arrival: first.arrival,
            last_arrival: first.arrival,
            records: 0,
            lines: 0,
            bytes: 0,
            opened: first.now,
            video: None,
        }
    }

    /// Counts a record, whose bytes [`OpenFile::write`] took before, or takes at once or later.
    pub(crate) fn count(&mut self, arrival: ServerTime, size: Size) {
        self.records += 1;
        self.lines = self.lines.saturating_add(size.lines);
        self.bytes = self.bytes.saturating_add(size.bytes);
        self.last_arrival = arrival;
    }

    /// Notes what the manifest says of a video file.
    pub(crate) fn span_video(&mut self, start: ProducerTime, init_bytes: u64) {
        let span = self.video.get_or_insert(VideoSpan {
            init_bytes,
            first: start,
            last: start,
        });
        span.last = start;
    }

    /// Appends bytes.
    pub(crate) fn write(&mut self, fs: &dyn FileSystem, bytes: &[u8]) -> Result<()> {
        let mut encoder = match std::mem::replace(&mut self.state, State::Broken) {
            State::Writing(encoder) => encoder,
            State::Aside(written) => self.take_up(fs, written)?,
            State::Broken => return Err(self.broken()),
        };
        encoder
            .write(bytes)
            .map_err(Fault::io("write", &self.temporary))?;
        self.state = State::Writing(encoder);
        Ok(())
    }

    fn take_up(&self, fs: &dyn FileSystem, written: Written) -> Result<Encoder> {
        let path = &self.temporary;
        let file = if written.bytes == 0 {
            fs.create(path)
        } else {
            let len = fs.len(path).map_err(Fault::io("look for", path))?;
            if len != Some(written.bytes) {
                return Err(Fault::Changed {
                    path: path.clone(),
                    reason: format!("it has {len:?} bytes, not {}", written.bytes),
                });
            }
            fs.write_at(path, written.bytes)
        };
        let compression = match self.format {
            Format::JsonLines(compression) => compression,
            Format::Mp4 => Compression::None,
        };
        file.and_then(|file| Encoder::new(file, written, compression))
            .map_err(Fault::io("open", path))
    }

    /// Closes the file until something is written again.
    pub(crate) fn put_aside(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.state, State::Broken) {
            State::Writing(encoder) => {
                let written = encoder.end().map_err(Fault::io("write", &self.temporary))?;
                self.state = State::Aside(written);
                Ok(())
            }
            State::Aside(written) => {
                self.state = State::Aside(written);
                Ok(())
            }
            State::Broken => Err(self.broken()),
        }
    }

    /// Makes the file durable under its temporary name, whose last part is returned with the line
    /// that lists it.
    pub(crate) fn finish(mut self, fs: &dyn FileSystem) -> Result<(FileLine, String)> {
        let encoder = match std::mem::replace(&mut self.state, State::Broken) {
            State::Writing(encoder) => encoder,
            State::Aside(written) => self.take_up(fs, written)?,
            State::Broken => return Err(self.broken()),
        };
        let written = encoder
            .finish()
            .map_err(Fault::io("finish", &self.temporary))?;
        let number = |position| SequenceNumber::new(self.shard, position).to_string();
        let last = Position::new(self.end().get().saturating_sub(1));
        let line = FileLine {
            path: file_path(
                Hour::of(self.first_arrival),
                self.shard,
                self.first,
                self.format,
            ),
            md5: written.md5(),
            bytes: written.bytes,
            uncompressed_bytes: self.bytes,
            records: self.records,
            lines: (self.lines != self.records).then_some(self.lines),
            first_sequence_number: number(self.first),
            last_sequence_number: number(last),
            first_arrival_time: self.first_arrival.to_string(),
            last_arrival_time: self.last_arrival.to_string(),
            video: self.video_line(),
        };
        Ok((line, format!("{}.tmp", self.name)))
    }

    fn video_line(&self) -> Option<VideoLine> {
        let Content::Video(init) = self.content else {
            return None;
        };
        self.video.map(|span| VideoLine {
            init_id: init.to_string(),
            init_bytes: span.init_bytes,
            first_producer_time: span.first.to_string(),
            last_producer_time: span.last.to_string(),
        })
    }

    pub(crate) fn end(&self) -> Position {
        self.first.advance(self.records)
    }

    /// Records so far.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    pub(crate) fn is_writing(&self) -> bool {
        matches!(self.state, State::Writing(_))
    }

    pub(crate) fn current(&self) -> Current {
        Current {
            content: self.content,
            hour: Hour::of(self.first_arrival),
            bytes: self.bytes,
            opened: self.opened,
        }
    }

    fn broken(&self) -> Fault {
        Fault::Changed {
            path: self.temporary.clone(),
            reason: "writing it failed before".into(),
        }
    }
}
