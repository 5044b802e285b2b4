//! On-demand streams have as many shards as their traffic needs.
//!
//! AWS documents that such a stream takes up to twice the highest rate of the last 30 days, and splits a
//! shard that is half used for a minute. Here a task looks at every such stream each few seconds:
//!
//! - `gauge.rs` turns the engine's counters into rates, and remembers what was quiet.
//! - `peaks.rs` remembers the highest rate of each of the last 30 days, also over restarts.
//! - `cut.rs` finds where in a shard's range the load divides, so that a shard with one hot key is left
//!   alone.
//! - `decide.rs` makes splits and merges of that. It is pure.
//!
//! # Invariants
//! - Splits and merges are the engine's: producers and consumers follow as after `SplitShard`, and the
//!   stream is `UPDATING` meanwhile. One change of a stream at a time, whoever asked for it.
//! - A stream whose shards have no quota is never short of anything and stays as it is, and so does one
//!   in provisioned mode.
//! - Memory is bounded by the shards: readings of one minute, sixteen numbers, and for a busy shard 96
//!   samples. A stream adds 31 days.

mod cut;
mod decide;
mod gauge;
mod peaks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use afflux_aws::kinesis::values::{RecordDistributionStrategy, StreamMode};
use afflux_engine::{Engine, StreamSummary};
use afflux_types::limits::STREAM_SHARDS_MAX;
use afflux_types::{ErrorKind, Result};
use parking_lot::Mutex;

use crate::account::shard_room;
use crate::attributes::Attributes;
use crate::context::Context;
use crate::stream::{SHARDS_DEFAULT, shards_for};
use decide::{Step, View};
use gauge::Gauge;
use peaks::Peaks;

/// How often every stream is looked at.
const ROUND: Duration = Duration::from_secs(5);
/// A look that comes sooner after the last one finds nothing new.
const ROUND_MIN: Duration = Duration::from_secs(1);
/// How often the peaks of a stream are written, if they change.
const SAVE: Duration = Duration::from_secs(60);
const NAMESPACE: &str = "kinesis-peaks";

/// What is measured of on-demand streams.
#[derive(Debug, Default)]
pub(crate) struct Scaling {
    /// Held by whoever looks at the streams.
    turn: tokio::sync::Mutex<Turn>,
    /// By the ids of the streams.
    gauges: Mutex<BTreeMap<u64, Gauge>>,
}

#[derive(Debug, Default)]
struct Turn {
    /// When the last round was.
    last: Option<Duration>,
}

impl Scaling {
    /// Forgets the peaks of a stream, so that it may become as small as its traffic is now.
    pub(crate) async fn release(&self, engine: &Engine, stream: u64) -> Result<()> {
        let _turn = self.turn.lock().await;
        if let Some(gauge) = self.gauges.lock().get_mut(&stream) {
            gauge.peaks = Peaks::default();
        }
        engine.settings().delete(NAMESPACE, &row_key(stream)).await
    }
}

/// Looks at the streams from time to time, as long as the service is used. Needs a tokio runtime.
pub(crate) fn start(to: &Arc<Context>) {
    let to = Arc::downgrade(to);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(ROUND);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(to) = Weak::upgrade(&to) else {
                return;
            };
            look(&to).await;
        }
    });
}

/// Looks at every on-demand stream once, and splits and merges what has to be.
pub(crate) async fn look(to: &Context) {
    let mut turn = to.scaling.turn.lock().await;
    let now = to.clock.elapsed();
    let is_first = turn.last.is_none();
    if turn.last.is_some_and(|last| now < last + ROUND_MIN) {
        return;
    }
    turn.last = Some(now);
    let on_demand = to.book.on_demand();
    to.scaling
        .gauges
        .lock()
        .retain(|id, _| on_demand.contains_key(id));
    if on_demand.is_empty() && !is_first {
        return;
    }
    let streams = to.engine.list_streams(None, usize::MAX);
    if is_first && let Err(error) = tidy(&to.engine, &streams).await {
        tracing::warn!(error = %error.chain(), "peaks of streams that are gone were not removed");
    }
    for stream in &streams {
        let Some(attributes) = on_demand.get(&stream.id) else {
            continue;
        };
        match one(to, now, stream, attributes).await {
            Ok(()) => {}
            // The engine is shutting down, or its disk is full: nothing else would fare better.
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                let stream = &stream.name;
                tracing::debug!(%stream, error = %error.chain(), "a stream was not scaled now");
                return;
            }
            // It was deleted, or somebody else has changed it: the next round sees.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ShardMoved) => {}
            Err(error) => {
                let stream = &stream.name;
                tracing::warn!(%stream, error = %error.chain(), "a stream was not scaled");
            }
        }
    }
}

