//! `afflux stream`: create, list, describe, delete, split, merge.

use std::process::ExitCode;

use afflux_types::{HashKey, HashKeyRange, ServerTime, ShardId, StreamName};
use afflux_wire::message::{self, CreateStream, Quota, StreamDescription, StreamKind};
use anyhow::Result;
use serde_json::{Value, json};

use super::connect::connect;
use crate::args;
use crate::args::{ConnectionOnly, Durability, Stream, StreamCreate, StreamMerge, StreamSplit};
use crate::printer::{Printer, table, usage};

/// Streams asked for at a time while listing.
const PAGE: u32 = 1_000;

pub(crate) async fn run(command: Stream) -> Result<ExitCode> {
    match command {
        Stream::Create(args) => create(args).await,
        Stream::List(args) => list(args).await,
        Stream::Describe(args) => describe(args).await,
        Stream::Delete(args) => delete(args).await,
        Stream::Split(args) => split(args).await,
        Stream::Merge(args) => merge(args).await,
    }
}

async fn create(args: StreamCreate) -> Result<ExitCode> {
    let name: StreamName = usage(args.name.parse())?;
    let client = connect(&args.connection).await?;
    let quota = (args.quota_bytes.is_some() || args.quota_records.is_some()).then(|| Quota {
        bytes_per_second: args.quota_bytes.unwrap_or(0),
        records_per_second: args.quota_records.unwrap_or(0),
    });
    let description = client
        .create_stream(CreateStream {
            stream: name.to_string(),
            kind: StreamKind::Records.into(),
            shards: args.shards,
            retention_hours: args.settings.retention_hours,
            retention_bytes: args.settings.retention_bytes.unwrap_or(0),
            durability: durability(args.settings.durability).into(),
            record_bytes_max: args.record_bytes_max.unwrap_or(0),
            quota,
        })
        .await?;
    let mut printer = Printer::new(args.connection.output);
    printer.result(&as_json(&description), || {
        format!("created {name} with {} shards", description.shards.len())
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The durability that was typed, as the protocol names it.
pub(crate) fn durability(durability: Durability) -> message::Durability {
    match durability {
        Durability::Fsync => message::Durability::Fsync,
        Durability::Os => message::Durability::Os,
    }
}

async fn list(args: ConnectionOnly) -> Result<ExitCode> {
    let client = connect(&args.connection).await?;
    let mut streams = Vec::new();
    loop {
        let after = streams
            .last()
            .map(|last: &message::StreamSummary| last.stream.parse());
        let page = client
            .list_streams(after.transpose()?.as_ref(), PAGE)
            .await?;
        streams.extend(page.streams);
        if !page.more {
            break;
        }
    }
    let rows: Vec<Value> = streams
        .iter()
        .map(|stream| {
            json!({
                "stream": stream.stream,
                "kind": kind_name(stream.kind()),
                "created": time(stream.created_ms),
                "open_shards": stream.open_shards,
            })
        })
        .collect();
    let mut printer = Printer::new(args.connection.output);
    printer.result(&rows, || {
        let rows: Vec<Vec<String>> = streams
            .iter()
            .map(|stream| {
                vec![
                    stream.stream.clone(),
                    kind_name(stream.kind()).to_owned(),
                    stream.open_shards.to_string(),
                    time(stream.created_ms),
                ]
            })
            .collect();
        table(&["STREAM", "KIND", "OPEN SHARDS", "CREATED"], &rows)
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn describe(args: args::StreamName) -> Result<ExitCode> {
    let name = usage(args.name.parse())?;
    let client = connect(&args.connection).await?;
    let description = client.describe_stream(&name).await?;
    print_description(args.connection.output, &description)
}

async fn delete(args: args::StreamName) -> Result<ExitCode> {
    let name: StreamName = usage(args.name.parse())?;
    let client = connect(&args.connection).await?;
    client.delete_stream(&name).await?;
    let mut printer = Printer::new(args.connection.output);
    printer.result(&json!({ "deleted": name.as_str() }), || {
        format!("deleted {name}")
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn split(args: StreamSplit) -> Result<ExitCode> {
    let name = usage(args.name.parse())?;
    let shard: ShardId = usage(args.shard.parse())?;
    let client = connect(&args.connection).await?;
    let description = client
        .split_shard(&name, shard, args.at.map(HashKey::new))
        .await?;
    print_description(args.connection.output, &description)
}

async fn merge(args: StreamMerge) -> Result<ExitCode> {
    let name = usage(args.name.parse())?;
    let shard: ShardId = usage(args.shard.parse())?;
    let adjacent: ShardId = usage(args.adjacent.parse())?;
    let client = connect(&args.connection).await?;
    let description = client.merge_shards(&name, shard, adjacent).await?;
    print_description(args.connection.output, &description)
}

fn print_description(output: args::Output, description: &StreamDescription) -> Result<ExitCode> {
    Printer::new(output).result(&as_json(description), || as_text(description))?;
    Ok(ExitCode::SUCCESS)
}

/// A description as JSON, the same for every command that answers with one.
pub(crate) fn as_json(description: &StreamDescription) -> Value {
    let shards: Vec<Value> = description
        .shards
        .iter()
        .map(|shard| {
            let range = range(shard.range);
            json!({
                "shard": ShardId::new(shard.shard).to_string(),
                "starting_hash_key": range.start().to_string(),
                "ending_hash_key": range.end().to_string(),
                "parents": ids(&shard.parents),
                "children": ids(&shard.children),
                "closed": shard.closed,
                "trim_horizon": shard.trim_horizon,
                "end": shard.durable,
            })
        })
        .collect();
    json!({
        "stream": description.stream,
        "kind": kind_name(description.kind()),
        "created": time(description.created_ms),
        "retention_hours": description.retention_hours,
        "retention_bytes": description.retention_bytes,
        "durability": durability_name(description.durability()),
        "record_bytes_max": description.record_bytes_max,
        "quota": description.quota.map(|quota| json!({
            "bytes_per_second": quota.bytes_per_second,
            "records_per_second": quota.records_per_second,
        })),
        "shards": shards,
    })
}

fn as_text(description: &StreamDescription) -> String {
    let head = format!(
        "{}: {} stream, {}, kept for {} hours, created {}\n",
        description.stream,
        kind_name(description.kind()),
        durability_name(description.durability()),
        description.retention_hours,
        time(description.created_ms),
    );
    let rows: Vec<Vec<String>> = description
        .shards
        .iter()
        .map(|shard| {
            let range = range(shard.range);
            vec![
                ShardId::new(shard.shard).to_string(),
                if shard.closed { "closed" } else { "open" }.to_owned(),
                (shard.durable - shard.trim_horizon.min(shard.durable)).to_string(),
                ids(&shard.parents).join(" "),
                range.start().to_string(),
                range.end().to_string(),
            ]
        })
        .collect();
    head + &table(
        &[
            "SHARD",
            "STATE",
            "RECORDS",
            "PARENTS",
            "FROM HASH KEY",
            "TO HASH KEY",
        ],
        &rows,
    )
}

fn ids(shards: &[u32]) -> Vec<String> {
    shards
        .iter()
        .map(|&shard| ShardId::new(shard).to_string())
        .collect()
}

fn range(range: Option<message::Range>) -> HashKeyRange {
    let number = |high, low| HashKey::new(u128::from(high) << 64 | u128::from(low));
    range
        .and_then(|range| {
            let start = number(range.start_high, range.start_low);
            HashKeyRange::new(start, number(range.end_high, range.end_low)).ok()
        })
        .unwrap_or(HashKeyRange::FULL)
}

fn kind_name(kind: StreamKind) -> &'static str {
    match kind {
        StreamKind::Records => "records",
        StreamKind::Video => "video",
    }
}

fn durability_name(durability: message::Durability) -> &'static str {
    match durability {
        message::Durability::Fsync => "fsync",
        message::Durability::Os => "os",
    }
}

fn time(millis: i64) -> String {
    ServerTime::from_millis(millis).to_string()
}
