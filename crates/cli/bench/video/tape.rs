//! What became of one camera's fragments: when each was sent, and when it was durable.

use std::time::Duration;

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::frames::FRAGMENT_BYTES;
use crate::args::CameraProtocol;

/// Longer times are counted as this long.
const MINUTE_US: u64 = 60_000_000;
/// A fragment that is durable so long after its end is late.
const LATE: Duration = Duration::from_secs(2);

/// One camera's fragments.
#[derive(Debug)]
pub(super) struct Tape {
    pub(super) protocol: CameraProtocol,
    fragments: Mutex<Vec<Fragment>>,
    durable: watch::Sender<usize>,
}

/// One fragment, by the clock of the run.
#[derive(Clone, Copy, Debug)]
struct Fragment {
    /// When its last frame ends by the camera's plan.
    end: Duration,
    /// Bytes so far.
    bytes: u64,
    /// When its last bytes went off.
    sent: Option<Duration>,
    durable: Option<Duration>,
}

impl Tape {
    pub(super) fn new(protocol: CameraProtocol) -> Self {
        Self {
            protocol,
            fragments: Mutex::default(),
            durable: watch::Sender::new(0),
        }
    }

    /// A fragment starts that ends at `end`.
    pub(super) fn start(&self, end: Duration) {
        self.fragments.lock().push(Fragment {
            end,
            bytes: 0,
            sent: None,
            durable: None,
        });
    }

    /// A frame of the last fragment is about to be sent.
    pub(super) fn sending(&self, bytes: usize, now: Duration, is_last: bool) {
        if let Some(fragment) = self.fragments.lock().last_mut() {
            fragment.bytes += u64::try_from(bytes).unwrap_or(0);
            fragment.sent = is_last.then_some(now);
        }
    }

    /// The fragment with this number is durable.
    pub(super) fn durable(&self, number: Option<usize>, now: Duration) {
        let mut fragments = self.fragments.lock();
        if let Some(fragment) = number.and_then(|number| fragments.get_mut(number)) {
            fragment.durable.get_or_insert(now);
            drop(fragments);
            self.durable.send_modify(|count| *count += 1);
        }
    }

    /// Waits until a fragment is durable.
    pub(super) async fn recorded(&self) -> Result<()> {
        let mut durable = self.durable.subscribe();
        let recorded = durable.wait_for(|count| *count > 0).await;
        recorded.map(drop).context("the camera has ended")
    }

    /// When a fragment was durable, if it is.
    pub(super) fn durable_at(&self, number: u32) -> Option<Duration> {
        let number = usize::try_from(number).ok()?;
        self.fragments.lock().get(number)?.durable
    }

    /// Bytes sent of the fragment that is not durable; of one only, whatever waits.
    pub(super) fn open_bytes(&self) -> u64 {
        let fragments = self.fragments.lock();
        let recent = fragments.iter().rev().take_while(|f| f.durable.is_none());
        let open: u64 = recent.map(|fragment| fragment.bytes).sum();
        open.min(u64::from(FRAGMENT_BYTES))
    }

    /// Fragments, and those of them that were late or are not durable at all.
    pub(super) fn counts(&self) -> (usize, usize) {
        let fragments = self.fragments.lock();
        let is_late = |fragment: &&Fragment| {
            let limit = fragment.end + LATE;
            fragment.durable.is_none_or(|durable| durable > limit)
        };
        (fragments.len(), fragments.iter().filter(is_late).count())
    }

    /// Adds the times from each fragment's last byte to its durability to `times`.
    pub(super) fn add_to(&self, times: &Times) {
        for fragment in &*self.fragments.lock() {
            if let (Some(sent), Some(durable)) = (fragment.sent, fragment.durable) {
                times.record(durable.saturating_sub(sent));
            }
        }
    }
}

/// Times that many tasks measure, to the microsecond.
#[derive(Debug)]
pub(super) struct Times(Mutex<Histogram<u64>>);

impl Times {
    pub(super) fn new() -> Result<Self> {
        let times = Histogram::new_with_max(MINUTE_US, 3).context("make a histogram")?;
        Ok(Self(Mutex::new(times)))
    }

    /// Nothing takes less than a microsecond.
    pub(super) fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        self.0.lock().saturating_record(micros);
    }

    pub(super) fn count(&self) -> u64 {
        self.0.lock().len()
    }

    /// A quantile in milliseconds.
    pub(super) fn millis(&self, quantile: f64) -> f64 {
        self.0.lock().value_at_quantile(quantile) as f64 / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_fragment_is_late_two_seconds_after_its_end_or_if_it_never_is_durable() {
        let tape = Tape::new(CameraProtocol::Quic);
        for end in [2, 4, 6] {
            tape.start(second(end));
            tape.sending(10, second(end), true);
        }
        assert_eq!(tape.counts(), (3, 3));
        tape.durable(Some(0), second(4));
        tape.durable(Some(1), second(6) + Duration::from_millis(1));
        tape.durable(Some(9), second(6));
        assert_eq!(tape.counts(), (3, 2));
        assert_eq!(tape.durable_at(0), Some(second(4)));
        assert_eq!(tape.durable_at(2), None);
        let times = Times::new().unwrap();
        tape.add_to(&times);
        assert_eq!(times.count(), 2);
        assert!((times.millis(1.0) - 2_001.0).abs() < 2.0);
    }

    #[test]
    fn open_bytes_are_those_of_one_fragment_at_most() {
        let tape = Tape::new(CameraProtocol::PutMedia);
        let whole = usize::try_from(FRAGMENT_BYTES).unwrap();
        tape.start(second(2));
        tape.sending(whole, second(1), true);
        tape.start(second(4));
        tape.sending(100, second(2), false);
        assert_eq!(tape.open_bytes(), u64::from(FRAGMENT_BYTES));
        tape.durable(Some(0), second(3));
        assert_eq!(tape.open_bytes(), 100);
    }
}
