//! What a bench found: figures, each beside the limit that it is to be judged by.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::raw::Figure;
use crate::args::Output;
use crate::printer::{Printer, table};

/// All figures of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    bench: &'static str,
    figures: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    value: f64,
    unit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<Ratio>,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
}

/// A figure as a part of a limit from the same run.
#[derive(Debug, Serialize)]
struct Ratio {
    value: f64,
    of: &'static str,
}

impl Report {
    pub(crate) fn new(bench: &'static str) -> Self {
        Self {
            bench,
            figures: Vec::new(),
        }
    }

    /// Adds a raw limit.
    pub(crate) fn limit(&mut self, figure: Figure) {
        let Figure {
            name,
            value,
            unit,
            note,
        } = figure;
        self.figures.push(Row {
            name,
            value,
            unit,
            ratio: None,
            note,
        });
    }

    /// Adds a number.
    pub(crate) fn number(&mut self, name: impl Into<String>, value: f64, unit: &str) {
        let (name, unit) = (name.into(), unit.to_owned());
        self.figures.push(Row {
            name,
            value,
            unit,
            ratio: None,
            note: String::new(),
        });
    }

    /// Adds a number that is judged by `limit`.
    pub(crate) fn ratio(
        &mut self,
        name: impl Into<String>,
        (value, unit): (f64, &str),
        (limit, of): (f64, &'static str),
    ) {
        let ratio = (limit > 0.0).then(|| Ratio {
            value: value / limit,
            of,
        });
        let (name, unit) = (name.into(), unit.to_owned());
        self.figures.push(Row {
            name,
            value,
            unit,
            ratio,
            note: String::new(),
        });
    }

    /// Adds what a process cost.
    pub(crate) fn cost(&mut self, who: &str, cpu: Duration, memory_bytes: u64) {
        self.number(format!("{who} CPU"), cpu.as_secs_f64(), "s");
        self.number(
            format!("{who} peak memory"),
            memory_bytes as f64 / 1e6,
            "MB",
        );
    }

    /// Prints everything.
    pub(crate) fn print(&self, output: Output) -> Result<()> {
        Printer::new(output).result(self, || {
            let rows: Vec<Vec<String>> = self
                .figures
                .iter()
                .map(|row| {
                    let ratio = row.ratio.as_ref();
                    let ratio = ratio.map(|ratio| format!("{:.2} of {}", ratio.value, ratio.of));
                    vec![
                        row.name.clone(),
                        format!("{:>12.3}", row.value),
                        row.unit.clone(),
                        ratio.unwrap_or_else(|| row.note.clone()),
                    ]
                })
                .collect();
            table(&["FIGURE", "       VALUE", "UNIT", "RATIO"], &rows)
        })
    }
}
