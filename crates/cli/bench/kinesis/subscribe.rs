//! Subscriptions: how much is pushed to many subscribers, and how soon.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::bodies::{self, RECORD_BYTES};
use super::client::{Multiplexed, Target};
use super::frames::{self, Frame, Frames};
use crate::bench::load;
use crate::bench::raw::{Stopwatch, len_u64};

const SUBSCRIBE: &str = "SubscribeToShard";
/// Bytes of frames that are kept to be sent once more without a service behind them.
const CAPTURE_BYTES: usize = 32 << 20;
/// What comes this soon is all that comes.
const QUIET: Duration = Duration::from_secs(1);
/// One record after the other, in time for each to have its own push.
const PUT_EVERY: Duration = Duration::from_millis(5);
/// The last record reaches every subscriber within this time, or the bench fails.
const LAST_WITHIN: Duration = Duration::from_secs(10);
/// Longer times are counted as this long.
const MINUTE_NS: u64 = 60_000_000_000;

/// Pushes of one subscription, and how many bytes of them are data.
#[derive(Clone, Debug)]
pub(super) struct Captured {
    pub(super) frames: Vec<Bytes>,
    data_bytes: u64,
}

impl Captured {
    pub(super) fn frame_bytes(&self) -> u64 {
        self.frames.iter().map(|frame| len_u64(frame.len())).sum()
    }

    /// The part of the bytes that is data of records.
    pub(super) fn data_share(&self) -> f64 {
        self.data_bytes as f64 / self.frame_bytes() as f64
    }
}

/// Keeps the first pushes of one subscription.
pub(super) async fn capture(target: &Target, request: Bytes) -> Result<Captured> {
    let mut connection = target.connect_http2().await?;
    let mut body = connection.send(SUBSCRIBE, request).await?.into_body();
    let mut reader = Frames::default();
    let mut captured = Captured {
        frames: Vec::new(),
        data_bytes: 0,
    };
    let mut bytes = 0;
    while bytes < CAPTURE_BYTES {
        let Ok(Some(chunk)) = tokio::time::timeout(QUIET, body.frame()).await else {
            break;
        };
        let chunk = chunk.context("read a subscription")?;
        reader.push(chunk.data_ref().map_or(&[], |data| data), Duration::ZERO);
        while let Some(Frame { bytes: frame, .. }) = reader.next()? {
            let records = frames::records(&frame)?.len();
            if records > 0 {
                bytes += frame.len();
                captured.data_bytes += len_u64(records * RECORD_BYTES);
                captured.frames.push(frame);
            }
        }
    }
    ensure!(!captured.frames.is_empty(), "nothing was pushed");
    Ok(captured)
}

/// What was pushed to all subscribers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pushed {
    bytes: u64,
    took: Duration,
}

impl Pushed {
    /// Bytes of frames in a second, in MB/s.
    pub(super) fn rate(self) -> f64 {
        self.bytes as f64 / self.took.as_secs_f64() / 1e6
    }
}

/// Subscribes with each request on a connection of its own, and counts what comes for `limit`, or until
/// one subscriber has `bytes_max`.
pub(super) async fn push(
    target: &Target,
    requests: &[Bytes],
    limit: Duration,
    bytes_max: u64,
) -> Result<Pushed> {
    let mut connections = Vec::new();
    for _ in requests {
        connections.push(target.connect_http2().await?);
    }
    let bytes = Arc::new(AtomicU64::new(0));
    let clock = Stopwatch::start();
    let mut subscribers = JoinSet::new();
    for (connection, request) in connections.into_iter().zip(requests) {
        let bytes = Arc::clone(&bytes);
        subscribers.spawn(count(connection, request.clone(), bytes_max, bytes));
    }
    tokio::select! {
        () = tokio::time::sleep(limit) => {}
        ended = subscribers.join_next() => ended.context("no subscriber")?.context("a subscriber panicked")??,
    }
    Ok(Pushed {
        bytes: bytes.load(Ordering::Relaxed),
        took: clock.elapsed(),
    })
}

async fn count(
    mut connection: Multiplexed,
    request: Bytes,
    bytes_max: u64,
    all: Arc<AtomicU64>,
) -> Result<()> {
    let mut body = connection.send(SUBSCRIBE, request).await?.into_body();
    let mut own = 0;
    while own < bytes_max {
        let chunk = body.frame().await.context("a subscription ended early")?;
        let chunk = chunk.context("read a subscription")?;
        let len = chunk.data_ref().map_or(0, |data| len_u64(data.len()));
        own += len;
        all.fetch_add(len, Ordering::Relaxed);
    }
    Ok(())
}

/// Times of single records, in nanoseconds.
#[derive(Debug)]
pub(super) struct Latency {
    /// From the request to its answer: the record is durable.
    pub(super) put: Histogram<u64>,
    /// From the answer to the first byte of a push; nothing if the push came first.
    pub(super) push: Histogram<u64>,
}

