//! `afflux check`: verify a data directory's checksums and indexes.

use std::process::ExitCode;

use afflux_log::{Repair, Report, Severity};
use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::args::Check;
use crate::printer::Printer;

pub(crate) fn run(args: &Check) -> Result<ExitCode> {
    let repair = if args.repair { Repair::Yes } else { Repair::No };
    // Checking nothing finds nothing wrong: a name that was mistyped must not pass.
    if !args.dir.join("logs").is_dir() {
        bail!(
            "{} is not the data directory of a server",
            args.dir.display()
        );
    }
    let report = afflux_log::check(&args.dir, repair)
        .with_context(|| format!("check {}", args.dir.display()))?;
    let mut printer = Printer::new(args.output);
    printer.result(&as_json(&report), || as_text(&report))?;
    let open = report.findings.iter().any(|finding| !finding.repaired);
    Ok(if open {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}

fn as_json(report: &Report) -> serde_json::Value {
    let findings: Vec<serde_json::Value> = report
        .findings
        .iter()
        .map(|finding| {
            json!({
                "severity": match finding.severity {
                    Severity::Repairable => "repairable",
                    Severity::Damage => "damage",
                },
                "shard": finding.key.map(|key| key.to_string()),
                "segment": finding.segment,
                "offset": finding.offset,
                "message": finding.message,
                "repaired": finding.repaired,
            })
        })
        .collect();
    json!({
        "shards": report.shards,
        "segments": report.segments,
        "entries": report.entries,
        "bytes": report.bytes,
        "damaged": report.has_damage(),
        "findings": findings,
    })
}

fn as_text(report: &Report) -> String {
    let mut lines: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    lines.push(format!(
        "{} shards, {} segments, {} entries, {} bytes: {}",
        report.shards,
        report.segments,
        report.entries,
        report.bytes,
        match (report.findings.len(), report.has_damage()) {
            (0, _) => "all checksums and indexes hold".to_owned(),
            (count, true) => format!("{count} findings, stored data is damaged"),
            (count, false) => format!("{count} findings, no durable data is lost"),
        }
    ));
    lines.join("\n")
}
