//! The shards of an archive that share a thread, with few of their files open at a time.
//!
//! A shard whose file was not written for the longest time has it put aside when another shard
//! needs a handle: memory and handles are bounded by [`LaneOptions::open_max`], not by the number of
//! shards, and no file becomes smaller for it.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use afflux_media::{Init, InitId};
use afflux_types::{Position, ServerTime, ShardId, StreamName};
use bytes::Bytes;

use super::shard::{Moment, Opened, Progress, ShardWriter, WriterOptions, Written};
use crate::fault::{Fault, Result};
use crate::fs::FileSystem;
use crate::manifest::{GapReason, Identity};
use crate::names::ShardPaths;

/// What a lane needs to open shards.
#[derive(Clone, Debug)]
pub(crate) struct LaneOptions {
    pub(crate) directory: PathBuf,
    pub(crate) stream: StreamName,
    pub(crate) stream_identity: String,
    pub(crate) writer: WriterOptions,
    /// Files that are open at a time; each costs its buffers and its compressor.
    pub(crate) open_max: usize,
}

/// The writers of the shards that share a thread.
#[derive(Debug)]
pub(crate) struct Lane {
    fs: Arc<dyn FileSystem>,
    options: LaneOptions,
    shards: BTreeMap<ShardId, Slot>,
    /// Shards with an open file, the one written last at the back.
    writing: VecDeque<ShardId>,
}

#[derive(Debug)]
enum Slot {
    Ready(Box<ShardWriter>),
    /// Putting its file aside failed while another shard was served.
    Failed(Fault),
}

impl Lane {
    pub(crate) fn new(fs: Arc<dyn FileSystem>, options: LaneOptions) -> Self {
        Self {
            fs,
            options,
            shards: BTreeMap::new(),
            writing: VecDeque::new(),
        }
    }

    /// Opens a shard's archive, which begins at `start` if it is new.
    ///
    /// A shard that is open already is opened again: what was not finished is dropped.
    pub(crate) fn open(&mut self, shard: ShardId, start: Position) -> Result<Opened> {
        self.forget(shard);
        let options = &self.options;
        let identity = Identity {
            stream: options.stream.clone(),
            stream_identity: options.stream_identity.clone(),
            shard,
        };
        let paths = ShardPaths::new(&options.directory, &options.stream, shard);
        let fs = Arc::clone(&self.fs);
        let writer = ShardWriter::open(fs, paths, &identity, start, options.writer.clone())?;
        let opened = writer.opened();
        self.shards.insert(shard, Slot::Ready(Box::new(writer)));
        Ok(opened)
    }

    /// Writes whole stamped entries of a shard.
    pub(crate) fn write(
        &mut self,
        shard: ShardId,
        slice: &Bytes,
        now: Moment,
    ) -> Result<(Written, Progress)> {
        self.with(shard, |writer| {
            let written = writer.write(slice, now)?;
            if written == Written::All {
                writer.finish_if_due(now.elapsed)?;
            }
            Ok((written, writer.progress()))
        })
    }

    /// Hands over an init that a fragment needs.
    pub(crate) fn set_init(&mut self, shard: ShardId, init: Init) -> Result<()> {
        self.with(shard, |writer| writer.set_init(init))
    }

    /// Says that an init is nowhere.
    pub(crate) fn give_up_init(&mut self, shard: ShardId, init: InitId) -> Result<()> {
        self.with(shard, |writer| {
            writer.give_up_init(init);
            Ok(())
        })
    }

    /// Finishes a shard's file if it is due.
    pub(crate) fn finish_if_due(&mut self, shard: ShardId, now: Duration) -> Result<Progress> {
        self.with(shard, |writer| {
            writer.finish_if_due(now)?;
            Ok(writer.progress())
        })
    }

    /// Notes that a shard goes on at `to`.
    pub(crate) fn gap(
        &mut self,
        shard: ShardId,
        to: Position,
        reason: GapReason,
        wall: ServerTime,
    ) -> Result<Progress> {
        self.with(shard, |writer| {
            writer.gap(to, reason, wall)?;
            Ok(writer.progress())
        })
    }

    /// Finishes a shard's file and notes the shard's end.
    pub(crate) fn close(&mut self, shard: ShardId, children: &[ShardId]) -> Result<Progress> {
        let progress = self.with(shard, |writer| {
            writer.close(children)?;
            Ok(writer.progress())
        })?;
        self.forget(shard);
        Ok(progress)
    }

    /// Finishes a shard's file and lets go of the shard.
    pub(crate) fn seal(&mut self, shard: ShardId) -> Result<Progress> {
        let progress = self.with(shard, |writer| {
            writer.finish()?;
            Ok(writer.progress())
        })?;
        self.forget(shard);
        Ok(progress)
    }

    /// [`Lane::seal`] for a shard that may have failed before.
    pub(crate) fn seal_if_open(&mut self, shard: ShardId) -> Result<Option<Progress>> {
        match self.shards.contains_key(&shard) {
            true => self.seal(shard).map(Some),
            false => Ok(None),
        }
    }

    /// How far a shard is.
    pub(crate) fn progress(&mut self, shard: ShardId) -> Result<Progress> {
        self.with(shard, |writer| Ok(writer.progress()))
    }

    /// Lets go of a shard; what is not finished is read again when it is opened.
    pub(crate) fn forget(&mut self, shard: ShardId) {
        self.shards.remove(&shard);
        self.writing.retain(|&other| other != shard);
    }

    /// Works on a shard's writer; after an error the shard must be opened again.
    fn with<T>(
        &mut self,
        shard: ShardId,
        work: impl FnOnce(&mut ShardWriter) -> Result<T>,
    ) -> Result<T> {
        let worked = match self.shards.get_mut(&shard) {
            Some(Slot::Ready(writer)) => work(writer),
            Some(Slot::Failed(_)) | None => Err(self.take_failure(shard)),
        };
        if worked.is_err() {
            self.forget(shard);
        } else {
            self.note_use(shard);
        }
        worked
    }

    fn take_failure(&mut self, shard: ShardId) -> Fault {
        match self.shards.remove(&shard) {
            Some(Slot::Failed(fault)) => fault,
            _ => Fault::Changed {
                path: ShardPaths::new(&self.options.directory, &self.options.stream, shard).shard(),
                reason: "the shard is not open".into(),
            },
        }
    }

    /// Moves the shard to the back of the queue and puts the files before it aside.
    fn note_use(&mut self, shard: ShardId) {
        self.writing.retain(|&other| other != shard);
        if matches!(self.shards.get(&shard), Some(Slot::Ready(writer)) if writer.is_writing()) {
            self.writing.push_back(shard);
        }
        while self.writing.len() > self.options.open_max.max(1) {
            let Some(idle) = self.writing.pop_front() else {
                return;
            };
            if let Some(Slot::Ready(writer)) = self.shards.get_mut(&idle)
                && let Err(fault) = writer.put_aside()
            {
                self.shards.insert(idle, Slot::Failed(fault));
            }
        }
    }
}
