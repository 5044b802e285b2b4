//! Checking a volume that no process has open: every checksum, index, seam and journal record.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use afflux_types::Result;

use crate::error::{Context, Damage, FileError};
use crate::format::{Activation, Identity, decode_index};
use crate::fs::{Disk, FileSystem, OpenMode, read_full_at};
use crate::index::SealedIndex;
use crate::key::{LOGS_DIR, index_path, segment_path, shard_dir, shard_number, stream_number};
use crate::points::{self, Point};
use crate::recovery::{self, FoundFile};
use crate::report::{Finding, Repair, Report, Severity};
use crate::segment::{Segment, to_usize};
use crate::store::Store;
use crate::tail::{Tail, cut, read_tail};
use crate::{LogKey, VolumeOptions, journal, volume};

/// Checks the volume in `dir`, which no process may have open.
///
/// With [`Repair::Yes`] the journal is replayed, torn tails are cut and indexes are rebuilt. Damage
/// below the durable mark is reported and never touched.
///
/// # Errors
/// `InUse` if a process has the volume open; otherwise as the disk reports. What is found is no error
/// but in the report.
pub fn check(dir: &Path, repair: Repair) -> Result<Report> {
    check_on(Arc::new(Disk), dir, repair)
}

/// Checks a volume on another file system than the machine's.
///
/// # Errors
/// As [`check`].
pub fn check_on(fs: Arc<dyn FileSystem>, dir: &Path, repair: Repair) -> Result<Report> {
    let options = VolumeOptions::default();
    let store = Arc::new(Store::new(fs, dir.to_owned(), &options));
    let _lock = volume::lock(&store)?;
    let mut check = Check {
        store,
        repair,
        report: Report::default(),
        points: BTreeMap::new(),
        journaled: BTreeMap::new(),
    };
    check.journal()?;
    check.points()?;
    let keys = check.keys()?;
    for (&key, &point) in &check.points.clone() {
        if let Err(_) = keys.binary_search(&key)
            && let Err(damage) = recovery::check_point(key, None, Some(point))
        {
            check.damage(&damage);
        }
    }
    for key in keys {
        check.shard(key)?;
    }
    Ok(check.report)
}

struct Check {
    store: Arc<Store>,
    repair: Repair,
    report: Report,
    points: BTreeMap<LogKey, Point>,
    /// Per segment, the offset from which the journal holds its bytes.
    journaled: BTreeMap<(LogKey, u64), u64>,
}

impl Check {
    fn journal(&mut self) -> Result<()> {
        let inspection = journal::inspect(&self.store)?;
        let mut damaged = false;
        for (path, pending) in inspection.files {
            if let Some(offset) = pending.damage {
                damaged = true;
                self.report.findings.push(Finding {
                    severity: Severity::Damage,
                    key: None,
                    segment: None,
                    offset: Some(offset),
                    message: format!("{}: expected a durable record, found none", path.display()),
                    repaired: false,
                });
            }
        }
        if self.repair == Repair::Yes && !damaged {
            journal::replay(&self.store, VolumeOptions::default().journal_bytes)?;
        } else {
            self.journaled = inspection.covered;
        }
        Ok(())
    }

    fn points(&mut self) -> Result<()> {
        match points::read(&self.store)? {
            Ok(points) => self.points = points,
            Err(reason) => self.report.findings.push(Finding {
                severity: Severity::Repairable,
                key: None,
                segment: None,
                offset: None,
                message: format!("recovery points: {reason}"),
                repaired: false,
            }),
        }
        Ok(())
    }