/// Puts one record after the other for `limit`, and waits for each at every subscriber.
pub(super) async fn latency(
    target: &Target,
    stream: &str,
    requests: &[Bytes],
    limit: Duration,
) -> Result<Latency> {
    let count = usize::try_from(limit.as_millis() / PUT_EVERY.as_millis())?.max(1);
    let bodies: Vec<Bytes> = (0..count)
        .map(|number| bodies::put_record(target.format(), stream, number, &numbered(number)))
        .collect();
    let mut producer = target.connect().await?;
    let clock = Stopwatch::start();
    let standing = Arc::new(Semaphore::new(0));
    let mut subscribers = JoinSet::new();
    for request in requests {
        let connection = target.connect_http2().await?;
        let standing = Arc::clone(&standing);
        subscribers.spawn(receive(connection, request.clone(), count, clock, standing));
    }
    let subscriptions = u32::try_from(requests.len()).context("too many subscribers")?;
    tokio::select! {
        stand = standing.acquire_many(subscriptions) => drop(stand?),
        ended = subscribers.join_next() => {
            ended.context("no subscriber")?.context("a subscriber panicked")??;
        }
    }
    let histogram = || Histogram::new_with_max(MINUTE_NS, 3).context("make a histogram");
    let (mut put, mut push) = (histogram()?, histogram()?);
    let mut acknowledged = Vec::with_capacity(count);
    let mut tick = tokio::time::interval(PUT_EVERY);
    for body in bodies {
        tick.tick().await;
        let begun = clock.elapsed();
        producer.ask("PutRecord", body).await?;
        let now = clock.elapsed();
        put.saturating_record(nanos(now.saturating_sub(begun)));
        acknowledged.push(now);
    }
    let all = async {
        while let Some(received) = subscribers.join_next().await {
            let received = received.context("a subscriber panicked")??;
            for (came, acknowledged) in received.iter().zip(&acknowledged) {
                push.saturating_record(nanos(came.saturating_sub(*acknowledged)));
            }
        }
        anyhow::Ok(())
    };
    let all = tokio::time::timeout(LAST_WITHIN, all).await;
    all.context("a subscriber has not received every record")??;
    Ok(Latency { put, push })
}

/// When the first bytes of the pushes of records 0 to `count` came, in order.
async fn receive(
    mut connection: Multiplexed,
    request: Bytes,
    count: usize,
    clock: Stopwatch,
    standing: Arc<Semaphore>,
) -> Result<Vec<Duration>> {
    let mut body = connection.send(SUBSCRIBE, request).await?.into_body();
    let mut reader = Frames::default();
    let mut times = Vec::with_capacity(count);
    let mut standing = Some(standing);
    while times.len() < count {
        let chunk = body.frame().await.context("a subscription ended early")?;
        let now = clock.elapsed();
        let chunk = chunk.context("read a subscription")?;
        reader.push(chunk.data_ref().map_or(&[], |data| data), now);
        while let Some(frame) = reader.next()? {
            // The first frame says that the subscription stands.
            if let Some(standing) = standing.take() {
                standing.add_permits(1);
            }
            for data in frames::records(&frame.bytes)? {
                let number = number(&data)?;
                ensure!(
                    number == times.len(),
                    "record {number} was pushed instead of {}",
                    times.len()
                );
                times.push(frame.begun);
            }
        }
    }
    Ok(times)
}

/// A record's data, which starts with its number.
fn numbered(number: usize) -> Vec<u8> {
    let mut data = load::payload(RECORD_BYTES);
    if let Some(start) = data.first_chunk_mut() {
        *start = len_u64(number).to_le_bytes();
    }
    data
}

/// The number of a record from its data in base64.
fn number(data: &str) -> Result<usize> {
    let data = STANDARD.decode(data).context("read a record's data")?;
    let start = data.first_chunk().context("a record without a number")?;
    Ok(usize::try_from(u64::from_le_bytes(*start))?)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_its_number() {
        for sent in [0, 1, 70_000] {
            let data = numbered(sent);
            assert_eq!(data.len(), RECORD_BYTES);
            assert_eq!(number(&STANDARD.encode(data)).unwrap(), sent);
        }
        assert!(number("AAAA").is_err());
    }

    #[test]
    fn the_share_of_data_counts_frames_as_they_are() {
        let captured = Captured {
            frames: vec![Bytes::from(vec![0; 1_500]), Bytes::from(vec![0; 2_500])],
            data_bytes: 3_000,
        };
        assert_eq!(captured.frame_bytes(), 4_000);
        assert!((captured.data_share() - 0.75).abs() < 1e-9);
        let pushed = Pushed {
            bytes: 4_000_000,
            took: Duration::from_millis(500),
        };
        assert!((pushed.rate() - 8.0).abs() < 1e-9);
    }
}
