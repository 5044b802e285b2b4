//! The account: was everything that was acknowledged pushed to every consumer, and delivered once?

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use afflux_client::Client;
use afflux_types::{DeliveryName, StreamName};
use afflux_wire::message::FragmentSelector;
use anyhow::{Context, Result};
use tokio::task::JoinSet;

use super::super::video;
use super::Streams;
use super::device::Reading;
use super::tally::{Seen, Tally};
use crate::printer::Printer;

/// How long consumers and deliveries may take to catch up with the last acknowledgement.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// Everything that is needed to judge a run.
pub(super) struct Verdict<'a> {
    pub(super) admin: Client,
    pub(super) streams: Streams,
    pub(super) tally: Arc<Tally>,
    pub(super) lake: PathBuf,
    pub(super) data_dir: &'a Path,
}

impl Verdict<'_> {
    /// Waits until everybody has caught up, checks, and prints the account.
    pub(super) async fn reach(
        self,
        printer: &mut Printer,
        mut consumers: JoinSet<Result<()>>,
    ) -> Result<bool> {
        let records = self.tally.acked_records.load(Ordering::Relaxed);
        let fragments = self.tally.persisted_fragments.load(Ordering::Relaxed);
        let mut lines = vec![
            String::new(),
            format!("acknowledged  {records} records, {fragments} fragments"),
        ];
        let mut passed = records > 0 && fragments > 0;

        self.until(|| self.consumers_have(records, fragments)).await;
        // A consumer that ended has met an error; those that follow on are simply dropped.
        while let Some(ended) = consumers.try_join_next() {
            ended.context("a consumer panicked")??;
        }
        for (number, seen) in self.tally.consumers() {
            let fault = judge(&seen, records, fragments);
            passed &= fault.is_none();
            lines.push(format!(
                "consumer {}    {}",
                number + 1,
                fault.unwrap_or_else(|| {
                    format!("{records} records, {fragments} fragments, each once and in order")
                })
            ));
        }
        let (delivered, whole) = self.delivered(records + fragments).await?;
        passed &= whole;
        lines.push(delivered);
        lines.push(self.clip().await?);
        lines.push(format!("data          {}", self.data_dir.display()));
        lines.push(
            if passed {
                "everything holds"
            } else {
                "SOMETHING IS WRONG"
            }
            .to_owned(),
        );
        printer.bytes(lines.join("\n").as_bytes())?;
        printer.bytes(b"\n")?;
        printer.flush()?;
        Ok(passed)
    }

    /// Waits until `holds`, but not for ever: the verdict says what is missing.
    async fn until(&self, holds: impl Fn() -> bool) {
        let wait = async {
            while !holds() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, wait).await;
    }

    fn consumers_have(&self, records: u64, fragments: u64) -> bool {
        self.tally.consumers().iter().all(|(_, seen)| {
            seen.records.load(Ordering::Relaxed) >= records
                && seen.fragments.load(Ordering::Relaxed) >= fragments
        })
    }

    /// Waits for the deliveries, ends them, reads everything that they wrote, and compares.
    async fn delivered(&self, expected: u64) -> Result<(String, bool)> {
        let wait = async {
            loop {
                let deliveries = self.admin.list_deliveries().await?;
                let ours = deliveries.iter().filter(|one| {
                    let mut streams = self.streams.all();
                    streams.any(|stream| stream.as_str() == one.delivery)
                });
                if ours.map(|one| one.records).sum::<u64>() >= expected {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        if let Ok(failed) = tokio::time::timeout(PATIENCE, wait).await {
            failed?;
        }
        for stream in self.streams.all() {
            let name: DeliveryName = stream.as_str().parse()?;
            self.admin.delete_delivery(&name).await?;
        }
        let directory = self.lake.clone();
        let streams: Vec<StreamName> = self.streams.all().cloned().collect();
        let read = tokio::task::spawn_blocking(move || read(&directory, &streams));
        let found = read.await.context("read what was delivered")??;
        let whole = found.records == expected && found.fault.is_none();
        let verdict = match found.fault {
            Some(fault) => fault,
            None if whole => "each record once and in order".to_owned(),
            None => format!("{expected} were expected"),
        };
        let line = format!(
            "delivered     {} records and fragments in {} objects below {}, {verdict}",
            found.records,
            found.objects,
            self.lake.display()
        );
        Ok((line, whole))
    }

    async fn clip(&self) -> Result<String> {
        let Some(camera) = self.streams.cameras.first() else {
            return Ok(String::new());
        };
        let clip = video::make_clip(&self.admin, camera, FragmentSelector::default()).await?;
        let clip = clip.context("the camera's stream is empty")?;
        let path = self.data_dir.join(format!("{camera}.mp4"));
        video::write_clip(&path, &clip).await?;
        Ok(format!(
            "clip          {} ({} fragments)",
            path.display(),
            clip.fragments()
        ))
    }
}

fn judge(seen: &Seen, records: u64, fragments: u64) -> Option<String> {
    if let Some(fault) = seen.fault.lock().clone() {
        return Some(fault);
    }
    let got = (
        seen.records.load(Ordering::Relaxed),
        seen.fragments.load(Ordering::Relaxed),
    );
    (got != (records, fragments)).then(|| format!("{} records, {} fragments came", got.0, got.1))
}

/// What was delivered.
struct Found {
    records: u64,
    objects: u64,
    fault: Option<String>,
}

/// Reads every object: checksums and counts, then the content of every record.
fn read(directory: &Path, streams: &[StreamName]) -> Result<Found> {
    let is_ours = |name: &str| streams.iter().any(|stream| stream.as_str() == name);
    let verified = afflux_deliver::verify(directory)?;
    let (mut records, mut objects) = (0, 0);
    let mut fault = None;
    for delivery in verified.iter().filter(|delivery| is_ours(&delivery.name)) {
        records += delivery.records;
        objects += delivery.objects;
        if delivery.missing() > 0 {
            fault.get_or_insert_with(|| format!("{} misses records", delivery.name));
        }
    }
    let mut next = std::collections::BTreeMap::<String, u64>::new();
    for record in afflux_deliver::records(directory)? {
        let record = record?;
        if !is_ours(&record.stream) {
            continue;
        }
        let reading: Reading = serde_json::from_slice(&record.data)?;
        let expected = next.entry(reading.device.clone()).or_default();
        if reading.count != *expected {
            fault.get_or_insert_with(|| {
                format!(
                    "{} {expected} was due and {} came",
                    reading.device, reading.count
                )
            });
        }
        *expected += 1;
    }
    Ok(Found {
        records,
        objects,
        fault,
    })
}
