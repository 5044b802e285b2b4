//! The few file operations that a delivery needs, behind a trait so that tests can fail each one.
//!
//! Every durable step is explicit: data is durable after [`OutFile::sync`], a name after
//! [`FileSystem::sync_dir`] of its directory, and nothing else is promised.

mod disk;
mod long;
#[cfg(test)]
pub(crate) mod sim;

use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Component, Path};

pub(crate) use disk::Disk;

use crate::fault::{Fault, Result};

/// A place for files. All calls block.
pub(crate) trait FileSystem: Send + Sync + fmt::Debug {
    /// A new file, or an existing one emptied.
    fn create(&self, path: &Path) -> io::Result<Box<dyn OutFile>>;

    /// Like [`create`](Self::create), for a file that may be long: where the disk can, it is written past the
    /// page cache, and whoever reads it reads the disk. It is there once it is synced.
    fn create_long(&self, path: &Path) -> io::Result<Box<dyn OutFile>> {
        self.create(path)
    }

    /// A file opened or made to be written from `offset`; what is there stays until overwritten.
    fn write_at(&self, path: &Path, offset: u64) -> io::Result<Box<dyn OutFile>>;

    /// A file opened to be read from `offset`.
    fn read_at(&self, path: &Path, offset: u64) -> io::Result<Box<dyn Read + Send>>;

    /// The length of a file; `None` if there is none.
    fn len(&self, path: &Path) -> io::Result<Option<u64>>;

    /// Makes one directory; an existing one is fine, a missing parent is not.
    fn make_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Moves a file, replacing the one at `to`; atomic.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, sorted, and whether each is a directory.
    fn list(&self, path: &Path) -> io::Result<Vec<(String, bool)>>;
}

/// A file that is being written.
pub(crate) trait OutFile: Write + Send {
    /// Makes the bytes written so far, and the length, durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// Whether a path leads nowhere but below whatever it is put behind.
pub(crate) fn leads_below(path: &Path) -> bool {
    path.components()
        .all(|part| matches!(part, Component::Normal(_)))
}

/// Makes `relative` below the existing `root`, and every name on the way durable.
///
/// The root itself is never made: where it is missing, a disk may not be mounted.
pub(crate) fn make_dirs(fs: &dyn FileSystem, root: &Path, relative: &Path) -> Result<()> {
    let mut parent = root.to_owned();
    for part in relative.components() {
        let path = parent.join(part);
        fs.make_dir(&path)
            .map_err(Fault::io("make directory", &path))?;
        fs.sync_dir(&parent)
            .map_err(Fault::io("sync directory", &parent))?;
        parent = path;
    }
    Ok(())
}

/// Finds out whether files can be made durable in a directory, which must exist.
pub(crate) fn probe(fs: &dyn FileSystem, root: &Path) -> Result<()> {
    let path = root.join(PROBE);
    fs.list(root).map_err(Fault::io("list", root))?;
    let mut file = fs.create(&path).map_err(Fault::io("create", &path))?;
    let written = file.write_all(b"probe").and_then(|()| file.sync());
    written.map_err(Fault::io("write", &path))?;
    fs.remove(&path).map_err(Fault::io("remove", &path))?;
    fs.sync_dir(root).map_err(Fault::io("sync directory", root))
}

/// Made and removed again when something begins to write to a directory.
const PROBE: &str = ".afflux-probe";
