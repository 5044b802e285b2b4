//! `afflux delivery`: records and video as objects in directories and buckets.

use std::process::ExitCode;

use afflux_client::Client;
use afflux_deliver::{DeliverySettings, DeliverySource, ObjectSettings, Place, Start};
use afflux_transform::Processor;
use afflux_types::{DeliveryName, ServerTime};
use afflux_wire::message::{Delivery as Described, NewDelivery, StreamKind};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::connect::connect;
use crate::args::{
    ConnectionOnly, Delivery, DeliveryCreate, DeliveryNamed, DeliveryObjects, DeliveryReplay,
    DeliveryUpdate, ObjectCompression,
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
    if !is_video {
        settings.processors = vec![Processor::AppendDelimiter(b"\n".to_vec())];
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
        format!("{name} delivers to {}", settings.objects.place)
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

/// Where objects go, if that was typed.
fn place(typed: &DeliveryObjects) -> Result<Option<Place>> {
    Ok(match (&typed.to, &typed.bucket) {
        (Some(directory), _) => Some(Place::Directory(
            std::path::absolute(directory).context("find the directory")?,
        )),
        (None, Some(bucket)) => Some(Place::Bucket(bucket.clone())),
        (None, None) => None,
    })
}

/// Puts what was typed into settings.
fn apply(typed: &DeliveryObjects, settings: &mut DeliverySettings) -> Result<()> {
    let objects = &mut settings.objects;
    if let Some(place) = place(typed)? {
        objects.place = place;
    }
    if let Some(prefix) = &typed.prefix {
        objects.prefix.clone_from(prefix);
    }
    if let Some(prefix) = &typed.error_prefix {
        objects.error_prefix.clone_from(prefix);
    }
    if let Some(zone) = &typed.time_zone {
        objects.time_zone.clone_from(zone);
    }
    if let Some(extension) = &typed.extension {
        objects.extension = Some(extension.clone());
    }
    if let Some(compression) = typed.compression {
        objects.compression = match compression {
            ObjectCompression::None => afflux_transform::Compression::None,
            ObjectCompression::Gzip => afflux_transform::Compression::Gzip,
            ObjectCompression::Zip => afflux_transform::Compression::Zip,
            ObjectCompression::Snappy => afflux_transform::Compression::Snappy,
            ObjectCompression::HadoopSnappy => afflux_transform::Compression::HadoopSnappy,
            ObjectCompression::Zstd => afflux_transform::Compression::Zstd,
        };
    }
    if let Some(mib) = typed.size_mib {
        objects.buffer_bytes = mib.saturating_mul(1 << 20);
    }
    if let Some(seconds) = typed.interval {
        objects.buffer_seconds = seconds;
    }
    if let Some(query) = &typed.partition_by {
        let others = settings.processors.drain(..);
        settings.processors = others
            .filter(|other| !matches!(other, Processor::MetadataExtraction { .. }))
            .collect();
        let query = query.clone();
        settings
            .processors
            .push(Processor::MetadataExtraction { query });
        settings.partitioned = true;
    }
    Ok(())
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
        "settings": settings,
    }))
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
                    match (one.paused, one.finished) {
                        (true, _) => "paused".to_owned(),
                        (false, true) => "finished".to_owned(),
                        (false, false) => one.last_error.clone(),
                    },
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
