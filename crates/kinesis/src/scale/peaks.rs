//! The highest rates of the last 30 days: what a stream must go on being ready for.
//!
//! One rate for each day in Greenwich. Kept in the engine's settings, beside what is known of the stream.

use std::collections::BTreeMap;

use afflux_engine::Quota;
use afflux_types::ServerTime;
use serde::{Deserialize, Serialize};

use super::gauge::Rate;

const DAYS: i64 = 30;
const MILLIS_PER_DAY: i64 = 86_400_000;
/// Thousandths of a shard for each thousandth of the peak. Twice the peak is what AWS promises; the rest
/// keeps what [`SPLIT_NOW`](super::decide::SPLIT_NOW) has made, so that a burst that comes again finds
/// what it has split.
const READY: u64 = 2_500;

/// By the day.
#[derive(Debug, Default)]
pub(super) struct Peaks {
    days: BTreeMap<i64, Rate>,
    is_changed: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Row {
    /// The day since 1970, bytes and records in a second.
    days: Vec<(i64, u64, u64)>,
}

impl Peaks {
    /// Takes a rate in that was just measured.
    pub(super) fn note(&mut self, now: ServerTime, rate: Rate) {
        let peak = self.days.entry(day(now)).or_default();
        let higher = Rate {
            bytes: rate.bytes.max(peak.bytes),
            records: rate.records.max(peak.records),
        };
        self.is_changed |= higher != *peak;
        *peak = higher;
    }

    /// Forgets what was too long ago.
    pub(super) fn expire(&mut self, now: ServerTime) {
        let today = day(now);
        // A clock that was wrong may have left days to come.
        self.days
            .retain(|day, _| today.saturating_sub(*day).abs() <= DAYS);
    }

    /// The highest rate of bytes and that of records.
    pub(super) fn highest(&self) -> Rate {
        let days = self.days.values();
        days.fold(Rate::default(), |highest, rate| Rate {
            bytes: highest.bytes.max(rate.bytes),
            records: highest.records.max(rate.records),
        })
    }

    /// The row to store, if it is another than the last time.
    pub(super) fn row_if_changed(&mut self) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.is_changed) {
            return None;
        }
        let days = self.days.iter();
        let days = days
            .map(|(day, rate)| (*day, rate.bytes, rate.records))
            .collect();
        serde_json::to_vec(&Row { days }).ok()
    }

    /// A row that cannot be read is none: the next peak replaces it.
    pub(super) fn from_row(row: &[u8]) -> Self {
        let row: Row = serde_json::from_slice(row).unwrap_or_default();
        let days = row.days.into_iter();
        Self {
            days: days
                .map(|(day, bytes, records)| (day, Rate { bytes, records }))
                .collect(),
            is_changed: false,
        }
    }
}

/// Shards that a stream with such a peak keeps.
pub(super) fn shards_for(peak: Rate, quota: Quota) -> u32 {
    let parts = peak.load(quota).saturating_mul(READY);
    u32::try_from(parts.div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

fn day(time: ServerTime) -> i64 {
    time.as_millis().div_euclid(MILLIS_PER_DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota {
        bytes_per_second: 1 << 20,
        records_per_second: 1_000,
    };

    fn on(day: i64) -> ServerTime {
        ServerTime::from_millis(day * MILLIS_PER_DAY + 1)
    }

    fn rate(bytes: u64, records: u64) -> Rate {
        Rate { bytes, records }
    }

    #[test]
    fn a_peak_counts_for_thirty_days_also_after_a_restart() {
        let mut peaks = Peaks::default();
        peaks.note(on(100), rate(7, 900));
        peaks.note(on(100), rate(9, 800));
        peaks.note(on(101), rate(8, 1));
        let row = peaks.row_if_changed().unwrap();
        assert_eq!(peaks.row_if_changed(), None);
        let mut peaks = Peaks::from_row(&row);
        peaks.expire(on(130));
        assert_eq!(peaks.highest(), rate(9, 900));
        peaks.expire(on(131));
        assert_eq!(peaks.highest(), rate(8, 1));
        peaks.expire(on(132));
        assert_eq!(peaks.highest(), rate(0, 0));
        assert_eq!(Peaks::from_row(b"{").highest(), rate(0, 0));
    }

    #[test]
    fn what_is_kept_is_twice_the_peak_and_what_a_burst_has_split() {
        assert_eq!(shards_for(rate(0, 0), QUOTA), 0);
        assert_eq!(shards_for(rate(1, 1), QUOTA), 1);
        // Four shards at 80 %, and those they were split into.
        assert_eq!(shards_for(rate(0, 3_200), QUOTA), 8);
        assert_eq!(shards_for(rate(4 << 20, 0), QUOTA), 10);
        assert_eq!(shards_for(rate(u64::MAX, 0), QUOTA), u32::MAX);
    }
}
