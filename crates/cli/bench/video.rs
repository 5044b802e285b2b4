//! `afflux bench video`: many cameras in real time, each on a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use afflux_client::{SessionId, UploaderOptions};
use afflux_media::{Init, Limits};
use afflux_types::{Clock, StreamName};
use afflux_wire::message::{CreateStream, FragmentAck, FragmentState, StreamKind};
use anyhow::{Context, Result};
use bytes::{BufMut, Bytes, BytesMut};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::child::Server;
use super::load;
use super::raw::process;
use super::report::Report;
use crate::args::BenchVideo;

/// 4 Mbit/s with a key frame every two seconds.
const FRAGMENT_TIME: Duration = Duration::from_secs(2);
const FRAGMENT_BYTES: usize = 1_000_000;
/// A camera's frames: thirty a second.
const FRAMES: usize = 60;
const TIMESCALE: u32 = 90_000;
/// Longer times are counted as this long.
const MINUTE_US: u64 = 60_000_000;

/// Whose init the cameras send: one H.264 track.
static CAMERA: &[u8] = include_bytes!("../../../fixtures/video/h264.mp4");

pub(crate) fn run(args: &BenchVideo) -> Result<()> {
    let seconds = Duration::from_secs(args.common.seconds);
    let mut report = Report::new("video");
    let server = Server::start(args.common.data_dir.as_deref())?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let (cpu, server_cpu) = (process::own_cpu(), server.cpu());
    let before = process::memory(server.pid())?;
    let times = runtime.block_on(cameras(&server, args.cameras, seconds))?;
    let cameras = args.cameras as f64;
    report.number("cameras", cameras, "");
    report.number("fragments durable", times.len() as f64, "");
    let millis = |quantile| times.value_at_quantile(quantile) as f64 / 1_000.0;
    report.number("last byte to durable, p50", millis(0.5), "ms");
    report.number("last byte to durable, p99", millis(0.99), "ms");
    report.number("last byte to durable, max", millis(1.0), "ms");
    report.cost(
        "cameras",
        process::own_cpu() - cpu,
        process::peak_memory(std::process::id())?,
    );
    let spent = server.cpu() - server_cpu;
    report.cost("server", spent, server.peak_memory());
    let cores = spent.as_secs_f64() / seconds.as_secs_f64() * 100.0 / cameras;
    report.number("server cores for 100 cameras", cores, "");
    let grown = server.peak_memory().saturating_sub(before) as f64 / 1e6 / cameras;
    report.number("server memory for a camera", grown, "MB");
    report.print(args.common.output)
}

/// Runs the cameras for `limit`; returns the times from a fragment's last byte to its durability in
/// microseconds.
async fn cameras(server: &Server, count: usize, limit: Duration) -> Result<Histogram<u64>> {
    let histogram = Histogram::new_with_max(MINUTE_US, 3).context("make a histogram")?;
    let times = Arc::new(Mutex::new(histogram));
    let init = init()?;
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let client = load::client(server).await?;
        let stream: StreamName = format!("camera-{number}").parse()?;
        let request = CreateStream {
            stream: stream.to_string(),
            kind: StreamKind::Video.into(),
            ..CreateStream::default()
        };
        client.create_stream(request).await?;
        let camera = Camera {
            client,
            stream,
            init: init.clone(),
            times: Arc::clone(&times),
        };
        // Cameras do not start in step.
        let part = f64::from(u32::try_from(number).unwrap_or(0)) / count as f64;
        tasks.spawn(camera.run(FRAGMENT_TIME.mul_f64(part), limit));
    }
    while let Some(done) = tasks.join_next().await {
        done.context("a camera panicked")??;
    }
    let times = times.lock().clone();
    Ok(times)
}

struct Camera {
    client: afflux_client::Client,
    stream: StreamName,
    init: Bytes,
    times: Arc<Mutex<Histogram<u64>>>,
}

