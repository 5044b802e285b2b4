//! `afflux demo`: a real server with devices, cameras, consumers and deliveries, and an account of
//! what they did.

mod camera;
mod consumer;
mod device;
mod tally;
mod verdict;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use afflux_client::{Client, Config, Trust};
use afflux_deliver::{DeliverySettings, DeliverySource, ObjectSettings, Place, Start};
use afflux_server::Server;
use afflux_transform::Compression;
use afflux_types::{Clock, ErrorKind, StreamName};
use afflux_wire::message::{CreateStream, NewDelivery, StreamKind};
use anyhow::{Context, Result, bail};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::tally::Tally;
use super::serve;
use super::signals::ended;
use crate::args::{Demo, Listen, Output};
use crate::printer::Printer;

const DEVICES: u32 = 3;
const CAMERAS: u32 = 2;
const CONSUMERS: u32 = 4;
const SHARDS: u32 = 4;
/// Objects are complete after this long, so that the demo ends soon after its devices do.
const BUFFER_SECONDS: u64 = 2;

/// The streams of one run.
#[derive(Clone, Debug)]
struct Streams {
    records: StreamName,
    cameras: Vec<StreamName>,
}

impl Streams {
    fn all(&self) -> impl Iterator<Item = &StreamName> {
        self.cameras.iter().chain([&self.records])
    }
}

pub(crate) async fn run(args: Demo) -> Result<ExitCode> {
    let mut printer = Printer::new(Output::Text);
    let mut config = serve::config(&args.listen)?;
    config.data_dir = data_dir(&args.listen)?;
    config.log.filter = "warn,afflux_server::listen=error".to_owned();
    serve::log_to_stderr(&config)?;
    let data_dir = config.data_dir.clone();
    let server = Server::start(config, Clock::system()).await?;
    introduce(&mut printer, &server, &data_dir)?;
    let passed = Box::pin(play(&mut printer, &server, &data_dir, args.seconds)).await?;
    if args.keep_serving {
        let end = ended()?;
        printer.note("serving until ctrl-c");
        end.await;
    }
    server.shutdown().await?;
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// The directory that was asked for, or a new one that stays.
fn data_dir(listen: &Listen) -> Result<PathBuf> {
    if let Some(dir) = &listen.data_dir {
        return std::path::absolute(dir).context("find the data directory");
    }
    let dir = tempfile::Builder::new().prefix("afflux-demo-").tempdir();
    Ok(dir.context("make a data directory")?.keep())
}

fn introduce(printer: &mut Printer, server: &Server, data_dir: &Path) -> Result<()> {
    let text = format!(
        "server   QUIC {}  HTTP {}  data {}\n\
         try      afflux tail telemetry --server {}\n\
         or       kill -9 {}; afflux serve --data-dir {}\n\n\
         {DEVICES} devices and {CAMERAS} cameras upload, {CONSUMERS} consumers are pushed \
         everything, all is delivered to a directory\n\n",
        server.quic_addr(),
        server.http_addr(),
        data_dir.display(),
        server.quic_addr(),
        std::process::id(),
        data_dir.display(),
    );
    printer.bytes(text.as_bytes())?;
    printer.flush()
}

/// A client of the demo's server.
async fn client(server: &Server) -> Result<Client> {
    let config = Config::new(server.quic_addr().to_string(), Trust::LoopbackAny);
    Ok(Client::connect(config).await?)
}

async fn play(
    printer: &mut Printer,
    server: &Server,
    data_dir: &Path,
    seconds: u64,
) -> Result<bool> {
    let admin = client(server).await?;
    let streams = create(&admin).await?;
    let lake = data_dir.join("lake");
    std::fs::create_dir_all(&lake).context("make a directory for objects")?;
    deliver(&admin, &streams, &lake).await?;

    let tally = Arc::new(Tally::default());
    let (stop, stopped) = watch::channel(false);
    let mut consumers = JoinSet::new();
    for number in 0..CONSUMERS {
        let client = client(server).await?;
        let seen = tally.consumer(number);
        consumer::start(&mut consumers, &client, &streams, &seen).await?;
    }
    let mut sources = JoinSet::new();
    for number in 0..DEVICES {
        let device = device::Device {
            client: client(server).await?,
            number,
            tally: tally.clone(),
        };
        sources.spawn(device.run(streams.records.clone(), stopped.clone()));
    }
    for stream in &streams.cameras {
        let camera = camera::Camera {
            client: client(server).await?,
            tally: tally.clone(),
        };
        sources.spawn(camera.run(stream.clone(), stopped.clone()));
    }
    watch_progress(printer, &admin, &tally, seconds, &mut sources).await?;
    stop.send_replace(true);
    while let Some(done) = sources.join_next().await {
        done.context("a device or camera panicked")??;
    }
    let verdict = verdict::Verdict {
        admin,
        streams,
        tally,
        lake,
        data_dir,
    };
    verdict.reach(printer, consumers).await
}

/// Makes the streams, under the first names that are free: earlier runs are left alone.
async fn create(client: &Client) -> Result<Streams> {
    for run in 1_u32..=10_000 {
        let suffix = if run == 1 {
            String::new()
        } else {
            format!("-run-{run}")
        };
        let records: StreamName = format!("telemetry{suffix}").parse()?;
        match create_stream(client, &records, StreamKind::Records, SHARDS).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::InUse => continue,
            Err(error) => return Err(error.into()),
        }
        let mut cameras = Vec::new();
        for number in 1..=CAMERAS {
            let camera = format!("camera-{number}{suffix}").parse()?;
            create_stream(client, &camera, StreamKind::Video, 1).await?;
            cameras.push(camera);
        }
        return Ok(Streams { records, cameras });
    }
    bail!("the data directory holds the streams of 10,000 earlier runs; choose another one")
}

