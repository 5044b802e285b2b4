//! Both ends of the fan-out: the server writes one constant buffer to every connection.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use parking_lot::Mutex;
use quinn::SendStream;
use tokio::sync::Barrier;

use super::super::{Stopwatch, noise};

/// The largest buffer that a request may ask the server to make.
const WRITE_BYTES_MAX: u32 = 16 << 20;
/// The most connections that one fan-out may have.
const CONNECTIONS_MAX: u32 = 1_024;

/// What all pushes of one server share: the start and the buffer.
#[derive(Debug, Default)]
pub(super) struct Pushes(Mutex<Option<Push>>);

#[derive(Clone, Debug)]
struct Push {
    start: Arc<Barrier>,
    buffer: Bytes,
}

impl Pushes {
    /// Waits until `connections` pushes wait, then writes to this one for `limit`.
    pub(super) async fn push(
        &self,
        stream: &mut SendStream,
        connections: u32,
        write_bytes: u32,
        limit: Duration,
    ) -> Result<()> {
        let push = self.join(connections, write_bytes)?;
        push.start.wait().await;
        let clock = Stopwatch::start();
        while clock.elapsed() < limit {
            stream
                .write_chunk(push.buffer.clone())
                .await
                .context("push")?;
        }
        stream.finish().context("finish a push")
    }

    /// The first push makes what the later ones share.
    fn join(&self, connections: u32, write_bytes: u32) -> Result<Push> {
        if connections > CONNECTIONS_MAX {
            bail!("a push to {connections} connections is above the limit of {CONNECTIONS_MAX}");
        }
        if write_bytes > WRITE_BYTES_MAX {
            bail!("a push of {write_bytes} bytes a write is above the limit of {WRITE_BYTES_MAX}");
        }
        let connections = usize::try_from(connections).context("count of connections")?;
        let write_bytes = usize::try_from(write_bytes).context("bytes of a write")?;
        let mut shared = self.0.lock();
        let push = shared.get_or_insert_with(|| Push {
            start: Arc::new(Barrier::new(connections)),
            buffer: Bytes::from(noise(write_bytes)),
        });
        Ok(push.clone())
    }
}
