//! The bare transport in two processes of its own, with the product's transport settings: what the
//! product is compared with.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use afflux_wire::transport::Profile;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::raw::bare::{self, Load, Report, Threads};
use crate::args::{BenchBare, Output};
use crate::printer::Printer;

/// What both sides need to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Job {
    settings: Settings,
    load: Load,
    millis: u64,
}

/// Which transport settings a bare transfer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Settings {
    /// The product's on one machine, so that nothing but the product differs.
    Product,
    /// The product's between machines: packets of an Ethernet.
    Ethernet,
}

/// Runs `load` between two new processes for `limit`; returns the client's report.
pub(crate) fn run(load: Load, settings: Settings, limit: Duration) -> Result<Report> {
    let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    let job = Job {
        settings,
        load,
        millis,
    };
    let job = serde_json::to_string(&job).context("write the job")?;
    let mut server = Side::start(&job, None)?;
    let ready = server.line()?;
    let mut client = Side::start(&job, Some(&ready))?;
    let report = client.line()?;
    serde_json::from_str(&report).with_context(|| format!("read {report:?}"))
}

impl Settings {
    fn profile(self) -> Profile {
        match self {
            Self::Product => Profile::LOOPBACK,
            Self::Ethernet => Profile::NETWORK,
        }
    }
}

/// One process; ended when dropped.
struct Side {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Side {
    fn start(job: &str, ready: Option<&str>) -> Result<Self> {
        let program = std::env::current_exe().context("find this program")?;
        let mut child = Command::new(program)
            .args(["bench", "bare", job])
            .args(ready)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("start a bare side")?;
        let stdout = child.stdout.take().context("take its output")?;
        Ok(Self {
            child,
            lines: BufReader::new(stdout).lines(),
        })
    }

    fn line(&mut self) -> Result<String> {
        let line = self
            .lines
            .next()
            .transpose()
            .context("read from a bare side")?;
        ensure!(line.is_some(), "a bare side ended early");
        Ok(line.unwrap_or_default())
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The hidden command: one side.
pub(crate) fn side(args: &BenchBare) -> Result<()> {
    let job: Job = serde_json::from_str(&args.job).context("read the job")?;
    let mut printer = Printer::new(Output::Json);
    let report = match &args.ready {
        None => {
            let any = ([127, 0, 0, 1], 0).into();
            let ready = |ready: &bare::Ready| printer.result(ready, String::new);
            bare::serve(&job.settings.profile(), threads(), any, ready)?
        }
        Some(ready) => {
            let ready = serde_json::from_str(ready).context("read the address")?;
            bare::send(
                &job.settings.profile(),
                threads(),
                &ready,
                job.load,
                Duration::from_millis(job.millis),
            )?
        }
    };
    printer.result(&report, String::new)
}

/// The product's servers run on a pool of workers, one for each core.
fn threads() -> Threads {
    Threads::Pool(std::thread::available_parallelism().map_or(1, usize::from))
}
