//! Sealing a segment, and finding its index again: from its file, or from the log itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Index, Segment, to_usize};
use crate::error::{Context, Fault, FileError, StoreError};
use crate::format::{SEGMENT_HEADER_LEN, Summary, decode_index, encode_index};
use crate::fs::{LogFile, OpenMode, read_full_at, write_all_at};
use crate::index::{IndexBuilder, SealedIndex};
use crate::key::index_path;
use crate::scan::{Expected, Found, Scan};
use crate::stats::sub;

/// Grain of the tail that a sealed segment gives back.
const PAGE: u64 = 4_096;

impl Segment {
    /// Makes a fully published segment immutable: writes its index and gives its unused tail back.
    ///
    /// Nothing here needs to be durable: a lost index is rebuilt.
    pub(crate) fn seal(self: &Arc<Self>) -> Result<(), FileError> {
        let index = match &*self.index.read() {
            Index::Growing(index) => {
                SealedIndex::trusted(*index.summary(), index.blocks().to_vec())
            }
            Index::Sealed(_) | Index::Unloaded => return Ok(()),
        };
        let tail = index.summary.data_len.next_multiple_of(PAGE);
        if tail < self.capacity() {
            let file = self.file()?;
            file.release(tail, self.capacity() - tail)
                .context("release the tail of", &self.path())?;
            let before = self.reserved.swap(tail, Ordering::AcqRel);
            sub(
                &self.store.counters.reserved_bytes,
                before.saturating_sub(tail),
            );
        }
        let written = self.write_index(&index);
        *self.index.write() = Index::Sealed(Arc::new(index));
        self.sealed.store(true, Ordering::Release);
        if !self.is_dirty() {
            self.file.lock().file = None;
        }
        written
    }

    /// Stores the index of a sealed segment again, whose file a full disk may have refused.
    pub(crate) fn store_index(&self) -> Result<(), FileError> {
        match &*self.index.read() {
            Index::Sealed(index) => self.write_index(index),
            Index::Growing(_) | Index::Unloaded => Ok(()),
        }
    }

    /// Loads the index of a sealed segment from its file, or rebuilds it.
    pub(super) fn load(self: &Arc<Self>) -> Result<(), StoreError> {
        let index = match self.read_index()? {
            Ok((index, reserved)) => {
                let before = self.reserved.swap(reserved, Ordering::AcqRel);
                sub(
                    &self.store.counters.reserved_bytes,
                    before.saturating_sub(reserved),
                );
                index
            }
            Err(reason) => {
                tracing::info!(
                    key = %self.identity.key,
                    segment = self.ordinal(),
                    %reason,
                    "rebuilding the index of a sealed segment"
                );
                let index = self.rebuild_index()?;
                if let Err(error) = self.write_index(&index) {
                    tracing::warn!(key = %self.identity.key, %error, "the rebuilt index was not stored");
                }
                index
            }
        };
        self.check_end(&index.summary)?;
        self.published.advance(to_usize(index.summary.data_len));
        let mut slot = self.index.write();
        if matches!(&*slot, Index::Unloaded) {
            *slot = Index::Sealed(Arc::new(index));
        }
        Ok(())
    }

    /// The index as its file has it, or the reason why it must be rebuilt.
    fn read_index(&self) -> Result<Result<(SealedIndex, u64), String>, FileError> {
        let path = index_path(&self.dir, self.ordinal());
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
        // 24 bytes for every 128 entries of 72 bytes at least, and the header.
        if len > self.capacity() / 128 + 4_096 {
            return Ok(Err(format!("it has {len} bytes")));
        }
        let mut bytes = vec![0; to_usize(len)];
        let read = read_full_at(&*file, &mut bytes, 0).context("read", &path)?;
        bytes.truncate(read);
        Ok(decode_index(&bytes, &self.identity).map(|index| {
            let sealed = if self.trusted.load(Ordering::Acquire) {
                SealedIndex::trusted(index.summary, index.blocks)
            } else {
                SealedIndex::unverified(index.summary, index.blocks)
            };
            (sealed, index.reserved)
        }))
    }

    /// The index made from the entries, each of which is verified.
    pub(crate) fn rebuild_index(self: &Arc<Self>) -> Result<SealedIndex, StoreError> {
        let path = self.path();
        let file = self
            .store
            .fs
            .open(&path, OpenMode::Read)
            .context("open", &path)?;
        let index = self.scan_sealed(&*file)?;
        self.trusted.store(true, Ordering::Release);
        Ok(SealedIndex::trusted(
            *index.summary(),
            index.blocks().to_vec(),
        ))
    }

    fn scan_sealed(&self, file: &dyn LogFile) -> Result<IndexBuilder, StoreError> {
        let path = self.path();
        let mut scan = Scan::new(file, &path, self.capacity());
        let mut index = IndexBuilder::new(self.first());
        let mut expected = Expected {
            position: self.first(),
            arrival: self
                .activation
                .get()
                .map_or_else(Default::default, |a| a.arrival_floor),
        };
        let mut offset = SEGMENT_HEADER_LEN as u64;
        loop {
            let at = to_usize(offset);
            match scan.entry_at(offset)? {
                Found::Entry(header) => {
                    expected
                        .accept(&header)
                        .map_err(|fault| self.damage(at, fault))?;
                    index.push(&header);
                    offset += header.entry_len() as u64;
                }
                Found::Nothing => return Ok(index),
                Found::Bad(error) => return Err(self.damage(at, Fault::Entry(error)).into()),
            }
        }
    }

    /// Checks that the segment reaches to where the next one starts.
    pub(super) fn check_end(&self, summary: &Summary) -> Result<(), StoreError> {
        match self.next_first.get() {
            Some(&expected) if expected != summary.end => {
                let fault = Fault::Position {
                    expected,
                    found: summary.end,
                };
                Err(self.damage(to_usize(summary.data_len), fault).into())
            }
            _ => Ok(()),
        }
    }

    /// Stores the index, unless the segment has been removed meanwhile.
    pub(crate) fn write_index(&self, index: &SealedIndex) -> Result<(), FileError> {
        let slot = self.file.lock();
        if slot.removed {
            return Ok(());
        }
        let path = index_path(&self.dir, self.ordinal());
        let bytes = encode_index(
            &self.identity,
            &index.summary,
            self.reserved(),
            &index.blocks,
        );
        let file = self
            .store
            .fs
            .open(&path, OpenMode::Truncate)
            .context("create", &path)?;
        write_all_at(&*file, [&bytes[..]], 0).context("write", &path)
    }
}
