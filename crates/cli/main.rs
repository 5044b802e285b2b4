//! The `afflux` program: parse, run one command, turn its outcome into an exit code.

mod args;
mod bench;
mod commands;
mod pace;
mod printer;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match commands::run(cli.command) {
        Ok(code) => code,
        Err(error) if printer::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {}", printer::chain(&error));
            if let Some(hint) = printer::hint(&error) {
                let _ = writeln!(std::io::stderr(), "\nhint: {hint}");
            }
            ExitCode::from(if printer::is_usage(&error) { 2 } else { 1 })
        }
    }
}
