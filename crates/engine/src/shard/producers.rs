//! Which entries a shard has already taken in from whom, so that a retry is recognised.
//!
//! # Shape
//! Per producer the last sequence and a window of the entries before it, where they stand, and their
//! checksums. Sequences are gapless, so the window needs none. Everything is bounded: producers per
//! shard, entries per producer, entries per shard; the longest unused is forgotten first.
//!
//! # Invariants
//! Every sequence up to `last` was taken in exactly once. A producer that was forgotten is not taken
//! for a new one: it is refused, because its retries could not be told from new entries.

use std::collections::{BTreeMap, VecDeque};

use afflux_entry::Producer;
use afflux_types::{Error, ErrorKind, Position, ServerTime};

/// Producers that one shard remembers.
pub const PRODUCERS_MAX: usize = 10_000;
/// Entries of one producer whose retry is answered with the original positions: what a producer may
/// have in flight. 20 KiB for a busy producer.
pub const PRODUCER_WINDOW_ENTRIES: usize = 512;
/// Entries that one shard remembers over all producers: 2.5 MiB.
const SHARD_WINDOW_ENTRIES: usize = 65_536;
/// Entries of one producer that recovery may not have seen: a camera sends one initialisation, or a
/// few in a row.
const UNSEEN_MAX: u64 = 16;

/// Where an entry was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) position: Position,
    pub(crate) arrival: ServerTime,
    /// The log's serial; zero for what was durable when the log was opened.
    pub(crate) serial: u64,
    pub(crate) record_count: u32,
    /// What a retry's must equal: of a plain entry its checksum, of a sealed one that, keyed.
    pub(crate) checksum: u32,
    /// The data key that the entry was sealed with; zero: it stands plain.
    pub(crate) key: u64,
}

/// What to do with a producer's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the next one: append it.
    Next,
    /// It is here already.
    Known(Taken),
}

/// Why an entry does not continue its producer's sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SequenceError {
    #[error("producer {id:#018x} sent sequence 0; sequences count from 1")]
    Zero { id: u64 },
    #[error(
        "producer {id:#018x} starts with sequence {found}, not with 1: it is new here, or was forgotten for {PRODUCERS_MAX} others; take a new producer id"
    )]
    Unknown { id: u64, found: u64 },
    #[error("producer {id:#018x} sent sequence {found} after {last}; {} is missing", last.saturating_add(1))]
    Gap { id: u64, last: u64, found: u64 },
    #[error(
        "sequence {found} of producer {id:#018x} was taken in before, but its positions are forgotten: the last {PRODUCER_WINDOW_ENTRIES} up to {last} are remembered at most"
    )]
    Forgotten { id: u64, last: u64, found: u64 },
    #[error(
        "sequence {found} of producer {id:#018x} was taken in before with another content (checksum {before:#010x}, now {now:#010x})"
    )]
    Differs {
        id: u64,
        found: u64,
        before: u32,
        now: u32,
    },
}

impl From<SequenceError> for Error {
    fn from(error: SequenceError) -> Self {
        let kind = match error {
            SequenceError::Zero { .. }
            | SequenceError::Gap { .. }
            | SequenceError::Differs { .. } => ErrorKind::Invalid,
            SequenceError::Unknown { .. } | SequenceError::Forgotten { .. } => ErrorKind::Expired,
        };
        Self::new(kind, error.to_string())
    }
}

/// The producers of one shard.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ProducerTable {
    rows: BTreeMap<u64, Row>,
    /// Producers by when they were last used, the longest unused first.
    by_use: BTreeMap<u64, u64>,
    uses: u64,
    remembered: usize,
    /// Producers not used since this use may be ahead of what recovery saw, by up to [`UNSEEN_MAX`].
    unseen_until: Option<u64>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) last: u64,
    used: u64,
    /// The entries up to `last`, the newest at the back.
    pub(crate) window: VecDeque<Taken>,
}

impl ProducerTable {
    /// The data key that a retry of an entry is judged with; zero: it needs none.
    pub(crate) fn key_of(&self, producer: Producer) -> u64 {
        let row = self.rows.get(&producer.id);
        row.and_then(|row| row.taken(producer.sequence))
            .map_or(0, |taken| taken.key)
    }

