//! Opening a shard: which segments there are, and where the last one ends.
//!
//! Only the last segment is read. An entry there that is not whole is a torn tail and is cut, unless
//! something proves that it lay below the durable mark:
//!
//! - a later entry whose `unsynced` says that the bytes here were durable when it was stamped;
//! - a later segment whose activation says that this one was durable to its end;
//! - the shard's recovery point.
//!
//! Then it is damage: the shard is not opened, and nothing is changed.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use afflux_types::{Position, ServerTime};

use crate::LogKey;
use crate::error::{Context, Damage, Fault, FileError, StoreError};
use crate::format::{Activation, IDENTITY_LEN, Identity, SEGMENT_HEADER_LEN};
use crate::fs::{LogFile, OpenMode, read_full_at};
use crate::index::{IndexBuilder, arrival_floor};
use crate::key::{index_ordinal, index_path, segment_ordinal, segment_path, shard_dir};
use crate::points::Point;
use crate::prepare::{first_fill, random_id};
use crate::scan::Scan;
use crate::segment::Segment;
use crate::shard::Recovered;
use crate::store::Store;
use crate::tail::{cut, find_proof, read_tail};

/// A segment's file as found.
pub(crate) struct FoundFile {
    pub(crate) ordinal: u64,
    /// Whether an index stands beside it.
    pub(crate) indexed: bool,
    pub(crate) identity: Result<Identity, String>,
    pub(crate) activation: Result<Activation, String>,
}

/// How a log is made that does not exist.
#[derive(Clone, Copy, Debug)]
pub(crate) struct First {
    /// Bytes of the first segment.
    pub(crate) capacity: u64,
    /// Shards that the volume has already.
    pub(crate) shards: usize,
}

/// Opens the log of `key`, or makes one.
pub(crate) fn open(
    store: &Arc<Store>,
    key: LogKey,
    first: First,
    point: Option<Point>,
) -> Result<Recovered, StoreError> {
    let dir: Arc<Path> = shard_dir(&store.root, key).into();
    let mut files = match find(store, &dir) {
        Err(error) if error.is_not_found() => {
            store
                .fs
                .create_dir_all(&dir)
                .context("create folder", &dir)?;
            Vec::new()
        }
        result => result?,
    };
    if let Some(first) = unproven(store, &dir, &files, point)? {
        for file in files.drain(first..).rev() {
            set_aside(store, &dir, file.ordinal)?;
        }
    }
    check_order(key, &files)?;
    drop_unused(store, key, &dir, &mut files, point)?;
    let indexed: Vec<bool> = files.iter().map(|file| file.indexed).collect();
    let mut heads = Vec::with_capacity(files.len());
    for file in files {
        heads.push(usable(key, file)?);
    }
    check_point(key, heads.last().map(|(identity, _)| identity), point)?;
    let Some((identity, activation)) = heads.pop() else {
        return create(store, key, &dir, first);
    };
    let mut segments = VecDeque::with_capacity(heads.len() + 1);
    let nexts: Vec<Position> = heads
        .iter()
        .skip(1)
        .map(|(_, next)| next.first)
        .chain([activation.first])
        .collect();
    for ((identity, activation), next) in heads.into_iter().zip(nexts) {
        segments.push_back(Segment::found_sealed(
            store, &dir, identity, activation, next,
        ));
    }
    let path = segment_path(&dir, identity.ordinal);
    let file = store
        .fs
        .open(&path, OpenMode::Write)
        .context("open", &path)?;
    if indexed.get(segments.len()).copied().unwrap_or(false) {
        reactivate(store, &*file, &path, &identity)?;
    }
    let index = recover_tail(&*file, &path, &identity, &activation, point)?;
    let (end, arrival) = (
        index.summary().end,
        arrival_floor(&activation, index.summary()),
    );
    let active = Segment::found_active(store, &dir, identity, activation, index);
    segments.push_back(Arc::clone(&active));
    Ok(Recovered {
        segments,
        active,
        end,
        arrival,
    })
}

fn set_aside(store: &Store, dir: &Path, ordinal: u64) -> Result<(), FileError> {
    let from = segment_path(dir, ordinal);
    let to = from.with_extension("lost");
    tracing::warn!(
        path = %to.display(),
        "set a segment aside: what comes before it was never synced and is lost"
    );
    store.fs.rename(&from, &to).context("set aside", &from)
}

