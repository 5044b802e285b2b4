//! `afflux serve`: run a server until a signal ends it.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use afflux_server::Server;
use afflux_server::config::{Config, Flags, LogFormat};
use afflux_types::Clock;
use anyhow::Result;
use serde_json::json;
use tracing_subscriber::EnvFilter;

use super::signals::ended;
use crate::args::{Listen, Output, Serve};
use crate::printer::{Printer, Usage};

pub(crate) async fn run(args: Serve) -> Result<ExitCode> {
    let mut printer = Printer::new(Output::Json);
    if args.print_config {
        printer.bytes(Config::documented_toml().as_bytes())?;
        printer.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = config(&args.listen)?;
    log_to_stderr(&config)?;
    let data_dir = config.data_dir.clone();
    let server = Server::start(config, Clock::system()).await?;
    let ready = json!({
        "quic": server.quic_addr().to_string(),
        "http": server.http_addr().to_string(),
        "fingerprint": server.fingerprint().to_string(),
        "data_dir": data_dir,
    });
    // Whoever reads that it is ready may stop it at once.
    let ended = ended()?;
    printer.result(&ready, String::new)?;
    ended.await;
    server.shutdown().await?;
    Ok(ExitCode::SUCCESS)
}

/// Merges flags, environment and file.
pub(crate) fn config(listen: &Listen) -> Result<Config> {
    let flags = Flags {
        data_dir: listen.data_dir.clone(),
        quic: listen.quic,
        http: listen.http,
    };
    // Variables that the command line has read already are not keys of the configuration.
    let read = ["AFFLUX_QUIC", "AFFLUX_HTTP", "AFFLUX_CONFIG"];
    let environment = std::env::vars().filter(|(name, _)| !read.contains(&name.as_str()));
    Config::load(flags, environment, listen.config.as_deref())
        .map_err(|error| Usage(error.chain()).into())
}

/// Sends log lines to the standard error, as the configuration says.
pub(crate) fn log_to_stderr(config: &Config) -> Result<()> {
    let filter = EnvFilter::try_new(&config.log.filter)
        .map_err(|error| Usage(format!("configuration key log.filter: {error}")))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let installed = match config.log.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    installed.map_err(|error| anyhow::anyhow!("install the log: {error}"))
}
