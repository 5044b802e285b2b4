//! `afflux bench kinesis`: the Kinesis API over HTTP on loopback, beside a server of the same HTTP
//! library that reads the same requests and answers the same bytes.
//!
//! Requests are made before the clock starts. Client and server are two processes on one machine, so
//! that both share its cores, as do client and bare server. With `--endpoint` the same load goes to a
//! server that somebody else has started.

mod api;
mod bodies;
mod client;
mod drive;
mod frames;
mod subscribe;

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use afflux_aws::document::Format;
use anyhow::{Context, Result};
use bytes::Bytes;
use tokio::runtime::Runtime;

use self::api::{Api, Stream};
use self::bodies::{BATCH_RECORDS, RECORD_BYTES};
use self::client::{Signature, Target};
use self::drive::{Driven, Load, Look, Prepared, drive};
use super::bare_http::Bare;
use super::child::Server;
use super::load;
use super::produce;
use super::raw::{len_u64, process};
use super::report::Report;
use crate::args::BenchKinesis;

/// Requests that `PutRecords` is measured with.
const BATCHES: usize = 8;
/// Requests that `PutRecord` is measured with, and its connections.
const SINGLES: usize = 1_000;
const SINGLE_CONNECTIONS: usize = 16;

/// The part of what was put that subscribers read at most: they must not run dry.
const READ_PART: f64 = 0.95;

pub(crate) fn run(args: &BenchKinesis) -> Result<()> {
    let mut report = Report::new("kinesis");
    let format = match args.cbor {
        true => Format::Cbor,
        false => Format::Json,
    };
    let (server, target) = match &args.endpoint {
        Some(url) => (None, Target::foreign(url, format)?),
        None => {
            let server = Server::start(args.common.data_dir.as_deref())?;
            produce::limits(&mut report, &server, Duration::from_millis(300))?;
            let target = Target::new(server.http(), format, Signature::Absent);
            (Some(server), target)
        }
    };
    let mut bench = Bench {
        runtime: Runtime::new().context("start the runtime")?,
        limit: Duration::from_secs(args.common.seconds),
        connections: args.connections,
        subscribers: args.subscribers,
        server,
        target,
        report,
    };
    process::forget_peak_memory()?;
    bench.run()?;
    let peak = process::peak_memory(std::process::id())? as f64 / 1e6;
    bench.report.number("client peak memory", peak, "MB");
    if let Some(server) = &bench.server {
        let peak = server.peak_memory() as f64 / 1e6;
        bench.report.number("server peak memory", peak, "MB");
    }
    bench.report.print(args.common.output)
}

/// One run.
struct Bench {
    runtime: Runtime,
    limit: Duration,
    connections: usize,
    subscribers: usize,
    /// Our own server; absent if another one is measured.
    server: Option<Server>,
    target: Target,
    report: Report,
}

impl Bench {
    fn run(&mut self) -> Result<()> {
        let mut api = self.runtime.block_on(Api::connect(&self.target))?;
        // Other servers may have streams already.
        let stamp: u32 = rand::random();
        let create = |api: &mut Api, runtime: &Runtime, what: &str| {
            runtime.block_on(api.create_stream(format!("bench-{stamp:08x}-{what}")))
        };
        let many = create(&mut api, &self.runtime, "many")?;
        let single = create(&mut api, &self.runtime, "single")?;
        let watched = create(&mut api, &self.runtime, "watched")?;
        let records = self.put_records(&mut api, &many)?;
        self.put_record(&mut api, &single)?;
        self.get_records(&mut api, &many)?;
        let subscribed = self
            .subscribe(&mut api, &many, records)
            .and_then(|()| self.latency(&mut api, &watched));
        match (subscribed, &self.server) {
            (Ok(()), _) => {}
            // Not every server of the kind has subscriptions over HTTP/2.
            (Err(error), None) => writeln!(
                std::io::stderr(),
                "subscriptions are left out: {}",
                crate::printer::chain(&error)
            )?,
            (Err(error), Some(_)) => return Err(error),
        }
        for stream in [many, single, watched] {
            self.runtime.block_on(api.delete_stream(&stream))?;
        }
        Ok(())
    }

    /// Returns how many records the stream holds.
    fn put_records(&mut self, api: &mut Api, stream: &Stream) -> Result<u64> {
        let format = self.target.format();
        let bodies = (0..BATCHES).map(|number| Prepared {
            body: bodies::put_records(format, &stream.name, number),
            records: len_u64(BATCH_RECORDS),
        });
        let load = Load {
            operation: "PutRecords",
            bodies: bodies.collect(),
            connections: self.connections,
            limit: self.limit,
            look: Look::Failed,
        };
        let answer = self.first_answer(api, &load)?;
        let driven = self.measure(&load, &answer)?;
        self.tell_data("PutRecords", &driven);
        self.tell_times("PutRecords", &driven);
        Ok(driven.records + len_u64(BATCH_RECORDS))
    }

    fn put_record(&mut self, api: &mut Api, stream: &Stream) -> Result<()> {
        let format = self.target.format();
        let data = load::payload(RECORD_BYTES);
        let bodies = (0..SINGLES).map(|number| Prepared {
            body: bodies::put_record(format, &stream.name, number, &data),
            records: 1,
        });
        let load = Load {
            operation: "PutRecord",
            bodies: bodies.collect(),
            connections: SINGLE_CONNECTIONS,
            limit: self.limit,
            look: Look::Status,
        };
        let answer = self.first_answer(api, &load)?;
        let driven = self.measure(&load, &answer)?;
        self.tell_times("PutRecord", &driven);
        Ok(())
    }

