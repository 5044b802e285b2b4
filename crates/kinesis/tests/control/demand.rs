//! On-demand streams that grow and shrink with their traffic, on a clock that tests move.

use std::collections::BTreeMap;
use std::time::Duration;

use afflux_engine::{NewStream, Quota, ShardState, StreamKind};
use afflux_kinesis::Options;
use afflux_types::HashKey;

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// Records that a shard takes in a second.
const RATE: u64 = 20;

/// Writers with a key each, which number their records, and send one again until it was taken.
struct Writers {
    keys: Vec<String>,
    /// How many of each were taken.
    taken: Vec<u64>,
}

impl Writers {
    fn new(count: usize) -> Self {
        Self {
            keys: (0..count).map(|number| format!("key-{number}")).collect(),
            taken: vec![0; count],
        }
    }

    /// Writes for so many seconds, at most `each` records of each key in one, looking every five.
    async fn write(&mut self, fixture: &Fixture, seconds: u64, each: u64) {
        for second in 0..seconds {
            fixture.clock.advance(SECOND);
            for _ in 0..each {
                self.write_one_each(fixture).await;
            }
            if second % 5 == 4 {
                fixture.kinesis.scale().await;
            }
        }
    }

    async fn write_one_each(&mut self, fixture: &Fixture) {
        let keys = self.keys.iter().zip(&self.taken);
        let records: Vec<Value> = keys
            .map(|(key, taken)| json!({"PartitionKey": key, "Data": base64(&taken.to_string())}))
            .collect();
        let body = json!({"StreamName": "s", "Records": records});
        let answer = fixture.call("PutRecords", body).await;
        let results = answer["Records"].as_array().unwrap();
        for (taken, result) in self.taken.iter_mut().zip(results) {
            match result["ErrorCode"].as_str() {
                None => *taken += 1,
                Some(error) => assert_eq!(error, "ProvisionedThroughputExceededException"),
            }
        }
    }