/// Looks at one stream.
async fn one(
    to: &Context,
    now: Duration,
    stream: &StreamSummary,
    attributes: &Attributes,
) -> Result<()> {
    let load = to.engine.take_load(&stream.name)?;
    let Some(quota) = load.quota.filter(|_| load.id == stream.id) else {
        return Ok(());
    };
    let key = row_key(stream.id);
    let stored = match to.scaling.gauges.lock().contains_key(&stream.id) {
        true => None,
        false => to.engine.settings().get(NAMESPACE, &key)?,
    };
    let (steps, row) = {
        let mut gauges = to.scaling.gauges.lock();
        let gauge = gauges.entry(stream.id).or_insert_with(|| {
            let peaks = stored.as_deref().map(Peaks::from_row);
            Gauge::new(peaks.unwrap_or_default())
        });
        gauge.note(now, quota, load);
        gauge.peaks.expire(to.now());
        if let Some(rate) = gauge.rate() {
            gauge.peaks.note(to.now(), rate);
        }
        let steps = decide::decide(&view(to, attributes, gauge, quota));
        (steps, gauge.row_to_save(now))
    };
    if let Some(row) = row {
        to.engine.settings().put(NAMESPACE, &key, &row).await?;
    }
    if steps.is_empty() {
        return Ok(());
    }
    carry_out(to, stream, &steps).await
}

/// What is known of a stream when it is decided about.
fn view(to: &Context, attributes: &Attributes, gauge: &Gauge, quota: afflux_engine::Quota) -> View {
    let is_auto = attributes.distribution == RecordDistributionStrategy::Auto;
    let warm = attributes.warm_mibps.filter(|_| to.is_committed());
    let warm = warm.map_or(0, |mibps| shards_for(Some(mibps)));
    let shards = gauge.shards(quota, is_auto);
    let open = u32::try_from(shards.len()).unwrap_or(u32::MAX);
    View {
        room: shard_room(to).min(STREAM_SHARDS_MAX.saturating_sub(open)),
        warm,
        keep: SHARDS_DEFAULT
            .max(warm)
            .max(peaks::shards_for(gauge.peaks.highest(), quota)),
        shards,
    }
}

async fn carry_out(to: &Context, stream: &StreamSummary, steps: &[Step]) -> Result<()> {
    let Ok(known) = to.known(&stream.name) else {
        return Ok(());
    };
    let Ok(_updating) = to.begin_update(&known.stream) else {
        return Ok(());
    };
    // Nobody changes the mode from here on.
    let attributes = to.book.of(&known.stream);
    if known.stream.id != stream.id || attributes.mode != StreamMode::OnDemand {
        return Ok(());
    }
    let name = &stream.name;
    for step in steps {
        match *step {
            Step::Split { shard, at } => {
                to.engine.split_shard(name, shard, Some(at)).await?;
                tracing::info!(stream = %name, %shard, "split a busy shard of an on-demand stream");
            }
            Step::Merge { low, high } => {
                to.engine.merge_shards(name, low, high).await?;
                tracing::info!(stream = %name, %low, %high, "merged quiet shards of an on-demand stream");
            }
        }
    }
    Ok(())
}

/// Removes the peaks of streams that are no more.
async fn tidy(engine: &Engine, streams: &[StreamSummary]) -> Result<()> {
    let here: BTreeSet<String> = streams.iter().map(|stream| row_key(stream.id)).collect();
    let settings = engine.settings();
    for (key, _) in settings.rows(NAMESPACE)? {
        if !here.contains(&key) {
            settings.delete(NAMESPACE, &key).await?;
        }
    }
    Ok(())
}

fn row_key(stream: u64) -> String {
    format!("{stream:016x}")
}
