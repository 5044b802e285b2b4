//! The files of a delivery stream that is not delivered yet, in a directory of the server's.
//!
//! ```text
//! 0000000000000007-000003.part     what an object is to hold, as far as memory had no room for it
//! 0000000000000007-000003.object   the same as it is delivered, complete and durable
//! 0000000000000007-000003.object.given-up  the error object of a request that no endpoint took
//! 0000000000000007.intent          which of these become which objects: the batch is complete
//! 0000000000000007.reel            what the playlist that goes on has with that batch
//! init                             the codec initialisation that was seen last
//! ```
//!
//! # Invariants
//! - An intent is durable before the first of its objects is delivered, and its files before it.
//! - What belongs to no intent is removed when the spool is opened: its records are read again. The reel of
//!   the last batch that was delivered stays.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use afflux_transform::{Compression, Encoder};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::endpoint::Request;
use super::output::{Output, complete, output};
use super::settings::Place;
use super::state::{DeliveryTotals, Places};
use super::tables::Append;
use super::video::Reel;
use crate::fault::{Fault, Result};
use crate::fs::{FileSystem, make_dirs};
use crate::seal::{seal, unseal};

const INTENT: &str = "intent";
const INTENT_TEMPORARY: &str = "intent-temporary";
const PART: &str = "part";
const OBJECT: &str = "object";
const GIVEN_UP: &str = "given-up";
const REEL: &str = "reel";
const INIT: &str = "init";

/// Bytes that are read or written at once.
const CHUNK_BYTES: usize = 256 << 10;

/// A complete batch: what is to be delivered, and how far the delivery stream is afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) batch: u64,
    pub(crate) places: Places,
    /// Of this batch.
    pub(crate) totals: DeliveryTotals,
    /// When the newest of its records had arrived, in milliseconds since 1970-01-01 UTC.
    pub(crate) newest_arrival: i64,
    pub(crate) objects: Vec<Planned>,
    /// The objects that become part of a table once all are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) append: Option<Append>,
}

/// An object that is to be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Planned {
    #[serde(default, skip_serializing_if = "Holding::is_records")]
    pub(crate) holding: Holding,
    pub(crate) place: Place,
    pub(crate) key: String,
    /// Its file in the spool.
    pub(crate) file: String,
    pub(crate) bytes: u64,
    /// What stores are told of its form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) encoding: Option<String>,
    /// The file is not an object but holds the records of this request; an object is made of it if the request is
    /// given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<Request>,
}

/// What an object holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Holding {
    #[default]
    Records,
    Video,
    /// It replaces the one that has its name, and is written after the objects of its batch.
    Playlist,
    /// What the batch brought; it is written after everything else of the batch.
    Manifest,
}

impl Holding {
    fn is_records(&self) -> bool {
        *self == Self::Records
    }

    /// What stores are told of it.
    pub(crate) fn media_type(self) -> Option<&'static str> {
        match self {
            Self::Records => None,
            Self::Video => Some("video/mp4"),
            Self::Playlist => Some("application/vnd.apple.mpegurl"),
            Self::Manifest => Some("application/json"),
        }
    }
}

impl Planned {
    /// An object that is as its bytes are.
    pub(crate) fn plain(place: Place, key: String, bytes: u64) -> Self {
        Self {
            holding: Holding::Records,
            place,
            key,
            file: String::new(),
            bytes,
            encoding: None,
            request: None,
        }
    }

    pub(crate) fn is_playlist(&self) -> bool {
        self.holding == Holding::Playlist
    }

    /// Whether it is there to be counted: not what says what others are, or what somebody else takes.
    pub(crate) fn is_counted(&self) -> bool {
        self.request.is_none() && matches!(self.holding, Holding::Records | Holding::Video)
    }
}

/// How an object is compressed, and its id.
type Form = (Compression, [u8; 16]);

/// The directory.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    pub(crate) fs: Arc<dyn FileSystem>,
    directory: PathBuf,
    /// Directories for objects whose names are known to be durable: making sure costs four syncs.
    made: Arc<Mutex<BTreeSet<PathBuf>>>,
    /// Whether objects are digested as they are written.
    digests: bool,
}

/// A file that is an object.
#[derive(Debug)]
pub(crate) struct Written {
    /// Its name in the spool.
    pub(crate) file: String,
    pub(crate) bytes: u64,
    /// In hexadecimal, if the spool digests.
    pub(crate) sha256: Option<String>,
}

/// Directories that are remembered.
const MADE_MAX: usize = 4_096;

impl Spool {
    /// The spool of a delivery stream below the existing directory `root`.
    pub(crate) fn new(fs: Arc<dyn FileSystem>, root: &Path, delivery: u64) -> Self {
        let directory = root.join(SPOOLS).join(format!("{delivery:016x}"));
        Self {
            fs,
            directory,
            made: Arc::default(),
            digests: false,
        }
    }

