//! Fragments on disk until they are durable on the server.
//!
//! # Shape
//! A directory with the file `session` (32 hexadecimal digits) and one file for each fragment, named
//! by its number in 20 digits and `.fragment`. A fragment's file is what goes over the wire: an
//! `UploadInit`, a `FragmentStart`, `FragmentData` and a `FragmentEnd`.
//!
//! Invariants: a file with its final name is whole and synced; the numbers of the files have no gap;
//! a session is continued only while it has files, so a lost directory never reuses numbers.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use afflux_types::{Error, ErrorKind, Result};
use afflux_wire::message::{FragmentEnd, FragmentStart, UploadInit};
use afflux_wire::{Decoder, EntryLimits, Frame, Item, Stamped};
use bytes::Bytes;

use super::options::SessionId;

/// Bytes of data in one frame of a file.
const DATA_BYTES: usize = 256 << 10;

/// A spool directory. Every method blocks on the disk.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Held by an advisory lock for as long as the uploader lives.
    _lock: std::sync::Arc<File>,
}

/// What a directory held when it was opened.
pub(super) struct Found {
    pub(super) session: SessionId,
    /// The first fragment's number, and the bytes of each file from there.
    pub(super) first: u64,
    pub(super) bytes: Vec<u64>,
}

/// A fragment as a file has it.
#[derive(Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) init: Bytes,
    pub(super) start: FragmentStart,
    pub(super) data: Vec<Bytes>,
}

impl Directory {
    /// Opens a spool, and makes it if there is none.
    pub(super) fn open(path: &Path) -> Result<(Self, Found)> {
        fs::create_dir_all(path).map_err(|error| failed("create", path, error))?;
        let lock_path = path.join("LOCK");
        let lock = File::create(&lock_path).map_err(|error| failed("create", &lock_path, error))?;
        lock.try_lock().map_err(|error| {
            let message = format!("spool {} belongs to another uploader", path.display());
            Error::new(ErrorKind::InUse, message).with_source(error)
        })?;
        let directory = Self {
            path: path.to_owned(),
            _lock: std::sync::Arc::new(lock),
        };
        let found = directory.scan()?;
        Ok((directory, found))
    }

    fn scan(&self) -> Result<Found> {
        let mut files = Vec::new();
        let listed = fs::read_dir(&self.path).map_err(|e| failed("list", &self.path, e))?;
        for entry in listed {
            let entry = entry.map_err(|error| failed("list", &self.path, error))?;
            let path = entry.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            match (extension, stem.and_then(|stem| stem.parse().ok())) {
                (Some("fragment"), Some(number)) => {
                    let meta = entry.metadata().map_err(|e| failed("read", &path, e))?;
                    files.push((number, meta.len()));
                }
                // Left behind by a crash.
                (Some("partial"), _) => {
                    fs::remove_file(&path).map_err(|error| failed("remove", &path, error))?;
                }
                _ => {}
            }
        }
        files.sort_unstable();
        let first = files.first().map_or(0, |(number, _): &(u64, u64)| *number);
        for ((number, _), expected) in files.iter().zip(first..) {
            if *number != expected {
                return Err(Error::new(
                    ErrorKind::DataLoss,
                    format!("spool {} has no fragment {expected}", self.path.display()),
                ));
            }
        }
        let session = if files.is_empty() {
            let session = SessionId::random();
            self.write("session", &[Bytes::from(session.to_string())])?;
            session
        } else {
            let path = self.path.join("session");
            let text = fs::read_to_string(&path).map_err(|e| failed("read", &path, e))?;
            text.trim().parse()?
        };
        Ok(Found {
            session,
            first,
            bytes: files.into_iter().map(|(_, bytes)| bytes).collect(),
        })
    }

    /// Writes a fragment, and syncs it.
    pub(super) fn store(&self, stored: Stored) -> Result<()> {
        let number = stored.start.number;
        let init = UploadInit { init: stored.init };
        let mut pieces = vec![
            Frame::from(init).encode(),
            Frame::from(stored.start).encode(),
        ];
        for mut data in stored.data {
            while !data.is_empty() {
                let piece = data.split_to(data.len().min(DATA_BYTES));
                pieces.extend(Frame::fragment_data(piece));
            }
        }
        pieces.push(Frame::from(FragmentEnd { number }).encode());
        self.write(&file_name(number), &pieces)
    }

