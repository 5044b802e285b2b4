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

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use afflux_types::{Position, ShardId, StreamName};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::line::{FileLine, Line, Start, Totals, VERSION, What, seal, unseal};
use crate::fault::{Fault, Result};
use crate::fs::{FileSystem, make_dirs};
use crate::names::{INTENT, ShardPaths};
use crate::write::hex;

/// Longest line that is looked for from a manifest's end; lines have below 2 KiB.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// Largest intent that is read: a line, escaped, and its frame.
const INTENT_BYTES_MAX: u64 = 4 * LINE_BYTES_MAX;

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

    fn read_intent(&self) -> Result<Option<Intent>> {
        let path = self.paths.intent();
        if self
            .fs
            .len(&path)
            .map_err(Fault::io("look for", &path))?
            .is_none()
        {
            return Ok(None);
        }
        let bytes = self.read(&path, 0, INTENT_BYTES_MAX)?;
        // A torn intent was never acted on: see the order above.
        let text = bytes.strip_suffix(b"\n");
        Ok(text.and_then(|text| unseal(text).ok()))
    }

    /// Completes what the intent says; false if its file is in neither place, and its records must
    /// be read from the stream again.
    fn redo(&mut self, intent: &Intent) -> Result<bool> {
        let path = self.paths.manifest();
        let damaged = |reason: String| Fault::Manifest {
            path: path.clone(),
            offset: intent.offset,
            reason,
        };
        let line = Line::decode(intent.line.trim_end().as_bytes()).map_err(damaged)?;
        let len = self
            .fs
            .len(&path)
            .map_err(Fault::io("look for", &path))?
            .unwrap_or(0);
        if len < intent.offset {
            return Err(damaged(format!("it has only {len} bytes")));
        }
        let there = match len {
            0 => Vec::new(),
            _ => self.read(&path, intent.offset, LINE_BYTES_MAX)?,
        };
        let listed = there == intent.line.as_bytes();
        if !listed {
            self.sync_intent(intent)?;
        }
        if !listed
            && let (What::File(file), Some(temporary)) = (&line.what, &intent.temporary)
            && !self.place_again(file, temporary)?
        {
            self.cut(intent.offset)?;
            return Ok(false);
        }
        // Also if it is listed: a failed sync may have left the line in memory only.
        self.append(intent, &line)?;
        Ok(true)
    }

    fn place_again(&mut self, file: &FileLine, temporary: &str) -> Result<bool> {
        let path = self.paths.shard().join(&file.path);
        if self
            .fs
            .len(&path)
            .map_err(Fault::io("look for", &path))?
            .is_some()
        {
            if !self.holds(&path, file)? {
                return Err(Fault::InTheWay { path });
            }
            self.make_directory(&file.path)?;
            self.sync_parent(&path)?;
            return Ok(true);
        }
        let complete = self.holds(&self.paths.open().join(temporary), file)?;
        if complete {
            self.place(file, temporary)?;
        }
        Ok(complete)
    }

    /// Whether the file at `path` is the one that `line` describes.
    fn holds(&self, path: &Path, line: &FileLine) -> Result<bool> {
        if self.fs.len(path).map_err(Fault::io("look for", path))? != Some(line.bytes) {
            return Ok(false);
        }
        let mut file = self.fs.read_at(path, 0).map_err(Fault::io("open", path))?;
        let (mut digest, mut buffer) = (Md5::new(), vec![0; 64 << 10]);
        loop {
            let count = file.read(&mut buffer).map_err(Fault::io("read", path))?;
            match buffer.get(..count) {
                Some([]) | None => return Ok(hex(&digest.finalize()) == line.md5),
                Some(bytes) => digest.update(bytes),
            }
        }
    }

    /// Reads the last line, and cuts off what follows it.
    fn read_tail(&mut self) -> Result<()> {
        let path = self.paths.manifest();
        let len = self
            .fs
            .len(&path)
            .map_err(Fault::io("look for", &path))?
            .unwrap_or(0);
        if len == 0 {
            return Ok(());
        }
        let from = len.saturating_sub(LINE_BYTES_MAX);
        let bytes = self.read(&path, from, LINE_BYTES_MAX)?;
        let mut pieces = bytes.rsplitn(3, |&byte| byte == b'\n');
        let torn = pieces.next().unwrap_or_default();
        let end = len - u64::try_from(torn.len()).unwrap_or(0);
        if !torn.is_empty() {
            self.cut(end)?;
        }
        if end == 0 {
            return Ok(());
        }
        let text = pieces.next().unwrap_or_default();
        let offset = end.saturating_sub(u64::try_from(text.len()).unwrap_or(0) + 1);
        self.last = Line::decode(text).map_err(|reason| Fault::Manifest {
            path,
            offset,
            reason,
        })?;
        self.len = end;
        Ok(())
    }

    fn check_identity(&self, identity: &Identity) -> Result<()> {
        let path = self.paths.manifest();
        let bytes = self.read(&path, 0, LINE_BYTES_MAX)?;
        let text = bytes
            .split(|&byte| byte == b'\n')
            .next()
            .unwrap_or_default();
        let damaged = |reason| Fault::Manifest {
            path: path.clone(),
            offset: 0,
            reason,
        };
        let first = Line::decode(text).map_err(damaged)?;
        let What::Start(start) = first.what else {
            return Err(damaged("its first line is not a start".into()));
        };
        if start.version != VERSION {
            return Err(damaged(format!(
                "it has version {}; version {VERSION} is known",
                start.version
            )));
        }
        if start.stream_identity != identity.stream_identity
            || start.stream != identity.stream.as_str()
        {
            return Err(Fault::OtherStream {
                path: self.paths.shard(),
                found: start.stream_identity,
                expected: identity.stream_identity.clone(),
            });
        }
        Ok(())
    }

    fn remove_temporaries(&self) -> Result<()> {
        let hidden = self.paths.open();
        let names = self.fs.list(&hidden).map_err(Fault::io("list", &hidden))?;
        for (name, is_dir) in names {
            if !is_dir && name != INTENT {
                let path = hidden.join(name);
                self.fs.remove(&path).map_err(Fault::io("remove", &path))?;
            }
        }
        Ok(())
    }

    fn read(&self, path: &Path, offset: u64, bytes_max: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = self
            .fs
            .read_at(path, offset)
            .map_err(Fault::io("open", path))?;
        file.take(bytes_max)
            .read_to_end(&mut bytes)
            .map_err(Fault::io("read", path))?;
        Ok(bytes)
    }

    fn cut(&self, len: u64) -> Result<()> {
        let path = self.paths.manifest();
        let cut = || -> std::io::Result<()> {
            let mut file = self.fs.write_at(&path, len)?;
            file.cut()?;
            file.sync()
        };
        cut().map_err(Fault::io("cut", &path))
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
