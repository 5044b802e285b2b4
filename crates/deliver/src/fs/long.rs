//! A long file that is written from its beginning to its end: past the page cache, where the disk can.
//!
//! Writing a byte into the page cache costs a fresh page, a copy, and work when it is synced, and drives out
//! what readers of the log want. What is short, and the end of what is long, goes through it.

use std::fs::File;
use std::io::{self, Write};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::OutFile;

/// What disks ask of the place in the file and in memory.
const ALIGNMENT: usize = 4_096;
/// Bytes of a write.
const WRITE_BYTES: usize = 1 << 20;

/// A file that was just made.
#[derive(Debug)]
pub(crate) struct LongFile {
    file: File,
    /// What is not written yet lies behind `begin`, where its address is aligned.
    buffer: Vec<u8>,
    begin: usize,
    way: Way,
}

/// How a write goes to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Past the page cache, if the disk can.
    Direct,
    /// Through the page cache.
    Cached,
}

impl LongFile {
    pub(crate) fn new(file: File) -> Self {
        Self {
            file,
            buffer: Vec::new(),
            begin: 0,
            way: Way::Direct,
        }
    }

    /// Makes room, at an aligned address that stays as long as the file.
    fn reserve(&mut self) {
        if self.buffer.capacity() == 0 {
            self.buffer.reserve_exact(WRITE_BYTES + ALIGNMENT);
            self.begin = self.buffer.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
            self.buffer.resize(self.begin, 0);
        }
    }

    fn waiting(&self) -> &[u8] {
        self.buffer.get(self.begin..).unwrap_or_default()
    }

    /// Writes a full buffer.
    fn write_full(&mut self) -> io::Result<()> {
        if self.way == Way::Direct {
            match self.switch(Way::Direct).and_then(|()| self.write_waiting()) {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                written => return written,
            }
            self.way = Way::Cached;
            self.switch(Way::Cached)?;
        }
        self.write_waiting()
    }

    fn write_waiting(&mut self) -> io::Result<()> {
        while let Some(waiting) = self.buffer.get(self.begin..)
            && !waiting.is_empty()
        {
            let written = self.file.write(waiting)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            // What is left moves to where it is aligned again, as its place in the file is.
            self.buffer.drain(self.begin..self.begin + written);
        }
        Ok(())
    }

    fn switch(&self, way: Way) -> io::Result<()> {
        let mut flags = fcntl_getfl(&self.file)?;
        flags.set(OFlags::DIRECT, way == Way::Direct);
        Ok(fcntl_setfl(&self.file, flags)?)
    }
}

impl Write for LongFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.reserve();
        let room = WRITE_BYTES - self.waiting().len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.buffer.extend_from_slice(taken);
        if taken.len() == room {
            self.write_full()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl OutFile for LongFile {
    fn sync(&mut self) -> io::Result<()> {
        if !self.waiting().is_empty() {
            // Its length is not one that can go past the page cache.
            self.switch(Way::Cached)?;
            self.write_waiting()?;
            self.way = Way::Cached;
        }
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;

    /// Writes so many bytes in pieces of `piece` and gives what the file has then.
    fn write(directory: &std::path::Path, len: usize, piece: usize) -> (Vec<u8>, Vec<u8>) {
        let path = directory.join(format!("{len}-{piece}"));
        let bytes: Vec<u8> = (0..=250).cycle().take(len).collect();
        let mut file = LongFile::new(File::create(&path).unwrap());
        for piece in bytes.chunks(piece) {
            file.write_all(piece).unwrap();
        }
        file.sync().unwrap();
        (bytes, fs::read(path).unwrap())
    }

    #[test]
    fn a_file_of_any_length_holds_what_was_written() {
        // A file system that has a disk, and one of memory that knows no other way than its own.
        for directory in [env::temp_dir(), "/dev/shm".into()] {
            let directory = tempfile::tempdir_in(directory).unwrap();
            for len in [
                0,
                1,
                ALIGNMENT,
                WRITE_BYTES - 1,
                WRITE_BYTES,
                3 * WRITE_BYTES + 4_097,
            ] {
                for piece in [1_000, WRITE_BYTES, 5 * WRITE_BYTES] {
                    let (written, found) = write(directory.path(), len, piece);
                    assert!(written == found, "{len} bytes in pieces of {piece}");
                }
            }
        }
    }

    #[test]
    fn a_file_that_is_synced_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let mut file = LongFile::new(File::create(&path).unwrap());
        let bytes = vec![7; WRITE_BYTES + 10];
        for times in 1..4 {
            file.write_all(&bytes).unwrap();
            file.sync().unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes.repeat(times));
        }
    }
}
