//! `afflux archive`: follow streams into directories.

use std::process::ExitCode;

use afflux_types::StreamName;
use afflux_wire::message;
use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::connect::connect;
use crate::args::{self, Archive, ArchiveAdd, Compression, ConnectionOnly};
use crate::printer::{Printer, table, usage};

pub(crate) async fn run(command: Archive) -> Result<ExitCode> {
    match command {
        Archive::Add(args) => add(args).await,
        Archive::List(args) => list(args).await,
        Archive::Remove(args) => remove(args).await,
    }
}

async fn add(args: ArchiveAdd) -> Result<ExitCode> {
    let stream: StreamName = usage(args.stream.parse())?;
    let directory = std::path::absolute(&args.directory).context("find the directory")?;
    let client = connect(&args.connection).await?;
    let compression = match args.compression {
        Compression::Gzip => message::Compression::Gzip,
        Compression::Zstd => message::Compression::Zstd,
        Compression::None => message::Compression::None,
    };
    client
        .add_archive(message::Archive {
            stream: stream.to_string(),
            directory: directory.display().to_string(),
            compression: compression.into(),
            file_bytes: args.file_bytes,
            file_seconds: args.file_seconds,
        })
        .await?;
    let mut printer = Printer::new(args.connection.output);
    let value = json!({ "stream": stream.as_str(), "directory": directory });
    printer.result(&value, || {
        format!("archiving {stream} to {}", directory.display())
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn remove(args: args::StreamName) -> Result<ExitCode> {
    let stream: StreamName = usage(args.name.parse())?;
    let client = connect(&args.connection).await?;
    client.remove_archive(&stream).await?;
    let mut printer = Printer::new(args.connection.output);
    printer.result(&json!({ "removed": stream.as_str() }), || {
        format!("{stream} is no longer archived; its files stay")
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn list(args: ConnectionOnly) -> Result<ExitCode> {
    let client = connect(&args.connection).await?;
    let archives = client.list_archives().await?;
    let values: Vec<Value> = archives
        .iter()
        .map(|status| {
            let archive = status.archive.clone().unwrap_or_default();
            json!({
                "stream": archive.stream,
                "directory": archive.directory,
                "records": status.records,
                "files": status.files,
                "millis_behind": status.millis_behind,
                "last_error": (!status.last_error.is_empty()).then_some(&status.last_error),
            })
        })
        .collect();
    let mut printer = Printer::new(args.connection.output);
    printer.result(&values, || {
        let rows: Vec<Vec<String>> = archives
            .iter()
            .map(|status| {
                let archive = status.archive.clone().unwrap_or_default();
                vec![
                    archive.stream,
                    archive.directory,
                    status.records.to_string(),
                    status.files.to_string(),
                    format!("{} ms", status.millis_behind),
                    status.last_error.clone(),
                ]
            })
            .collect();
        table(
            &[
                "STREAM",
                "DIRECTORY",
                "RECORDS",
                "FILES",
                "BEHIND",
                "LAST ERROR",
            ],
            &rows,
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
