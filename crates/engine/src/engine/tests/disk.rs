//! The machine's file system with a switch for a full disk and one for a broken one.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use afflux_log::{Disk, FileSystem, LogFile, OpenMode};

#[derive(Debug, Default)]
pub(super) struct Faults {
    full: AtomicBool,
    broken: AtomicBool,
}

impl Faults {
    pub(super) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    pub(super) fn break_syncs(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    fn check_sync(&self) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is broken"));
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct FaultyDisk(pub(super) Arc<Faults>);

impl FileSystem for FaultyDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn LogFile>> {
        Ok(Arc::new(FaultyFile {
            file: Disk.open(path, mode)?,
            faults: Arc::clone(&self.0),
        }))
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        Disk.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        Disk.list(dir)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        Disk.remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        Disk.remove_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Disk.sync_dir(dir)
    }

    fn sync_all(&self, dir: &Path) -> io::Result<()> {
        self.0.check_sync()?;
        Disk.sync_all(dir)
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: Arc<dyn LogFile>,
    faults: Arc<Faults>,
}

impl LogFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.file.write_at(pieces, offset)
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        if self.faults.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.reserve(len)
    }

    fn release(&self, offset: u64, len: u64) -> io::Result<()> {
        self.file.release(offset, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.check_sync()?;
        self.file.sync()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn lock(&self) -> io::Result<bool> {
        self.file.lock()
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.descriptor()
    }
}
