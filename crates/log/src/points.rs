//! Recovery points: how far each shard's log is known to be durable.
//!
//! Every entry testifies, with its `unsynced`, for the bytes before it. Nothing in a log testifies for its
//! last entry, so damage there would look like a write that a crash has torn. The volume therefore
//! notes how far each log is durable: once a second while entries come in, and when it closes. A log that
//! ends before its point has lost durable bytes.
//!
//! # Invariants
//! - A point is written only after the bytes below it are durable, and stays true for as long as the
//!   segment exists. So the file may be older than the log, never newer.
//! - A log's point is gone, durably, before the log is removed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use afflux_entry::crc32c;
use parking_lot::Mutex;

use crate::LogKey;
use crate::error::{Context, FileError};
use crate::format::{
    AT_POINT_DURABLE_TO, AT_POINT_ID, AT_POINT_ORDINAL, AT_POINT_SHARD, AT_POINT_STREAM,
    AT_POINTS_CHECKSUM, AT_POINTS_COUNT, AT_POINTS_ROWS_CHECKSUM, AT_VERSION, POINT_LEN,
    POINTS_HEADER_LEN, POINTS_MAGIC, VERSION, checked, put, put_checksum, put_u32, put_u64, u32_at,
    u64_at,
};
use crate::fs::{OpenMode, read_full_at, write_all_at};
use crate::key::POINTS_FILE;
use crate::segment::Segment;
use crate::store::Store;

/// Everything in a log up to byte `durable_to` of segment `ordinal` is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) ordinal: u64,
    /// The segment's random id.
    pub(crate) id: u64,
    pub(crate) durable_to: u64,
}

impl Point {
    /// Everything that `segment` has published is durable, and so are the segments before it.
    pub(crate) fn of(segment: &Segment) -> Self {
        Self {
            ordinal: segment.ordinal(),
            id: segment.identity().id,
            durable_to: segment.published(),
        }
    }
}

/// A volume's points, as its file has them.
#[derive(Debug, Default)]
pub(crate) struct Points(Mutex<BTreeMap<LogKey, Point>>);

impl Points {
    /// Reads the file; without one, or with one that is damaged, no point is known.
    pub(crate) fn load(store: &Store) -> Result<Self, FileError> {
        let known = read(store)?.unwrap_or_else(|reason| {
            tracing::warn!(
                path = %path(store).display(),
                reason,
                "the recovery points are damaged; damage to the last entries of a shard may pass for a torn tail"
            );
            BTreeMap::new()
        });
        Ok(Self(Mutex::new(known)))
    }

    pub(crate) fn of(&self, key: LogKey) -> Option<Point> {
        self.0.lock().get(&key).copied()
    }

    /// Stores newer points, if any of them differs from what the file has.
    pub(crate) fn update(
        &self,
        store: &Store,
        newer: impl FnOnce() -> Vec<(LogKey, Point)>,
    ) -> Result<(), FileError> {
        // Collected under the lock, so that no point comes back that `forget` has removed.
        let mut known = self.0.lock();
        let mut updated = known.clone();
        updated.extend(newer());
        if updated != *known {
            write(store, &updated)?;
            *known = updated;
        }
        Ok(())
    }

    /// Removes the point of a log that is no longer listed and about to be removed.
    pub(crate) fn forget(&self, store: &Store, key: LogKey) -> Result<(), FileError> {
        let mut known = self.0.lock();
        if known.contains_key(&key) {
            let mut updated = known.clone();
            updated.remove(&key);
            write(store, &updated)?;
            *known = updated;
        }
        Ok(())
    }
}

/// The points in the file, none if there is no file; a reason if it is damaged.
pub(crate) fn read(store: &Store) -> Result<Result<BTreeMap<LogKey, Point>, String>, FileError> {
    let path = path(store);
    let file = match store.fs.open(&path, OpenMode::Read).context("open", &path) {
        Err(error) if error.is_not_found() => return Ok(Ok(BTreeMap::new())),
        result => result?,
    };
    let len = file.len().context("look at", &path)?;
    let mut head = [0; POINTS_HEADER_LEN];
    let read = read_full_at(&*file, &mut head, 0).context("read", &path)?;
    let count = match decode_header(head.get(..read).unwrap_or_default()) {
        Ok((count, _)) => u64::from(count),
        Err(reason) => return Ok(Err(reason)),
    };
    let expected = POINTS_HEADER_LEN as u64 + count * POINT_LEN as u64;
    if len != expected {
        return Ok(Err(format!("expected {expected} bytes, found {len}")));
    }
    let mut bytes = vec![0; crate::segment::to_usize(len)];
    read_full_at(&*file, &mut bytes, 0).context("read", &path)?;
    Ok(decode(&bytes))
}

