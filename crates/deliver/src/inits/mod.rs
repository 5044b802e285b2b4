//! The codec initialisation that the fragments of one shard need, kept in a file beside what is written.
//!
//! The last one is kept because the stream's retention may delete it while a camera's session goes on:
//! after a restart the fragments that follow must still be playable.

mod find;

use std::path::{Path, PathBuf};

use afflux_media::{Init, InitId, Limits};

pub(crate) use find::find_init;

use crate::fault::{Fault, Result};
use crate::fs::FileSystem;

/// What fragments are written with.
#[derive(Debug, Default)]
pub(crate) struct Inits {
    path: PathBuf,
    init: Option<Init>,
    /// An init that is not in the stream any more.
    lost: Option<InitId>,
}

/// Whether a fragment's init is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Yes,
    /// It has to be looked for.
    NotYet,
    /// It was looked for and is nowhere.
    Never,
}

impl Inits {
    /// Reads the init that was kept at `path`, if it is there and whole.
    pub(crate) fn load(fs: &dyn FileSystem, path: PathBuf) -> Result<Self> {
        let init = match fs.len(&path).map_err(Fault::io("look for", &path))? {
            Some(_) => {
                let mut body = Vec::new();
                let mut file = fs.read_at(&path, 0).map_err(Fault::io("open", &path))?;
                file.read_to_end(&mut body)
                    .map_err(Fault::io("read", &path))?;
                // A torn one is looked for in the stream like one that was never seen.
                Init::decode(&body.into(), &Limits::default()).ok()
            }
            None => None,
        };
        Ok(Self {
            path,
            init,
            lost: None,
        })
    }

    /// Takes an init for the fragments that name it, and keeps it.
    pub(crate) fn learn(&mut self, fs: &dyn FileSystem, init: Init) -> Result<()> {
        if self.init.as_ref().map(Init::id) != Some(init.id()) {
            keep(fs, &self.path, &init)?;
            self.init = Some(init);
        }
        Ok(())
    }

    /// Notes that an init was looked for and not found.
    pub(crate) fn give_up(&mut self, init: InitId) {
        self.lost = Some(init);
    }

    pub(crate) fn known(&self, id: InitId) -> Known {
        if self.init.as_ref().is_some_and(|init| init.id() == id) {
            return Known::Yes;
        }
        match self.lost == Some(id) {
            true => Known::Never,
            false => Known::NotYet,
        }
    }

    /// The last init.
    pub(crate) fn last(&self) -> Option<&Init> {
        self.init.as_ref()
    }
}

/// Replaces the init that is kept.
fn keep(fs: &dyn FileSystem, path: &Path, init: &Init) -> Result<()> {
    let temporary = path.with_extension("tmp");
    let write = || -> std::io::Result<()> {
        let mut file = fs.create(&temporary)?;
        for piece in init.encode() {
            file.write_all(&piece)?;
        }
        file.sync()?;
        fs.rename(&temporary, path)?;
        fs.sync_dir(path.parent().unwrap_or(path))
    };
    write().map_err(Fault::io("write", path))
}