    /// Decides about an entry without changing anything; `checksum` is keyed with
    /// [`ProducerTable::key_of`] it.
    pub(crate) fn judge(
        &self,
        producer: Producer,
        checksum: u32,
    ) -> Result<Verdict, SequenceError> {
        let Producer {
            id,
            sequence: found,
        } = producer;
        if found == 0 {
            return Err(SequenceError::Zero { id });
        }
        let Some(row) = self.rows.get(&id) else {
            let unseen = self.unseen_until.map_or(0, |_| UNSEEN_MAX);
            if found - 1 > unseen {
                return Err(SequenceError::Unknown { id, found });
            }
            return Ok(Verdict::Next);
        };
        let last = row.last;
        if found > last {
            let unseen = match self.unseen_until {
                Some(until) if row.used <= until => UNSEEN_MAX,
                _ => 0,
            };
            if found - last - 1 > unseen {
                return Err(SequenceError::Gap { id, last, found });
            }
            return Ok(Verdict::Next);
        }
        let taken = row
            .taken(found)
            .ok_or(SequenceError::Forgotten { id, last, found })?;
        if taken.checksum != checksum {
            return Err(SequenceError::Differs {
                id,
                found,
                before: taken.checksum,
                now: checksum,
            });
        }
        Ok(Verdict::Known(taken))
    }

    /// Remembers an entry that was appended.
    ///
    /// At recovery a producer may reappear after it was forgotten; its window then starts anew.
    pub(crate) fn record(&mut self, producer: Producer, taken: Taken) {
        self.touch(producer.id);
        let Some(row) = self.rows.get_mut(&producer.id) else {
            return;
        };
        if row.last.checked_add(1) != Some(producer.sequence) {
            self.remembered -= row.window.len();
            row.window.clear();
        }
        row.last = producer.sequence;
        row.window.push_back(taken);
        self.remembered += 1;
        if row.window.len() > PRODUCER_WINDOW_ENTRIES {
            row.window.pop_front();
            self.remembered -= 1;
        }
        self.forget();
    }

    /// Notes that recovery may have missed entries at the end of the log.
    ///
    /// An entry without records takes no position, so those at the very end cannot be asked for. A
    /// producer that has sent such goes on with a higher sequence than expected, once. Taking an
    /// initialisation in again is harmless.
    pub(crate) fn may_lack_the_end(&mut self) {
        self.unseen_until = Some(self.uses);
        // The most recent producer's next use must count as one.
        self.uses += 1;
    }

    /// Puts a producer back as a snapshot has it, as the most recently used.
    pub(crate) fn restore(&mut self, id: u64, last: u64, window: VecDeque<Taken>) {
        self.touch(id);
        if let Some(row) = self.rows.get_mut(&id) {
            self.remembered = self.remembered - row.window.len() + window.len();
            row.last = last;
            row.window = window;
        }
        self.forget();
    }

    /// The last sequence taken in from a producer; zero if it is unknown.
    pub(crate) fn last_sequence(&self, id: u64) -> u64 {
        self.rows.get(&id).map_or(0, |row| row.last)
    }

    /// Every producer, the longest unused first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Row)> {
        self.by_use
            .values()
            .filter_map(|id| Some((*id, self.rows.get(id)?)))
    }

    /// Makes a producer the most recently used, and known.
    fn touch(&mut self, id: u64) {
        // One producer per shard is the common case: it is the most recent already.
        if let Some(row) = self.rows.get_mut(&id) {
            if row.used == self.uses {
                return;
            }
            self.by_use.remove(&row.used);
        }
        self.uses += 1;
        self.by_use.insert(self.uses, id);
        let uses = self.uses;
        self.rows
            .entry(id)
            .and_modify(|row| row.used = uses)
            .or_insert_with(|| Row {
                last: 0,
                used: uses,
                window: VecDeque::new(),
            });
    }

    fn forget(&mut self) {
        while self.rows.len() > PRODUCERS_MAX {
            let Some((_, id)) = self.by_use.pop_first() else {
                break;
            };
            if let Some(row) = self.rows.remove(&id) {
                self.remembered -= row.window.len();
            }
        }
        if self.remembered <= SHARD_WINDOW_ENTRIES {
            return;
        }
        // Down by a quarter, so that the search for the longest unused is paid for by many appends.
        for id in self.by_use.values() {
            if self.remembered <= SHARD_WINDOW_ENTRIES * 3 / 4 {
                break;
            }
            if let Some(row) = self.rows.get_mut(id) {
                self.remembered -= row.window.len();
                row.window = VecDeque::new();
            }
        }
    }
}

