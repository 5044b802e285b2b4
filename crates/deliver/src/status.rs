//! How an archive is doing, for whoever asks.

use std::collections::BTreeMap;
use std::time::Duration;

use afflux_types::{Error, ShardId, StreamName};
use parking_lot::Mutex;

use crate::manifest::Totals;
use crate::settings::ArchiveSettings;
use crate::write::Progress;

/// How an archive is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveStatus {
    /// The stream.
    pub stream: StreamName,
    /// As they were given.
    pub settings: ArchiveSettings,
    /// What is finished and listed, and what is missing, over all shards.
    pub totals: Totals,
    /// Records in files that are not finished yet.
    pub unfinished_records: u64,
    /// How far the slowest shard is behind its end; goes on to grow while archiving fails.
    pub millis_behind: u64,
    /// Why the archive, or one of its shards, cannot go on now; `None` if all is well.
    pub last_error: Option<String>,
}

/// What an archive was doing when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Opening,
    Reading,
    Writing,
}

/// The cells behind an [`ArchiveStatus`].
#[derive(Debug, Default)]
pub(crate) struct Status(Mutex<Cells>);

#[derive(Debug, Default)]
struct Cells {
    shards: BTreeMap<ShardId, ShardCell>,
    /// Of the archive as a whole.
    failure: Option<String>,
}

#[derive(Debug, Default)]
struct ShardCell {
    totals: Totals,
    unfinished: u64,
    millis_behind: u64,
    /// When that was so, by the clock's elapsed time.
    measured: Duration,
    failure: Option<(Stage, String)>,
}

impl Status {
    /// A shard, or the archive as a whole, has failed.
    pub(crate) fn failed(&self, shard: Option<ShardId>, stage: Stage, error: &Error) {
        let mut cells = self.0.lock();
        match shard {
            Some(shard) => {
                let text = format!("{shard}: {}", error.chain());
                cells.shards.entry(shard).or_default().failure = Some((stage, text));
            }
            None => cells.failure = Some(error.chain()),
        }
    }

    /// What failed works again, as far as opening and reading can tell.
    pub(crate) fn recovered(&self, shard: Option<ShardId>) {
        let mut cells = self.0.lock();
        match shard {
            // Writing is only known to work again when a file has been finished.
            Some(shard) => {
                let cell = cells.shards.entry(shard).or_default();
                cell.failure = cell
                    .failure
                    .take()
                    .filter(|(stage, _)| *stage == Stage::Writing);
            }
            None => cells.failure = None,
        }
    }

    pub(crate) fn progressed(&self, shard: ShardId, progress: &Progress) {
        let mut cells = self.0.lock();
        let cell = cells.shards.entry(shard).or_default();
        if cell.totals != progress.totals {
            cell.failure = None;
        }
        cell.totals = progress.totals;
        cell.unfinished = progress.unfinished;
    }

    pub(crate) fn behind(&self, shard: ShardId, millis: u64, now: Duration) {
        let mut cells = self.0.lock();
        let cell = cells.shards.entry(shard).or_default();
        cell.millis_behind = millis;
        cell.measured = now;
    }

    pub(crate) fn report(
        &self,
        stream: &StreamName,
        settings: &ArchiveSettings,
        now: Duration,
    ) -> ArchiveStatus {
        let cells = self.0.lock();
        let shards = || cells.shards.values();
        let failure = shards().find_map(|cell| cell.failure.as_ref().map(|(_, text)| text));
        ArchiveStatus {
            stream: stream.clone(),
            settings: settings.clone(),
            totals: shards().fold(Totals::default(), |sum, cell| sum.plus(cell.totals)),
            unfinished_records: shards().map(|cell| cell.unfinished).sum(),
            millis_behind: shards()
                .map(|cell| cell.millis_behind(now))
                .max()
                .unwrap_or(0),
            last_error: cells.failure.as_ref().or(failure).cloned(),
        }
    }
}

impl ShardCell {
    fn millis_behind(&self, now: Duration) -> u64 {
        let since = match self.failure {
            Some(_) => now.saturating_sub(self.measured),
            None => Duration::ZERO,
        };
        let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.millis_behind.saturating_add(since)
    }
}
