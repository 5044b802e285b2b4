//! A consumer: is pushed everything and checks all of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use afflux_client::{Batch, Client, Consumer, ConsumerEvent, ConsumerOptions};
use afflux_entry::Kind;
use afflux_media::StoredFragment;
use afflux_types::{Clock, ServerTime};
use anyhow::{Context, Result};
use tokio::task::JoinSet;

use super::Streams;
use super::device::Reading;
use super::tally::Seen;

/// Starts to follow every stream.
pub(super) async fn start(
    tasks: &mut JoinSet<Result<()>>,
    client: &Client,
    streams: &Streams,
    seen: &Arc<Seen>,
) -> Result<()> {
    for stream in streams.all() {
        let consumer = client.consumer(stream, ConsumerOptions::default()).await?;
        tasks.spawn(follow(consumer, Arc::clone(seen)));
    }
    Ok(())
}

async fn follow(mut consumer: Consumer, seen: Arc<Seen>) -> Result<()> {
    let clock = Clock::system();
    // For each device or session, the number that has to come next.
    let mut next = BTreeMap::new();
    while let Some(event) = consumer.next().await? {
        match event {
            ConsumerEvent::Batch(batch) => {
                let bytes = u64::try_from(batch.entry_len()).unwrap_or(0);
                seen.bytes.fetch_add(bytes, Ordering::Relaxed);
                seen.lag_ms
                    .store(lag(&clock, batch.arrival()), Ordering::Relaxed);
                match batch.kind() {
                    Kind::Batch => readings(&batch, &seen, &mut next)?,
                    Kind::Fragment => fragment(&batch, &seen, &mut next)?,
                    Kind::Init | Kind::Marker => {}
                }
            }
            ConsumerEvent::Lagged { shard, .. } => {
                seen.fault(format!("{shard} was trimmed before it was read"));
            }
            ConsumerEvent::Progress { .. } | ConsumerEvent::ShardEnd { .. } => {}
        }
    }
    Ok(())
}

fn lag(clock: &Clock, arrival: ServerTime) -> u64 {
    u64::try_from(clock.wall().since(arrival).as_millis()).unwrap_or(u64::MAX)
}

fn readings(batch: &Batch, seen: &Seen, next: &mut BTreeMap<String, u64>) -> Result<()> {
    for delivered in batch.records() {
        let record = delivered?.record;
        let reading: Reading = serde_json::from_slice(&record.data).context("read a reading")?;
        let expected = next.entry(reading.device.clone()).or_default();
        let right = Reading::of(record.partition_key.as_str(), *expected);
        if reading.count != *expected || serde_json::to_vec(&right)?.as_slice() != &record.data[..]
        {
            seen.fault(format!(
                "{} sent {expected} and {} came",
                reading.device, reading.count
            ));
        }
        *expected += 1;
        seen.records.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn fragment(batch: &Batch, seen: &Seen, next: &mut BTreeMap<String, u64>) -> Result<()> {
    let stored = StoredFragment::decode(batch.body())?;
    let meta = stored.meta();
    let expected = next.entry(format!("{:032x}", meta.session_id)).or_default();
    if u64::from(meta.sequence) != *expected {
        seen.fault(format!(
            "fragment {expected} was due and {} came",
            meta.sequence
        ));
    }
    *expected += 1;
    seen.fragments.fetch_add(1, Ordering::Relaxed);
    Ok(())
}
