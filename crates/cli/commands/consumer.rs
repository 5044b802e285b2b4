//! `afflux consumer`: register, list, deregister.

use std::process::ExitCode;

use afflux_types::{ServerTime, StreamName};
use anyhow::Result;
use serde_json::{Value, json};

use super::connect::connect;
use crate::args::{self, Consumer, ConsumerName};
use crate::printer::{Printer, table, usage};

pub(crate) async fn run(command: Consumer) -> Result<ExitCode> {
    match command {
        Consumer::Register(args) => change(args, Change::Register).await,
        Consumer::Deregister(args) => change(args, Change::Deregister).await,
        Consumer::List(args) => list(args).await,
    }
}

#[derive(Clone, Copy)]
enum Change {
    Register,
    Deregister,
}

async fn change(args: ConsumerName, change: Change) -> Result<ExitCode> {
    let stream: StreamName = usage(args.stream.parse())?;
    let consumer: afflux_types::ConsumerName = usage(args.name.parse())?;
    let client = connect(&args.connection).await?;
    let done = match change {
        Change::Register => {
            client.register_consumer(&stream, &consumer).await?;
            "registered"
        }
        Change::Deregister => {
            client.deregister_consumer(&stream, &consumer).await?;
            "deregistered"
        }
    };
    let mut printer = Printer::new(args.connection.output);
    let value = json!({ done: consumer.as_str(), "stream": stream.as_str() });
    printer.result(&value, || format!("{done} {consumer} of {stream}"))?;
    Ok(ExitCode::SUCCESS)
}

async fn list(args: args::StreamName) -> Result<ExitCode> {
    let stream = usage(args.name.parse())?;
    let client = connect(&args.connection).await?;
    let consumers = client.list_consumers(&stream).await?;
    let created = |millis| ServerTime::from_millis(millis).to_string();
    let values: Vec<Value> = consumers
        .iter()
        .map(|consumer| json!({ "consumer": consumer.name, "created": created(consumer.created_ms) }))
        .collect();
    let mut printer = Printer::new(args.connection.output);
    printer.result(&values, || {
        let rows: Vec<Vec<String>> = consumers
            .iter()
            .map(|consumer| vec![consumer.name.clone(), created(consumer.created_ms)])
            .collect();
        table(&["CONSUMER", "CREATED"], &rows)
    })?;
    Ok(ExitCode::SUCCESS)
}