/// Makes a segment fit to be appended to that may have been sealed, which again only happens under
/// [`Durability::Os`](crate::Durability::Os).
fn reactivate(
    store: &Store,
    file: &dyn LogFile,
    path: &Path,
    identity: &Identity,
) -> Result<(), FileError> {
    let index = path.with_extension("index");
    store.fs.remove_file(&index).context("remove", &index)?;
    file.reserve(identity.capacity)
        .context("reserve disk for", path)
}

fn create(
    store: &Arc<Store>,
    key: LogKey,
    dir: &Arc<Path>,
    first: First,
) -> Result<Recovered, StoreError> {
    let identity = Identity {
        key,
        ordinal: 0,
        id: random_id(),
        capacity: first.capacity,
    };
    Ok(Recovered {
        segments: VecDeque::new(),
        active: Segment::prepare(store, dir, identity, first_fill(first.shards))?,
        end: Position::ZERO,
        arrival: ServerTime::from_millis(i64::MIN),
    })
}

/// The segments' files in order, and what their headers say. Indexes without a segment are removed.
pub(crate) fn find(store: &Store, dir: &Path) -> Result<Vec<FoundFile>, FileError> {
    let names = store.fs.list(dir).context("list folder", dir)?;
    let mut ordinals: Vec<u64> = names
        .iter()
        .filter_map(|name| segment_ordinal(name))
        .collect();
    ordinals.sort_unstable();
    let mut indexes: Vec<u64> = names
        .iter()
        .filter_map(|name| index_ordinal(name))
        .collect();
    indexes.sort_unstable();
    for orphan in &indexes {
        if ordinals.binary_search(orphan).is_err() {
            let path = index_path(dir, *orphan);
            store.fs.remove_file(&path).context("remove", &path)?;
        }
    }
    let mut files = Vec::with_capacity(ordinals.len());
    for ordinal in ordinals {
        let path = segment_path(dir, ordinal);
        let file = store
            .fs
            .open(&path, OpenMode::Read)
            .context("open", &path)?;
        let mut head = [0; SEGMENT_HEADER_LEN];
        read_full_at(&*file, &mut head, 0).context("read", &path)?;
        let (identity, activation) = head.split_at(IDENTITY_LEN);
        files.push(FoundFile {
            ordinal,
            indexed: indexes.binary_search(&ordinal).is_ok(),
            identity: Identity::decode(identity),
            activation: Activation::decode(activation),
        });
    }
    Ok(files)
}

/// The number of the first segment that does not continue the log, if nothing proves that it did.
///
/// Only a power cut under [`Durability::Os`](crate::Durability::Os) leaves such: the file system has
/// written a later segment, and of the one before it not all, or not even the name.
pub(crate) fn unproven(
    store: &Store,
    dir: &Path,
    files: &[FoundFile],
    point: Option<Point>,
) -> Result<Option<usize>, FileError> {
    let follows_durable = |file: &FoundFile| {
        let flag = |activation: &Activation| activation.previous_durable;
        file.activation.as_ref().is_ok_and(flag)
            || point.is_some_and(|point| point.ordinal >= file.ordinal)
    };
    for (i, pair) in files.windows(2).enumerate() {
        let [file, next] = pair else { continue };
        if follows_durable(next) || reaches(store, dir, file, next)? {
            continue;
        }
        let behind = files.get(i + 2..).unwrap_or_default();
        return Ok((!behind.iter().any(follows_durable)).then_some(i + 1));
    }
    Ok(None)
}

/// Whether a segment is whole up to where `next` starts, if that can be told.
fn reaches(
    store: &Store,
    dir: &Path,
    file: &FoundFile,
    next: &FoundFile,
) -> Result<bool, FileError> {
    let (Ok(identity), Ok(activation)) = (&file.identity, &file.activation) else {
        return Ok(false);
    };
    if next.ordinal != file.ordinal + 1 {
        return Ok(false);
    }
    let Ok(next) = &next.activation else {
        return Ok(true);
    };
    let path = segment_path(dir, file.ordinal);
    let open = store
        .fs
        .open(&path, OpenMode::Read)
        .context("open", &path)?;
    let tail = read_tail(&*open, &path, identity, activation)?;
    Ok(tail.torn.is_none() && tail.index.summary().end == next.first)
}

/// Checks that no segment is missing between the first and the last.
pub(crate) fn check_order(key: LogKey, files: &[FoundFile]) -> Result<(), Damage> {
    for pair in files.windows(2) {
        if let [before, after] = pair
            && after.ordinal != before.ordinal + 1
        {
            let expected = before.ordinal + 1;
            return Err(Damage {
                key,
                ordinal: before.ordinal,
                offset: 0,
                fault: Fault::Missing { expected },
            });
        }
    }
    Ok(())
}

