//! What the server counts, in the text format of `OpenMetrics`.
//!
//! Counters are bumped where things happen, once per batch and never per record. What other crates
//! and the kernel know is collected when somebody asks.

mod process;
mod sampled;

use std::fmt;
use std::sync::atomic::AtomicU64;

use afflux_types::ErrorKind;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

pub(crate) use sampled::Sample;

type Count = Counter<u64, AtomicU64>;

/// What a QUIC stream is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Activity {
    Produce,
    Subscribe,
    Upload,
    Fetch,
    Admin,
}

impl Activity {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Produce => "produce",
            Self::Subscribe => "subscribe",
            Self::Upload => "upload",
            Self::Fetch => "fetch",
            Self::Admin => "admin",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActivityLabel {
    activity: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

/// One operation of an AWS-compatible API, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    service: &'static str,
    operation: &'static str,
    class: &'static str,
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    registry: Registry,
    connections: Gauge,
    connections_total: Count,
    pub(crate) connections_refused_total: Count,
    activities: Family<ActivityLabel, Gauge>,
    pub(crate) ingest: Flow,
    pub(crate) egress: Flow,
    pub(crate) acknowledged_total: Count,
    pub(crate) duplicates_total: Count,
    pub(crate) lagged_total: Count,
    pub(crate) panics_total: Count,
    failures: Family<KindLabel, Count>,
    requests: Family<StatusLabel, Count>,
    operations: Family<OperationLabel, Count>,
    http_received: Count,
    http_sent: Count,
}

/// One direction of the data.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    bytes: Count,
    records: Count,
}

impl Flow {
    /// Counts entries of so many bytes and records.
    pub(crate) fn add(&self, bytes: usize, records: u64) {
        self.bytes.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
        self.records.inc_by(records);
    }
}

impl Metrics {
    /// Counters at zero; `sample` is asked at every scrape.
    pub(crate) fn new(sample: impl Fn() -> Sample + Send + Sync + 'static) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("afflux"),
            ..Self::default()
        };
        let counters = metrics.counters();
        let registry = &mut metrics.registry;
        registry.register(
            "connections",
            "QUIC connections now",
            metrics.connections.clone(),
        );
        registry.register(
            "activities",
            "QUIC streams in use now",
            metrics.activities.clone(),
        );
        for (name, help, counter) in counters {
            registry.register(name, help, counter);
        }
        registry.register(
            "failures",
            "Failures told to clients",
            metrics.failures.clone(),
        );
        registry.register(
            "http_requests",
            "HTTP requests answered",
            metrics.requests.clone(),
        );
        registry.register(
            "http_operations",
            "Operations of the AWS-compatible APIs answered",
            metrics.operations.clone(),
        );
        registry.register_collector(Box::new(sampled::Sampled::new(sample)));
        metrics
    }

    /// The plain counters with their names and what they count.
    fn counters(&self) -> [(&'static str, &'static str, Count); 12] {
        [
            (
                "connections",
                "QUIC connections accepted",
                self.connections_total.clone(),
            ),
            (
                "connections_refused",
                "QUIC connections refused",
                self.connections_refused_total.clone(),
            ),
            (
                "ingest_bytes",
                "Bytes of entries accepted from clients",
                self.ingest.bytes.clone(),
            ),
            (
                "ingest_records",
                "Records and fragments accepted from clients",
                self.ingest.records.clone(),
            ),
            (
                "egress_bytes",
                "Bytes of entries sent to clients",
                self.egress.bytes.clone(),
            ),
            (
                "egress_records",
                "Records and fragments sent to clients",
                self.egress.records.clone(),
            ),
            (
                "acknowledged_entries",
                "Durable entries acknowledged",
                self.acknowledged_total.clone(),
            ),
            (
                "duplicate_entries",
                "Entries recognised as retries",
                self.duplicates_total.clone(),
            ),
            (
                "lagged",
                "Subscriptions that retention overtook",
                self.lagged_total.clone(),
            ),
            (
                "http_request_bytes",
                "Bytes of the bodies of requests",
                self.http_received.clone(),
            ),
            (
                "http_response_bytes",
                "Bytes of the bodies of answers",
                self.http_sent.clone(),
            ),
            (
                "panics",
                "Panics that ended one connection or request",
                self.panics_total.clone(),
            ),
        ]
    }

    /// Counts an activity for as long as the guard lives.
    pub(crate) fn begin(&self, activity: Activity) -> Counted {
        let label = ActivityLabel {
            activity: activity.name(),
        };
        let gauge = self.activities.get_or_create_owned(&label);
        Counted::begin(gauge)
    }

    /// Counts a QUIC connection for as long as the guard lives.
    pub(crate) fn connected(&self) -> Counted {
        self.connections_total.inc();
        Counted::begin(self.connections.clone())
    }

    /// Counts a failure that a client was told of.
    pub(crate) fn failed(&self, kind: ErrorKind) {
        self.failures
            .get_or_create(&KindLabel { kind: kind.name() })
            .inc();
    }

    /// Counts an answered HTTP request.
    pub(crate) fn requested(&self, status: u16) {
        self.requests.get_or_create(&StatusLabel { status }).inc();
    }

    /// Counts an answered operation; both names are from the service's own list.
    pub(crate) fn operated(&self, service: &'static str, operation: &'static str, status: u16) {
        let label = OperationLabel {
            service,
            operation,
            class: class(status),
        };
        self.operations.get_or_create(&label).inc();
    }

    /// Counts the body of an HTTP request.
    pub(crate) fn received(&self, bytes: usize) {
        self.http_received
            .inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Counts a piece of the body of an HTTP answer.
    pub(crate) fn replied(&self, bytes: usize) {
        self.http_sent
            .inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Everything as text.
    pub(crate) fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(16 << 10);
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// The first digit of a status, as people write it.
fn class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// What a gauge counts for as long as it lives, however it ends.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Counted {
    fn begin(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_counters_samples_and_an_end() {
        let metrics = Metrics::new(|| Sample {
            ..Sample::default()
        });
        metrics.ingest.add(100, 3);
        metrics.failed(ErrorKind::Denied);
        metrics.requested(404);
        metrics.operated("kinesis", "PutRecords", 400);
        metrics.received(7);
        let guard = metrics.begin(Activity::Produce);
        let text = metrics.encode().unwrap();
        for line in [
            "afflux_ingest_bytes_total 100",
            "afflux_ingest_records_total 3",
            "afflux_failures_total{kind=\"denied\"} 1",
            "afflux_http_requests_total{status=\"404\"} 1",
            "afflux_http_operations_total{service=\"kinesis\",operation=\"PutRecords\",class=\"4xx\"} 1",
            "afflux_http_request_bytes_total 7",
            "afflux_activities{activity=\"produce\"} 1",
            "afflux_log_rounds_total 0",
            "# EOF",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in:\n{text}"
            );
        }
        drop(guard);
        assert!(
            metrics
                .encode()
                .unwrap()
                .contains("activity=\"produce\"} 0")
        );
    }
}
