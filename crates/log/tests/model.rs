//! Random operations against a model: a list of entries with a horizon.

use std::sync::Arc;
use std::time::Duration;

use afflux_log::{Durability, Observer, ReadError, ShardLog, Volume};
use afflux_types::{Clock, Position, ServerTime};
use bytes::Bytes;
use proptest::prelude::*;

use crate::support::{Ear, KEY, append, clock, entry, shard, small, split};

#[derive(Clone, Debug)]
enum Step {
    Append { count: u32, len: usize },
    Wait,
    Advance(u64),
    Read { from: u64, bytes_max: usize },
    Time(i64),
    Retain { bytes_max: u64 },
    Expire { millis: i64 },
    Trim { before: u64 },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..4_u32, 0..9_000_usize).prop_map(|(count, len)| Step::Append { count, len }),
        1 => (1..4_u32, 60_000..300_000_usize).prop_map(|(count, len)| Step::Append { count, len }),
        2 => Just(Step::Wait),
        2 => (0..50_u64).prop_map(Step::Advance),
        4 => (0..300_u64, 0..50_000_usize).prop_map(|(from, bytes_max)| Step::Read { from, bytes_max }),
        2 => (0..2_000_i64).prop_map(Step::Time),
        1 => (0..600_000_u64).prop_map(|bytes_max| Step::Retain { bytes_max }),
        1 => (0..2_000_i64).prop_map(|millis| Step::Expire { millis }),
        1 => (0..300_u64).prop_map(|before| Step::Trim { before }),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Clone, Debug)]
struct Entry {
    position: u64,
    count: u32,
    arrival: ServerTime,
    body: Bytes,
}

impl Entry {
    fn end(&self) -> u64 {
        self.position + u64::from(self.count)
    }
}

struct Run {
    dir: tempfile::TempDir,
    clock: Clock,
    volume: Option<Volume>,
    log: ShardLog,
    ear: Arc<Ear>,
    serial: u64,
    entries: Vec<Entry>,
    /// Whether entries were deleted, so that the model knows only the positions from the horizon on.
    horizon: u64,
}

const START: i64 = 1_000_000;

impl Run {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = clock();
        let volume = Volume::open(dir.path(), small(), clock.clone()).unwrap();
        let (log, ear) = shard(&volume, KEY);
        Self {
            dir,
            clock,
            volume: Some(volume),
            log,
            ear,
            serial: 0,
            entries: Vec::new(),
            horizon: 0,
        }
    }

    fn end(&self) -> u64 {
        self.entries.last().map_or(0, Entry::end)
    }

    fn wait(&self) {
        if self.serial > 0 {
            self.ear.wait_durable(self.serial);
        }
        assert_eq!(self.log.watermarks().durable.get(), self.end());
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Append { count, len } => self.append(count, len),
            Step::Wait => self.wait(),
            Step::Advance(millis) => self.clock.advance(Duration::from_millis(millis)),
            Step::Read { from, bytes_max } => self.read(from, bytes_max),
            Step::Time(millis) => self.time(ServerTime::from_millis(START + millis)),
            Step::Retain { bytes_max } => self.retain(None, Some(bytes_max)),
            Step::Expire { millis } => {
                self.retain(Some(ServerTime::from_millis(START + millis)), None);
            }
            Step::Trim { before } => self.trim(before),
            Step::Reopen => self.reopen(),
        }
    }

    fn append(&mut self, count: u32, len: usize) {
        let (header, body) = entry(count, len, self.entries.len() as u64);
        let appended = append(&self.log, &self.ear, header, body.clone());
        assert_eq!(appended.position.get(), self.end());
        self.serial = appended.serial;
        self.entries.push(Entry {
            position: appended.position.get(),
            count,
            arrival: appended.arrival,
            body: body.concat().into(),
        });
    }

    fn read(&self, from: u64, bytes_max: usize) {
        self.wait();
        let (from, end) = (from % (self.end() + 2), self.end());
        let slice = match self.log.read(Position::new(from), bytes_max) {
            Err(ReadError::Trimmed { horizon }) => {
                assert!(from < self.horizon);
                assert_eq!(horizon.get(), self.horizon);
                return;
            }
            Err(ReadError::Beyond { durable }) => {
                assert!(from > end);
                assert_eq!(durable.get(), end);
                return;
            }
            result => result.unwrap(),
        };
        assert!(from >= self.horizon && from <= end);
        if from == end {
            assert!(slice.is_empty());
            return;
        }
        // Entries without a position that retention deleted do not come back.
        let expected = self
            .entries
            .iter()
            .skip_while(|entry| !(entry.position >= from || entry.end() > from));
        let found = split(&slice);
        let lost = expected
            .clone()
            .take_while(|entry| entry.count == 0)
            .count()
            .saturating_sub(
                found
                    .iter()
                    .take_while(|(header, _)| header.record_count == 0)
                    .count(),
            );
        assert!(lost == 0 || from == self.horizon);
        for ((header, body), entry) in found.iter().zip(expected.skip(lost)) {
            assert_eq!(header.stamp.unwrap().position.get(), entry.position);
            assert_eq!(header.stamp.unwrap().arrival, entry.arrival);
            assert_eq!(body, &entry.body);
        }
        let counted = found
            .iter()
            .filter(|(header, _)| header.record_count > 0)
            .count();
        assert!(counted == 1 || slice.bytes.len() <= bytes_max);
        assert!(slice.end.get() > from);
    }

    fn time(&self, time: ServerTime) {
        self.wait();
        let found = self.log.position_at(time).unwrap().get();
        let expected = self
            .entries
            .iter()
            .find(|entry| entry.arrival >= time)
            .map_or_else(|| self.end(), |entry| entry.position);
        assert_eq!(found, expected.max(self.horizon));
    }

    fn retain(&mut self, before: Option<ServerTime>, bytes_max: Option<u64>) {
        self.wait();
        let horizon = self.log.retain(before, bytes_max).unwrap().get();
        assert!(horizon >= self.horizon && horizon <= self.end());
        if let Some(before) = before {
            let kept = self.entries.iter().find(|entry| entry.arrival >= before);
            assert!(kept.is_none_or(|entry| horizon <= entry.position.max(self.horizon)));
        }
        self.horizon = horizon;
    }

    fn trim(&mut self, before: u64) {
        let before = before % (self.end() + 2);
        let horizon = self.log.trim(Position::new(before)).unwrap().get();
        assert!(horizon >= self.horizon && horizon <= before.max(self.horizon));
        assert!(horizon <= self.log.watermarks().durable.get());
        let starts = |entry: &Entry| entry.position == horizon;
        assert!(horizon == self.end() || self.entries.iter().any(starts));
        self.horizon = horizon;
    }

    fn reopen(&mut self) {
        self.wait();
        let before = self.log.watermarks();
        self.volume = None;
        let volume = Volume::open(self.dir.path(), small(), self.clock.clone()).unwrap();
        self.ear = Arc::new(Ear::default());
        let observer = Arc::clone(&self.ear) as Arc<dyn Observer>;
        self.log = volume.shard(KEY, Durability::Fsync, observer).unwrap();
        self.volume = Some(volume);
        self.serial = 0;
        let after = self.log.watermarks();
        assert_eq!(after.durable, before.durable);
        assert_eq!(after.trim_horizon, before.trim_horizon);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn log_behaves_like_a_list(steps in proptest::collection::vec(step(), 1..150)) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
        }
    }
}
