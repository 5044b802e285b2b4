//! `afflux bench video`: cameras in real time, viewers of what they send while they send it, and then
//! players of what was stored.
//!
//! Cameras send frame by frame and not in step, over QUIC and by `PutMedia`. They and the viewers share
//! one process and the machine with the server, so the generator says how late it was itself: what it
//! sends late, the server cannot have in time. Players fetch HLS segments as fast as they can, from the
//! server and from a bare one of the same HTTP library with answers of the same sizes.

mod camera;
mod figures;
mod frames;
mod hls;
mod http;
mod meter;
mod put_media;
mod quic;
mod tape;
mod viewer;

use std::sync::Arc;
use std::time::Duration;

use afflux_types::{Clock, StreamName};
use anyhow::{Context as _, Result};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::camera::{Camera, Plan};
use self::figures::{Cost, Outcome};
use self::frames::{FRAGMENT_TIME, Footage};
use self::http::Http;
use self::meter::Meter;
use self::tape::{Tape, Times};
use self::viewer::{Kind, Seen, Viewer};
use super::child::Server;
use super::raw::{Stopwatch, process};
use super::report::Report;
use crate::args::{BenchVideo, CameraProtocol};

/// From the last connection to the first frame: viewers are there before the cameras.
const HEAD_START: Duration = Duration::from_millis(200);
/// How long viewers may take for the last fragment.
const DRAIN: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &BenchVideo) -> Result<()> {
    let server = Server::start(args.common.data_dir.as_deref())?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let bench = Bench {
        server: &server,
        args,
        clock: Stopwatch::start(),
        began_ms: Clock::system().wall().as_millis(),
    };
    let mut report = Report::new("video");
    runtime.block_on(async {
        let outcome = bench.record().await?;
        outcome.tell(&mut report)?;
        bench.play(&mut report).await
    })?;
    let peak = server.peak_memory() as f64 / 1e6;
    report.number("server peak memory, with mapped files", peak, "MB");
    report.print(args.common.output)
}

/// One run.
struct Bench<'a> {
    server: &'a Server,
    args: &'a BenchVideo,
    clock: Stopwatch,
    /// Since 1970.
    began_ms: i64,
}

impl Bench<'_> {
    fn limit(&self) -> Duration {
        Duration::from_secs(self.args.common.seconds)
    }

    /// Runs cameras and viewers.
    async fn record(&self) -> Result<Outcome> {
        let tapes = self.tapes();
        let memory = process::anonymous_memory(self.server.pid())?;
        let behind = Arc::new(Times::new()?);
        let cameras = self.connect(&tapes, &behind).await?;
        let (over, is_over) = watch::channel(false);
        let seen = [Arc::new(Seen::new()?), Arc::new(Seen::new()?)];
        let mut viewers = self.viewers(&tapes, &seen, &is_over);
        let meter = Meter::start(self.server.pid(), memory, tapes.clone());
        let before = Cost::now(self.server, self.clock);
        let start = self.clock.elapsed() + HEAD_START;
        let mut tasks = JoinSet::new();
        let count = self.args.cameras;
        for (number, camera) in (0..count).zip(cameras) {
            let plan = Plan {
                clock: self.clock,
                // Cameras are not in step.
                start: start + FRAGMENT_TIME * number / count,
                limit: self.limit(),
            };
            tasks.spawn(camera.run(plan));
        }
        while let Some(done) = tasks.join_next().await {
            done.context("a camera panicked")??;
        }
        let cost = Cost::now(self.server, self.clock).since(before);
        let memory = meter.stop();
        // A viewer that failed is not waited for.
        let failed = tokio::time::timeout(DRAIN, viewers.join_next()).await;
        over.send_replace(true);
        if let Ok(Some(failed)) = failed {
            failed.context("a viewer panicked")??;
        }
        while let Some(done) = viewers.join_next().await {
            done.context("a viewer panicked")??;
        }
        Ok(Outcome {
            tapes,
            behind,
            seen,
            cost,
            memory,
            viewers: self.args.viewers,
        })
    }

    /// How each camera sends.
    fn tapes(&self) -> Vec<Arc<Tape>> {
        let protocol = |number: u32| match self.args.over {
            CameraProtocol::Both if number.is_multiple_of(2) => CameraProtocol::Quic,
            CameraProtocol::Both => CameraProtocol::PutMedia,
            one => one,
        };
        let cameras = 0..self.args.cameras;
        cameras
            .map(|number| Arc::new(Tape::new(protocol(number))))
            .collect()
    }

    async fn connect(&self, tapes: &[Arc<Tape>], behind: &Arc<Times>) -> Result<Vec<Camera>> {
        let footage = Footage::new()?;
        let mut http = Http::connect(self.server.http()).await?;
        let mut cameras = Vec::new();
        for (number, tape) in tapes.iter().enumerate() {
            let name: StreamName = name(number).parse()?;
            let input = json!({"StreamName": name.to_string(), "DataRetentionInHours": 1});
            http.call("/createStream", &input).await?;
            let shared = (tape, behind);
            let camera = Camera::connect(self.server, &name, &footage, shared, self.clock);
            cameras.push(camera.await?);
        }
        Ok(cameras)
    }

    /// Starts viewers, two for a camera as long as there are cameras: one of each kind.
    fn viewers(
        &self,
        tapes: &[Arc<Tape>],
        [get_media, hls]: &[Arc<Seen>; 2],
        over: &watch::Receiver<bool>,
    ) -> JoinSet<Result<()>> {
        let watched = tapes.iter().enumerate().cycle();
        let watched = watched.flat_map(|(number, tape)| {
            [(Kind::GetMedia, get_media), (Kind::Hls, hls)].map(|(kind, seen)| Viewer {
                kind,
                authority: self.server.http().to_owned(),
                stream: name(number),
                tape: Arc::clone(tape),
                seen: Arc::clone(seen),
                clock: self.clock,
            })
        });
        let mut viewers = JoinSet::new();
        for (viewer, _) in watched.zip(0..self.args.viewers) {
            viewers.spawn(viewer.watch(over.clone()));
        }
        viewers
    }

    /// Plays what was stored.
    async fn play(&self, report: &mut Report) -> Result<()> {
        if self.args.connections == 0 {
            return Ok(());
        }
        let streams: Vec<String> = (0..self.tapes().len()).map(name).collect();
        let load = hls::Load {
            authority: self.server.http(),
            streams: &streams,
            connections: self.args.connections,
            limit: self.limit(),
            // The end has to lie in the past.
            span: (self.began_ms, Clock::system().wall().as_millis() - 1),
        };
        let before = Cost::now(self.server, self.clock);
        let rates = load.run().await?;
        let cost = Cost::now(self.server, self.clock).since(before);
        figures::tell_rates(report, self.args.connections, rates, cost);
        Ok(())
    }
}

fn name(number: usize) -> String {
    format!("camera-{number}")
}
