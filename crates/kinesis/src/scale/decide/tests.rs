//! Edges of the decisions, and whole days of them: a model of a stream whose shards carry what a load
//! gives them.

use std::time::Duration;

use super::super::gauge::Highest;
use super::*;

/// Shards of equal ranges that are watched for long enough and idle.
fn idle(count: u32) -> Vec<ShardView> {
    let shards = (0..).zip(HashKeyRange::even(count));
    shards
        .map(|(number, range)| ShardView {
            id: ShardId::new(number),
            range,
            burst: Some(0),
            sustained: Some(0),
            highest: Some(0),
            cut: range.middle(),
        })
        .collect()
}

fn view(shards: Vec<ShardView>) -> View {
    View {
        shards,
        room: 1_000,
        warm: 0,
        keep: 4,
    }
}

fn split_of(shards: &[ShardView], index: usize) -> Step {
    let ShardView { id, range, .. } = shards[index];
    split_at(id, range.middle().unwrap())
}

fn split_at(shard: ShardId, at: HashKey) -> Step {
    Step::Split { shard, at }
}

fn merge(low: u32, high: u32) -> Step {
    Step::Merge {
        low: ShardId::new(low),
        high: ShardId::new(high),
    }
}

#[test]
fn a_shard_is_split_from_its_thresholds_on() {
    for (burst, sustained, is_split) in [
        (Some(799), Some(499), false),
        (Some(800), Some(0), true),
        (Some(800), None, true),
        (None, None, false),
        (Some(0), Some(500), true),
        (Some(500), Some(499), false),
    ] {
        let mut shards = idle(4);
        shards[2].burst = burst;
        shards[2].sustained = sustained;
        let want = match is_split {
            true => vec![split_of(&shards, 2)],
            false => vec![],
        };
        assert_eq!(decide(&view(shards)), want, "{burst:?} {sustained:?}");
    }
}

#[test]
fn a_hot_shard_that_nothing_divides_stays_whole() {
    let mut shards = idle(4);
    shards[1].burst = Some(1_000);
    shards[1].cut = None;
    assert_eq!(decide(&view(shards)), []);
}

#[test]
fn the_hottest_are_split_where_there_is_room_for_few() {
    let mut shards = idle(8);
    for (shard, burst) in shards.iter_mut().zip(800..) {
        shard.burst = Some(burst);
        shard.highest = Some(burst);
    }
    let mut full = view(shards.clone());
    full.room = 2;
    let want = [split_of(&shards, 7), split_of(&shards, 6)];
    assert_eq!(decide(&full), want);
    full.room = 0;
    assert_eq!(decide(&full), []);
}

#[test]
fn a_large_stream_is_split_over_several_rounds() {
    let mut shards = idle(1_000);
    for shard in &mut shards {
        shard.burst = Some(900);
    }
    assert_eq!(decide(&view(shards)).len(), STEPS_MAX);
}

#[test]
fn an_idle_stream_shrinks_to_what_it_keeps_and_no_further() {
    assert_eq!(decide(&view(idle(4))), []);
    assert_eq!(decide(&view(idle(3))), []);
    assert_eq!(decide(&view(idle(5))).len(), 1);
    assert_eq!(
        decide(&view(idle(8))),
        [merge(0, 1), merge(2, 3), merge(4, 5), merge(6, 7)]
    );
    let mut ready = view(idle(8));
    ready.keep = 7;
    assert_eq!(decide(&ready).len(), 1);
    ready.keep = 9;
    assert_eq!(decide(&ready), []);
}

#[test]
fn neighbors_are_merged_only_if_both_were_quiet_together_for_long() {
    for (low, high, is_merged) in [
        (Some(125), Some(125), true),
        (Some(126), Some(125), false),
        (Some(0), Some(250), true),
        (None, Some(0), false),
        (Some(0), None, false),
    ] {
        let mut shards = idle(5);
        for shard in &mut shards {
            shard.highest = Some(1_000);
        }
        shards[1].highest = low;
        shards[2].highest = high;
        let want = match is_merged {
            true => vec![merge(1, 2)],
            false => vec![],
        };
        assert_eq!(decide(&view(shards)), want, "{low:?} {high:?}");
    }
}

#[test]
fn the_narrowest_shards_are_merged_first() {
    let mut shards = idle(5);
    let (low, high) = shards[3]
        .range
        .split(shards[3].range.middle().unwrap())
        .unwrap();
    shards[3].range = low;
    let id = ShardId::new(9);
    shards.insert(
        4,
        ShardView {
            id,
            range: high,
            ..shards[4]
        },
    );
    let mut ready = view(shards);
    ready.keep = 5;
    assert_eq!(decide(&ready), [merge(3, 9)]);
}

#[test]
fn nothing_is_merged_in_a_round_in_which_something_is_split() {
    let mut shards = idle(8);
    shards[7].burst = Some(1_000);
    let want = [split_of(&shards, 7)];
    assert_eq!(decide(&view(shards)), want);
}

