//! A camera that is always connected to again.
//!
//! ```text
//!   ┌────────► pause ──► connect ──► record ──┐
//!   └── lost, stalled, leaping, other codec ◄─┘      Denied, Useless at first: an error
//! ```
//!
//! Mistakes of whoever typed the command show at the first connection and end the recording; the
//! same answers later are a camera that restarts or is being set up, and it is tried again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use afflux_types::Clock;
use rand::Rng;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::TimeSource;
use crate::options::{CameraOptions, Retry};
use crate::recorder::{History, RecordError, Recorded, Recorder};
use crate::session::{self, Ended, INPUTS_MAX, Input};

/// Lost packets are told of so often at most.
const LOSS_EVERY: Duration = Duration::from_secs(10);
/// A camera that sends frames for so long and no key frame is told of.
const KEY_FRAME_WITHIN: Duration = Duration::from_secs(30);
/// A difference of clocks that is worth a warning.
const CLOCK_WARN_NS: i64 = 10_000_000_000;

/// Why a camera cannot be recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CameraError {
    /// The URL is not one of a camera.
    #[error("the camera's URL cannot be used: {0}")]
    Url(String),
    /// The camera wants to know who asks.
    #[error("camera {0} wants a user name and a password")]
    Anonymous(String),
    /// The camera does not know who asks.
    #[error("camera {0} refuses the user name or the password")]
    Denied(String),
    /// Nothing of the camera's offer can be stored.
    #[error(
        "camera {camera} offers nothing that can be recorded (H.264 or H.265; AAC, G.711 or L16), \
         but {offer}"
    )]
    Useless {
        /// Its host and port.
        camera: String,
        /// What it offers.
        offer: String,
    },
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that sent frames.
    pub connections: u64,
    /// Frames that came, of all tracks.
    pub frames: u64,
    /// RTP packets that were lost on the way.
    pub lost_packets: u64,
    /// Fragments that were given out.
    pub fragments: u64,
}

/// A camera that is recorded.
///
/// Dropping it ends the connection at once, without the last fragment.
#[derive(Debug)]
pub struct Camera {
    options: Arc<CameraOptions>,
    clock: Clock,
    connection: Option<Connection>,
    history: History,
    ready: VecDeque<Recorded>,
    pauses: Pauses,
    /// When to connect again.
    next_attempt: Option<Instant>,
    counts: Counts,
    told: Told,
}

#[derive(Debug)]
struct Connection {
    inputs: mpsc::Receiver<Input>,
    task: JoinHandle<Ended>,
    recorder: Option<Recorder>,
    source: Option<TimeSource>,
    began: Duration,
}

/// What was said of late, so that a log is not flooded.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    lost_packets: u64,
    lost_at: Option<Duration>,
    no_key_frame: bool,
    bad_clock: bool,
}

