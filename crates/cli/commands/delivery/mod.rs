//! `afflux delivery`: records and video as objects in directories and buckets.

mod settings;
mod verify;

use std::process::ExitCode;

use afflux_client::Client;
use afflux_deliver::{DeliverySettings, DeliverySource, ObjectSettings, Start};
use afflux_types::{DeliveryName, ServerTime};
use afflux_wire::message::{Delivery as Described, DeliveryBucket, NewDelivery, StreamKind};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use self::settings::{apply, line_feed, place};
use super::connect::connect;
use crate::args::{
    ConnectionOnly, Delivery, DeliveryCreate, DeliveryNamed, DeliveryReplay, DeliveryUpdate,
};
use crate::printer::{Printer, table, usage};

pub(crate) async fn run(command: Delivery) -> Result<ExitCode> {
    match command {
        Delivery::Create(args) => create(args).await,
        Delivery::List(args) => list(args).await,
        Delivery::Describe(args) => describe(args).await,
        Delivery::Update(args) => update(args).await,
        Delivery::Pause(args) => pause(args, true).await,
        Delivery::Resume(args) => pause(args, false).await,
        Delivery::Replay(args) => replay(args).await,
        Delivery::Delete(args) => delete(args).await,
        Delivery::Verify(args) => verify::run(args).await,
    }
}

