//! A disk that is soon full: a small file system in memory.

use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;

/// A mounted file system of a few megabytes, unmounted on drop.
#[derive(Debug)]
pub struct Small {
    directory: TempDir,
}

impl Small {
    /// Mounts a file system of `megabytes`; `None`, with the reason printed, where that is not
    /// allowed, which it is for root.
    #[must_use]
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    pub fn mount(megabytes: u32) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let options = std::ffi::CString::new(format!("size={megabytes}m")).expect("no zero inside");
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        match mount(
            "tmpfs",
            directory.path(),
            "tmpfs",
            flags,
            options.as_c_str(),
        ) {
            Ok(()) => Some(Self { directory }),
            Err(error) => {
                eprintln!("skipped: a small file system cannot be mounted here: {error}");
                None
            }
        }
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Fills all space but `left` bytes with one file, which is to be removed to free the space.
    ///
    /// # Panics
    /// If the file cannot be written.
    #[must_use]
    pub fn fill(&self, left: u64) -> PathBuf {
        let path = self.path().join("ballast");
        let stat = rustix::fs::statvfs(self.path()).expect("a mounted file system has statistics");
        let bytes = (stat.f_bavail * stat.f_frsize).saturating_sub(left);
        let file = std::fs::File::create(&path).expect("ballast can be created");
        let flags = rustix::fs::FallocateFlags::empty();
        rustix::fs::fallocate(&file, flags, 0, bytes).expect("ballast fits into the free space");
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Detached: a server that is still being reaped may hold a file open.
        let _ = unmount(self.directory.path(), UnmountFlags::DETACH);
    }
}
