//! One camera in real time: each frame goes off when it is due, whatever became of those before.

use std::sync::Arc;
use std::time::Duration;

use afflux_types::StreamName;
use anyhow::Result;

use super::frames::{FRAGMENT_TIME, FRAMES, Footage, Stamp};
use super::put_media;
use super::quic;
use super::tape::{Tape, Times};
use crate::args::CameraProtocol;
use crate::bench::child::Server;
use crate::bench::raw::Stopwatch;

/// Fragments that a camera sends at least: viewers who come with the first one see another.
const FRAGMENTS_MIN: u32 = 2;

/// A camera that is connected.
pub(super) struct Camera {
    link: Link,
    footage: Footage,
    tape: Arc<Tape>,
    /// How long after it was due a frame was sent.
    behind: Arc<Times>,
}

enum Link {
    Quic(Box<quic::Link>),
    PutMedia(Box<put_media::Link>),
}

/// When a camera sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) clock: Stopwatch,
    /// When its first frame is due.
    pub(super) start: Duration,
    /// No fragment starts so long after the first frame.
    pub(super) limit: Duration,
}

impl Plan {
    /// When a frame is due.
    fn due(&self, fragment: u32, frame: u32) -> Duration {
        self.start + FRAGMENT_TIME * fragment + FRAGMENT_TIME * frame / FRAMES
    }
}

impl Camera {
    pub(super) async fn connect(
        server: &Server,
        stream: &StreamName,
        footage: &Footage,
        (tape, behind): (&Arc<Tape>, &Arc<Times>),
        clock: Stopwatch,
    ) -> Result<Self> {
        let link = match tape.protocol {
            CameraProtocol::PutMedia => {
                let opened =
                    put_media::Link::open(server.http(), stream, footage, tape, clock).await?;
                Link::PutMedia(Box::new(opened))
            }
            CameraProtocol::Quic | CameraProtocol::Both => {
                let opened = quic::Link::open(server, stream, footage, tape, clock).await?;
                Link::Quic(Box::new(opened))
            }
        };
        Ok(Self {
            link,
            footage: footage.clone(),
            tape: Arc::clone(tape),
            behind: Arc::clone(behind),
        })
    }

    /// Sends until the plan's limit; returns when everything is durable.
    pub(super) async fn run(mut self, plan: Plan) -> Result<()> {
        for fragment in 0.. {
            let begins = plan.due(fragment, 0).saturating_sub(plan.start);
            if fragment >= FRAGMENTS_MIN && begins >= plan.limit {
                break;
            }
            self.tape.start(plan.due(fragment + 1, 0));
            for frame in 0..FRAMES {
                let due = plan.due(fragment, frame);
                tokio::time::sleep(due.saturating_sub(plan.clock.elapsed())).await;
                let sent = plan.clock.elapsed();
                self.behind.record(sent.saturating_sub(due));
                let stamp = Stamp {
                    fragment,
                    frame,
                    sent,
                };
                self.send(stamp).await?;
            }
        }
        match self.link {
            Link::Quic(link) => link.finish().await,
            Link::PutMedia(link) => link.finish().await,
        }
    }

    async fn send(&mut self, stamp: Stamp) -> Result<()> {
        let frame = self.footage.frame(stamp);
        self.tape.sending(frame.len(), stamp.sent, stamp.is_last());
        match &mut self.link {
            Link::Quic(link) => link.send(frame).await,
            Link::PutMedia(link) => link.send(frame).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_due_without_drift() {
        let plan = Plan {
            clock: Stopwatch::start(),
            start: Duration::from_secs(1),
            limit: Duration::from_secs(9),
        };
        assert_eq!(plan.due(0, 0), Duration::from_secs(1));
        assert_eq!(plan.due(0, 30), Duration::from_secs(2));
        assert_eq!(plan.due(5_000, 0), Duration::from_secs(10_001));
    }
}
