//! The one door for output: data goes to the standard output, everything else to the standard error.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use afflux_types::{Error, ErrorKind};
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::args::Output;

/// Writes results in the form that was asked for.
#[derive(Debug)]
pub(crate) struct Printer {
    output: Output,
    out: io::BufWriter<io::Stdout>,
}

impl Printer {
    pub(crate) fn new(output: Output) -> Self {
        Self {
            output,
            out: io::BufWriter::with_capacity(64 << 10, io::stdout()),
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    /// Prints `text` for people or `value` for programs.
    pub(crate) fn result(
        &mut self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<()> {
        match self.output {
            Output::Json => {
                serde_json::to_writer(&mut self.out, value).context("write JSON")?;
                self.bytes(b"\n")?;
            }
            Output::Text => {
                let text = text();
                if !text.is_empty() {
                    self.bytes(text.as_bytes())?;
                    self.bytes(b"\n")?;
                }
            }
        }
        self.flush()
    }

    /// Writes bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.out
            .write_all(bytes)
            .context("write to standard output")
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        self.out.flush().context("write to standard output")
    }

    /// A remark for people; never mixed with data.
    pub(crate) fn note(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// A bar for work of known or unknown length; hidden unless a person watches.
    pub(crate) fn progress(&self, total_bytes: Option<u64>) -> ProgressBar {
        if !io::stderr().is_terminal() || self.is_json() {
            return ProgressBar::hidden();
        }
        match total_bytes {
            Some(total) => ProgressBar::new(total).with_style(
                ProgressStyle::with_template(
                    "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {msg}",
                )
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
            ),
            None => ProgressBar::new_spinner().with_style(
                ProgressStyle::with_template("{spinner} {bytes} {bytes_per_sec} {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            ),
        }
    }
}

/// Columns of text, each as wide as its widest cell.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        cells
            .chain([header[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut header.iter().copied())];
    lines.extend(
        rows.iter()
            .map(|row| line(&mut row.iter().map(String::as_str))),
    );
    lines.join("\n")
}

/// Whether an error only says that the reader of our output went away.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// A mistake in what was typed that only shows after parsing; ends with exit code 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Turns an error about something that was typed into a mistake of usage.
pub(crate) fn usage<T>(result: afflux_types::Result<T>) -> Result<T> {
    result.map_err(|error| Usage(error.chain()).into())
}

/// Whether the mistake is in what was typed.
pub(crate) fn is_usage(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Usage>().is_some()
}

/// The error and its causes in one line, each said once.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if parts.last().is_none_or(|last| !last.contains(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

/// What might help against an error.
pub(crate) fn hint(error: &anyhow::Error) -> Option<&'static str> {
    let kind = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Error>())?
        .kind();
    match kind {
        ErrorKind::Unavailable => {
            Some("is a server running there? `afflux serve` starts one; --server names another")
        }
        ErrorKind::Denied => Some("give a token with --token or AFFLUX_TOKEN"),
        ErrorKind::DataLoss => Some("stop the server and run `afflux check` on its data directory"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_aligns_its_columns() {
        let rows = vec![
            vec!["orders".into(), "4".into()],
            vec!["a".into(), "10000".into()],
        ];
        assert_eq!(
            table(&["STREAM", "SHARDS"], &rows),
            "STREAM  SHARDS\norders  4\na       10000"
        );
    }
}