async fn create_stream(
    client: &Client,
    name: &StreamName,
    kind: StreamKind,
    shards: u32,
) -> afflux_types::Result<()> {
    let request = CreateStream {
        stream: name.to_string(),
        kind: kind.into(),
        shards,
        ..CreateStream::default()
    };
    client.create_stream(request).await.map(drop)
}

/// Delivers every stream under its own name, records as lines with envelopes.
async fn deliver(client: &Client, streams: &Streams, directory: &Path) -> Result<()> {
    for stream in streams.all() {
        let source = DeliverySource::Stream {
            name: stream.to_string(),
            from: Start::TrimHorizon,
            until: None,
        };
        let is_records = *stream == streams.records;
        let objects = ObjectSettings {
            prefix: format!("{stream}/!{{timestamp:yyyy/MM/dd/HH}}/"),
            error_prefix: format!("{stream}/!{{firehose:error-output-type}}/"),
            compression: match is_records {
                true => Compression::Gzip,
                false => Compression::None,
            },
            buffer_seconds: BUFFER_SECONDS,
            ..ObjectSettings::new(Place::Directory(directory.to_owned()))
        };
        let settings = DeliverySettings {
            enveloped: is_records,
            manifests: true,
            ..DeliverySettings::new(source, objects)
        };
        let new = NewDelivery {
            delivery: stream.to_string(),
            settings: settings.to_json()?,
            version: 0,
        };
        client.create_delivery(new).await?;
    }
    Ok(())
}

/// Prints a line a second while everything runs; ends early if a device or camera fails.
async fn watch_progress(
    printer: &mut Printer,
    admin: &Client,
    tally: &Tally,
    seconds: u64,
    sources: &mut JoinSet<Result<()>>,
) -> Result<()> {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.tick().await;
    let mut before = tally.snapshot();
    printer.bytes(format!("{}\n", tally::HEADER).as_bytes())?;
    for second in 1..=seconds {
        tokio::select! {
            _ = tick.tick() => {}
            Some(ended) = sources.join_next() => {
                ended.context("a device or camera panicked")??;
                bail!("a device or camera ended before its time");
            }
        }
        let now = tally.snapshot();
        let deliveries = admin.list_deliveries().await?;
        printer.bytes(format!("{}\n", now.line(second, &before, &deliveries)).as_bytes())?;
        printer.flush()?;
        before = now;
    }
    Ok(())
}