    /// The same spool, whose objects are digested as they are written if `digests`.
    pub(crate) fn digesting(self, digests: bool) -> Self {
        Self { digests, ..self }
    }

    /// Makes the directory, finds the batch after `batches` if it is complete, and removes all else.
    pub(crate) fn open(&self, root: &Path, batches: u64) -> Result<Option<Intent>> {
        let relative = self.directory.strip_prefix(root).unwrap_or(&self.directory);
        make_dirs(&*self.fs, root, relative)?;
        let intent = self.read_intent(batches + 1)?;
        for (name, _) in self.names()? {
            let is_wanted = intent.as_ref().is_some_and(|intent| {
                name == intent_name(intent.batch)
                    || name == reel_name(intent.batch)
                    || intent.objects.iter().any(|object| object.file == name)
            });
            if !is_wanted && name != INIT && name != reel_name(batches) {
                self.remove(&name)?;
            }
        }
        Ok(intent)
    }

    /// Removes the directory's files, for a delivery stream that is no more.
    pub(crate) fn clear(&self) -> Result<()> {
        if self.fs.list(&self.directory).is_err() {
            return Ok(());
        }
        self.names()?
            .iter()
            .try_for_each(|(name, _)| self.remove(name))
    }

    /// Makes a complete batch durable, after its files.
    pub(crate) fn commit(&self, intent: &Intent) -> Result<()> {
        let temporary = self.directory.join(INTENT_TEMPORARY);
        let path = self.directory.join(intent_name(intent.batch));
        let mut file = self
            .fs
            .create(&temporary)
            .map_err(Fault::io("create", &temporary))?;
        file.write_all(seal(intent).as_bytes())
            .and_then(|()| file.sync())
            .map_err(Fault::io("write", &temporary))?;
        drop(file);
        self.fs
            .rename(&temporary, &path)
            .map_err(Fault::io("rename", &temporary))?;
        self.sync()
    }

    /// Removes a batch that was delivered: first its intent, so that none is without its files. Its reel stays
    /// instead of the one before.
    pub(crate) fn forget(&self, intent: &Intent) -> Result<()> {
        self.remove(&intent_name(intent.batch))?;
        self.sync()?;
        let files = intent.objects.iter().map(|object| object.file.clone());
        let reel = reel_name(intent.batch.saturating_sub(1));
        let reel = intent
            .objects
            .iter()
            .any(Planned::is_playlist)
            .then_some(reel);
        for name in files.chain(reel) {
            if self.has(&name)? {
                self.remove(&name)?;
            }
        }
        Ok(())
    }

    /// The file of the codec initialisation that was seen last.
    pub(crate) fn init(&self) -> PathBuf {
        self.path(INIT)
    }

    /// Keeps what the playlist that goes on has with a batch, durable but for its name.
    pub(crate) fn write_reel(&self, batch: u64, reel: &Reel) -> Result<()> {
        let path = self.path(&reel_name(batch));
        let mut file = self.fs.create(&path).map_err(Fault::io("create", &path))?;
        file.write_all(seal(reel).as_bytes())
            .and_then(|()| file.sync())
            .map_err(Fault::io("write", &path))
    }

    /// What the playlist that goes on has with the last batch that was delivered.
    pub(crate) fn read_reel(&self, batches: u64) -> Result<Option<Reel>> {
        self.read_sealed(&reel_name(batches))
    }

    /// Makes the `index`th of a batch's objects, a request that was given up, an object of these bytes. The batch
    /// has it, durably, instead of the request.
    pub(crate) fn give_up(
        &self,
        intent: &mut Intent,
        index: usize,
        form: Form,
        bytes: &[u8],
    ) -> Result<()> {
        let Some(object) = intent.objects.get_mut(index) else {
            return Ok(());
        };
        let name = format!("{}.{GIVEN_UP}", object.file);
        let path = self.path(&name);
        let file = self.fs.create(&path).map_err(Fault::io("create", &path))?;
        let written = self.encode(output(file, false), form, None, bytes);
        let written = written.and_then(complete);
        (object.bytes, _) = written.map_err(Fault::io("write", &path))?;
        object.request = None;
        let records = std::mem::replace(&mut object.file, name);
        self.sync()?;
        self.commit(intent)?;
        self.remove(&records)
    }

    /// Makes a directory for objects, `relative` below the existing `root`.
    pub(crate) fn make_dirs(&self, root: &Path, relative: &Path) -> Result<()> {
        let path = root.join(relative);
        if self.made.lock().contains(&path) {
            return Ok(());
        }
        make_dirs(&*self.fs, root, relative)?;
        let mut made = self.made.lock();
        if made.len() >= MADE_MAX {
            made.clear();
        }
        made.insert(path);
        Ok(())
    }

    /// Looks anew for directories when they are needed again.
    pub(crate) fn forget_dirs(&self) {
        self.made.lock().clear();
    }

