//! Many threads at once: producers, readers, retention.

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

fn produce(log: &ShardLog, ear: &Ear) {
    for i in 0..EACH {
        let (header, body) = entry(1, 1_500, i);
        append(log, ear, header, body);
        if i % 50 == 0 {
            log.retain(None, Some(500_000)).unwrap();
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
            .map(|_| scope.spawn(|| produce(&log, &ear)))
            .collect();
        for producer in producers {
            producer.join().unwrap();
        }
        ear.wait_durable(PRODUCERS * EACH);
        done.store(true, Ordering::Release);
    });
    assert_eq!(log.watermarks().durable.get(), PRODUCERS * EACH);
}
