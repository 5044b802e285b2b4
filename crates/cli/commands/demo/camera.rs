//! A camera: uploads a video in real time, again and again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use afflux_client::{Client, UploaderOptions};
use afflux_types::{Clock, StreamName};
use afflux_wire::message::{FragmentAck, FragmentState};
use anyhow::Result;
use bytes::Bytes;
use tokio::sync::watch;

use super::tally::Tally;
use crate::pace::Pacer;

/// Eight seconds that end as they begin.
static VIDEO: &[u8] = include_bytes!("../../../../fixtures/video/camera.mp4");

/// One camera.
pub(super) struct Camera {
    pub(super) client: Client,
    pub(super) tally: Arc<Tally>,
}

impl Camera {
    /// Uploads until told to stop, to the end of a fragment, and waits until everything is durable.
    pub(super) async fn run(self, stream: StreamName, stop: watch::Receiver<bool>) -> Result<()> {
        let tally = Arc::clone(&self.tally);
        let state = move |ack: &FragmentAck| {
            if ack.state() == FragmentState::Persisted {
                tally.persisted_fragments.fetch_add(1, Ordering::Relaxed);
            }
        };
        let options = UploaderOptions {
            on_state: Some(Arc::new(state)),
            ..Default::default()
        };
        let mut uploader = self.client.uploader(&stream, options).await?;
        let mut pacer = Pacer::new();
        let clock = Clock::system();
        'upload: loop {
            let mut at = None;
            for step in pacer.push(Bytes::from_static(VIDEO))? {
                // A new time is a new fragment: the one before is whole.
                if at.replace(step.at) != Some(step.at) && *stop.borrow() {
                    break 'upload;
                }
                tokio::time::sleep(step.at.saturating_sub(clock.elapsed())).await;
                uploader.push(step.bytes).await?;
            }
        }
        uploader.finish().await?;
        Ok(())
    }
}
