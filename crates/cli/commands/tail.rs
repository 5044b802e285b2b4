//! `afflux tail`: records as they arrive, one line each.

use std::collections::BTreeMap;
use std::process::ExitCode;

use afflux_client::{
    Batch, Client, Consumer, ConsumerEvent, ConsumerOptions, Delivered, From, Shards,
};
use afflux_types::{Position, SequenceNumber, ShardId, StreamName};
use anyhow::{Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::connect::connect;
use crate::args::Tail;
use crate::printer::{Printer, Usage, usage};

pub(crate) async fn run(args: Tail) -> Result<ExitCode> {
    let stream: StreamName = usage(args.stream.parse())?;
    let shard: Option<ShardId> = usage(args.shard.as_deref().map(str::parse).transpose())?;
    let (from, shard) = start(&args.from, shard)?;
    if args.limit == Some(0) {
        return Ok(ExitCode::SUCCESS);
    }
    let client = connect(&args.connection).await?;
    let ends = if args.no_follow {
        Some(ends(&client, &stream, shard, &from).await?)
    } else {
        None
    };
    let options = ConsumerOptions {
        from,
        shards: shard.map_or(Shards::All, Shards::One),
        ..ConsumerOptions::default()
    };
    let consumer = client.consumer(&stream, options).await?;
    let mut tail = Lines {
        printer: Printer::new(args.connection.output),
        left: args.limit,
    };
    follow(consumer, &mut tail, ends).await?;
    tail.printer.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Reads where to start; a sequence number also names its shard.
pub(crate) fn start(text: &str, shard: Option<ShardId>) -> Result<(From, Option<ShardId>)> {
    match text {
        "trim-horizon" => return Ok((From::TrimHorizon, shard)),
        "latest" => return Ok((From::Latest, shard)),
        _ => {}
    }
    if let Ok(number) = text.parse::<SequenceNumber>() {
        if shard.is_some_and(|shard| shard != number.shard()) {
            bail!(Usage(format!(
                "sequence number {text} belongs to {}",
                number.shard()
            )));
        }
        let positions = BTreeMap::from([(number.shard(), number.position())]);
        return Ok((From::Positions(positions), Some(number.shard())));
    }
    match text.parse() {
        Ok(time) => Ok((From::At(time), shard)),
        Err(_) => Err(Usage(format!(
            "{text:?} is none of trim-horizon, latest, a time such as 2026-11-21T10:00:00Z, or a \
             sequence number"
        ))
        .into()),
    }
}

/// Where each shard ends now: how far a tail that does not follow has to read.
async fn ends(
    client: &Client,
    stream: &StreamName,
    shard: Option<ShardId>,
    from: &From,
) -> Result<BTreeMap<ShardId, Position>> {
    let description = client.describe_stream(stream).await?;
    // Who starts at the latest record never reads a closed shard: nothing would say that it ended.
    let shards = description.shards.iter();
    let shards = shards.filter(|found| *from != From::Latest || !found.closed);
    let all = shards.map(|found| (ShardId::new(found.shard), Position::new(found.durable)));
    Ok(all
        .filter(|(id, _)| shard.is_none_or(|shard| shard == *id))
        .collect())
}

async fn follow(
    mut consumer: Consumer,
    lines: &mut Lines,
    mut ends: Option<BTreeMap<ShardId, Position>>,
) -> Result<()> {
    loop {
        if ends.as_ref().is_some_and(BTreeMap::is_empty) {
            return Ok(());
        }
        let Some(event) = consumer.next().await? else {
            return Ok(());
        };
        let (shard, position) = match event {
            ConsumerEvent::Batch(batch) => {
                lines.print(&batch)?;
                if lines.left == Some(0) {
                    return Ok(());
                }
                (batch.shard(), batch.end())
            }
            ConsumerEvent::Lagged { shard, from, to } => {
                lines.printer.note(&format!(
                    "{shard}: {} records were deleted by retention before they were read",
                    to.get() - from.get()
                ));
                (shard, to)
            }
            ConsumerEvent::ShardEnd { shard, .. } => (shard, Position::MAX),
            ConsumerEvent::Progress { shard, position } => (shard, position),
        };
        if let Some(ends) = &mut ends
            && ends.get(&shard).is_some_and(|end| position >= *end)
        {
            ends.remove(&shard);
        }
    }
}

/// Prints records until the limit, those inside an aggregated one each by itself.
struct Lines {
    printer: Printer,
    left: Option<u64>,
}

impl Lines {
    fn print(&mut self, batch: &Batch) -> Result<()> {
        for delivered in batch.records() {
            for part in delivered?.parts() {
                self.print_record(&part)?;
                if self.left == Some(0) {
                    return self.printer.flush();
                }
            }
        }
        self.printer.flush()
    }

    fn print_record(&mut self, delivered: &Delivered) -> Result<()> {
        if self.printer.is_json() {
            let line = as_json(delivered).to_string();
            self.printer.bytes(line.as_bytes())?;
        } else {
            self.printer.bytes(&delivered.record.data)?;
        }
        self.left = self.left.map(|left| left.saturating_sub(1));
        self.printer.bytes(b"\n")
    }
}

fn as_json(delivered: &Delivered) -> Value {
    let record = &delivered.record;
    let mut value = json!({
        "shard": delivered.shard.to_string(),
        "sequence_number": delivered.sequence_number().to_string(),
        "position": delivered.position.get(),
        "arrival_time": delivered.arrival.to_string(),
        "partition_key": record.partition_key.as_str(),
    });
    if let Some(sub_sequence) = delivered.sub_sequence {
        value["sub_sequence_number"] = sub_sequence.into();
    }
    if let Some(hash_key) = record.explicit_hash_key {
        value["explicit_hash_key"] = hash_key.to_string().into();
    }
    match std::str::from_utf8(&record.data) {
        Ok(text) => value["data"] = text.into(),
        Err(_) => value["data_base64"] = STANDARD.encode(&record.data).into(),
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_reads_every_form() {
        assert_eq!(start("latest", None).unwrap(), (From::Latest, None));
        let number = SequenceNumber::new(ShardId::new(3), Position::new(9)).to_string();
        let (from, shard) = start(&number, None).unwrap();
        assert_eq!(shard, Some(ShardId::new(3)));
        assert_eq!(
            from,
            From::Positions(BTreeMap::from([(ShardId::new(3), Position::new(9))]))
        );
        assert!(start(&number, Some(ShardId::new(4))).is_err());
        assert!(start("yesterday", None).is_err());
    }
}
