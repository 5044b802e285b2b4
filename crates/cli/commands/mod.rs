//! One file for each command: what was typed comes in, results go out through the printer.

mod aws_env;
mod check;
mod connect;
mod consumer;
mod delivery;
mod demo;
mod pull;
mod put;
mod serve;
mod signals;
pub(crate) mod stream;
mod tail;
mod video;

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::args::Command;
use crate::bench;

/// Runs a command to its end.
pub(crate) fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::AwsEnv(args) => return aws_env::run(&args),
        Command::Check(args) => return check::run(&args),
        Command::Bench(args) => return bench::run(args.what),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("afflux-async")
        .build()
        .context("start the runtime")?;
    let done = runtime.block_on(async {
        let done = match command {
            Command::Serve(args) => serve::run(args).await,
            Command::Demo(args) => Box::pin(demo::run(args)).await,
            Command::Stream(args) => stream::run(args).await,
            Command::Put(args) => put::run(args).await,
            Command::Tail(args) => tail::run(args).await,
            Command::Consumer(args) => consumer::run(args).await,
            Command::Video(args) => video::run(args).await,
            Command::Delivery(args) => delivery::run(*args).await,
            Command::AwsEnv(_) | Command::Check(_) | Command::Bench(_) => {
                unreachable!("handled above")
            }
        };
        connect::close().await;
        done
    });
    // A blocked read of the standard input must not keep the process.
    runtime.shutdown_background();
    done
}
