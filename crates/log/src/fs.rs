//! The file system as the log uses it: a small trait, so that tests can inject faults and rebuild
//! what a crash leaves behind, and the machine's own implementation.
//!
//! What the log assumes of an implementation is listed in FORMAT.md, "What is assumed of the disk".

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation, SeekFrom};
use rustix::io::Errno;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must exist.
    Read,
    /// It must exist.
    Write,
    /// It must not exist.
    CreateNew,
    /// It is made if it does not exist; its bytes are kept.
    Create,
    /// It is made if it does not exist, and emptied.
    Truncate,
}

/// Opens, lists and removes files.
pub trait FileSystem: Debug + Send + Sync {
    /// Opens a file.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn LogFile>>;

    /// Makes a folder and those above it; one that exists is fine.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// The names in a folder, in no order.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Removes a file; maps and open files keep its bytes.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name, replacing the file that has it.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes everything on the file system that holds `dir` durable: bytes, lengths and names.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn sync_all(&self, dir: &Path) -> io::Result<()>;
}

/// One open file.
#[allow(
    clippy::len_without_is_empty,
    reason = "a log file is never asked whether it is empty"
)]
pub trait LogFile: Debug + Send + Sync {
    /// Reads into `buffer` from `offset`; zero at the end of the file.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes `pieces`, one after the other, at `offset`; may write less than all.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn write_at(&self, pieces: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;

    /// Reserves disk for bytes 0 to `len` and makes the file that long. New bytes read as zero.
    ///
    /// # Errors
    /// As the operating system reports them; a full disk shows here.
    fn reserve(&self, len: u64) -> io::Result<()>;

    /// Gives back the disk behind bytes from `offset` to the end; the length stays.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn release(&self, offset: u64, len: u64) -> io::Result<()>;

    /// The first bytes from `offset` on that may be other than zero; `None` if there are none.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        Ok(Some(offset..u64::MAX))
    }

    /// Makes the bytes durable, and the length if it changed.
    ///
    /// # Errors
    /// As the operating system reports them. Afterwards it is unknown what is durable.
    fn sync(&self) -> io::Result<()>;

    /// The file's length.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn len(&self) -> io::Result<u64>;

    /// Takes the file's lock for this process; false if another process has it.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn lock(&self) -> io::Result<bool>;

    /// The descriptor to map.
    fn descriptor(&self) -> BorrowedFd<'_>;
}

/// The machine's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl FileSystem for Disk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn LogFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(mode != OpenMode::Read);
        match mode {
            OpenMode::Read | OpenMode::Write => {}
            OpenMode::CreateNew => {
                options.create_new(true);
            }
            OpenMode::Create => {
                options.create(true).truncate(false);
            }
            OpenMode::Truncate => {
                options.create(true).truncate(true);
            }
        }
        Ok(Arc::new(options.open(path)?))
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(dir)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn sync_all(&self, dir: &Path) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(dir)?)?)
    }
}

impl LogFile for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::pwritev(self, pieces, offset)?)
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(self, FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP) => write_zeros(self, 0, len),
            Err(error) => Err(error.into()),
        }
    }

    fn release(&self, offset: u64, len: u64) -> io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(self, flags, offset, len) {
            // Without holes the space returns when the segment is deleted.
            Ok(()) | Err(Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        let start = match rustix::fs::seek(self, SeekFrom::Data(offset)) {
            Ok(start) => start,
            Err(Errno::NXIO) => return Ok(None),
            // Without holes everything may be data.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => offset,
            Err(error) => return Err(error.into()),
        };
        let end = rustix::fs::seek(self, SeekFrom::Hole(start)).unwrap_or(u64::MAX);
        Ok(Some(start..end))
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn lock(&self) -> io::Result<bool> {
        match rustix::fs::flock(self, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

/// Pieces of one write call: what Linux takes.
const PIECES_MAX: usize = 1_024;
/// Bytes of one write call. Gather writes are fastest while their source stays in the cache.
const WRITE_BYTES: usize = 1 << 20;

/// Writes all `pieces`, one after the other, at `offset`.
pub(crate) fn write_all_at<'a>(
    file: &dyn LogFile,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    mut offset: u64,
) -> io::Result<()> {
    let mut call = Vec::with_capacity(16);
    let mut bytes = 0;
    for piece in pieces {
        if piece.is_empty() {
            continue;
        }
        call.push(IoSlice::new(piece));
        bytes += piece.len();
        if call.len() == PIECES_MAX || bytes >= WRITE_BYTES {
            offset = write_call(file, &mut call, offset)?;
            call.clear();
            bytes = 0;
        }
    }
    if !call.is_empty() {
        write_call(file, &mut call, offset)?;
    }
    Ok(())
}

/// Writes one call's pieces and returns the offset after them. A short write is continued.
fn write_call(file: &dyn LogFile, pieces: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<u64> {
    let mut rest = pieces;
    while !rest.is_empty() {
        match file.write_at(rest, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                offset += written as u64;
                IoSlice::advance_slices(&mut rest, written);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(offset)
}

/// Fills `buffer` from `offset`, or as much as the file has; returns the bytes read.
pub(crate) fn read_full_at(
    file: &dyn LogFile,
    buffer: &mut [u8],
    offset: u64,
) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes zeros from `offset` to `end`.
pub(crate) fn write_zeros(file: &dyn LogFile, mut offset: u64, end: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    while offset < end {
        let call = usize::try_from(end - offset).map_or(ZEROS.len(), |rest| rest.min(ZEROS.len()));
        write_all_at(file, [&ZEROS[..call]], offset)?;
        offset += call as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathered_pieces_land_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let file = Disk
            .open(&dir.path().join("f"), OpenMode::CreateNew)
            .unwrap();
        let pieces: Vec<Vec<u8>> = (0..3_000_usize)
            .map(|i| i.to_string().into_bytes())
            .collect();
        write_all_at(&*file, pieces.iter().map(Vec::as_slice), 7).unwrap();
        let mut read = vec![1; 7 + pieces.concat().len()];
        assert_eq!(
            read_full_at(&*file, &mut read, 0).unwrap() as u64,
            file.len().unwrap()
        );
        assert_eq!(read[7..], pieces.concat());
        assert_eq!(read[..7], [0; 7]);
    }

    #[test]
    fn a_full_lock_is_seen_by_the_second_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("LOCK");
        let first = Disk.open(&path, OpenMode::Create).unwrap();
        let second = Disk.open(&path, OpenMode::Create).unwrap();
        assert!(first.lock().unwrap());
        assert!(!second.lock().unwrap());
        drop(first);
        assert!(second.lock().unwrap());
    }
}
