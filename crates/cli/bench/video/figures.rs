//! The figures of a run.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::hls::Rates;
use super::meter::Memory;
use super::tape::{Tape, Times};
use super::viewer::Seen;
use crate::args::CameraProtocol;
use crate::bench::child::Server;
use crate::bench::raw::{Stopwatch, process};
use crate::bench::report::Report;

/// CPU time of both sides, and when it was looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    server: Duration,
    generator: Duration,
    at: Duration,
}

/// What cameras and viewers found.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) tapes: Vec<Arc<Tape>>,
    pub(super) behind: Arc<Times>,
    /// Of viewers by `GetMedia`, and by HLS.
    pub(super) seen: [Arc<Seen>; 2],
    pub(super) cost: Cost,
    pub(super) memory: Memory,
    pub(super) viewers: u32,
}

impl Cost {
    pub(super) fn now(server: &Server, clock: Stopwatch) -> Self {
        Self {
            server: server.cpu(),
            generator: process::own_cpu(),
            at: clock.elapsed(),
        }
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            server: self.server.saturating_sub(before.server),
            generator: self.generator.saturating_sub(before.generator),
            at: self.at.saturating_sub(before.at),
        }
    }
}

impl Outcome {
    pub(super) fn tell(&self, report: &mut Report) -> Result<()> {
        let count = |protocol| {
            let tapes = self.tapes.iter();
            tapes.filter(|tape| tape.protocol == protocol).count()
        };
        let protocols = [
            (CameraProtocol::Quic, "QUIC"),
            (CameraProtocol::PutMedia, "PutMedia"),
        ];
        for (protocol, name) in protocols {
            if count(protocol) > 0 {
                report.number(format!("cameras over {name}"), count(protocol) as f64, "");
            }
        }
        tell_times(
            report,
            "frame due to frame sent late by the generator",
            &self.behind,
        );
        let counts = self.tapes.iter().map(|tape| tape.counts());
        let (all, late) = counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        report.number("fragments sent", all as f64, "");
        report.number(
            "fragments late, durable 2 s after their end",
            late as f64,
            "",
        );
        for (protocol, name) in protocols {
            let times = Times::new()?;
            let tapes = self.tapes.iter().filter(|tape| tape.protocol == protocol);
            tapes.for_each(|tape| tape.add_to(&times));
            tell_times(report, &format!("last byte to durable, {name}"), &times);
        }
        self.tell_viewers(report);
        self.tell_cost(report);
        Ok(())
    }

    fn tell_viewers(&self, report: &mut Report) {
        if self.viewers == 0 {
            return;
        }
        report.number("viewers", f64::from(self.viewers), "");
        let [get_media, hls] = &self.seen;
        for (seen, name) in [(get_media, "GetMedia"), (hls, "HLS")] {
            let all = format!("frame sent to received, {name}");
            tell_times(report, &all, &seen.frames);
            let last = format!("last frame of a fragment sent to received, {name}");
            tell_times(report, &last, &seen.last);
        }
        let served = "fragment durable to segment received, HLS";
        tell_times(report, served, &hls.served);
        let opened = "session opened to first segment received, HLS";
        tell_times(report, opened, &hls.opened);
    }

    fn tell_cost(&self, report: &mut Report) {
        let cameras = self.tapes.len() as f64;
        for (who, spent) in [
            ("server", self.cost.server),
            ("generator", self.cost.generator),
        ] {
            report.number(format!("{who} CPU"), spent.as_secs_f64(), "s");
            let cores = spent.as_secs_f64() / self.cost.at.as_secs_f64();
            let name = format!("{who} cores for 100 cameras");
            report.number(name, cores * 100.0 / cameras, "");
        }
        for (name, bytes) in [
            ("anonymous server memory for a camera", self.memory.grown),
            (
                "anonymous server memory for a camera beyond its unsent fragment",
                self.memory.beyond,
            ),
        ] {
            report.number(name, bytes as f64 / 1e6 / cameras, "MB");
        }
    }
}

/// Three quantiles; nothing if nothing was measured.
fn tell_times(report: &mut Report, name: &str, times: &Times) {
    if times.count() == 0 {
        return;
    }
    for (quantile, label) in [(0.5, "p50"), (0.99, "p99"), (1.0, "max")] {
        report.number(format!("{name}, {label}"), times.millis(quantile), "ms");
    }
}

/// How fast players were served.
pub(super) fn tell_rates(report: &mut Report, connections: u32, rates: Rates, cost: Cost) {
    let bare = "bare HTTP/1.1";
    let name = format!("{bare} to {connections}, answers of segments' sizes");
    report.number(name, rates.bare, "MB/s");
    let name = format!("HLS segments to {connections}");
    report.ratio(name, (rates.product, "MB/s"), (rates.bare, bare));
    report.number("HLS segments, server CPU", cost.server.as_secs_f64(), "s");
}
