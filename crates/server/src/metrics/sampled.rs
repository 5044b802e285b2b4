//! Figures that others keep, read when somebody asks: the log, delivery streams, the process.

use std::fmt;
use std::time::Duration;

use afflux_deliver::{
    BucketReport, DeliveryDescription, DeliverySettings, DeliveryStatus, Receiver,
};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::process::Process;

/// One look at the log and the delivery streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) rounds: u64,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) write_seconds: f64,
    pub(crate) sync_seconds: f64,
    pub(crate) queued_bytes: u64,
    pub(crate) reserved_bytes: u64,
    pub(crate) pinned_bytes: u64,
    pub(crate) shards: u64,
    pub(crate) stopped_shards: u64,
    pub(crate) deliveries: Vec<DeliveryDescription>,
    /// Those in object stores.
    pub(crate) buckets: Vec<BucketReport>,
}

/// Asks for a [`Sample`] at every scrape.
pub(crate) struct Sampled<F> {
    sample: F,
}

impl<F> Sampled<F> {
    pub(crate) fn new(sample: F) -> Self {
        Self { sample }
    }
}

impl<F> fmt::Debug for Sampled<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sampled")
    }
}

impl<F: Fn() -> Sample + Send + Sync + 'static> Collector for Sampled<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let sample = (self.sample)();
        let process = Process::read();
        let counters = [
            ("log_rounds", "Commit rounds completed", sample.rounds),
            ("log_entries", "Entries made durable", sample.entries),
            ("log_bytes", "Bytes made durable", sample.bytes),
        ];
        for (name, help, value) in counters {
            put(&mut encoder, name, help, &ConstCounter::new(value))?;
        }
        let seconds = [
            (
                "log_write_seconds",
                "Time that commit threads spent writing",
                sample.write_seconds,
            ),
            (
                "log_sync_seconds",
                "Time that commit threads spent syncing",
                sample.sync_seconds,
            ),
            (
                "process_cpu_seconds",
                "CPU time of the process",
                process.cpu_seconds,
            ),
        ];
        for (name, help, value) in seconds {
            put(&mut encoder, name, help, &ConstCounter::new(value))?;
        }
        let gauges = [
            (
                "log_queued_bytes",
                "Bytes accepted and not yet durable",
                sample.queued_bytes,
            ),
            (
                "log_reserved_bytes",
                "Bytes of disk reserved by segments",
                sample.reserved_bytes,
            ),
            (
                "log_pinned_bytes",
                "Bytes of deleted segments that readers still hold",
                sample.pinned_bytes,
            ),
            ("log_shards", "Shards open", sample.shards),
            (
                "log_stopped_shards",
                "Shards stopped by a failed write",
                sample.stopped_shards,
            ),
            (
                "process_resident_bytes",
                "Memory of the process",
                process.resident_bytes,
            ),
            (
                "process_open_files",
                "Open file descriptors",
                process.open_files,
            ),
            ("process_threads", "Threads", process.threads),
        ];
        for (name, help, value) in gauges {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            put(&mut encoder, name, help, &ConstGauge::new(value))?;
        }
        put_deliveries(&mut encoder, &sample)
    }
}

fn put(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: &impl EncodeMetric,
) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