    /// A file of the spool.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A part that grows beyond memory.
    pub(crate) fn part(&self, batch: u64, index: u32) -> PartFile {
        PartFile {
            path: self.path(&format!("{batch:016x}-{index:06}.{PART}")),
            len: 0,
        }
    }

    /// Puts `bytes` behind what a part has.
    pub(crate) fn append(&self, part: &mut PartFile, bytes: &[u8]) -> Result<()> {
        let file = match part.len {
            0 => self.fs.create(&part.path),
            len => self.fs.write_at(&part.path, len),
        };
        let mut file = file.map_err(Fault::io("open", &part.path))?;
        file.write_all(bytes)
            .map_err(Fault::io("write", &part.path))?;
        part.len = part
            .len
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Writes an object in its form, which has its id: what its part has, then the rest; the part's file is removed.
    /// It is durable, but for its name.
    pub(crate) fn object(
        &self,
        index: (u64, u32),
        form: Form,
        (part, rest): (Option<&PartFile>, &[u8]),
    ) -> Result<Written> {
        self.write(index, part, |output| self.encode(output, form, part, rest))
    }

    /// As [`object`](Self::object), with what `make` makes of these bytes.
    pub(crate) fn make(
        &self,
        index: (u64, u32),
        (part, rest): (Option<&PartFile>, &[u8]),
        make: impl FnOnce(&mut dyn Read, Output) -> io::Result<Output>,
    ) -> Result<Written> {
        self.write(index, part, |output| {
            let Some(part) = part else {
                return make(&mut &*rest, output);
            };
            let file = self.fs.read_at(&part.path, 0)?.take(part.len);
            let file = BufReader::with_capacity(CHUNK_BYTES, file);
            make(&mut file.chain(rest), output)
        })
    }

    fn write(
        &self,
        (batch, index): (u64, u32),
        part: Option<&PartFile>,
        write: impl FnOnce(Output) -> io::Result<Output>,
    ) -> Result<Written> {
        let file = format!("{batch:016x}-{index:06}.{OBJECT}");
        let path = self.path(&file);
        let out = self.fs.create_long(&path);
        let out = out.map_err(Fault::io("create", &path))?;
        let written = write(output(out, self.digests)).and_then(complete);
        let (bytes, sha256) = written.map_err(Fault::io("write", &path))?;
        if let Some(part) = part {
            self.fs
                .remove(&part.path)
                .map_err(Fault::io("remove", &part.path))?;
        }
        Ok(Written {
            file,
            bytes,
            sha256,
        })
    }

    fn encode(
        &self,
        output: Output,
        (compression, id): Form,
        part: Option<&PartFile>,
        rest: &[u8],
    ) -> io::Result<Output> {
        let mut encoder = Encoder::new(compression, output, id)?;
        if let Some(part) = part {
            let mut from = self.fs.read_at(&part.path, 0)?.take(part.len);
            let mut chunk = vec![0; CHUNK_BYTES];
            loop {
                let read = from.read(&mut chunk)?;
                match chunk.get(..read) {
                    Some(read) if !read.is_empty() => encoder.write_all(read)?,
                    _ => break,
                }
            }
        }
        encoder.write_all(rest)?;
        encoder.finish()
    }

    /// Makes the names of files durable.
    pub(crate) fn sync(&self) -> Result<()> {
        self.fs
            .sync_dir(&self.directory)
            .map_err(Fault::io("sync directory", &self.directory))
    }

    fn read_intent(&self, batch: u64) -> Result<Option<Intent>> {
        self.read_sealed(&intent_name(batch))
    }

    /// What a file holds that was sealed; `None` if there is none.
    fn read_sealed<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        if !self.has(name)? {
            return Ok(None);
        }
        let path = self.path(name);
        let mut text = Vec::new();
        self.fs
            .read_at(&path, 0)
            .and_then(|mut file| file.read_to_end(&mut text))
            .map_err(Fault::io("read", &path))?;
        let line = text.strip_suffix(b"\n").unwrap_or(&text);
        match unseal(line) {
            Ok(sealed) => Ok(Some(sealed)),
            Err(reason) => Err(Fault::File { path, reason }),
        }
    }

    fn has(&self, name: &str) -> Result<bool> {
        let path = self.path(name);
        let len = self.fs.len(&path).map_err(Fault::io("look at", &path))?;
        Ok(len.is_some())
    }

    fn names(&self) -> Result<Vec<(String, bool)>> {
        self.fs
            .list(&self.directory)
            .map_err(Fault::io("list", &self.directory))
    }

    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        self.fs.remove(&path).map_err(Fault::io("remove", &path))
    }
}

/// Below the data directory.
const SPOOLS: &str = "delivery";

/// A file that holds the beginning of a part.
#[derive(Debug)]
pub(crate) struct PartFile {
    path: PathBuf,
    len: u64,
}

fn reel_name(batch: u64) -> String {
    format!("{batch:016x}.{REEL}")
}

fn intent_name(batch: u64) -> String {
    format!("{batch:016x}.{INTENT}")
}
