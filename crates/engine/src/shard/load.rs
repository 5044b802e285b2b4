//! What a shard takes in, for whoever divides its range by it: counters, and a sample of the hash keys.
//!
//! The counters only grow; whoever wants a rate compares two looks. The sample says where in the range
//! the records fall: of the entries since the last look a fixed number is kept, each as likely as any
//! other, and of each entry one record's hash key stands for all of them. It is drawn only for shards
//! that somebody looks at.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use afflux_entry::Header;
use afflux_types::HashKey;
use parking_lot::Mutex;

use crate::stream::LoadSample;

/// Entries of which a key is kept between two looks: 1 KiB for each shard that is looked at.
const SAMPLES_MAX: usize = 32;

/// What one shard took in since its log was opened.
#[derive(Debug, Default)]
pub(crate) struct Load {
    bytes: AtomicU64,
    records: AtomicU64,
    is_sampled: AtomicBool,
    sample: Mutex<Sample>,
}

#[derive(Debug, Default)]
struct Sample {
    /// Entries since the last look.
    entries: u64,
    kept: Vec<LoadSample>,
}

/// A place in the sample for an entry that is on its way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drawn {
    /// Of the record whose hash key stands for the entry.
    pub(crate) record: u32,
    place: usize,
}

/// What was found at a look.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    pub(crate) sample: Vec<LoadSample>,
}

impl Load {
    /// Whether an entry becomes part of the sample if it is taken in.
    pub(crate) fn draw(&self, header: &Header) -> Option<Drawn> {
        if !self.is_sampled.load(Ordering::Relaxed) || header.record_count == 0 {
            return None;
        }
        let entries = self.sample.lock().entries;
        let chance = scatter(header.checksum, entries);
        let place = chance % (entries + 1);
        let place = if entries < SAMPLES_MAX as u64 {
            entries
        } else {
            place
        };
        let place = usize::try_from(place).ok().filter(|p| *p < SAMPLES_MAX)?;
        let record = u32::try_from((chance >> 32) % u64::from(header.record_count)).ok()?;
        Some(Drawn { record, place })
    }

    /// Counts an entry that was taken in; `key` is that of the record that was drawn, if any was.
    pub(crate) fn note(&self, bytes: u32, records: u32, drawn: Option<(Drawn, HashKey)>) {
        self.bytes.fetch_add(u64::from(bytes), Ordering::Relaxed);
        self.records
            .fetch_add(u64::from(records), Ordering::Relaxed);
        if !self.is_sampled.load(Ordering::Relaxed) {
            return;
        }
        let mut sample = self.sample.lock();
        sample.entries += 1;
        let Some((drawn, key)) = drawn else {
            return;
        };
        let new = LoadSample {
            key,
            bytes,
            records,
        };
        match sample.kept.get_mut(drawn.place) {
            Some(old) => *old = new,
            None => sample.kept.push(new),
        }
    }

    /// A look: the counters, and the sample since the last one. The first begins the sample.
    pub(crate) fn take(&self) -> Taken {
        self.is_sampled.store(true, Ordering::Relaxed);
        let sample = std::mem::take(&mut *self.sample.lock());
        Taken {
            bytes: self.bytes.load(Ordering::Relaxed),
            records: self.records.load(Ordering::Relaxed),
            sample: sample.kept,
        }
    }
}

/// A number without a pattern, from what no two entries in a row have in common.
fn scatter(checksum: u32, turn: u64) -> u64 {
    // The finisher of splitmix64.
    let mut x = (u64::from(checksum) << 32) ^ turn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use afflux_entry::Kind;
    use bytes::Bytes;

    use super::*;

    fn header(number: u32, records: u32) -> Header {
        let body = [Bytes::copy_from_slice(&number.to_be_bytes())];
        Header::for_body(Kind::Batch, records, None, None, &body)
    }

    /// Takes entries in whose keys are their numbers.
    fn fill(load: &Load, entries: u32) {
        for number in 0..entries {
            let drawn = load.draw(&header(number, 3));
            let key = HashKey::new(u128::from(number));
            load.note(10, 3, drawn.map(|drawn| (drawn, key)));
        }
    }

    #[test]
    fn counters_grow_and_nothing_is_sampled_before_the_first_look() {
        let load = Load::default();
        fill(&load, 5);
        let taken = load.take();
        assert_eq!((taken.bytes, taken.records), (50, 15));
        assert_eq!(taken.sample, []);
    }

    #[test]
    fn a_look_gets_the_sample_since_the_last_one() {
        let load = Load::default();
        load.take();
        fill(&load, 3);
        let keys: Vec<u128> = load.take().sample.iter().map(|s| s.key.get()).collect();
        assert_eq!(keys, [0, 1, 2]);
        assert_eq!(load.take().sample, []);
        assert_eq!(load.take().bytes, 30);
    }

    #[test]
    fn early_and_late_entries_are_as_likely_to_be_kept() {
        let load = Load::default();
        load.take();
        let (mut late, mut kept) = (0, 0);
        for _ in 0..20 {
            fill(&load, 1_000);
            let sample = load.take().sample;
            assert_eq!(sample.len(), SAMPLES_MAX);
            kept += sample.len();
            late += sample.iter().filter(|s| s.key.get() >= 500).count();
        }
        // The same numbers in every run, because nothing here is left to chance.
        assert!(late * 5 > kept * 2 && late * 5 < kept * 3, "{late}/{kept}");
    }

    #[test]
    fn every_record_of_an_entry_can_be_the_one() {
        let load = Load::default();
        load.take();
        let draws = (0..SAMPLES_MAX).filter_map(|n| {
            let drawn = load.draw(&header(u32::try_from(n).unwrap(), 4));
            drawn.map(|drawn| drawn.record)
        });
        let records: std::collections::BTreeSet<u32> = draws.collect();
        assert_eq!(records.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    }
}
