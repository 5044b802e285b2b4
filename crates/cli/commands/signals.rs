//! The signals that end a program.

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

/// Ends with the first SIGINT or SIGTERM, which do not end the process from now on.
pub(crate) fn ended() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