    /// Reads every shard, parents before their children, and expects all that was taken, in order.
    async fn check(&self, fixture: &Fixture) {
        let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let shards = fixture.engine.describe_stream(&name("s")).unwrap().shards;
        for shard in shards {
            let shard = json!({
                "StreamName": "s",
                "ShardId": shard.id.to_string(),
                "ShardIteratorType": "TRIM_HORIZON",
            });
            let mut answer = fixture.call("GetShardIterator", shard).await;
            let mut iterator = answer["ShardIterator"].take();
            while iterator.is_string() {
                fixture.clock.advance(SECOND);
                answer = fixture
                    .call("GetRecords", json!({"ShardIterator": iterator}))
                    .await;
                for record in answer["Records"].as_array().unwrap() {
                    let key = record["PartitionKey"].as_str().unwrap();
                    let data = record["Data"].as_str().unwrap();
                    let seen = seen.entry(key.to_owned()).or_default();
                    seen.push(data.to_owned());
                }
                iterator = match answer["MillisBehindLatest"] == 0 {
                    true => Value::Null,
                    false => answer["NextShardIterator"].take(),
                };
            }
        }
        for (key, taken) in self.keys.iter().zip(&self.taken) {
            let want: Vec<String> = (0..*taken).map(|n| base64(&n.to_string())).collect();
            assert!(seen.remove(key).unwrap_or_default() == want, "{key}");
        }
        assert!(seen.is_empty());
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

async fn throttled() -> Fixture {
    Fixture::with(Options::default()).await
}

/// Makes a stream of four shards with a small quota.
async fn create(fixture: &Fixture, quota: Option<Quota>) {
    let mut new = NewStream::new(name("s"), StreamKind::Records);
    new.shards = 4;
    new.quota = quota;
    fixture.engine.create_stream(new).await.unwrap();
}

fn quota() -> Option<Quota> {
    Some(Quota {
        bytes_per_second: 0,
        records_per_second: RATE,
    })
}

async fn set_on_demand(fixture: &Fixture) {
    set_mode(fixture, "ON_DEMAND").await;
}

async fn set_mode(fixture: &Fixture, mode: &str) {
    let mode = json!({
        "StreamARN": format!("{ARN}s"),
        "StreamModeDetails": {"StreamMode": mode},
    });
    fixture.call("UpdateStreamMode", mode).await;
}

/// The account may warm streams up from now on.
async fn commit(fixture: &Fixture) {
    let body = json!({"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}});
    fixture.call("UpdateAccountSettings", body).await;
}

fn open(fixture: &Fixture) -> usize {
    let shards = fixture.engine.describe_stream(&name("s")).unwrap().shards;
    let open = shards
        .iter()
        .filter(|shard| shard.state == ShardState::Open);
    open.count()
}

/// Looks from time to time while nothing is written.
async fn idle(fixture: &Fixture, time: Duration, every: Duration) {
    let mut passed = Duration::ZERO;
    while passed < time {
        fixture.clock.advance(every);
        fixture.kinesis.scale().await;
        passed += every;
    }
}

#[tokio::test]
async fn a_stream_on_demand_grows_under_load_and_nothing_is_lost_or_reordered() {
    let fixture = throttled().await;
    create(&fixture, quota()).await;
    set_on_demand(&fixture).await;
    let mut writers = Writers::new(96);
    writers.write(&fixture, 10, 3).await;
    assert_eq!(open(&fixture), 4);
    writers.write(&fixture, 80, 3).await;
    assert!(open(&fixture) >= 14, "{}", open(&fixture));
    let summary = fixture.summary("s").await;
    assert_eq!(summary["StreamStatus"], "ACTIVE");
    writers.check(&fixture).await;
}

#[tokio::test]
async fn a_provisioned_stream_never_changes() {
    let fixture = throttled().await;
    create(&fixture, quota()).await;
    // The task has something to look at, and has looked at this stream.
    fixture.create_on_demand("other").await;
    set_on_demand(&fixture).await;
    let mut writers = Writers::new(96);
    writers.write(&fixture, 10, 2).await;
    set_mode(&fixture, "PROVISIONED").await;
    writers.write(&fixture, 90, 2).await;
    idle(&fixture, 2 * HOUR, 5 * MINUTE).await;
    let shards = fixture.engine.describe_stream(&name("s")).unwrap().shards;
    assert_eq!(shards.len(), 4);
    let shards = fixture
        .engine
        .describe_stream(&name("other"))
        .unwrap()
        .shards;
    assert_eq!(shards.len(), 4);
}

#[tokio::test]
async fn a_stream_without_limits_needs_no_more_shards() {
    let fixture = throttled().await;
    create(&fixture, None).await;
    set_on_demand(&fixture).await;
    Writers::new(96).write(&fixture, 30, 3).await;
    assert_eq!(open(&fixture), 4);
}

#[tokio::test]
async fn a_single_hot_key_splits_nothing() {
    let fixture = throttled().await;
    create(&fixture, quota()).await;
    set_on_demand(&fixture).await;
    let mut writers = Writers::new(1);
    writers.write(&fixture, 300, RATE + 5).await;
    assert_eq!(open(&fixture), 4);
    writers.check(&fixture).await;
}

#[tokio::test]
async fn busy_keys_that_lie_close_together_are_parted_where_they_are() {
    let fixture = throttled().await;
    create(&fixture, quota()).await;
    set_on_demand(&fixture).await;
    // Two keys in the lowest part of the first shard, each as busy as it may be.
    for second in 0..60 {
        fixture.clock.advance(SECOND);
        for _ in 0..RATE {
            let record = |hash| json!({"PartitionKey": "k", "Data": "", "ExplicitHashKey": hash});
            let records = [record("1000"), record("2000")];
            let body = json!({"StreamName": "s", "Records": records});
            fixture.call("PutRecords", body).await;
        }
        if second % 5 == 4 {
            fixture.kinesis.scale().await;
        }
    }
    let shards = fixture.engine.describe_stream(&name("s")).unwrap().shards;
    let mut open = shards.iter().filter(|s| s.state == ShardState::Open);
    let parted = open.any(|shard| {
        let has = |key| shard.range.contains(HashKey::new(key));
        has(1_000) && !has(2_000)
    });
    assert!(parted, "{shards:?}");
    // One split was enough, and neither half is split again.
    assert_eq!(shards.len(), 6);
}

#[tokio::test]
async fn a_stream_keeps_what_its_peak_needs_for_thirty_days_also_over_a_restart() {
    let fixture = throttled().await;
    create(&fixture, quota()).await;
    set_on_demand(&fixture).await;
    let mut writers = Writers::new(96);
    writers.write(&fixture, 90, 3).await;
    idle(&fixture, 2 * MINUTE, 5 * SECOND).await;
    let grown = open(&fixture);
    assert!(grown >= 14);
    let fixture = fixture.reopen().await;
    idle(&fixture, 2 * HOUR, 5 * MINUTE).await;
    assert_eq!(open(&fixture), grown);
    fixture.clock.advance(31 * DAY);
    idle(&fixture, 2 * HOUR, 5 * MINUTE).await;
    assert_eq!(open(&fixture), 4);
}

#[tokio::test]
async fn warm_throughput_is_a_floor_and_a_lower_one_lets_a_peak_be_forgotten() {
    let fixture = throttled().await;
    commit(&fixture).await;
    create(&fixture, quota()).await;
    set_on_demand(&fixture).await;
    let warm = |mibps| json!({"StreamName": "s", "WarmThroughputMiBps": mibps});
    fixture.call("UpdateStreamWarmThroughput", warm(6)).await;
    assert_eq!(open(&fixture), 6);
    let mut writers = Writers::new(96);
    writers.write(&fixture, 60, 3).await;
    let grown = open(&fixture);
    assert!(grown > 8);
    idle(&fixture, HOUR, 5 * MINUTE).await;
    assert_eq!(open(&fixture), grown);
    fixture.call("UpdateStreamWarmThroughput", warm(5)).await;
    assert_eq!(open(&fixture), grown);
    idle(&fixture, 2 * HOUR, 5 * MINUTE).await;
    assert_eq!(open(&fixture), 5);
    writers.check(&fixture).await;
}

#[tokio::test]
async fn the_accounts_limit_holds_for_streams_that_grow() {
    let fixture = Fixture::with(Options {
        shards_max: 6,
        ..Options::default()
    })
    .await;
    create(&fixture, quota()).await;
    set_on_demand(&fixture).await;
    let mut writers = Writers::new(96);
    writers.write(&fixture, 60, 3).await;
    assert_eq!(open(&fixture), 6);
    writers.check(&fixture).await;
}

#[tokio::test]
async fn the_peaks_of_a_deleted_stream_go_with_the_next_start() {
    let fixture = throttled().await;
    create(&fixture, quota()).await;
    set_on_demand(&fixture).await;
    Writers::new(8).write(&fixture, 30, 1).await;
    let peaks = |fixture: &Fixture| {
        let rows = fixture.engine.settings().list("kinesis-peaks", None, 9);
        rows.unwrap().len()
    };
    assert_eq!(peaks(&fixture), 1);
    let delete = json!({"StreamName": "s"});
    fixture.call("DeleteStream", delete).await;
    let fixture = fixture.reopen().await;
    fixture.kinesis.scale().await;
    assert_eq!(peaks(&fixture), 0);
}

#[tokio::test]
async fn a_stream_whose_records_the_service_distributes_grows_too() {
    let fixture = throttled().await;
    create(&fixture, quota()).await;
    set_on_demand(&fixture).await;
    let auto = json!({
        "StreamARN": format!("{ARN}s"),
        "RecordDistributionStrategy": "AUTO",
    });
    fixture
        .call("UpdateStreamRecordDistributionStrategy", auto)
        .await;
    // One key, which does not decide.
    let mut writers = Writers::new(1);
    writers.write(&fixture, 40, 4 * RATE).await;
    assert!(open(&fixture) >= 8, "{}", open(&fixture));
}
