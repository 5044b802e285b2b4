//! `afflux delivery verify`: what manifests promise, checked without a server.

use std::process::ExitCode;

use afflux_deliver::VerifiedDelivery;
use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::args::DeliveryVerify;
use crate::printer::{Printer, table};

pub(super) async fn run(args: DeliveryVerify) -> Result<ExitCode> {
    let directory = args.directory.clone();
    let verified = tokio::task::spawn_blocking(move || afflux_deliver::verify(&directory));
    let verified = verified.await.context("verify a directory")??;
    let mut printer = Printer::new(args.output);
    let values: Vec<Value> = verified.iter().map(value).collect();
    printer.result(&values, || {
        let row = |one: &VerifiedDelivery| {
            vec![
                one.name.clone(),
                one.id.clone(),
                format!("{} from {}", one.batches, one.first_batch),
                one.records.to_string(),
                one.missing().to_string(),
                one.objects.to_string(),
                one.bytes.to_string(),
                one.elsewhere.to_string(),
            ]
        };
        let rows: Vec<_> = verified.iter().map(row).collect();
        table(
            &[
                "DELIVERY",
                "ID",
                "BATCHES",
                "RECORDS",
                "MISSING",
                "OBJECTS",
                "BYTES",
                "ELSEWHERE",
            ],
            &rows,
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn value(of: &VerifiedDelivery) -> Value {
    let shards = of.shards.iter().map(|(shard, verified)| {
        json!({
            "shard": shard.to_string(),
            "from_position": verified.from.get(),
            "to_position": verified.to.get(),
            "missing": verified.missing,
            "closed": verified.closed,
        })
    });
    json!({
        "delivery": of.name,
        "id": of.id,
        "stream": of.stream,
        "first_batch": of.first_batch,
        "batches": of.batches,
        "records": of.records,
        "failed": of.failed,
        "missing": of.missing(),
        "objects": of.objects,
        "bytes": of.bytes,
        "elsewhere": of.elsewhere,
        "shards": shards.collect::<Vec<_>>(),
    })
}
