//! A volume in a temporary folder, entries whose content follows from their position, and an observer
//! to wait on.

use std::path::Path;
use std::sync::Arc;

use afflux_entry::{HEADER_LEN, Header, Kind};
use afflux_log::{
    AppendError, Appended, Durability, LogKey, Observer, ShardLog, Slice, Volume, VolumeOptions,
    Watermarks,
};
use afflux_types::{Clock, Error, Position, ServerTime};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

pub(crate) const KEY: LogKey = LogKey {
    stream: 1,
    shard: 0,
};

/// What an observer has heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) watermarks: Watermarks,
    pub(crate) ready: u64,
    pub(crate) stopped: Option<String>,
}

/// An observer that tests wait on.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    heard: Mutex<Heard>,
    changed: Condvar,
}

impl Ear {
    /// Waits until `done` holds and returns what it says.
    pub(crate) fn wait<R>(&self, mut done: impl FnMut(&mut Heard) -> Option<R>) -> R {
        let mut heard = self.heard.lock();
        loop {
            if let Some(result) = done(&mut heard) {
                return result;
            }
            self.changed.wait(&mut heard);
        }
    }

    pub(crate) fn wait_durable(&self, serial: u64) {
        self.wait(|heard| (heard.watermarks.durable_serial >= serial).then_some(()));
    }

    pub(crate) fn wait_stopped(&self) -> String {
        self.wait(|heard| heard.stopped.clone())
    }
}

impl Observer for Ear {
    fn durable(&self, watermarks: Watermarks) {
        let mut heard = self.heard.lock();
        assert!(heard.watermarks.durable <= watermarks.durable);
        heard.watermarks = watermarks;
        self.changed.notify_all();
    }

    fn ready(&self) {
        self.heard.lock().ready += 1;
        self.changed.notify_all();
    }

    fn stopped(&self, error: &Error) {
        self.heard.lock().stopped = Some(error.chain());
        self.changed.notify_all();
    }
}

/// Small segments, so that tests cross many seams.
pub(crate) fn small() -> VolumeOptions {
    VolumeOptions {
        segment_bytes_min: 64 << 10,
        segment_bytes_max: 128 << 10,
        journal_bytes: 1 << 20,
        ..VolumeOptions::default()
    }
}

pub(crate) fn clock() -> Clock {
    Clock::manual(ServerTime::from_millis(1_000_000))
}

pub(crate) fn open(dir: &Path) -> Volume {
    Volume::open(dir, small(), clock()).unwrap()
}

pub(crate) fn shard(volume: &Volume, key: LogKey) -> (ShardLog, Arc<Ear>) {
    let ear = Arc::new(Ear::default());
    let log = volume
        .shard(
            key,
            Durability::Fsync,
            Arc::clone(&ear) as Arc<dyn Observer>,
        )
        .unwrap();
    (log, ear)
}

/// An entry of `count` records with a body of `len` bytes that follow from `seed`.
pub(crate) fn entry(count: u32, len: usize, seed: u64) -> (Header, Vec<Bytes>) {
    let body: Vec<u8> = (0..len as u64)
        .map(|i| (seed.wrapping_mul(31).wrapping_add(i * 7) % 251) as u8 + 1)
        .collect();
    let kind = if count == 0 { Kind::Init } else { Kind::Batch };
    let cut = len / 3;
    let body = Bytes::from(body);
    let pieces = vec![body.slice(..cut), body.slice(cut..)];
    (Header::for_body(kind, count, None, None, &pieces), pieces)
}

/// Appends, and waits while the log is busy.
pub(crate) fn append(log: &ShardLog, ear: &Ear, header: Header, body: Vec<Bytes>) -> Appended {
    try_append(log, ear, header, body).unwrap()
}

/// Appends, and waits while the log is busy.
pub(crate) fn try_append(
    log: &ShardLog,
    ear: &Ear,
    mut header: Header,
    mut body: Vec<Bytes>,
) -> Result<Appended, AppendError> {
    loop {
        let before = ear.wait(|heard| Some(heard.ready));
        match log.append(header, body) {
            Err(AppendError::Busy(same_header, same_body)) => {
                (header, body) = (*same_header, same_body);
                ear.wait(|heard| (heard.ready > before || heard.stopped.is_some()).then_some(()));
            }
            result => return result,
        }
    }
}

/// Reads everything from `from` on, `bytes_max` bytes at a time.
pub(crate) fn read_all(log: &ShardLog, from: Position, bytes_max: usize) -> Vec<(Header, Bytes)> {
    let mut entries = Vec::new();
    let mut at = from;
    loop {
        let slice = log.read(at, bytes_max).unwrap();
        if slice.is_empty() {
            return entries;
        }
        assert!(slice.end > at, "reading on makes progress");
        at = slice.end;
        entries.extend(split(&slice));
    }
}

/// The entries of a slice, each verified.
pub(crate) fn split(slice: &Slice) -> Vec<(Header, Bytes)> {
    let mut entries = Vec::new();
    let mut rest = slice.bytes.clone();
    let mut position = slice.first;
    while !rest.is_empty() {
        let header = Header::decode(&rest).unwrap();
        let entry = rest.split_to(header.entry_len());
        let body = entry.slice(HEADER_LEN..);
        header.verify(&[&body]).unwrap();
        assert_eq!(header.stamp.unwrap().position, position);
        position = header.end();
        entries.push((header, body));
    }
    assert_eq!(position, slice.end);
    entries
}
