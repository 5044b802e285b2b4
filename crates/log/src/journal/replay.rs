//! Reading the journal after a crash, and writing it into the segments.
//!
//! The records of a file stand one after the other and carry the generation of its header. The first
//! bytes that are no such record are the end: the record there was never durable, unless a later one
//! says that it was. That is damage, and the volume is not opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use afflux_entry::{Checksum, crc32c};
use afflux_types::{Error, ErrorKind};

use super::{JournalFile, journal_path};
use crate::JOURNALS;
use crate::LogKey;
use crate::error::{Context, FileError};
use crate::format::{
    IDENTITY_LEN, Identity, JOURNAL_ALIGN, RECORD_HEADER_LEN, RUN_LEN, RecordHeader, RunHeader,
    decode_journal_header,
};
use crate::fs::{LogFile, OpenMode, read_full_at, write_all_at};
use crate::key::{segment_path, shard_dir};
use crate::store::Store;

/// Bytes copied at a time.
const CHUNK: usize = 1 << 20;

/// The files of a journal, emptied, and the generation that the next one gets.
pub(crate) struct Emptied {
    pub(crate) files: Vec<Arc<JournalFile>>,
    pub(crate) generation: u64,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Valid records.
    pub(crate) records: Vec<RecordHeader>,
    /// Where a record stands that was durable and is not valid any more.
    pub(crate) damage: Option<u64>,
}

/// What a journal holds that is not in the segments yet, as far as anyone knows.
#[derive(Debug, Default)]
pub(crate) struct Inspection {
    /// Per segment, the offset from which records reach.
    pub(crate) covered: BTreeMap<(LogKey, u64), u64>,
    pub(crate) files: Vec<(PathBuf, Pending)>,
}

/// Writes the records of all files into their segments, makes these durable, and empties the files.
pub(crate) fn replay(store: &Store, len: u64) -> Result<Emptied, Error> {
    let mut found = open_all(store)?;
    found.sort_by_key(|(_, generation)| *generation);
    let mut runs = 0;
    for (file, generation) in &found {
        let pending = scan(file, *generation)?;
        if let Some(offset) = pending.damage {
            let path = file.path.display();
            return Err(Error::new(
                ErrorKind::DataLoss,
                format!("{path} offset {offset}: expected a durable record, found none"),
            ));
        }
        for record in &pending.records {
            runs += apply(store, file, record)?;
        }
    }
    if runs > 0 {
        tracing::info!(runs, "replayed the journal");
    }
    // Also covers what a process that crashed has written and not synced: what recovery finds in
    // the segments will be served as durable.
    store.sync_all()?;
    let mut generation = found.last().map_or(0, |(_, generation)| *generation) + 1;
    let mut files = Vec::new();
    for (file, _) in found {
        file.write_header(generation)?;
        file.file.sync().context("sync", &file.path)?;
        generation += 1;
        if file.len == len {
            files.push(Arc::new(file));
        } else {
            store
                .fs
                .remove_file(&file.path)
                .context("remove", &file.path)?;
        }
    }
    Ok(Emptied { files, generation })
}

/// Looks at the journal without changing it.
pub(crate) fn inspect(store: &Store) -> Result<Inspection, FileError> {
    let mut covered = BTreeMap::new();
    let mut files = Vec::new();
    for (file, generation) in open_all(store)? {
        let pending = scan(&file, generation)?;
        for record in &pending.records {
            for run in table(&file, record)? {
                let from = covered.entry((run.key, run.ordinal)).or_insert(run.offset);
                *from = run.offset.min(*from);
            }
        }
        files.push((file.path, pending));
    }
    Ok(Inspection { covered, files })
}

/// The journal's files, each with its generation. A file without a valid header has no records.
fn open_all(store: &Store) -> Result<Vec<(JournalFile, u64)>, FileError> {
    let mut files = Vec::new();
    for number in 0..JOURNALS {
        let path = journal_path(&store.root, number);
        let file = match store.fs.open(&path, OpenMode::Write).context("open", &path) {
            Err(error) if error.is_not_found() => continue,
            result => result?,
        };
        let len = file.len().context("look at", &path)?;
        let mut header = [0; JOURNAL_ALIGN];
        read_full_at(&*file, &mut header, 0).context("read", &path)?;
        let generation = decode_journal_header(&header).unwrap_or(0);
        files.push((JournalFile { path, file, len }, generation));
    }
    Ok(files)
}

fn scan(file: &JournalFile, generation: u64) -> Result<Pending, FileError> {
    let mut pending = Pending::default();
    if generation == 0 {
        return Ok(pending);
    }
    let mut offset = JOURNAL_ALIGN as u64;
    while let Some(record) = record_at(file, generation, offset)? {
        offset = end_of(&record);
        pending.records.push(record);
    }
    let end = offset;
    while offset < file.len {
        let later = header_at(file, generation, offset)?;
        if later.is_some_and(|record| record.durable_to > end) {
            pending.damage = Some(end);
            break;
        }
        offset += JOURNAL_ALIGN as u64;
    }
    Ok(pending)
}

