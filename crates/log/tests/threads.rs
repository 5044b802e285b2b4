//! Many threads at once: producers, readers, retention, trimming.

use std::sync::atomic::{AtomicBool, Ordering};

use afflux_log::{ReadError, ShardLog};
use afflux_types::Position;

use crate::support::{Ear, KEY, append, entry, open, shard, split};

const PRODUCERS: u64 = 3;
const EACH: u64 = 400;

/// Reads up to the end of what the producers append; `done` is set once all of it is durable.
fn follow(log: &ShardLog, done: &AtomicBool) {
    let mut at = Position::ZERO;
    while at.get() < PRODUCERS * EACH {
        let finished = done.load(Ordering::Acquire);
        at = match log.read(at, 20_000) {
            Ok(slice) if slice.is_empty() => {
                assert!(!finished, "the end is readable once it is durable");
                std::thread::yield_now();
                at
            }
            Ok(slice) => {
                assert_eq!(slice.first, at);
                split(&slice);
                slice.end
            }
            Err(ReadError::Trimmed { horizon }) => {
                assert!(horizon > at);
                horizon
            }
            Err(error) => panic!("{error}"),
        };
    }
}

/// Reads up to the end of what the producers append, and trims whatever it has got.
fn take(log: &ShardLog) {
    let mut at = Position::ZERO;
    while at.get() < PRODUCERS * EACH {
        let slice = log.read(at, 20_000).expect("nothing unread is trimmed");
        if slice.is_empty() {
            std::thread::yield_now();
            continue;
        }
        assert_eq!(slice.first, at);
        split(&slice);
        at = slice.end;
        assert!(log.trim(at).unwrap() <= at);
    }
}

fn produce(log: &ShardLog, ear: &Ear, bytes_max: Option<u64>) {
    for i in 0..EACH {
        let (header, body) = entry(1, 1_500, i);
        append(log, ear, header, body);
        if i % 50 == 0 {
            log.retain(None, bytes_max).unwrap();
        }
    }
}

#[test]
fn readers_follow_producers_and_retention_without_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let volume = open(dir.path());
    let (log, ear) = shard(&volume, KEY);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| follow(&log, &done));
        }
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|_| scope.spawn(|| produce(&log, &ear, Some(500_000))))
            .collect();
        for producer in producers {
            producer.join().unwrap();
        }
        ear.wait_durable(PRODUCERS * EACH);
        done.store(true, Ordering::Release);
    });
    assert_eq!(log.watermarks().durable.get(), PRODUCERS * EACH);
}

#[test]
fn a_reader_that_trims_behind_itself_beside_appends_misses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let volume = open(dir.path());
    let (log, ear) = shard(&volume, KEY);
    std::thread::scope(|scope| {
        scope.spawn(|| take(&log));
        for _ in 0..PRODUCERS {
            scope.spawn(|| produce(&log, &ear, None));
        }
    });
    let marks = log.watermarks();
    assert_eq!(marks.durable.get(), PRODUCERS * EACH);
    // What is full is sealed by a thread of its own, and then the next call deletes it.
    while log.segments().len() > 1 {
        log.trim(marks.durable).unwrap();
        std::thread::yield_now();
    }
}
