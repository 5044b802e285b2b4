//! `afflux delivery`: records and video as objects in directories and buckets.

use std::process::ExitCode;

use afflux_client::Client;
use afflux_deliver::{
    ClusterSettings, DeliverySettings, DeliverySource, KafkaSettings, MessageKey, ObjectSettings,
    Place, Receiver, Start, TableSettings, VerifiedDelivery,
};
use afflux_transform::{Conversion, IndexSettings, ParquetCompression, Processor, Rotation};
use afflux_types::{DeliveryName, ServerTime};
use afflux_wire::message::{Delivery as Described, DeliveryBucket, NewDelivery, StreamKind};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::connect::connect;
use crate::args::{
    ConnectionOnly, Delivery, DeliveryCreate, DeliveryNamed, DeliveryObjects, DeliveryReplay,
    DeliveryUpdate, DeliveryVerify, IndexRotation, KafkaKey, ObjectCompression, PageCompression,
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
        Delivery::Verify(args) => verify(args).await,
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
    apply_account(typed, settings);
    apply_cluster(typed, settings)?;
    apply_kafka(typed, settings)?;
    if let (Some(catalog), Some(table)) = (&typed.iceberg, &typed.table) {
        settings.table = Some(usage(TableSettings::new(catalog, table))?);
    }
    convert(typed, settings)
}

/// Puts what was typed of envelopes and manifests into settings.
fn apply_account(typed: &DeliveryObjects, settings: &mut DeliverySettings) {
    if let Some(enveloped) = typed.envelope {
        settings.enveloped = enveloped;
        // An envelope is a line already.
        let is_line_feed =
            |one: &Processor| matches!(one, Processor::AppendDelimiter(end) if end == b"\n");
        settings.processors.retain(|one| !is_line_feed(one));
        if !enveloped {
            settings.processors.push(line_feed());
        }
    }
    if let Some(manifests) = typed.manifest {
        settings.manifests = manifests;
    }
}

/// What puts each record into a line.
fn line_feed() -> Processor {
    Processor::AppendDelimiter(b"\n".to_vec())
}

/// Puts what was typed of a cluster into settings.
fn apply_cluster(typed: &DeliveryObjects, settings: &mut DeliverySettings) -> Result<()> {
    let (url, index) = (&typed.opensearch_url, &typed.index);
    let mut cluster = match (&settings.receiver, url, index) {
        (Some(Receiver::OpenSearch(cluster)), _, _) => cluster.clone(),
        (_, Some(url), Some(index)) => {
            ClusterSettings::new(url.clone(), IndexSettings::new(index.clone()))
        }
        (_, None, None) if typed.rotation.is_none() => return Ok(()),
        _ => bail!("a cluster has an address and an index: --opensearch-url URL --index NAME"),
    };
    if let Some(url) = url {
        cluster.url.clone_from(url);
    }
    if let Some(index) = index {
        cluster.index.name.clone_from(index);
    }
    if let Some(rotation) = typed.rotation {
        cluster.index.rotation = match rotation {
            IndexRotation::None => Rotation::None,
            IndexRotation::Hour => Rotation::Hour,
            IndexRotation::Day => Rotation::Day,
            IndexRotation::Week => Rotation::Week,
            IndexRotation::Month => Rotation::Month,
        };
    }
    if let Some(mib) = typed.size_mib {
        cluster.buffer_bytes = mib.saturating_mul(1 << 20);
    }
    if let Some(seconds) = typed.interval {
        cluster.buffer_seconds = seconds;
    }
    settings.receiver = Some(Receiver::OpenSearch(cluster));
    Ok(())
}

/// Puts what was typed of Kafka into settings.
fn apply_kafka(typed: &DeliveryObjects, settings: &mut DeliverySettings) -> Result<()> {
    let (cluster, topic) = (&typed.kafka, &typed.topic);
    let mut kafka = match (&settings.receiver, cluster, topic) {
        (Some(Receiver::Kafka(kafka)), _, _) => kafka.clone(),
        (_, Some(cluster), Some(topic)) => KafkaSettings::new(cluster.clone(), topic.clone()),
        (_, None, None) if typed.key.is_none() => return Ok(()),
        _ => bail!("Kafka has clusters and topics: --kafka NAME --topic TOPIC"),
    };
    if let Some(cluster) = cluster {
        kafka.cluster.clone_from(cluster);
    }
    if let Some(topic) = topic {
        kafka.topic.clone_from(topic);
    }
    if let Some(key) = typed.key {
        kafka.key = match key {
            KafkaKey::PartitionKey => MessageKey::PartitionKey,
            KafkaKey::None => MessageKey::None,
        };
    }
    if let Some(mib) = typed.size_mib {
        kafka.buffer_bytes = mib.saturating_mul(1 << 20);
    }
    if let Some(seconds) = typed.interval {
        kafka.buffer_seconds = seconds;
    }
    settings.receiver = Some(Receiver::Kafka(kafka));
    Ok(())
}

/// Puts what was typed about Parquet files into settings.
fn convert(typed: &DeliveryObjects, settings: &mut DeliverySettings) -> Result<()> {
    if let Some(file) = &typed.parquet_schema {
        let reading = || format!("read the columns of {}", file.display());
        let text = std::fs::read_to_string(file).with_context(reading)?;
        let columns = serde_json::from_str(&text).with_context(reading)?;
        match &mut settings.conversion {
            Some(conversion) => conversion.columns = columns,
            none => *none = Some(Conversion::new(columns)),
        }
    }
    if let Some(compression) = typed.parquet_compression {
        let Some(conversion) = &mut settings.conversion else {
            bail!("--parquet-compression needs --parquet-schema FILE, the columns of the files");
        };
        conversion.parquet.compression = match compression {
            PageCompression::None => ParquetCompression::Uncompressed,
            PageCompression::Gzip => ParquetCompression::Gzip,
            PageCompression::Snappy => ParquetCompression::Snappy,
            PageCompression::Zstd => ParquetCompression::Zstd,
        };
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

async fn verify(args: DeliveryVerify) -> Result<ExitCode> {
    let directory = args.directory.clone();
    let verified = tokio::task::spawn_blocking(move || afflux_deliver::verify(&directory));
    let verified = verified.await.context("verify a directory")??;
    let mut printer = Printer::new(args.output);
    let values: Vec<Value> = verified.iter().map(verified_value).collect();
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

fn verified_value(of: &VerifiedDelivery) -> Value {
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