impl Row {
    /// The entry with a sequence that is not above `last`.
    fn taken(&self, sequence: u64) -> Option<Taken> {
        let from_back = usize::try_from(self.last.checked_sub(sequence)?).ok()?;
        let index = self.window.len().checked_sub(from_back)?.checked_sub(1)?;
        self.window.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn producer(id: u64, sequence: u64) -> Producer {
        Producer { id, sequence }
    }

    fn taken(position: u64) -> Taken {
        Taken {
            position: Position::new(position),
            arrival: ServerTime::from_millis(5),
            serial: position,
            record_count: 1,
            checksum: 9,
            key: 0,
        }
    }

    fn judge(table: &ProducerTable, id: u64, sequence: u64) -> Result<Verdict, SequenceError> {
        table.judge(producer(id, sequence), 9)
    }

    #[test]
    fn a_retry_is_known_and_a_gap_is_named() {
        let mut table = ProducerTable::default();
        assert_eq!(judge(&table, 1, 1), Ok(Verdict::Next));
        for sequence in 1..=3 {
            table.record(producer(1, sequence), taken(sequence * 10));
        }
        assert_eq!(judge(&table, 1, 4), Ok(Verdict::Next));
        for sequence in 1..=3 {
            let known = Verdict::Known(taken(sequence * 10));
            assert_eq!(judge(&table, 1, sequence), Ok(known));
        }
        let gap = judge(&table, 1, 6).unwrap_err();
        assert_eq!(
            gap.to_string(),
            "producer 0x0000000000000001 sent sequence 6 after 3; 4 is missing"
        );
        assert_eq!(judge(&table, 1, 0), Err(SequenceError::Zero { id: 1 }));
        let differs = table.judge(producer(1, 2), 8).unwrap_err();
        assert_eq!(
            differs.to_string(),
            "sequence 2 of producer 0x0000000000000001 was taken in before with another content (checksum 0x00000009, now 0x00000008)"
        );
        assert_eq!(Error::from(differs).kind(), ErrorKind::Invalid);
    }

    #[test]
    fn a_producer_that_is_unknown_must_start_at_one() {
        let error = judge(&ProducerTable::default(), 1, 2).unwrap_err();
        assert_eq!(error, SequenceError::Unknown { id: 1, found: 2 });
        assert_eq!(Error::from(error).kind(), ErrorKind::Expired);
    }

    #[test]
    fn after_recovery_a_producer_may_be_a_little_ahead_once() {
        let mut table = ProducerTable::default();
        table.record(producer(1, 1), taken(1));
        table.may_lack_the_end();
        assert_eq!(judge(&table, 1, 3), Ok(Verdict::Next));
        assert!(judge(&table, 1, 3 + UNSEEN_MAX).is_err());
        assert_eq!(judge(&table, 2, 2), Ok(Verdict::Next));
        assert!(judge(&table, 2, 2 + UNSEEN_MAX).is_err());
        table.record(producer(1, 3), taken(9));
        assert_eq!(judge(&table, 1, 3), Ok(Verdict::Known(taken(9))));
        assert!(judge(&table, 1, 5).is_err());
    }

    #[test]
    fn window_and_table_are_bounded() {
        let mut table = ProducerTable::default();
        let beyond = PRODUCER_WINDOW_ENTRIES as u64 + 1;
        for sequence in 1..=beyond {
            table.record(producer(1, sequence), taken(sequence));
        }
        assert!(matches!(
            judge(&table, 1, 1),
            Err(SequenceError::Forgotten { found: 1, .. })
        ));
        assert_eq!(judge(&table, 1, 2), Ok(Verdict::Known(taken(2))));
        for id in 2..=PRODUCERS_MAX as u64 + 1 {
            table.record(producer(id, 1), taken(id));
        }
        assert_eq!(table.rows.len(), PRODUCERS_MAX);
        assert_eq!(table.by_use.len(), PRODUCERS_MAX);
        assert!(matches!(
            judge(&table, 1, beyond + 1),
            Err(SequenceError::Unknown { .. })
        ));
        assert_eq!(judge(&table, 2, 1), Ok(Verdict::Known(taken(2))));
    }

    #[test]
    fn entries_of_a_shard_are_bounded_and_the_longest_unused_go_first() {
        let mut table = ProducerTable::default();
        let window = PRODUCER_WINDOW_ENTRIES as u64;
        for id in 1..=200 {
            for sequence in 1..=window {
                table.record(producer(id, sequence), taken(sequence));
            }
        }
        let remembered: usize = table.rows.values().map(|row| row.window.len()).sum();
        assert_eq!(remembered, table.remembered);
        assert!(remembered <= SHARD_WINDOW_ENTRIES, "{remembered} entries");
        // The sequences are known still, only their positions are not.
        assert_eq!(judge(&table, 1, window + 1), Ok(Verdict::Next));
        assert!(matches!(
            judge(&table, 1, window),
            Err(SequenceError::Forgotten { .. })
        ));
        assert!(matches!(judge(&table, 200, window), Ok(Verdict::Known(_))));
    }
}
