//! From counters to rates: of a stream, and of each of its open shards.
//!
//! A rate is the difference of two readings, so it is known only of what was watched for as long as the
//! rate is about. That is the pause after each split, too: children are judged when they have been busy
//! for a while themselves.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use afflux_engine::{LoadSample, Quota, ShardLoad, StreamLoad};
use afflux_types::{HashKeyRange, ShardId};

use super::SAVE;
use super::cut::{Weighed, cut};
use super::decide::{SPLIT_NOW, ShardView};
use super::peaks::Peaks;

/// What a burst is measured over.
pub(super) const BURST: Duration = Duration::from_secs(15);
/// What a sustained rate is measured over.
pub(super) const SUSTAINED: Duration = Duration::from_secs(60);
/// How long a shard must have been quiet.
const QUIET: Duration = Duration::from_secs(15 * 60);
/// Samples of a shard that are kept: those of three rounds.
const SAMPLES_MAX: usize = 96;

/// Bytes and records in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) bytes: u64,
    pub(super) records: u64,
}

impl Rate {
    /// How much of what a shard may take in, in thousandths.
    pub(super) fn load(self, quota: Quota) -> u64 {
        self.parts(quota, 1_000)
    }

    /// The larger part of a quota's two limits, in so many parts of each.
    fn parts(self, quota: Quota, parts: u64) -> u64 {
        let of = |amount: u64, limit: u64| match limit {
            0 => 0,
            limit => amount.saturating_mul(parts) / limit,
        };
        let bytes = of(self.bytes, quota.bytes_per_second);
        bytes.max(of(self.records, quota.records_per_second))
    }
}

/// What is measured of a stream.
#[derive(Debug)]
pub(super) struct Gauge {
    pub(super) peaks: Peaks,
    /// When the peaks were written.
    saved: Option<Duration>,
    meter: Meter,
    shards: BTreeMap<ShardId, ShardGauge>,
}

#[derive(Debug)]
struct ShardGauge {
    range: HashKeyRange,
    meter: Meter,
    highest: Highest,
    /// With the time of their look; only of a busy shard.
    samples: VecDeque<(Duration, LoadSample)>,
}

impl Gauge {
    pub(super) fn new(peaks: Peaks) -> Self {
        Self {
            peaks,
            saved: None,
            meter: Meter::default(),
            shards: BTreeMap::new(),
        }
    }

    /// Takes a look at the stream in.
    pub(super) fn note(&mut self, now: Duration, quota: Quota, load: StreamLoad) {
        self.meter.note(now, load.bytes, load.records);
        let mut before = std::mem::take(&mut self.shards);
        for shard in load.shards {
            let gauge = before.remove(&shard.id);
            let mut gauge = gauge.unwrap_or_else(|| ShardGauge::new(now, shard.range));
            let id = shard.id;
            gauge.note(now, quota, shard);
            self.shards.insert(id, gauge);
        }
    }

    /// The rate of the whole stream just now.
    pub(super) fn rate(&self) -> Option<Rate> {
        self.meter.rate(BURST)
    }

    /// The shards in the order of their ranges. If the service distributes the records, any cut halves
    /// the load.
    pub(super) fn shards(&self, quota: Quota, is_auto: bool) -> Vec<ShardView> {
        let shards = self.shards.iter();
        let mut views: Vec<ShardView> = shards
            .map(|(&id, gauge)| gauge.view(id, quota, is_auto))
            .collect();
        views.sort_by_key(|shard| shard.range.start());
        views
    }

    /// The row of the peaks, if it is time to write it.
    pub(super) fn row_to_save(&mut self, now: Duration) -> Option<Vec<u8>> {
        if self.saved.is_some_and(|saved| now < saved + SAVE) {
            return None;
        }
        let row = self.peaks.row_if_changed()?;
        self.saved = Some(now);
        Some(row)
    }
}

impl ShardGauge {
    fn new(now: Duration, range: HashKeyRange) -> Self {
        Self {
            range,
            meter: Meter::default(),
            highest: Highest::new(now),
            samples: VecDeque::new(),
        }
    }

    fn note(&mut self, now: Duration, quota: Quota, shard: ShardLoad) {
        self.meter.note(now, shard.bytes, shard.records);
        let load = self.load(BURST, quota).unwrap_or(0);
        self.highest.note(now, load);
        // Before the shard is split there is a round in which it is half as busy.
        if load < SPLIT_NOW / 2 && self.load(SUSTAINED, quota).unwrap_or(0) < SPLIT_NOW / 4 {
            self.samples.clear();
            return;
        }
        let new = shard.sample.into_iter().map(|sample| (now, sample));
        self.samples.extend(new);
        let surplus = self.samples.len().saturating_sub(SAMPLES_MAX);
        self.samples.drain(..surplus);
        self.samples.retain(|(at, _)| now - *at < SUSTAINED);
    }

    fn load(&self, over: Duration, quota: Quota) -> Option<u64> {
        self.meter.rate(over).map(|rate| rate.load(quota))
    }