/// Replaces the file: the old one or the new one survives a crash, and both are true.
fn write(store: &Store, points: &BTreeMap<LogKey, Point>) -> Result<(), FileError> {
    let path = path(store);
    let new = path.with_extension("new");
    let file = store
        .fs
        .open(&new, OpenMode::Truncate)
        .context("create", &new)?;
    write_all_at(&*file, [&encode(points)[..]], 0).context("write", &new)?;
    file.sync().context("sync", &new)?;
    store.fs.rename(&new, &path).context("rename", &new)?;
    store.sync_dir(&store.root)
}

fn path(store: &Store) -> PathBuf {
    store.root.join(POINTS_FILE)
}

fn encode(points: &BTreeMap<LogKey, Point>) -> Vec<u8> {
    let mut bytes = vec![0; POINTS_HEADER_LEN + points.len() * POINT_LEN];
    let (head, rows) = bytes.split_at_mut(POINTS_HEADER_LEN);
    for (row, (key, point)) in rows.chunks_exact_mut(POINT_LEN).zip(points) {
        put_u64(row, AT_POINT_STREAM, key.stream);
        put_u32(row, AT_POINT_SHARD, key.shard);
        put_u64(row, AT_POINT_ORDINAL, point.ordinal);
        put_u64(row, AT_POINT_ID, point.id);
        put_u64(row, AT_POINT_DURABLE_TO, point.durable_to);
    }
    put(head, 0, &POINTS_MAGIC);
    put(head, AT_VERSION, &[VERSION]);
    put_u32(
        head,
        AT_POINTS_COUNT,
        u32::try_from(points.len()).expect("a volume has far fewer than 2^32 shards"),
    );
    put_u32(head, AT_POINTS_ROWS_CHECKSUM, crc32c(rows));
    put_checksum(head, AT_POINTS_CHECKSUM);
    bytes
}

/// The number of points and their checksum.
fn decode_header(bytes: &[u8]) -> Result<(u32, u32), String> {
    let head = checked(bytes, POINTS_HEADER_LEN, POINTS_MAGIC, AT_POINTS_CHECKSUM)?;
    if head[AT_VERSION] != VERSION {
        return Err(format!("it has the unknown version {}", head[AT_VERSION]));
    }
    Ok((
        u32_at(head, AT_POINTS_COUNT),
        u32_at(head, AT_POINTS_ROWS_CHECKSUM),
    ))
}

/// Reads the file's bytes; anything damaged is refused.
pub(crate) fn decode(bytes: &[u8]) -> Result<BTreeMap<LogKey, Point>, String> {
    let (count, checksum) = decode_header(bytes)?;
    let rows = bytes.get(POINTS_HEADER_LEN..).unwrap_or_default();
    if rows.len() != count as usize * POINT_LEN || crc32c(rows) != checksum {
        return Err(format!("its {count} points do not match their checksum"));
    }
    let point = |row: &[u8]| {
        let key = LogKey {
            stream: u64_at(row, AT_POINT_STREAM),
            shard: u32_at(row, AT_POINT_SHARD),
        };
        let point = Point {
            ordinal: u64_at(row, AT_POINT_ORDINAL),
            id: u64_at(row, AT_POINT_ID),
            durable_to: u64_at(row, AT_POINT_DURABLE_TO),
        };
        (key, point)
    };
    Ok(rows.chunks_exact(POINT_LEN).map(point).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> BTreeMap<LogKey, Point> {
        let point = |i: u64| {
            let key = LogKey {
                stream: i,
                shard: 7,
            };
            let point = Point {
                ordinal: i + 1,
                id: i * 1_000,
                durable_to: 128 + i,
            };
            (key, point)
        };
        (0..5).map(point).collect()
    }

    #[test]
    fn points_survive_their_file() {
        assert_eq!(decode(&encode(&points())), Ok(points()));
        assert_eq!(decode(&encode(&BTreeMap::new())), Ok(BTreeMap::new()));
    }

    #[test]
    fn a_damaged_or_cut_file_is_refused() {
        let bytes = encode(&points());
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] ^= 0x10;
            assert!(decode(&damaged).is_err(), "byte {i}");
            assert!(decode(&bytes[..i]).is_err(), "cut at {i}");
        }
    }
}
