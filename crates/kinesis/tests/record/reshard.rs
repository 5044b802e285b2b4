//! Splits and merges under load: nothing is lost, nothing comes twice, and keys keep their order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use afflux_engine::ShardState;
use afflux_types::{ShardId, StreamName};

use crate::support::*;

const WRITERS: usize = 6;

/// Payloads by key, in the order in which a reader of the tree of shards saw them.
type Seen = BTreeMap<String, Vec<u64>>;

fn note(seen: &mut Seen, answer: &Value) {
    for (record, data) in answer["Records"]
        .as_array()
        .unwrap()
        .iter()
        .zip(payloads(answer))
    {
        let number = u64::from_be_bytes(data.try_into().unwrap());
        seen.entry(text(record, "PartitionKey"))
            .or_default()
            .push(number);
    }
}

/// The shards that end without a parent: where a reader starts.
fn children(answer: &Value) -> Vec<(String, usize)> {
    let children = answer["ChildShards"].as_array().unwrap();
    assert!(!children.is_empty());
    children
        .iter()
        .map(|child| {
            (
                text(child, "ShardId"),
                child["ParentShards"].as_array().unwrap().len(),
            )
        })
        .collect()
}

/// Which shards a reader has to visit next: a child once all its parents have ended.
#[derive(Default)]
struct Tree {
    ended: BTreeMap<String, usize>,
}

impl Tree {
    fn end(&mut self, answer: &Value) -> Vec<String> {
        let mut ready = Vec::new();
        for (child, parents) in children(answer) {
            let ended = self.ended.entry(child.clone()).or_default();
            *ended += 1;
            if *ended == parents {
                ready.push(child);
            }
        }
        ready
    }
}

/// Writes numbers in order, half of the time several at once, until told to stop; returns how many.
async fn write(fixture: &Fixture, writer: usize, stop: &AtomicBool) -> u64 {
    let key = format!("key-{writer}");
    let (mut next, mut last) = (0_u64, String::new());
    while !stop.load(Ordering::Relaxed) || next < 200 {
        let record =
            |number: u64| json!({"PartitionKey": key, "Data": base64(&number.to_be_bytes())});
        let count = if next % 2 == 0 { 1 } else { 3 };
        let records: Vec<Value> = (next..next + count).map(record).collect();
        let input = json!({"StreamName": "s", "Records": records});
        let answer = fixture.call("PutRecords", input).await.unwrap();
        assert_eq!(answer["FailedRecordCount"], 0, "{answer}");
        for result in answer["Records"].as_array().unwrap() {
            let number = text(result, "SequenceNumber");
            assert!(number > last, "{number} after {last}");
            last = number;
        }
        next += count;
        tokio::task::yield_now().await;
    }
    next
}