    fn view(&self, id: ShardId, quota: Quota, is_auto: bool) -> ShardView {
        ShardView {
            id,
            range: self.range,
            burst: self.load(BURST, quota),
            sustained: self.load(SUSTAINED, quota),
            highest: self.highest.get(),
            cut: match is_auto {
                true => self.range.middle(),
                false => cut(self.range, self.weighed(quota)),
            },
        }
    }

    fn weighed(&self, quota: Quota) -> Vec<Weighed> {
        let samples = self.samples.iter().map(|(_, sample)| sample);
        samples
            .map(|sample| Weighed {
                key: sample.key,
                weight: Rate {
                    bytes: sample.bytes.into(),
                    records: sample.records.into(),
                }
                .parts(quota, 1_000_000),
            })
            .collect()
    }
}

/// Readings of two counters: the youngest that is a minute old, and what came after.
#[derive(Debug, Default)]
struct Meter(VecDeque<Reading>);

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Duration,
    bytes: u64,
    records: u64,
}

impl Meter {
    fn note(&mut self, at: Duration, bytes: u64, records: u64) {
        while self.0.get(1).is_some_and(|r| r.at + SUSTAINED <= at) {
            self.0.pop_front();
        }
        self.0.push_back(Reading { at, bytes, records });
    }

    /// The mean over at least `over`; `None` if the first reading is not as old.
    fn rate(&self, over: Duration) -> Option<Rate> {
        let last = self.0.back()?;
        let mut readings = self.0.iter().rev();
        let first = readings.find(|reading| reading.at + over <= last.at)?;
        let millis = (last.at - first.at).as_millis().max(1);
        let mean = |from: u64, to: u64| {
            let amount = u128::from(to.saturating_sub(from)) * 1_000;
            u64::try_from(amount / millis).unwrap_or(u64::MAX)
        };
        Some(Rate {
            bytes: mean(first.bytes, last.bytes),
            records: mean(first.records, last.records),
        })
    }
}

/// The highest load of the last quarter of an hour.
#[derive(Debug)]
pub(super) struct Highest {
    since: Duration,
    now: Duration,
    /// The highest load of each minute.
    minutes: VecDeque<(u64, u64)>,
}

impl Highest {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            since: now,
            now,
            minutes: VecDeque::new(),
        }
    }

    pub(super) fn note(&mut self, now: Duration, load: u64) {
        self.now = now;
        let minute = now.as_secs() / 60;
        match self.minutes.back_mut() {
            Some((last, highest)) if *last == minute => *highest = load.max(*highest),
            _ => self.minutes.push_back((minute, load)),
        }
        let oldest = minute.saturating_sub(QUIET.as_secs() / 60);
        self.minutes.retain(|(minute, _)| *minute >= oldest);
    }

    /// `None` if the shard was not watched for as long.
    pub(super) fn get(&self) -> Option<u64> {
        let is_known = self.now >= self.since + QUIET;
        let highest = self.minutes.iter().map(|(_, load)| *load).max();
        highest.filter(|_| is_known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_rate_is_known_once_it_was_watched_for_long_enough() {
        let mut meter = Meter::default();
        meter.note(10 * S, 7_000, 70);
        assert_eq!(meter.rate(BURST), None);
        meter.note(24 * S, 8_000, 80);
        assert_eq!(meter.rate(BURST), None);
        meter.note(25 * S, 22_000, 100);
        let (bytes, records) = (1_000, 2);
        assert_eq!(meter.rate(BURST), Some(Rate { bytes, records }));
        assert_eq!(meter.rate(SUSTAINED), None);
    }

    #[test]
    fn readings_of_one_minute_are_kept_however_often_they_are_taken() {
        let mut meter = Meter::default();
        for second in 0..1_000 {
            meter.note(second * S, u64::from(second) * 5, 0);
        }
        assert_eq!(meter.0.len(), 61);
        assert_eq!(meter.rate(SUSTAINED).map(|rate| rate.bytes), Some(5));
        // After a pause the mean is over the pause.
        meter.note(1_998 * S, 4_995 + 999, 0);
        assert_eq!(meter.rate(BURST).map(|rate| rate.bytes), Some(1));
    }

    #[test]
    fn a_load_is_remembered_for_a_quarter_of_an_hour_and_then_forgotten() {
        let mut highest = Highest::new(S);
        highest.note(S, 900);
        assert_eq!(highest.get(), None);
        for minute in 1..=15 {
            highest.note(minute * 60 * S + S, 3);
        }
        assert_eq!(highest.get(), Some(900));
        highest.note(16 * 60 * S, 5);
        assert_eq!(highest.get(), Some(5));
        assert!(highest.minutes.len() <= 16);
    }

    #[test]
    fn the_scarcer_of_bytes_and_records_counts_and_no_limit_is_never_reached() {
        let quota = |bytes_per_second, records_per_second| Quota {
            bytes_per_second,
            records_per_second,
        };
        let (bytes, records) = (500, 60);
        let rate = Rate { bytes, records };
        assert_eq!(rate.load(quota(1_000, 100)), 600);
        assert_eq!(rate.load(quota(1_000, 0)), 500);
        assert_eq!(rate.load(quota(0, 0)), 0);
    }
}
