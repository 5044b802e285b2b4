//! Brings a shard's directory into order after whatever has happened.

use std::io::Read;
use std::path::Path;

use md5::{Digest, Md5};

use super::{Identity, Intent, Journal};
use crate::fault::{Fault, Result};
use crate::manifest::line::{FileLine, Line, VERSION, What, unseal};
use crate::names::{INIT, INTENT};
use crate::write::hex;

/// Longest line that is looked for from a manifest's end; lines have below 2 KiB.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// Largest intent that is read: a line, escaped, and its frame.
const INTENT_BYTES_MAX: u64 = 4 * LINE_BYTES_MAX;

impl Journal {
    pub(super) fn read_intent(&self) -> Result<Option<Intent>> {
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
        // A torn intent was never acted on: see the order of commits.
        let text = bytes.strip_suffix(b"\n");
        Ok(text.and_then(|text| unseal(text).ok()))
    }

    /// Completes what the intent says; false if its file is in neither place, and its records must
    /// be read from the stream again.
    pub(super) fn redo(&mut self, intent: &Intent) -> Result<bool> {
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
    pub(super) fn read_tail(&mut self) -> Result<()> {
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

    pub(super) fn check_identity(&self, identity: &Identity) -> Result<()> {
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

    pub(super) fn remove_temporaries(&self) -> Result<()> {
        let hidden = self.paths.open();
        let names = self.fs.list(&hidden).map_err(Fault::io("list", &hidden))?;
        for (name, is_dir) in names {
            if !is_dir && name != INTENT && name != INIT {
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
}