/// Splits and merges until the tree is a few levels deep.
async fn reshard(fixture: &Fixture) {
    let stream = StreamName::new("s").unwrap();
    for round in 0..12 {
        let shards = fixture.engine.describe_stream(&stream).unwrap().shards;
        let mut open: Vec<_> = shards
            .iter()
            .filter(|shard| shard.state == ShardState::Open)
            .collect();
        open.sort_by_key(|shard| shard.range.start());
        if round % 3 == 2 {
            fixture
                .engine
                .merge_shards(&stream, open[0].id, open[1].id)
                .await
                .unwrap();
        } else {
            let widest = open[round % open.len()].id;
            fixture
                .engine
                .split_shard(&stream, widest, None)
                .await
                .unwrap();
        }
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
}

/// Follows the tree by iterators until every shard of it that is open has been read to its end.
async fn read(fixture: &Fixture, stop: &AtomicBool) -> Seen {
    let (mut seen, mut tree) = (Seen::new(), Tree::default());
    let mut open = vec![(shard(0), None::<String>)];
    loop {
        // Whatever was written before this look is found by the round after it.
        let is_last = stop.load(Ordering::Relaxed);
        let (mut next, mut caught_up) = (Vec::new(), true);
        for (id, iterator) in open {
            let iterator = match iterator {
                Some(iterator) => iterator,
                None => fixture.iterator("s", &id, "TRIM_HORIZON", json!({})).await,
            };
            let answer = fixture.get(&iterator, 5).await;
            note(&mut seen, &answer);
            match answer.get("NextShardIterator") {
                Some(iterator) => {
                    assert!(answer.get("ChildShards").is_none());
                    caught_up &=
                        answer["MillisBehindLatest"] == 0 && answer["Records"] == json!([]);
                    next.push((id, iterator.as_str().map(str::to_owned)));
                }
                None => {
                    caught_up = false;
                    next.extend(tree.end(&answer).into_iter().map(|child| (child, None)));
                }
            }
        }
        if is_last && caught_up {
            return seen;
        }
        open = next;
        tokio::task::yield_now().await;
    }
}

/// Follows the tree by one subscription after the other; ends once `want` records have come.
async fn follow(fixture: Arc<Fixture>, arn: String, stop: Arc<AtomicBool>) -> Seen {
    let (send, mut receive) = tokio::sync::mpsc::channel(1_000);
    let spawn = |id: String| {
        let (fixture, arn, send) = (Arc::clone(&fixture), arn.clone(), send.clone());
        tokio::spawn(async move {
            let start = json!({"Type": "TRIM_HORIZON"});
            let mut pushed = fixture.subscribe(&arn, &id, start).await.unwrap();
            assert_eq!(pushed.next().await, Some(Frame::Initial));
            loop {
                let event = pushed.event().await;
                let is_end = event.get("ChildShards").is_some();
                if send.send(event).await.is_err() || is_end {
                    return;
                }
            }
        })
    };
    let mut tasks = vec![spawn(shard(0))];
    let (mut seen, mut tree) = (Seen::new(), Tree::default());
    loop {
        let total: usize = seen.values().map(Vec::len).sum();
        if stop.load(Ordering::Relaxed) && total >= WANTED.load(Ordering::Relaxed) {
            break;
        }
        let event = receive.recv().await.unwrap();
        note(&mut seen, &event);
        if event.get("ChildShards").is_some() {
            tasks.extend(tree.end(&event).into_iter().map(spawn));
        }
    }
    for task in tasks {
        task.abort();
    }
    seen
}

static WANTED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(usize::MAX);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_keys_keep_their_order_while_shards_split_and_merge() {
    let fixture = Arc::new(Fixture::new().await);
    fixture.stream("s", 1).await;
    let arn = fixture.consumer("s", "c").await;
    let (written, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (fixture, written) = (Arc::clone(&fixture), Arc::clone(&written));
            tokio::spawn(async move { write(&fixture, writer, &written).await })
        })
        .collect();
    let reader = {
        let (fixture, done) = (Arc::clone(&fixture), Arc::clone(&done));
        tokio::spawn(async move { read(&fixture, &done).await })
    };
    let follower = tokio::spawn(follow(Arc::clone(&fixture), arn, Arc::clone(&done)));
    reshard(&fixture).await;
    written.store(true, Ordering::Relaxed);
    let mut want = Seen::new();
    for (writer, task) in writers.into_iter().enumerate() {
        want.insert(format!("key-{writer}"), (0..task.await.unwrap()).collect());
    }
    WANTED.store(want.values().map(Vec::len).sum(), Ordering::Relaxed);
    done.store(true, Ordering::Relaxed);
    // Wakes a follower that has seen everything and waits.
    fixture.put("s", "last", &0_u64.to_be_bytes()).await;
    let mut pushed = follower.await.unwrap();
    pushed.remove("last");
    assert!(pushed == want, "pushed {:?}", counts(&pushed, &want));
    let mut pulled = reader.await.unwrap();
    pulled.remove("last");
    assert!(pulled == want, "pulled {:?}", counts(&pulled, &want));
}

fn counts(seen: &Seen, want: &Seen) -> Vec<(String, usize, usize)> {
    let count = |key: &String| seen.get(key).map_or(0, Vec::len);
    want.iter()
        .map(|(key, numbers)| (key.clone(), count(key), numbers.len()))
        .collect()
}

#[tokio::test]
async fn a_read_to_the_end_of_a_shard_names_its_children_and_no_next_iterator() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 2).await;
    let stream = StreamName::new("s").unwrap();
    for i in 0..3_u8 {
        let input = json!({"StreamName": "s", "PartitionKey": "k", "Data": base64(&[i]), "ExplicitHashKey": "0"});
        fixture.call("PutRecord", input).await.unwrap();
    }
    let before = fixture.iterator("s", "0", "LATEST", json!({})).await;
    let merged = fixture
        .engine
        .merge_shards(&stream, ShardId::new(1), ShardId::new(0))
        .await
        .unwrap();
    assert_eq!(merged.id, ShardId::new(2));
    let iterator = fixture.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
    let some = fixture.get(&iterator, 2).await;
    assert_eq!(payloads(&some), [[0], [1]]);
    assert!(some.get("ChildShards").is_none());
    let rest = fixture.get(&text(&some, "NextShardIterator"), 2).await;
    assert_eq!(payloads(&rest), [[2]]);
    let latest = fixture.iterator("s", "0", "LATEST", json!({})).await;
    // The shard that nobody wrote to ends too.
    let unused = fixture.iterator("s", "1", "TRIM_HORIZON", json!({})).await;
    for end in [
        rest,
        fixture.get(&before, 1).await,
        fixture.get(&latest, 1).await,
        fixture.get(&unused, 1).await,
    ] {
        assert!(end.get("NextShardIterator").is_none(), "{end}");
        assert_eq!(end["MillisBehindLatest"], 0);
        assert_eq!(
            end["ChildShards"],
            json!([{"ShardId": shard(2), "ParentShards": [shard(0), shard(1)],
                    "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": u128::MAX.to_string()}}])
        );
    }
    let child = fixture.put("s", "k", b"").await;
    assert_eq!(child.0, shard(2));
}