    fn get_records(&mut self, api: &mut Api, stream: &Stream) -> Result<()> {
        let pages = self.runtime.block_on(api.pages(stream))?;
        let load = Load {
            operation: "GetRecords",
            bodies: pages.requests.into(),
            connections: self.connections,
            limit: self.limit,
            look: Look::Size,
        };
        let driven = self.measure(&load, &pages.first)?;
        self.tell_data("GetRecords", &driven);
        self.tell_times("GetRecords", &driven);
        Ok(())
    }

    fn first_answer(&self, api: &mut Api, load: &Load) -> Result<Bytes> {
        let first = load.bodies.first().context("nothing to send")?;
        let asked = api.ask(load.operation, first.body.clone());
        self.runtime.block_on(asked)
    }

    /// Sends `load` to the server, and then to a bare one that answers with `answer`.
    fn measure(&mut self, load: &Load, answer: &Bytes) -> Result<Driven> {
        let operation = load.operation;
        let before = self.cpu();
        let driven = self.runtime.block_on(drive(&self.target, load))?;
        let after = self.cpu();
        let bare = Bare::whole(answer)?;
        let bare_load = Load {
            // The one answer belongs to the first request.
            bodies: load.bodies.first().cloned().into_iter().collect::<Arc<_>>(),
            ..load.clone()
        };
        let bare_target = self.target.at(&*bare.authority);
        let limit = self.runtime.block_on(drive(&bare_target, &bare_load))?;
        let report = &mut self.report;
        let (rate, limit) = (driven.rate() / 1e3, limit.rate() / 1e3);
        let name = format!("bare HTTP/1.1, bodies of {operation}");
        report.number(name, limit, "k records/s");
        let name = format!("{operation}, records");
        report.ratio(name, (rate, "k records/s"), (limit, "bare HTTP/1.1"));
        if driven.failed > 0 {
            let failed = driven.failed as f64;
            report.number(format!("{operation}, refused"), failed, "records");
        }
        self.tell_cpu(operation, before, after);
        Ok(driven)
    }

    fn subscribe(&mut self, api: &mut Api, stream: &Stream, records: u64) -> Result<()> {
        let count = self.subscribers;
        let from = "TRIM_HORIZON";
        let requests = api.subscriptions(stream, count + 1, from);
        let mut requests = self.runtime.block_on(requests)?;
        let capturing = requests.pop().context("nobody subscribes")?;
        let captured = subscribe::capture(&self.target, capturing);
        let captured = self.runtime.block_on(captured)?;
        let data_bytes = records as f64 * RECORD_BYTES as f64;
        let bytes_max = READ_PART * data_bytes / captured.data_share();
        let before = self.cpu();
        let pushed = subscribe::push(&self.target, &requests, self.limit, whole(bytes_max));
        let pushed = self.runtime.block_on(pushed)?;
        let after = self.cpu();
        let bare = Bare::frames(&captured.frames)?;
        let bare_target = self.target.at(&*bare.authority);
        let limit = subscribe::push(&bare_target, &requests, self.limit, u64::MAX);
        let limit = self.runtime.block_on(limit)?;
        let report = &mut self.report;
        let frame_bytes = captured.frame_bytes() as f64 / captured.frames.len() as f64;
        report.number("SubscribeToShard, one frame", frame_bytes / 1e3, "kB");
        let name = format!("bare HTTP/2 to {count}, frames");
        report.number(name, limit.rate(), "MB/s");
        let name = format!("SubscribeToShard to {count}, frames");
        report.ratio(name, (pushed.rate(), "MB/s"), (limit.rate(), "bare HTTP/2"));
        let name = format!("SubscribeToShard to {count}, data");
        report.number(name, pushed.rate() * captured.data_share(), "MB/s");
        self.tell_cpu("SubscribeToShard", before, after);
        Ok(())
    }

    fn latency(&mut self, api: &mut Api, stream: &Stream) -> Result<()> {
        let requests = api.subscriptions(stream, self.subscribers, "LATEST");
        let requests = self.runtime.block_on(requests)?;
        let times = subscribe::latency(&self.target, &stream.name, &requests, self.limit);
        let times = self.runtime.block_on(times)?;
        for (name, times) in [
            ("put to acknowledgement", times.put),
            ("acknowledgement to push", times.push),
        ] {
            for (quantile, label) in [(0.5, "p50"), (0.99, "p99")] {
                let micros = times.value_at_quantile(quantile).max(1) as f64 / 1e3;
                self.report
                    .number(format!("SubscribeToShard, {name}, {label}"), micros, "us");
            }
        }
        Ok(())
    }

    /// CPU time of client and server so far.
    fn cpu(&self) -> (Duration, Option<Duration>) {
        (process::own_cpu(), self.server.as_ref().map(Server::cpu))
    }

    /// What a measurement cost; nothing if the server is not ours, because then nobody can tell.
    fn tell_cpu(
        &mut self,
        operation: &str,
        before: (Duration, Option<Duration>),
        after: (Duration, Option<Duration>),
    ) {
        let (Some(server_before), Some(server_after)) = (before.1, after.1) else {
            return;
        };
        for (who, spent) in [
            ("client", after.0 - before.0),
            ("server", server_after - server_before),
        ] {
            let name = format!("{operation}, {who} CPU");
            self.report.number(name, spent.as_secs_f64(), "s");
        }
    }

    fn tell_data(&mut self, operation: &str, driven: &Driven) {
        let rate = driven.rate() * RECORD_BYTES as f64 / 1e6;
        self.report
            .number(format!("{operation}, data"), rate, "MB/s");
    }

    fn tell_times(&mut self, operation: &str, driven: &Driven) {
        for (quantile, label) in [(0.5, "p50"), (0.99, "p99")] {
            let name = format!("{operation}, {label}");
            self.report.number(name, driven.millis(quantile), "ms");
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of bytes; the conversion saturates"
)]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}