impl Camera {
    /// A camera that will be connected to by the first [`Camera::next`].
    #[must_use]
    pub fn new(options: CameraOptions, clock: Clock) -> Self {
        Self {
            pauses: Pauses::new(options.retry),
            options: Arc::new(options),
            clock,
            connection: None,
            history: History::default(),
            ready: VecDeque::new(),
            next_attempt: None,
            counts: Counts::default(),
            told: Told::default(),
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The next fragment. Cancel safe.
    ///
    /// # Errors
    /// If the camera refuses us, or has nothing to record, before anything was recorded. Every
    /// other trouble is logged and tried again.
    pub async fn next(&mut self) -> Result<Recorded, CameraError> {
        loop {
            if let Some(recorded) = self.ready.pop_front() {
                self.counts.fragments += 1;
                return Ok(recorded);
            }
            if self.connection.is_none() {
                if let Some(at) = self.next_attempt {
                    sleep_until(at).await;
                }
                self.connect();
            }
            let Some(connection) = &mut self.connection else {
                continue;
            };
            if let Some(input) = connection.inputs.recv().await {
                if let Err(error) = self.take(input) {
                    self.end(Ended::Broken(chain(&error)))?;
                }
            } else {
                let ended = (&mut connection.task).await.unwrap_or_else(|error| {
                    Ended::Broken(format!("the connection's task failed: {error}"))
                });
                self.end(ended)?;
            }
        }
    }

    /// Ends the connection; returns the fragments that are left, of which the last ends here, and
    /// what happened.
    pub async fn stop(mut self) -> (Vec<Recorded>, Counts) {
        // What was received belongs to the recording.
        while let Some(connection) = &mut self.connection {
            connection.inputs.close();
            let Some(input) = connection.inputs.recv().await else {
                let _ = (&mut connection.task).await;
                break;
            };
            if self.take(input).is_err() {
                break;
            }
        }
        if let Some(mut connection) = self.connection.take() {
            self.finish(connection.recorder.take());
        }
        self.counts.fragments += u64::try_from(self.ready.len()).unwrap_or(0);
        (self.ready.into(), self.counts)
    }

    fn connect(&mut self) {
        let (sender, inputs) = mpsc::channel(INPUTS_MAX);
        let run = session::run(Arc::clone(&self.options), self.clock.clone(), sender);
        self.connection = Some(Connection {
            inputs,
            task: tokio::spawn(run),
            recorder: None,
            source: None,
            began: self.clock.elapsed(),
        });
        self.told.no_key_frame = false;
    }

    fn take(&mut self, input: Input) -> Result<(), RecordError> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        match (input, &mut connection.recorder) {
            (Input::Tracks(tracks), Some(recorder)) => {
                tracing::info!(camera = %self.options.url, "the camera codes its tracks otherwise");
                recorder.change(tracks)?;
            }
            (Input::Tracks(tracks), recorder @ None) => {
                let history = self.history.clone();
                *recorder = Some(Recorder::new(tracks, self.options.recorder, history)?);
                self.counts.connections += 1;
            }
            (Input::Frame(frame, at_ns, lost), recorder) => {
                self.counts.frames += 1;
                self.counts.lost_packets += u64::from(lost);
                if let Some(recorder) = recorder {
                    recorder.frame(frame, at_ns)?;
                }
            }
            (Input::Report(report), Some(recorder)) => {
                let is_possible =
                    recorder.report(report.track, report.ticks, report.ns, report.at_ns);
                if !is_possible && !std::mem::replace(&mut self.told.bad_clock, true) {
                    tracing::warn!(camera = %self.options.url, "the camera's clock is not set");
                }
            }
            (Input::Report(_), None) => {}
        }
        while let Some(recorded) = connection.recorder.as_mut().and_then(Recorder::poll) {
            self.pauses.reset();
            self.ready.push_back(recorded);
        }
        self.tell();
        Ok(())
    }

    /// Logs what a person should know.
    fn tell(&mut self) {
        let now = self.clock.elapsed();
        let camera = &self.options.url;
        let Some(connection) = &mut self.connection else {
            return;
        };
        let lost = self.counts.lost_packets - self.told.lost_packets;
        let is_time = self
            .told
            .lost_at
            .is_none_or(|at| now.saturating_sub(at) >= LOSS_EVERY);
        if lost > 0 && is_time {
            tracing::warn!(%camera, packets = lost, all = self.counts.lost_packets, "packets were lost");
            self.told.lost_packets = self.counts.lost_packets;
            self.told.lost_at = Some(now);
        }
        let waits = connection.recorder.as_ref().is_none_or(Recorder::is_idle);
        if waits
            && now.saturating_sub(connection.began) >= KEY_FRAME_WITHIN
            && !std::mem::replace(&mut self.told.no_key_frame, true)
        {
            tracing::warn!(%camera, "no key frame has come, nothing is recorded");
        }
        let source = connection.recorder.as_ref().and_then(Recorder::source);
        if source == connection.source {
            return;
        }
        connection.source = source;
        let ahead_ns = connection.recorder.as_ref().map_or(0, Recorder::ahead_ns);
        let ahead_ms = ahead_ns / 1_000_000;
        match source {
            Some(TimeSource::Camera) if ahead_ns.saturating_abs() > CLOCK_WARN_NS => {
                tracing::warn!(%camera, ahead_ms, "times are the camera's, whose clock is not ours");
            }
            Some(TimeSource::Camera) => {
                tracing::info!(%camera, ahead_ms, "times are the camera's");
            }
            Some(TimeSource::Arrival) => {
                tracing::warn!(%camera, "the camera tells no time: times are those of arrival");
            }
            None => {}
        }
    }

    /// The connection has ended: keeps what is whole and plans the next.
    fn end(&mut self, ended: Ended) -> Result<(), CameraError> {
        if let Some(mut connection) = self.connection.take() {
            self.finish(connection.recorder.take());
        }
        let camera = self.options.url.to_string();
        let first = self.counts.frames == 0;
        let pause = match &ended {
            Ended::Anonymous if first => return Err(CameraError::Anonymous(camera)),
            Ended::Denied if first => return Err(CameraError::Denied(camera)),
            Ended::Useless(offer) if first => {
                let offer = offer.clone();
                return Err(CameraError::Useless { camera, offer });
            }
            Ended::Anonymous | Ended::Denied => self.options.retry.pause_max,
            _ => self.pauses.next(),
        };
        tracing::warn!(%camera, reason = %ended, ?pause, "the connection is over, try again");
        self.next_attempt = Some(Instant::now() + pause);
        Ok(())
    }

    fn finish(&mut self, recorder: Option<Recorder>) {
        let Some(mut recorder) = recorder else {
            return;
        };
        if let Err(error) = recorder.finish() {
            tracing::warn!(camera = %self.options.url, error = chain(&error), "the last fragment is lost");
        }
        while let Some(recorded) = recorder.poll() {
            self.pauses.reset();
            self.ready.push_back(recorded);
        }
        self.history = recorder.into_history();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The pauses since the camera last sent something that was recorded.
#[derive(Debug)]
struct Pauses {
    retry: Retry,
    pause: Duration,
}

impl Pauses {
    fn new(retry: Retry) -> Self {
        Self {
            pause: retry.pause_min,
            retry,
        }
    }

    fn reset(&mut self) {
        self.pause = self.retry.pause_min;
    }

    fn next(&mut self) -> Duration {
        let pause = self.pause.mul_f64(rand::rng().random_range(0.5..=1.0));
        self.pause = self.pause.saturating_mul(2).min(self.retry.pause_max);
        pause
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_start_over() {
        let seconds = Duration::from_secs;
        let mut pauses = Pauses::new(Retry {
            pause_min: seconds(1),
            pause_max: seconds(4),
        });
        for full in [1, 2, 4, 4] {
            let pause = pauses.next();
            assert!(
                pause >= seconds(full) / 2 && pause <= seconds(full),
                "{pause:?}"
            );
        }
        pauses.reset();
        assert!(pauses.next() <= seconds(1));
    }
}