impl Camera {
    async fn run(self, delay: Duration, limit: Duration) -> Result<()> {
        let clock = Clock::system();
        let ends: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let (done, times, hook_clock) = (Arc::clone(&ends), Arc::clone(&self.times), clock.clone());
        let on_state = move |ack: &FragmentAck| {
            let number = usize::try_from(ack.number).unwrap_or(usize::MAX);
            if let (FragmentState::Persisted, Some(end)) = (ack.state(), done.lock().get(number)) {
                let took = hook_clock.elapsed().saturating_sub(*end).as_micros();
                times
                    .lock()
                    .saturating_record(u64::try_from(took).unwrap_or(u64::MAX));
            }
        };
        let options = UploaderOptions {
            source: afflux_client::Source::Replay(SessionId::random()),
            on_state: Some(Arc::new(on_state)),
            ..UploaderOptions::default()
        };
        let mut uploader = self.client.uploader(&self.stream, options).await?;
        uploader.push(self.init.clone()).await?;
        let frame_time = FRAGMENT_TIME / u32::try_from(FRAMES).unwrap_or(1);
        let mut due = delay;
        for number in 0.. {
            let fragment = fragment(number);
            let frames = fragment.len().div_ceil(FRAMES);
            let mut rest = fragment;
            while !rest.is_empty() {
                tokio::time::sleep(due.saturating_sub(clock.elapsed())).await;
                let frame = rest.split_to(frames.min(rest.len()));
                if rest.is_empty() {
                    ends.lock().push(clock.elapsed());
                }
                uploader.push(frame).await?;
                due += frame_time;
            }
            if due >= limit {
                break;
            }
        }
        uploader.finish().await?;
        Ok(())
    }
}

/// The `ftyp` and `moov` of the fixture.
fn init() -> Result<Bytes> {
    let mut splitter = afflux_media::Splitter::new(Limits::default());
    splitter.push(Bytes::from_static(CAMERA));
    let event = splitter.poll()?.context("the fixture has an init")?;
    let afflux_media::Event::Init(init) = event else {
        anyhow::bail!("the fixture does not start with an init");
    };
    Ok(Init::bytes(&init).clone())
}

/// A fragment of one track whose samples have a camera's sizes and meaningless content.
fn fragment(number: u32) -> Bytes {
    let sample = u32::try_from(FRAGMENT_BYTES / FRAMES).unwrap_or(u32::MAX);
    let ticks = TIMESCALE / 30;
    let count = u32::try_from(FRAMES).unwrap_or(u32::MAX);
    let time = u64::from(number) * u64::from(ticks) * u64::from(count);
    let full = |version: u8, flags: u32, body: &[u8]| {
        let mut full = (u32::from(version) << 24 | flags).to_be_bytes().to_vec();
        full.extend_from_slice(body);
        full
    };
    let tfhd = boxed(b"tfhd", &[&full(0, 0x02_0000, &1_u32.to_be_bytes())]);
    let tfdt = boxed(b"tfdt", &[&full(1, 0, &time.to_be_bytes())]);
    // Sizes: 8 + mfhd 16, traf 8 + tfhd 16 + tfdt 20 + trun 20 and 12 for each sample.
    let offset = 8 + 16 + 8 + 16 + 20 + 20 + 12 * count + 8;
    let mut trun = BytesMut::new();
    trun.put_u32(count);
    trun.put_u32(offset);
    for i in 0..count {
        trun.put_u32(ticks);
        trun.put_u32(sample);
        // A key frame, then frames that depend on it.
        trun.put_u32(if i == 0 { 0x0200_0000 } else { 0x0101_0000 });
    }
    let trun = boxed(b"trun", &[&full(0, 0x701, &trun)]);
    let traf = boxed(b"traf", &[&tfhd, &tfdt, &trun]);
    let mfhd = boxed(b"mfhd", &[&full(0, 0, &(number + 1).to_be_bytes())]);
    let moof = boxed(b"moof", &[&mfhd, &traf]);
    let media = load::payload(usize::try_from(sample).unwrap_or(0) * FRAMES);
    let mdat = boxed(b"mdat", &[&media]);
    Bytes::from([moof, mdat].concat())
}

fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let len = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut boxed = u32::try_from(len)
        .unwrap_or(u32::MAX)
        .to_be_bytes()
        .to_vec();
    boxed.extend_from_slice(kind);
    for part in parts {
        boxed.extend_from_slice(part);
    }
    boxed
}
