//! `afflux bench produce`: durable records over QUIC from one connection.

use std::time::Duration;

use anyhow::Result;

use super::bare::{self, Settings};
use super::child::Server;
use super::load::{self, Produced, Stream};
use super::raw::bare::Load;
use super::raw::{crypto, gather, memory, process, sync};
use super::report::Report;
use crate::args::BenchProduce;

pub(crate) fn run(args: &BenchProduce) -> Result<()> {
    let seconds = Duration::from_secs(args.common.seconds);
    let mut report = Report::new("produce");
    let server = Server::start(args.common.data_dir.as_deref())?;
    limits(&mut report, &server, Duration::from_millis(300))?;
    let bulk = Load::Bulk {
        chunk_bytes: 256 << 10,
        write_chunks: 1,
        read_chunks: 64,
    };
    let ethernet = bare::run(bulk, Settings::Ethernet, seconds)?;
    report.number("bare QUIC, bulk, Ethernet packets", ethernet.rate(), "GB/s");
    let bare = bare::run(bulk, Settings::Product, seconds)?;
    report.number("bare QUIC, bulk", bare.rate(), "GB/s");

    let runtime = load::runtime()?;
    process::forget_peak_memory()?;
    let (cpu, server_cpu) = (process::own_cpu(), server.cpu());
    let produced: Produced = runtime.block_on(async {
        let client = load::client(&server).await?;
        let stream = Stream {
            name: "bench",
            shards: args.shards,
            durability: args.durability,
            retain_bytes: args.retain_bytes,
        };
        let stream = stream.create(&client).await?;
        let producer = client
            .producer(&stream, load::options(args.batch_bytes))
            .await?;
        let keys = load::keys(args.shards);
        let data = load::payload(args.record_bytes);
        load::produce(&producer, &keys, &data, seconds, u64::MAX).await
    })?;
    let rate = produced.rate() * args.record_bytes as f64 / 1e9;
    report.number("records", produced.rate() / 1e6, "M/s");
    report.ratio("payload", (rate, "GB/s"), (bare.rate(), "bare QUIC"));
    report.cost(
        "client",
        process::own_cpu() - cpu,
        process::peak_memory(std::process::id())?,
    );
    report.cost("server", server.cpu() - server_cpu, server.peak_memory());
    report.print(args.common.output)
}

/// What this machine can do at best.
pub(crate) fn limits(report: &mut Report, server: &Server, each: Duration) -> Result<()> {
    report.limit(memory::copy(64 << 10, each));
    report.limit(memory::crc(64 << 10, each));
    report.limit(crypto::seal(8 << 10, each)?);
    for figure in gather::pages(server.data())? {
        report.limit(figure);
    }
    for size in [4 << 10, 1 << 20] {
        for figure in sync::latency(server.data(), size, sync::Blocks::Written, each)? {
            report.limit(figure);
        }
    }
    Ok(())
}
