//! A server of our own in another process, as a bench needs it: fresh data, any free port.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::raw::process;

/// What a server says about itself when it is ready: the one line on its standard output.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Ready {
    /// The QUIC address.
    pub(crate) quic: String,
    /// The HTTP address.
    pub(crate) http: String,
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    ready: Ready,
    data: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Server {
    /// Starts a server and waits until it is ready.
    ///
    /// The data goes below `parent`, or below the current directory: temporary directories often
    /// lie in memory, where a sync costs nothing.
    pub(crate) fn start(parent: Option<&Path>) -> Result<Self> {
        let parent = parent.unwrap_or_else(|| Path::new("."));
        std::fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
        let temporary = tempfile::Builder::new()
            .prefix("afflux-bench-")
            .tempdir_in(parent)
            .context("make a data directory")?;
        let program = std::env::current_exe().context("find this program")?;
        let mut child = Command::new(program)
            .args([
                "serve",
                "--quic",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(temporary.path())
            .env("AFFLUX_LOG_FILTER", "warn")
            .env("AFFLUX_KINESIS_THROTTLED", "false")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("start a server")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the server's output")?;
        BufReader::new(stdout)
            .read_line(&mut line)
            .context("read the server's output")?;
        ensure!(!line.is_empty(), "the server ended before it was ready");
        let ready = serde_json::from_str(&line).with_context(|| format!("read {line:?}"))?;
        Ok(Self {
            child,
            ready,
            data: temporary.path().to_owned(),
            _temporary: Some(temporary),
        })
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> &str {
        &self.ready.quic
    }

    /// Where HTTP clients connect.
    pub(crate) fn http(&self) -> &str {
        &self.ready.http
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> Duration {
        process::cpu(self.child.id()).unwrap_or_default()
    }

    /// The most memory that it has had resident.
    pub(crate) fn peak_memory(&self) -> u64 {
        process::peak_memory(self.child.id()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
