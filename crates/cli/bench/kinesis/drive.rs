//! A closed loop of requests on connections that are kept: each sends its next one when the last is
//! answered.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::BodyExt as _;
use tokio::task::JoinSet;

use super::bodies;
use super::client::{Connection, Target};
use crate::bench::raw::{Stopwatch, len_u64};

/// Longer times are counted as this long.
const MINUTE_US: u64 = 60_000_000;

/// What is sent.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) operation: &'static str,
    /// Sent in turn, from another start on each connection.
    pub(super) bodies: Arc<[Prepared]>,
    pub(super) connections: usize,
    pub(super) limit: Duration,
    pub(super) look: Look,
}

/// A request that is ready.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) body: Bytes,
    /// Records that it puts, or that its answer holds.
    pub(super) records: u64,
}

/// How an answer is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// By its status.
    Status,
    /// By its count of failed records.
    Failed,
    /// By its size: at least the data of its records.
    Size,
}

/// What became of a load.
#[derive(Clone, Debug)]
pub(super) struct Driven {
    /// Records of the requests that were answered, without those that failed.
    pub(super) records: u64,
    /// Records that the server refused.
    pub(super) failed: u64,
    /// From the first request to the last answer.
    pub(super) took: Duration,
    /// From request to answer, in microseconds.
    pub(super) times: Histogram<u64>,
}

impl Driven {
    fn new() -> Result<Self> {
        Ok(Self {
            records: 0,
            failed: 0,
            took: Duration::ZERO,
            times: Histogram::new_with_max(MINUTE_US, 3).context("make a histogram")?,
        })
    }

    fn add(&mut self, other: &Self) -> Result<()> {
        self.records += other.records;
        self.failed += other.failed;
        self.times.add(&other.times).context("add up times")
    }

    /// Records in a second.
    pub(super) fn rate(&self) -> f64 {
        self.records as f64 / self.took.as_secs_f64()
    }

    /// A quantile of the times, in milliseconds.
    pub(super) fn millis(&self, quantile: f64) -> f64 {
        self.times.value_at_quantile(quantile) as f64 / 1_000.0
    }
}

/// Sends a load to the server.
pub(super) async fn drive(target: &Target, load: &Load) -> Result<Driven> {
    ensure!(!load.bodies.is_empty(), "nothing to send");
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        connections.push(target.connect().await?);
    }
    let clock = Stopwatch::start();
    let mut tasks = JoinSet::new();
    for (number, connection) in connections.into_iter().enumerate() {
        tasks.spawn(repeat(
            connection,
            target.clone(),
            load.clone(),
            number,
            clock,
        ));
    }
    let mut driven = Driven::new()?;
    while let Some(one) = tasks.join_next().await {
        driven.add(&one.context("a connection panicked")??)?;
    }
    driven.took = clock.elapsed();
    Ok(driven)
}

/// One connection's part.
async fn repeat(
    mut connection: Connection,
    target: Target,
    load: Load,
    number: usize,
    clock: Stopwatch,
) -> Result<Driven> {
    let mut driven = Driven::new()?;
    let first = number * load.bodies.len() / load.connections.max(1);
    for prepared in load.bodies.iter().cycle().skip(first) {
        let begun = clock.elapsed();
        if begun >= load.limit {
            break;
        }
        let failed = one(&mut connection, &target, &load, prepared).await?;
        let took = clock.elapsed().saturating_sub(begun).as_micros();
        let took = u64::try_from(took).unwrap_or(u64::MAX);
        driven.times.saturating_record(took);
        driven.records += prepared.records.saturating_sub(failed);
        driven.failed += failed;
    }
    Ok(driven)
}

/// One request; returns how many of its records failed.
async fn one(
    connection: &mut Connection,
    target: &Target,
    load: &Load,
    prepared: &Prepared,
) -> Result<u64> {
    let body = prepared.body.clone();
    if load.look != Look::Size {
        let answer = connection.ask(load.operation, body).await?;
        return match load.look {
            Look::Failed => bodies::failed_records(target.format(), &answer),
            Look::Status | Look::Size => Ok(0),
        };
    }
    // Large answers are counted as they come and not put together.
    let mut answer = connection.send(load.operation, body).await?.into_body();
    let mut size = 0;
    while let Some(frame) = answer.frame().await {
        let frame = frame.context("read an answer")?;
        size += frame.data_ref().map_or(0, |data| len_u64(data.len()));
    }
    let least = prepared.records * len_u64(bodies::RECORD_BYTES);
    ensure!(
        size >= least,
        "an answer of {size} bytes does not hold {} records",
        prepared.records
    );
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_added_up() {
        let mut all = Driven::new().unwrap();
        for millis in [1, 2, 30] {
            let mut one = Driven::new().unwrap();
            one.records = 500;
            one.failed = 1;
            one.times.record(millis * 1_000).unwrap();
            all.add(&one).unwrap();
        }
        all.took = Duration::from_millis(500);
        assert_eq!((all.records, all.failed), (1_500, 3));
        assert!((all.rate() - 3_000.0).abs() < 1e-6);
        assert!((all.millis(0.5) - 2.0).abs() < 0.01);
        assert!((all.millis(0.99) - 30.0).abs() < 0.1);
    }
}