fn end_of(record: &RecordHeader) -> u64 {
    let len = u64::from(record.run_count)
        .saturating_mul(RUN_LEN as u64)
        .saturating_add(RECORD_HEADER_LEN as u64)
        .saturating_add(record.payload_len);
    record
        .offset
        .saturating_add(len)
        .checked_next_multiple_of(JOURNAL_ALIGN as u64)
        .unwrap_or(u64::MAX)
}

fn header_at(
    file: &JournalFile,
    generation: u64,
    offset: u64,
) -> Result<Option<RecordHeader>, FileError> {
    let mut bytes = [0; RECORD_HEADER_LEN];
    read_full_at(&*file.file, &mut bytes, offset).context("read", &file.path)?;
    Ok(RecordHeader::decode(&bytes).ok().filter(|record| {
        record.generation == generation && record.offset == offset && end_of(record) <= file.len
    }))
}

/// The record at `offset`, if all of its checksums hold.
fn record_at(
    file: &JournalFile,
    generation: u64,
    offset: u64,
) -> Result<Option<RecordHeader>, FileError> {
    let Some(record) = header_at(file, generation, offset)? else {
        return Ok(None);
    };
    let runs = table(file, &record)?;
    let sum = runs
        .iter()
        .try_fold(0_u64, |sum, run| sum.checked_add(run.len));
    if sum != Some(record.payload_len) || runs.is_empty() {
        return Ok(None);
    }
    let mut checksum = Checksum::new();
    copy(
        file,
        payload_offset(&record),
        record.payload_len,
        |bytes, _| {
            checksum.update(bytes);
            Ok(())
        },
    )?;
    Ok((checksum.finish() == record.payload_checksum).then_some(record))
}

fn payload_offset(record: &RecordHeader) -> u64 {
    record.offset + RECORD_HEADER_LEN as u64 + u64::from(record.run_count) * RUN_LEN as u64
}

/// The record's runs; none if their checksum does not hold.
fn table(file: &JournalFile, record: &RecordHeader) -> Result<Vec<RunHeader>, FileError> {
    let mut bytes = vec![0; record.run_count as usize * RUN_LEN];
    read_full_at(
        &*file.file,
        &mut bytes,
        record.offset + RECORD_HEADER_LEN as u64,
    )
    .context("read", &file.path)?;
    if crc32c(&bytes) != record.runs_checksum {
        return Ok(Vec::new());
    }
    let (rows, _) = bytes.as_chunks::<RUN_LEN>();
    Ok(rows.iter().map(RunHeader::decode).collect())
}

/// Writes a record's runs into their segments; returns how many were written.
fn apply(store: &Store, file: &JournalFile, record: &RecordHeader) -> Result<u64, FileError> {
    let mut at = payload_offset(record);
    let mut applied = 0;
    for run in table(file, record)? {
        let dir = shard_dir(&store.root, run.key);
        let path = segment_path(&dir, run.ordinal);
        if let Some(segment) = target(store, &path, &run)? {
            copy(file, at, run.len, |bytes, done| {
                write_all_at(&*segment, [bytes], run.offset + done).context("write", &path)
            })?;
            applied += 1;
        }
        at += run.len;
    }
    Ok(applied)
}

/// The segment that a run belongs to; `None` if it has been deleted, or replaced by another one.
fn target(
    store: &Store,
    path: &Path,
    run: &RunHeader,
) -> Result<Option<Arc<dyn LogFile>>, FileError> {
    let segment = match store.fs.open(path, OpenMode::Write).context("open", path) {
        Err(error) if error.is_not_found() => return Ok(None),
        result => result?,
    };
    let mut bytes = [0; IDENTITY_LEN];
    read_full_at(&*segment, &mut bytes, 0).context("read", path)?;
    let fits = |identity: Identity| {
        identity.id == run.id
            && run.offset >= IDENTITY_LEN as u64
            && run
                .offset
                .checked_add(run.len)
                .is_some_and(|end| end <= identity.capacity)
    };
    Ok(Identity::decode(&bytes).is_ok_and(fits).then_some(segment))
}

/// Reads `len` bytes from `offset` in pieces; `take` gets each with its distance from the start.
fn copy(
    file: &JournalFile,
    offset: u64,
    len: u64,
    mut take: impl FnMut(&[u8], u64) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let mut buffer = vec![0; usize::try_from(len).map_or(CHUNK, |len| len.min(CHUNK))];
    let mut done = 0;
    while done < len {
        let want = usize::try_from(len - done).map_or(CHUNK, |rest| rest.min(CHUNK));
        let Some(chunk) = buffer.get_mut(..want) else {
            break;
        };
        let read = read_full_at(&*file.file, chunk, offset + done).context("read", &file.path)?;
        if read < want {
            break;
        }
        take(chunk, done)?;
        done += want as u64;
    }
    Ok(())
}
