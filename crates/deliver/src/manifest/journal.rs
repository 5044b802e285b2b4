//! Moves finished files into the archive so that the manifest is right after any crash.
//!
//! The order of [`Journal::commit`], where every step is durable before the next:
//!
//! 1. the file is complete under its temporary name (the caller's part);
//! 2. the intent: the line that will enter the manifest, its offset there, the temporary name;
//! 3. the file under its final name, in its directory;
//! 4. the line in the manifest.
//!
//! [`Journal::open`] repeats 3 and 4 from the intent: repeating is harmless, because the intent says
//! at which offset the line belongs. So a file is never under its final name without an intent or a
//! line that lists it. A crash before 2 is complete leaves a temporary file, which is removed; its
//! records are read from the stream again. Without a whole intent the manifest is whole up to its
//! last line feed, because 2 of a line begins after 4 of the line before.

mod recover;

use std::path::Path;
use std::sync::Arc;

use afflux_types::{Position, ShardId, StreamName};
use serde::{Deserialize, Serialize};

use super::line::{FileLine, Line, Start, Totals, VERSION, What, seal};
use crate::fault::{Fault, Result};
use crate::fs::{FileSystem, make_dirs};
use crate::names::ShardPaths;

/// Whose archive it is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) stream: StreamName,
    /// Tells streams apart that had the same name one after the other.
    pub(crate) stream_identity: String,
    pub(crate) shard: ShardId,
}

/// A shard's manifest, open for appending.
#[derive(Debug)]
pub(crate) struct Journal {
    fs: Arc<dyn FileSystem>,
    paths: ShardPaths,
    /// Bytes of the manifest, all of them whole lines.
    len: u64,
    last: Line,
    /// The directory of the last file: its name is durable.
    directory: Option<String>,
}

/// The line that is about to enter the manifest.
#[derive(Debug, Serialize, Deserialize)]
struct Intent {
    offset: u64,
    /// In the hidden directory.
    temporary: Option<String>,
    line: String,
}

impl Journal {
    /// Brings the shard's directory into order and reads where to go on.
    ///
    /// A new archive starts at `start`.
    pub(crate) fn open(
        fs: Arc<dyn FileSystem>,
        paths: ShardPaths,
        identity: &Identity,
        start: Position,
    ) -> Result<Self> {
        let hidden = paths.relative.join(crate::names::OPEN);
        make_dirs(&*fs, &paths.root, &hidden)?;
        let last = Line {
            what: What::Start(Start {
                version: VERSION,
                stream: identity.stream.to_string(),
                stream_identity: identity.stream_identity.clone(),
                shard: identity.shard.to_string(),
                position: start.get(),
            }),
            end_position: start.get(),
            totals: Totals::default(),
        };
        let mut journal = Self {
            fs,
            paths,
            len: 0,
            last,
            directory: None,
        };
        let redone = match journal.read_intent()? {
            Some(intent) => journal.redo(&intent)?,
            None => false,
        };
        if !redone {
            journal.read_tail()?;
        }
        if journal.len == 0 {
            let start = journal.last.clone();
            journal.enter(&start, None)?;
        }
        journal.check_identity(identity)?;
        journal.remove_temporaries()?;
        Ok(journal)
    }

    /// Lists `what` up to `end`; a file comes along under its temporary name.
    ///
    /// After an error the journal must be opened again.
    pub(crate) fn commit(
        &mut self,
        what: What,
        end: Position,
        temporary: Option<&str>,
    ) -> Result<()> {
        let line = Line {
            end_position: end.get(),
            totals: self.last.totals.with(&what),
            what,
        };
        self.enter(&line, temporary)
    }

    /// The manifest's last line.
    pub(crate) fn last(&self) -> &Line {
        &self.last
    }

    /// Everything before this is accounted for.
    pub(crate) fn end(&self) -> Position {
        Position::new(self.last.end_position)
    }

    fn enter(&mut self, line: &Line, temporary: Option<&str>) -> Result<()> {
        let intent = Intent {
            offset: self.len,
            temporary: temporary.map(str::to_owned),
            line: line.encode(),
        };
        self.write_intent(&intent)?;
        if let (What::File(file), Some(temporary)) = (&line.what, temporary) {
            let path = self.paths.shard().join(&file.path);
            if self
                .fs
                .len(&path)
                .map_err(Fault::io("look for", &path))?
                .is_some()
            {
                return Err(Fault::InTheWay { path });
            }
            self.place(file, temporary)?;
        }
        self.append(&intent, line)
    }

    fn write_intent(&self, intent: &Intent) -> Result<()> {
        let path = self.paths.intent();
        let write = || -> std::io::Result<()> {
            let mut file = self.fs.create(&path)?;
            file.write_all(seal(intent).as_bytes())?;
            file.sync()
        };
        write().map_err(Fault::io("write", &path))?;
        self.sync_dir(&self.paths.open())
    }

    /// Writes the same bytes over the intent: a failed sync may have left it in memory only. It
    /// must not be emptied first, because the file that it lists may have its final name already.
    fn sync_intent(&self, intent: &Intent) -> Result<()> {
        let path = self.paths.intent();
        let write = || -> std::io::Result<()> {
            let mut file = self.fs.write_at(&path, 0)?;
            file.write_all(seal(intent).as_bytes())?;
            file.sync()
        };
        write().map_err(Fault::io("write", &path))?;
        self.sync_dir(&self.paths.open())
    }

    /// Gives a complete file its final name.
    fn place(&mut self, file: &FileLine, temporary: &str) -> Result<()> {
        let from = self.paths.open().join(temporary);
        let to = self.paths.shard().join(&file.path);
        self.make_directory(&file.path)?;
        self.fs
            .rename(&from, &to)
            .map_err(Fault::io("rename", &from))?;
        self.sync_parent(&to)
    }

    fn make_directory(&mut self, file_path: &str) -> Result<()> {
        let directory = file_path
            .rsplit_once('/')
            .map_or("", |(directory, _)| directory);
        if self.directory.as_deref() != Some(directory) {
            make_dirs(&*self.fs, &self.paths.shard(), Path::new(directory))?;
            self.directory = Some(directory.to_owned());
        }
        Ok(())
    }

    fn append(&mut self, intent: &Intent, line: &Line) -> Result<()> {
        let path = self.paths.manifest();
        let write = || -> std::io::Result<()> {
            let mut file = self.fs.write_at(&path, intent.offset)?;
            file.write_all(intent.line.as_bytes())?;
            file.cut()?;
            file.sync()
        };
        write().map_err(Fault::io("append to", &path))?;
        if intent.offset == 0 {
            self.sync_dir(&self.paths.shard())?;
        }
        self.len = intent.offset + u64::try_from(intent.line.len()).unwrap_or(u64::MAX);
        self.last = line.clone();
        Ok(())
    }

    fn sync_parent(&self, path: &Path) -> Result<()> {
        self.sync_dir(path.parent().unwrap_or(path))
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.fs
            .sync_dir(path)
            .map_err(Fault::io("sync directory", path))
    }
}

#[cfg(test)]
mod tests;