async fn create(args: DeliveryCreate) -> Result<ExitCode> {
    let name: DeliveryName = usage(args.name.parse())?;
    let source = match args.stream {
        None => DeliverySource::Direct,
        Some(name) => DeliverySource::Stream {
            name,
            from: start(&args.from)?,
            until: None,
        },
    };
    let place = match (&args.objects.to, &args.objects.bucket) {
        (Some(_), None) | (None, Some(_)) => place(&args.objects)?,
        _ => None,
    };
    let Some(place) = place else {
        bail!("say where objects go: --to DIRECTORY or --bucket NAME");
    };
    let client = connect(&args.connection).await?;
    let is_video = match &source {
        DeliverySource::Stream { name, .. } => {
            let stream = client.describe_stream(&usage(name.parse())?).await?;
            stream.kind() == StreamKind::Video
        }
        DeliverySource::Direct => false,
    };
    let mut settings = DeliverySettings::new(source, ObjectSettings::new(place));
    // A message needs no line feed to be apart from the next one.
    if !is_video && args.objects.kafka.is_none() {
        settings.processors = vec![line_feed()];
    }
    apply(&args.objects, &mut settings)?;
    let request = NewDelivery {
        delivery: name.to_string(),
        settings: settings.to_json()?,
        version: 0,
    };
    client.create_delivery(request).await?;
    let mut printer = Printer::new(args.connection.output);
    printer.result(&json!({ "created": name.as_str() }), || {
        match (&settings.receiver, &settings.table) {
            (Some(receiver), _) => format!("{name} delivers to {receiver}"),
            (None, Some(table)) => format!(
                "{name} appends to table {} of catalog {}",
                table.full_name(),
                table.catalog
            ),
            (None, None) => format!("{name} delivers to {}", settings.objects.place),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Where in a stream to begin.
fn start(typed: &str) -> Result<Start> {
    Ok(match typed {
        "trim-horizon" => Start::TrimHorizon,
        "latest" => Start::Latest,
        time => Start::At(usage(time.parse::<ServerTime>())?.as_millis()),
    })
}

async fn update(args: DeliveryUpdate) -> Result<ExitCode> {
    let name: DeliveryName = usage(args.name.parse())?;
    let client = connect(&args.connection).await?;
    let described = find(&client, &name).await?;
    let mut settings = DeliverySettings::from_json(&described.settings)?;
    apply(&args.objects, &mut settings)?;
    let request = NewDelivery {
        delivery: name.to_string(),
        settings: settings.to_json()?,
        version: described.version,
    };
    client.update_delivery(request).await?;
    let mut printer = Printer::new(args.connection.output);
    let version = described.version + 1;
    printer.result(
        &json!({ "updated": name.as_str(), "version": version }),
        || format!("{name} has version {version}"),
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn replay(args: DeliveryReplay) -> Result<ExitCode> {
    let name: DeliveryName = usage(args.name.parse())?;
    let replay: DeliveryName = usage(args.replay.parse())?;
    let time = |typed: &str| usage(typed.parse::<ServerTime>()).map(ServerTime::as_millis);
    let (begin, end) = (time(&args.from)?, time(&args.until)?);
    let client = connect(&args.connection).await?;
    let described = find(&client, &name).await?;
    let mut settings = DeliverySettings::from_json(&described.settings)?;
    let DeliverySource::Stream { from, until, .. } = &mut settings.source else {
        bail!(
            "{name} has no stream to read again: what is put into it is deleted once it is delivered"
        );
    };
    (*from, *until) = (Start::At(begin), Some(end));
    apply(&args.objects, &mut settings)?;
    let request = NewDelivery {
        delivery: replay.to_string(),
        settings: settings.to_json()?,
        version: 0,
    };
    client.create_delivery(request).await?;
    let mut printer = Printer::new(args.connection.output);
    let value = json!({ "created": replay.as_str(), "from": args.from, "until": args.until });
    printer.result(&value, || format!("{replay} replays {name}"))?;
    Ok(ExitCode::SUCCESS)
}

async fn find(client: &Client, name: &DeliveryName) -> Result<Described> {
    let all = client.list_deliveries().await?;
    let found = all.into_iter().find(|one| one.delivery == name.as_str());
    found.with_context(|| format!("delivery stream {name} does not exist"))
}

async fn pause(args: DeliveryNamed, paused: bool) -> Result<ExitCode> {
    let name: DeliveryName = usage(args.name.parse())?;
    let client = connect(&args.connection).await?;
    client.pause_delivery(&name, paused).await?;
    let mut printer = Printer::new(args.connection.output);
    printer.result(
        &json!({ "delivery": name.as_str(), "paused": paused }),
        || match paused {
            true => format!("{name} waits; nothing is lost that its source keeps"),
            false => format!("{name} goes on"),
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn delete(args: DeliveryNamed) -> Result<ExitCode> {
    let name: DeliveryName = usage(args.name.parse())?;
    let client = connect(&args.connection).await?;
    client.delete_delivery(&name).await?;
    let mut printer = Printer::new(args.connection.output);
    printer.result(&json!({ "deleted": name.as_str() }), || {
        format!("{name} is deleted; its objects stay")
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn describe(args: DeliveryNamed) -> Result<ExitCode> {
    let name: DeliveryName = usage(args.name.parse())?;
    let client = connect(&args.connection).await?;
    let described = find(&client, &name).await?;
    let value = value(&described)?;
    let mut printer = Printer::new(args.connection.output);
    let text = serde_json::to_string_pretty(&value)?;
    printer.result(&value, || text)?;
    Ok(ExitCode::SUCCESS)
}

fn value(of: &Described) -> Result<Value> {
    let settings: Value = serde_json::from_str(&of.settings).context("read the settings")?;
    let or_null = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(json!({
        "delivery": of.delivery,
        "version": of.version,
        "paused": of.paused,
        "finished": of.finished,
        "records": of.records,
        "objects": of.objects,
        "bytes": of.bytes,
        "failed": of.failed,
        "missing": of.missing,
        "millis_behind": of.millis_behind,
        "last_object": or_null(&of.last_object),
        "last_error": or_null(&of.last_error),
        "buckets": of.buckets.iter().map(bucket).collect::<Vec<_>>(),
        "settings": settings,
    }))
}

fn bucket(of: &DeliveryBucket) -> Value {
    json!({ "bucket": of.bucket, "state": of.state, "meaning": of.meaning })
}

/// How a delivery stream is doing, in a few words; nothing if all is well.
fn state(of: &Described) -> String {
    match (of.paused, of.finished, of.last_error.as_str()) {
        (true, _, _) => "paused".to_owned(),
        (false, true, _) => "finished".to_owned(),
        (false, false, "") => {
            let buckets = of
                .buckets
                .iter()
                .filter(|bucket| bucket.state != "create-only");
            let told = buckets.map(|bucket| format!("bucket {}: {}", bucket.bucket, bucket.state));
            told.collect::<Vec<_>>().join(", ")
        }
        (false, false, error) => error.to_owned(),
    }
}

async fn list(args: ConnectionOnly) -> Result<ExitCode> {
    let client = connect(&args.connection).await?;
    let deliveries = client.list_deliveries().await?;
    let values = deliveries.iter().map(value).collect::<Result<Vec<_>>>()?;
    let mut printer = Printer::new(args.connection.output);
    printer.result(&values, || {
        let rows: Vec<Vec<String>> = deliveries
            .iter()
            .map(|one| {
                vec![
                    one.delivery.clone(),
                    one.records.to_string(),
                    one.objects.to_string(),
                    one.failed.to_string(),
                    format!("{} ms", one.millis_behind),
                    one.last_object.clone(),
                    state(one),
                ]
            })
            .collect();
        table(
            &[
                "DELIVERY",
                "RECORDS",
                "OBJECTS",
                "FAILED",
                "BEHIND",
                "LAST OBJECT",
                "STATE",
            ],
            &rows,
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