    /// Reads a fragment back.
    pub(super) fn load(&self, number: u64) -> Result<Stored> {
        let path = self.path.join(file_name(number));
        let bytes = fs::read(&path).map_err(|error| failed("read", &path, error))?;
        decode(bytes.into(), number).ok_or_else(|| {
            let message = format!("spool file {} is damaged", path.display());
            Error::new(ErrorKind::DataLoss, message)
        })
    }

    /// Removes a fragment that is durable.
    pub(super) fn remove(&self, number: u64) -> Result<()> {
        let path = self.path.join(file_name(number));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &path, error))
            }
            _ => Ok(()),
        }
    }

    fn write(&self, name: &str, pieces: &[Bytes]) -> Result<()> {
        let path = self.path.join(name);
        let partial = self.path.join(format!("{name}.partial"));
        let write = || {
            let mut file = File::create(&partial)?;
            for piece in pieces {
                file.write_all(piece)?;
            }
            file.sync_data()?;
            fs::rename(&partial, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|error| failed("write", &path, error))
    }
}

fn file_name(number: u64) -> String {
    format!("{number:020}.fragment")
}

fn decode(bytes: Bytes, number: u64) -> Option<Stored> {
    let mut decoder = Decoder::new(Stamped::No, EntryLimits::NONE);
    decoder.push(bytes);
    let mut next = || match decoder.next() {
        Ok(Some(Item::Frame(frame))) => Some(frame),
        _ => None,
    };
    let (Some(Frame::UploadInit(init)), Some(Frame::FragmentStart(start))) = (next(), next())
    else {
        return None;
    };
    let mut data = Vec::new();
    loop {
        match next()? {
            Frame::FragmentData(piece) => data.push(piece),
            Frame::FragmentEnd(end) if end.number == number && start.number == number => break,
            _ => return None,
        }
    }
    decoder.finish().ok()?;
    Some(Stored {
        init: init.init,
        start,
        data,
    })
}

fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    Error::unavailable(format!("{what} {}", path.display())).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(number: u64) -> Stored {
        Stored {
            init: Bytes::from_static(b"init"),
            start: FragmentStart {
                number,
                producer_time_ms: 7,
                ..FragmentStart::default()
            },
            data: vec![Bytes::from_static(b"moof"), vec![3; 2 * DATA_BYTES].into()],
        }
    }

    #[test]
    fn a_fragment_is_read_back_and_its_session_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let (spool, found) = Directory::open(dir.path()).unwrap();
        assert_eq!((found.first, found.bytes.len()), (0, 0));
        for number in 0..3 {
            spool.store(stored(number)).unwrap();
        }
        spool.remove(0).unwrap();
        drop(spool);

        fs::write(
            dir.path().join("00000000000000000003.fragment.partial"),
            b"x",
        )
        .unwrap();
        let (spool, again) = Directory::open(dir.path()).unwrap();
        assert_eq!(again.session, found.session);
        assert_eq!((again.first, again.bytes.len()), (1, 2));
        let read = spool.load(2).unwrap();
        assert_eq!(read.data.concat(), stored(2).data.concat());
        assert_eq!((read.init, read.start), (stored(2).init, stored(2).start));
    }

    #[test]
    fn an_empty_spool_starts_another_session() {
        let dir = tempfile::tempdir().unwrap();
        let (spool, found) = Directory::open(dir.path()).unwrap();
        drop(spool);
        let (_, again) = Directory::open(dir.path()).unwrap();
        assert_ne!(again.session, found.session);
    }

    #[test]
    fn a_spool_has_one_uploader() {
        let dir = tempfile::tempdir().unwrap();
        let (_spool, _) = Directory::open(dir.path()).unwrap();
        let error = Directory::open(dir.path()).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InUse);
    }

    #[test]
    fn a_hole_and_a_damaged_file_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (spool, _) = Directory::open(dir.path()).unwrap();
        for number in 0..3 {
            spool.store(stored(number)).unwrap();
        }
        let path = dir.path().join(file_name(2));
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(spool.load(2).unwrap_err().kind(), ErrorKind::DataLoss);
        spool.remove(1).unwrap();
        drop(spool);
        let error = Directory::open(dir.path()).map(|_| ()).unwrap_err();
        assert!(error.message().ends_with("has no fragment 1"), "{error}");
    }
}