/// Removes prepared segments at the end that never got a durable entry.
fn drop_unused(
    store: &Store,
    key: LogKey,
    dir: &Path,
    files: &mut Vec<FoundFile>,
    point: Option<Point>,
) -> Result<(), StoreError> {
    while let Some(last) = files.last()
        && (last.activation.is_err() || last.identity.is_err())
    {
        // The positions of a shard go on where its last activated segment ends, so the first
        // segment may be unused only if nothing was ever trimmed.
        if let Some(damage) = proof_of_use(store, key, dir, last)? {
            return Err(damage.into());
        }
        let was_used = point.is_some_and(|point| point.ordinal >= last.ordinal);
        if was_used || files.len() == 1 && last.ordinal > 0 {
            return Err(header_damage(key, last).into());
        }
        let path = segment_path(dir, last.ordinal);
        store.fs.remove_file(&path).context("remove", &path)?;
        files.pop();
    }
    Ok(())
}

/// Damage, if an entry in a segment without a valid header says that it had durable bytes.
pub(crate) fn proof_of_use(
    store: &Store,
    key: LogKey,
    dir: &Path,
    found: &FoundFile,
) -> Result<Option<Damage>, FileError> {
    let path = segment_path(dir, found.ordinal);
    let file = store
        .fs
        .open(&path, OpenMode::Read)
        .context("open", &path)?;
    let len = file.len().context("look at", &path)?;
    let mut scan = Scan::new(&*file, &path, len);
    let Some(start) = scan.first_written(IDENTITY_LEN as u64)? else {
        return Ok(None);
    };
    let proof = find_proof(
        &mut scan,
        start.max(SEGMENT_HEADER_LEN as u64),
        0,
        Position::ZERO,
    )?;
    Ok(proof.then(|| header_damage(key, found)))
}

/// Checks that the segment exists that the shard's recovery point names.
pub(crate) fn check_point(
    key: LogKey,
    last: Option<&Identity>,
    point: Option<Point>,
) -> Result<(), Damage> {
    match point {
        Some(point) if last.is_none_or(|last| last.ordinal < point.ordinal) => Err(Damage {
            key,
            ordinal: point.ordinal,
            offset: 0,
            fault: Fault::Missing {
                expected: point.ordinal,
            },
        }),
        _ => Ok(()),
    }
}

pub(crate) fn header_damage(key: LogKey, found: &FoundFile) -> Damage {
    let reason = match (&found.identity, &found.activation) {
        (Err(reason), _) | (_, Err(reason)) => reason.clone(),
        _ => "it is not the first segment".to_owned(),
    };
    Damage {
        key,
        ordinal: found.ordinal,
        offset: 0,
        fault: Fault::Header(reason),
    }
}

/// The headers of a segment that must be whole.
pub(crate) fn usable(key: LogKey, found: FoundFile) -> Result<(Identity, Activation), Damage> {
    let damage = |ordinal, reason| Damage {
        key,
        ordinal,
        offset: 0,
        fault: Fault::Header(reason),
    };
    let identity = found
        .identity
        .map_err(|reason| damage(found.ordinal, reason))?;
    let activation = found
        .activation
        .map_err(|reason| damage(found.ordinal, reason))?;
    if identity.key != key || identity.ordinal != found.ordinal {
        let reason = format!(
            "expected {key} segment {:016x}, found {} segment {:016x}",
            found.ordinal, identity.key, identity.ordinal
        );
        return Err(damage(found.ordinal, reason));
    }
    Ok((identity, activation))
}

/// Reads the entries of the last segment and cuts a torn tail.
fn recover_tail(
    file: &dyn LogFile,
    path: &Path,
    identity: &Identity,
    activation: &Activation,
    point: Option<Point>,
) -> Result<IndexBuilder, StoreError> {
    let tail = read_tail(file, path, identity, activation)?.compare(identity, point);
    let end = tail.index.summary().data_len;
    let Some(fault) = tail.torn else {
        return Ok(tail.index);
    };
    let damage = Damage {
        key: identity.key,
        ordinal: identity.ordinal,
        offset: end,
        fault,
    };
    if tail.damaged {
        return Err(damage.into());
    }
    cut(file, path, identity, end)?;
    tracing::warn!(%damage, "cut a torn tail that was never durable");
    Ok(tail.index)
}
