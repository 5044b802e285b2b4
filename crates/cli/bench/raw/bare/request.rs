//! The first bytes of a stream: what the client wants of the server.

use anyhow::{Context as _, Result, bail};
use quinn::{RecvStream, SendStream};
use serde::{Deserialize, Serialize};

/// Far more than any task needs.
const TASK_BYTES_MAX: usize = 1_024;

/// What the server does with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Task {
    /// Reads to the end and answers the count of bytes, eight bytes little-endian.
    Sink { read_chunks: usize },
    /// Reads batches to the end, checks them, and answers the count of bytes.
    Records,
    /// Waits until so many connections have asked, then writes one buffer again and again for a time.
    Push {
        connections: u32,
        write_bytes: u32,
        duration_ms: u64,
    },
    /// Sends messages of a fixed size back.
    Echo { bytes: u32 },
}

impl Task {
    pub(super) async fn write_to(self, stream: &mut SendStream) -> Result<()> {
        let json = serde_json::to_vec(&self).context("encode a task")?;
        let length = u16::try_from(json.len()).context("encode a task")?;
        stream
            .write_all(&length.to_le_bytes())
            .await
            .context("send a task")?;
        stream.write_all(&json).await.context("send a task")
    }

    pub(super) async fn read_from(stream: &mut RecvStream) -> Result<Self> {
        let mut length = [0; 2];
        stream
            .read_exact(&mut length)
            .await
            .context("receive a task")?;
        let length = usize::from(u16::from_le_bytes(length));
        if length > TASK_BYTES_MAX {
            bail!("a task of {length} bytes is above the limit of {TASK_BYTES_MAX}");
        }
        let mut json = vec![0; length];
        stream
            .read_exact(&mut json)
            .await
            .context("receive a task")?;
        serde_json::from_slice(&json).context("decode a task")
    }
}