    /// Every log of the volume.
    fn keys(&self) -> Result<Vec<LogKey>, FileError> {
        let logs = self.store.root.join(LOGS_DIR);
        let mut keys = Vec::new();
        for stream in self
            .list(&logs)?
            .iter()
            .filter_map(|name| stream_number(name))
        {
            let dir = crate::key::stream_dir(&self.store.root, stream);
            let shards = self.list(&dir)?;
            keys.extend(
                shards
                    .iter()
                    .filter_map(|name| shard_number(name))
                    .map(|shard| LogKey { stream, shard }),
            );
        }
        keys.sort_unstable();
        Ok(keys)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, FileError> {
        match self.store.fs.list(dir).context("list folder", dir) {
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            result => result,
        }
    }

    fn shard(&mut self, key: LogKey) -> Result<(), FileError> {
        self.report.shards += 1;
        let dir: Arc<Path> = shard_dir(&self.store.root, key).into();
        let point = self.points.get(&key).copied();
        let mut files = recovery::find(&self.store, &dir)?;
        if let Some(first) = recovery::unproven(&self.store, &dir, &files, point)? {
            for file in files.drain(first..) {
                self.unproven(key, file.ordinal);
            }
        }
        if let Err(damage) = recovery::check_order(key, &files) {
            self.damage(&damage);
        }
        if point.is_some_and(|point| files.last().is_none_or(|last| last.ordinal < point.ordinal))
            && let Err(damage) = recovery::check_point(key, None, point)
        {
            self.damage(&damage);
        }
        while files
            .last()
            .is_some_and(|file| file.activation.is_err() || file.identity.is_err())
        {
            let Some(unused) = files.pop() else { break };
            let was_used = point.is_some_and(|point| point.ordinal == unused.ordinal);
            if let Some(damage) = recovery::proof_of_use(&self.store, key, &dir, &unused)? {
                self.damage(&damage);
            } else if was_used {
                self.damage(&recovery::header_damage(key, &unused));
            }
        }
        let last = files.len().checked_sub(1);
        let mut heads = Vec::with_capacity(files.len());
        for (i, file) in files.into_iter().enumerate() {
            heads.push((Some(i) == last, self.usable(key, file)));
        }
        for i in 0..heads.len() {
            let (is_last, Some((identity, activation))) = &heads[i] else {
                continue;
            };
            self.report.segments += 1;
            let next = heads.get(i + 1).and_then(|(_, head)| head.as_ref());
            if *is_last {
                self.active(&dir, identity, activation)?;
            } else {
                self.sealed(&dir, (identity, activation), next.map(|(_, next)| next))?;
            }
        }
        Ok(())
    }

    fn usable(&mut self, key: LogKey, file: FoundFile) -> Option<(Identity, Activation)> {
        recovery::usable(key, file)
            .map_err(|damage| self.damage(&damage))
            .ok()
    }

    fn active(
        &mut self,
        dir: &Path,
        identity: &Identity,
        activation: &Activation,
    ) -> Result<(), FileError> {
        let path = segment_path(dir, identity.ordinal);
        let file = self
            .store
            .fs
            .open(&path, OpenMode::Write)
            .context("open", &path)?;
        let point = self.points.get(&identity.key).copied();
        let tail = read_tail(&*file, &path, identity, activation)?.compare(identity, point);
        self.count(&tail);
        let end = tail.index.summary().data_len;
        let Some(fault) = tail.torn else {
            return Ok(());
        };
        let damage = Damage {
            key: identity.key,
            ordinal: identity.ordinal,
            offset: end,
            fault,
        };
        if tail.damaged {
            self.damage(&damage);
            return Ok(());
        }
        let repaired = self.repair == Repair::Yes;
        if repaired {
            cut(&*file, &path, identity, end)?;
        }
        self.repairable(&damage, format!("torn tail: {}", damage.fault), repaired);
        Ok(())
    }

    fn sealed(
        &mut self,
        dir: &Arc<Path>,
        (identity, activation): (&Identity, &Activation),
        next: Option<&Activation>,
    ) -> Result<(), FileError> {
        let path = segment_path(dir, identity.ordinal);
        let file = self
            .store
            .fs
            .open(&path, OpenMode::Read)
            .context("open", &path)?;
        let tail = read_tail(&*file, &path, identity, activation)?;
        self.count(&tail);
        let summary = *tail.index.summary();
        let damage = |offset, fault| Damage {
            key: identity.key,
            ordinal: identity.ordinal,
            offset,
            fault,
        };
        if let Some(fault) = tail.torn {
            self.damage(&damage(summary.data_len, fault));
            return Ok(());
        }
        if let Some(next) = next
            && next.first != summary.end
        {
            let fault = crate::error::Fault::Position {
                expected: next.first,
                found: summary.end,
            };
            self.damage(&damage(summary.data_len, fault));
            return Ok(());
        }
        let rebuilt = SealedIndex::trusted(summary, tail.index.blocks().to_vec());
        if let Err(reason) = self.index(dir, identity, &rebuilt)? {
            let repaired = self.repair == Repair::Yes;
            if repaired {
                let first = next.map_or(summary.end, |next| next.first);
                Segment::found_sealed(&self.store, dir, *identity, *activation, first)
                    .write_index(&rebuilt)?;
            }
            let fault = crate::error::Fault::Header(reason.clone());
            self.repairable(&damage(0, fault), format!("index: {reason}"), repaired);
        }
        Ok(())
    }

    /// Compares a sealed segment's index file with the entries.
    fn index(
        &self,
        dir: &Path,
        identity: &Identity,
        expected: &SealedIndex,
    ) -> Result<Result<(), String>, FileError> {
        let path = index_path(dir, identity.ordinal);
        let file = match self
            .store
            .fs
            .open(&path, OpenMode::Read)
            .context("open", &path)
        {
            Err(error) if error.is_not_found() => return Ok(Err("it has none".to_owned())),
            result => result?,
        };
        let len = file.len().context("look at", &path)?;
        if len > identity.capacity {
            return Ok(Err(format!("it has {len} bytes")));
        }
        let mut bytes = vec![0; to_usize(len)];
        read_full_at(&*file, &mut bytes, 0).context("read", &path)?;
        Ok(decode_index(&bytes, identity).and_then(|found| {
            if found.summary == expected.summary && found.blocks == expected.blocks {
                Ok(())
            } else {
                Err("it does not match the entries".to_owned())
            }
        }))
    }

    fn count(&mut self, tail: &Tail) {
        let summary = tail.index.summary();
        self.report.entries += summary.entries;
        self.report.bytes += summary.data_len - crate::format::SEGMENT_HEADER_LEN as u64;
    }

    fn damage(&mut self, damage: &Damage) {
        let in_journal = self
            .journaled
            .get(&(damage.key, damage.ordinal))
            .is_some_and(|&from| {
                from <= damage.offset.max(crate::format::SEGMENT_HEADER_LEN as u64)
            });
        if in_journal {
            let message = format!("{}; the journal holds it", damage.fault);
            self.repairable(damage, message, false);
        } else {
            let message = damage.fault.to_string();
            self.find(Severity::Damage, damage, message, false);
        }
    }

    fn repairable(&mut self, damage: &Damage, message: String, repaired: bool) {
        self.find(Severity::Repairable, damage, message, repaired);
    }

    fn unproven(&mut self, key: LogKey, ordinal: u64) {
        self.report.findings.push(Finding {
            severity: Severity::Repairable,
            key: Some(key),
            segment: Some(ordinal),
            offset: None,
            message: "what comes before it was never synced and is lost; it is set aside when the shard opens"
                .to_owned(),
            repaired: false,
        });
    }

    fn find(&mut self, severity: Severity, damage: &Damage, message: String, repaired: bool) {
        self.report.findings.push(Finding {
            severity,
            key: Some(damage.key),
            segment: Some(damage.ordinal),
            offset: Some(damage.offset),
            message,
            repaired,
        });
    }
}
