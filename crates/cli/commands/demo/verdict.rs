//! The account: was everything that was acknowledged pushed to every consumer, and archived once?

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use afflux_client::Client;
use afflux_types::StreamName;
use afflux_wire::message::FragmentSelector;
use anyhow::{Context, Result};
use tokio::task::JoinSet;

use super::super::video;
use super::Streams;
use super::device::Reading;
use super::tally::{Seen, Tally};
use crate::printer::Printer;

/// How long consumers and the archive may take to catch up with the last acknowledgement.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// Everything that is needed to judge a run.
pub(super) struct Verdict<'a> {
    pub(super) admin: Client,
    pub(super) streams: Streams,
    pub(super) tally: Arc<Tally>,
    pub(super) archive_dir: PathBuf,
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
        let (archived, whole) = self.archive(records + fragments).await?;
        passed &= whole;
        lines.push(archived);
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

    /// Waits for the archive, ends it, reads all of it, and compares.
    async fn archive(&self, expected: u64) -> Result<(String, bool)> {
        let wait = async {
            loop {
                let archives = self.admin.list_archives().await?;
                let ours = archives.iter().filter(|status| {
                    let name = status
                        .archive
                        .as_ref()
                        .map(|archive| archive.stream.as_str());
                    self.streams
                        .all()
                        .any(|stream| Some(stream.as_str()) == name)
                });
                if ours.map(|status| status.records).sum::<u64>() >= expected {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        if let Ok(failed) = tokio::time::timeout(PATIENCE, wait).await {
            failed?;
        }
        for stream in self.streams.all() {
            self.admin.remove_archive(stream).await?;
        }
        let directory = self.archive_dir.clone();
        let streams: Vec<StreamName> = self.streams.all().cloned().collect();
        let read = tokio::task::spawn_blocking(move || read_archive(&directory, &streams));
        let archive = read.await.context("read the archive")??;
        let whole = archive.records == expected && archive.fault.is_none();
        let verdict = match archive.fault {
            Some(fault) => fault,
            None if whole => "each record once and in order".to_owned(),
            None => format!("{expected} were expected"),
        };
        let line = format!(
            "archive       {} records and fragments in {} files below {}, {verdict}",
            archive.records,
            archive.files,
            self.archive_dir.display()
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

struct Archived {
    records: u64,
    files: u64,
    fault: Option<String>,
}

/// Reads every file of the archive: checksums and counts, then the content of every record.
fn read_archive(directory: &Path, streams: &[StreamName]) -> Result<Archived> {
    let summary = afflux_deliver::verify(directory)?;
    let ours = summary
        .shards
        .iter()
        .filter(|shard| streams.contains(&shard.stream));
    let (mut records, mut files) = (0, 0);
    let mut fault = None;
    for shard in ours {
        records += shard.totals.records;
        files += shard.totals.files;
        if !shard.gaps.is_empty() {
            fault.get_or_insert_with(|| format!("{} {} has a gap", shard.stream, shard.shard));
        }
    }
    let mut next = std::collections::BTreeMap::<String, u64>::new();
    for record in afflux_deliver::records(directory)? {
        let record = record?;
        if !streams.contains(&record.stream) {
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
    Ok(Archived {
        records,
        files,
        fault,
    })
}