/// Who takes what a delivery stream delivers: the part of metrics' names that Firehose has for it, and whether it
/// is the one of these settings.
type Destination = (&'static str, fn(&DeliverySettings) -> bool);

const DESTINATIONS: [Destination; 5] = [
    ("s3", |of| of.receiver.is_none() && of.table.is_none()),
    ("iceberg", |of| of.table.is_some()),
    ("http_endpoint", |of| {
        matches!(of.receiver, Some(Receiver::Http(_)))
    }),
    ("amazon_opensearch_service", |of| {
        matches!(of.receiver, Some(Receiver::OpenSearch(_)))
    }),
    // Firehose has none.
    ("kafka", |of| {
        matches!(of.receiver, Some(Receiver::Kafka(_)))
    }),
];

/// One for each bucket, with what is known of it as a label.
fn put_buckets(encoder: &mut DescriptorEncoder<'_>, buckets: &[BucketReport]) -> fmt::Result {
    if buckets.is_empty() {
        return Ok(());
    }
    let one = ConstGauge::new(1_i64);
    let help = "What the store of a bucket does with writes that must not replace an object";
    let mut family = encoder.encode_descriptor("delivery_bucket", help, None, one.metric_type())?;
    for bucket in buckets {
        let labels = [
            ("bucket", bucket.name.as_str()),
            ("state", bucket.state.name()),
        ];
        one.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// A figure of a delivery stream.
type Count = fn(&DeliveryStatus) -> u64;

/// Under the names that Firehose's metrics have, as far as there are such.
fn put_deliveries(encoder: &mut DescriptorEncoder<'_>, sample: &Sample) -> fmt::Result {
    let Sample {
        deliveries,
        buckets,
        ..
    } = sample;
    let freshness = |status: &DeliveryStatus| {
        ConstGauge::new(Duration::from_millis(status.millis_behind).as_secs_f64())
    };
    for (to, is_to) in DESTINATIONS {
        let delivered: [(&str, &str, Count); 2] = [
            ("bytes", "Bytes delivered", |of| of.totals.bytes),
            ("records", "Records delivered", |of| of.totals.records),
        ];
        for (what, help, count) in delivered {
            let name = format!("delivery_to_{to}_{what}");
            let metric = |status: &DeliveryStatus| ConstCounter::new(count(status));
            put_each(encoder, (&name, help), deliveries, is_to, metric)?;
        }
        let name = format!("delivery_to_{to}_data_freshness_seconds");
        let help = "Age of the oldest record that is not delivered";
        put_each(encoder, (&name, help), deliveries, is_to, freshness)?;
    }
    let counters: [(&str, &str, Count); 4] = [
        ("delivery_to_s3_object_count", "Objects written", |of| {
            of.totals.objects
        }),
        (
            "delivery_incoming_bytes",
            "Bytes of objects before compression",
            |of| of.totals.uncompressed_bytes,
        ),
        (
            "delivery_failed_records",
            "Records that are in objects of the error prefix",
            |of| of.totals.failed,
        ),
        (
            "delivery_missing_records",
            "Records that retention deleted before they were delivered",
            |of| of.totals.missing,
        ),
    ];
    for (name, help, count) in counters {
        let metric = |status: &DeliveryStatus| ConstCounter::new(count(status));
        put_each(encoder, (name, help), deliveries, |_| true, metric)?;
    }
    put_tables(encoder, deliveries)?;
    let failing = |status: &DeliveryStatus| ConstGauge::new(i64::from(status.last_error.is_some()));
    let help = "Whether the delivery cannot go on now";
    put_each(
        encoder,
        ("delivery_failing", help),
        deliveries,
        |_| true,
        failing,
    )?;
    put_buckets(encoder, buckets)
}

/// What only tables have.
fn put_tables(
    encoder: &mut DescriptorEncoder<'_>,
    deliveries: &[DeliveryDescription],
) -> fmt::Result {
    let counters: [(&str, &str, Count); 3] = [
        (
            "successful_row_count",
            "Rows that are part of a table",
            |of| of.totals.rows,
        ),
        (
            "failed_row_count",
            "Records that are in objects of the error prefix",
            |of| of.totals.failed,
        ),
        ("success", "Commits that made files part of a table", |of| {
            of.totals.commits
        }),
    ];
    for (what, help, count) in counters {
        let name = format!("delivery_to_iceberg_{what}");
        let metric = |status: &DeliveryStatus| ConstCounter::new(count(status));
        let is_to = |of: &DeliverySettings| of.table.is_some();
        put_each(encoder, (&name, help), deliveries, is_to, metric)?;
    }
    Ok(())
}

/// A metric of each delivery stream that is meant.
fn put_each<M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    deliveries: &[DeliveryDescription],
    is_meant: impl Fn(&DeliverySettings) -> bool,
    metric: impl Fn(&DeliveryStatus) -> M,
) -> fmt::Result {
    let Some(first) = deliveries.first() else {
        return Ok(());
    };
    let kind = metric(&first.status).metric_type();
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    for delivery in deliveries.iter().filter(|of| is_meant(&of.settings)) {
        let label = [("delivery_stream", delivery.name.as_str())];
        metric(&delivery.status).encode(family.encode_family(&label)?)?;
    }
    Ok(())
}
