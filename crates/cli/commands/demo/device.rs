//! A device: sends a numbered reading a thousand times a second.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use afflux_client::{AckedBatch, Client, ProducerOptions};
use afflux_types::{Clock, StreamName};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::tally::Tally;

const READINGS_PER_TICK: u64 = 20;
const TICK: Duration = Duration::from_millis(20);

/// What a device says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Reading {
    /// Who says it.
    pub(super) device: String,
    /// Counts the device's readings from zero.
    pub(super) count: u64,
    /// Made up.
    pub(super) celsius: f64,
}

impl Reading {
    /// The reading that `device` sends as its number `count`: a consumer can work it out again.
    pub(super) fn of(device: &str, count: u64) -> Self {
        let step = u32::try_from(count % 1_000).unwrap_or(0);
        Self {
            device: device.to_owned(),
            count,
            celsius: 20.0 + f64::from(step) / 100.0,
        }
    }
}

/// One device.
pub(super) struct Device {
    pub(super) client: Client,
    pub(super) number: u32,
    pub(super) tally: Arc<Tally>,
}

impl Device {
    /// Sends until told to stop, then waits until everything is durable.
    pub(super) async fn run(self, stream: StreamName, stop: watch::Receiver<bool>) -> Result<()> {
        let tally = Arc::clone(&self.tally);
        let acked = move |batch: &AckedBatch| {
            tally
                .acked_records
                .fetch_add(u64::from(batch.record_count), Ordering::Relaxed);
            let bytes = u64::try_from(batch.body.len()).unwrap_or(0);
            tally.acked_bytes.fetch_add(bytes, Ordering::Relaxed);
        };
        let options = ProducerOptions {
            on_acked: Some(Arc::new(acked)),
            ..ProducerOptions::default()
        };
        let producer = self.client.producer(&stream, options).await?;
        let name = format!("device-{}", self.number + 1);
        let clock = Clock::system();
        let mut tick = tokio::time::interval(TICK);
        let mut count = 0;
        while !*stop.borrow() {
            tick.tick().await;
            for _ in 1..READINGS_PER_TICK {
                producer.send(&name, &encode(&name, count)?).await?;
                count += 1;
            }
            // The last of each tick tells how long it takes until a reading is durable.
            let sent = clock.elapsed();
            producer.put(&name, &encode(&name, count)?).await?;
            self.tally.durable_after(clock.elapsed() - sent);
            count += 1;
        }
        producer.flush().await?;
        Ok(())
    }
}

fn encode(device: &str, count: u64) -> Result<Vec<u8>> {
    serde_json::to_vec(&Reading::of(device, count)).context("write a reading")
}
