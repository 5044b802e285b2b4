//! `afflux bench`: the product measured from outside, beside the raw limits of the same machine in
//! the same run.

mod append;
mod bare;
mod bare_http;
mod child;
mod delivery;
mod fanout;
mod kinesis;
mod latency;
mod load;
mod produce;
mod raw;
mod report;
mod video;

use std::process::ExitCode;

use anyhow::Result;

use crate::args::BenchWhat;

/// Runs one bench to its end.
pub(crate) fn run(what: BenchWhat) -> Result<ExitCode> {
    match what {
        BenchWhat::Append(args) => append::run(&args)?,
        BenchWhat::Produce(args) => produce::run(&args)?,
        BenchWhat::Fanout(args) => fanout::run(&args)?,
        BenchWhat::Video(args) => video::run(&args)?,
        BenchWhat::Latency(args) => latency::run(&args)?,
        BenchWhat::Kinesis(args) => kinesis::run(&args)?,
        BenchWhat::Delivery(args) => delivery::run(&args)?,
        BenchWhat::Bare(args) => bare::side(&args)?,
        BenchWhat::BareHttp(args) => bare_http::serve(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}