#[test]
fn shards_that_were_asked_for_come_back_the_widest_split_first() {
    let mut warm = view(idle(4));
    (warm.warm, warm.keep) = (6, 6);
    let want = [split_of(&warm.shards, 0), split_of(&warm.shards, 1)];
    assert_eq!(decide(&warm), want);
    // What is hot counts, and is split once.
    warm.shards[1].burst = Some(900);
    let want = [split_of(&warm.shards, 1), split_of(&warm.shards, 0)];
    assert_eq!(decide(&warm), want);
    warm.room = 1;
    assert_eq!(decide(&warm), want[..1]);
    warm.warm = 4;
    warm.shards[1].burst = Some(0);
    assert_eq!(decide(&warm), []);
}

/// A stream whose keys are equally busy everywhere, with the rounds of a clock.
struct Model {
    shards: Vec<ShardView>,
    /// When each shard was made, and what it was given since.
    ages: Vec<(u64, Highest)>,
    now: u64,
    next: u32,
    /// The highest load of the whole stream in thousandths of a shard.
    peak: u64,
    changes: usize,
}

impl Model {
    fn new() -> Self {
        Self {
            shards: idle(4),
            ages: (0..4).map(|_| (0, Highest::new(Duration::ZERO))).collect(),
            now: 0,
            next: 4,
            peak: 0,
            changes: 0,
        }
    }

    /// Rounds for so many seconds under a load in thousandths of a shard.
    fn run(&mut self, seconds: u64, load: u64) {
        let end = self.now + seconds;
        while self.now < end {
            self.now += 5;
            self.round(load);
        }
    }

    fn round(&mut self, load: u64) {
        let mut taken = 0;
        for (shard, age) in self.shards.iter_mut().zip(&mut self.ages) {
            // Shares are exact as long as widths are halves of quarters.
            let share = u64::try_from(u128::MAX / width(shard.range)).unwrap();
            let accepted = (load / share.max(1)).min(1_000);
            taken += accepted;
            let old = self.now - age.0;
            age.1.note(Duration::from_secs(self.now), accepted);
            shard.burst = (old >= 15).then_some(accepted);
            shard.sustained = (old >= 60).then_some(accepted);
            shard.highest = age.1.get();
        }
        self.peak = self.peak.max(taken);
        let kept = (self.peak * 5).div_ceil(2_000);
        let steps = decide(&View {
            shards: self.shards.clone(),
            room: 100,
            warm: 0,
            keep: u32::try_from(kept).unwrap().max(4),
        });
        self.changes += steps.len();
        for step in steps {
            self.apply(step);
        }
    }

    fn apply(&mut self, step: Step) {
        let place = |id| self.shards.iter().position(|shard| shard.id == id).unwrap();
        let (first, removed, ranges) = match step {
            Step::Split { shard, at } => {
                let first = place(shard);
                let (low, high) = self.shards[first].range.split(at).unwrap();
                (first, 1, vec![low, high])
            }
            Step::Merge { low, high } => {
                let (first, second) = (place(low), place(high));
                let merged = self.shards[first].range.merge(self.shards[second].range);
                (first, 2, vec![merged.unwrap()])
            }
        };
        let mut made = Vec::new();
        for range in ranges {
            made.push(ShardView {
                id: ShardId::new(self.next),
                range,
                burst: None,
                sustained: None,
                highest: None,
                cut: range.middle(),
            });
            self.next += 1;
        }
        let born = Duration::from_secs(self.now);
        let ages: Vec<_> = made
            .iter()
            .map(|_| (self.now, Highest::new(born)))
            .collect();
        self.shards.splice(first..first + removed, made);
        self.ages.splice(first..first + removed, ages);
    }
}

#[test]
fn a_stream_grows_until_what_it_gets_is_half_of_what_it_takes() {
    let mut model = Model::new();
    model.run(120, 3_100);
    assert_eq!(model.shards.len(), 8);
    // Far above it doubles every few rounds, and then settles.
    model.run(300, 20_000);
    assert_eq!(model.shards.len(), 64);
    assert_eq!(model.changes, 60);
    model.run(3_600, 20_000);
    assert_eq!(model.changes, 60);
}

#[test]
fn a_load_that_comes_and_goes_does_not_flap() {
    let mut model = Model::new();
    for _ in 0..50 {
        model.run(30, 3_600);
        model.run(1_800, 0);
    }
    assert_eq!((model.shards.len(), model.changes), (8, 4));
}

#[test]
fn no_steady_load_leads_to_endless_changes() {
    for load in (0..8_000).step_by(50) {
        let mut model = Model::new();
        model.run(2_000, load);
        let changes = model.changes;
        model.run(8_000, load);
        assert_eq!(model.changes, changes, "{load}");
    }
}

#[test]
fn a_stream_shrinks_step_by_step_once_its_peak_is_forgotten() {
    let mut model = Model::new();
    model.run(300, 20_000);
    assert_eq!(model.shards.len(), 64);
    model.run(7_200, 100);
    assert_eq!(model.shards.len(), 50);
    model.peak = 0;
    model.run(5, 100);
    assert_eq!(model.shards.len(), 25);
    model.run(890, 100);
    assert_eq!(model.shards.len(), 25);
    model.run(7_200, 100);
    assert_eq!(model.shards.len(), 4);
}
