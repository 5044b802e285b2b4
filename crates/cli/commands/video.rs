//! `afflux video`: create, upload, list, cut, follow; pulling is in [`super::pull`].

use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;

use afflux_client::{
    Batch, Client, SessionId, Source, Spool, TimeOrigin, Uploader, UploaderOptions,
};
use afflux_entry::Kind;
use afflux_media::{Clip, Init, Limits, StoredFragment, clip, playback};
use afflux_types::{Clock, FragmentNumber, ProducerTime, ServerTime, StreamName};
use afflux_wire::message::{
    self, CreateStream, FragmentSelector, ListFragments, StreamKind, TimeAxis,
};
use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::connect::connect;
use super::stream::durability;
use super::{pull, put, tail};
use crate::args::{Axis, Output, Video, VideoClip, VideoCreate, VideoList, VideoPut, VideoTail};
use crate::pace::Pacer;
use crate::printer::{Printer, table, usage};

/// Bytes read from the input at once: little enough that a live picture is not held back.
const READ_BYTES: usize = 64 << 10;

pub(crate) async fn run(command: Video) -> Result<ExitCode> {
    match command {
        Video::Create(args) => create(args).await,
        Video::Put(args) => put(args).await,
        Video::Pull(args) => pull::run(args).await,
        Video::List(args) => list(args).await,
        Video::Clip(args) => clip(args).await,
        Video::Tail(args) => follow(args).await,
    }
}

async fn create(args: VideoCreate) -> Result<ExitCode> {
    let name: StreamName = usage(args.name.parse())?;
    let client = connect(&args.connection).await?;
    let request = CreateStream {
        stream: name.to_string(),
        kind: StreamKind::Video.into(),
        shards: 1,
        retention_hours: args.settings.retention_hours,
        retention_bytes: args.settings.retention_bytes.unwrap_or(0),
        durability: durability(args.settings.durability).into(),
        ..CreateStream::default()
    };
    let description = client.create_stream(request).await?;
    let mut printer = Printer::new(args.connection.output);
    let value = super::stream::as_json(&description);
    printer.result(&value, || format!("created video stream {name}"))?;
    Ok(ExitCode::SUCCESS)
}

async fn put(args: VideoPut) -> Result<ExitCode> {
    let name: StreamName = usage(args.name.parse())?;
    let start: Option<ProducerTime> = usage(args.start.as_deref().map(str::parse).transpose())?;
    let mut input = put::open(&args.file).await?;
    let client = connect(&args.connection).await?;
    let options = UploaderOptions {
        source: source(&args, start).await?,
        origin: start.map_or(TimeOrigin::FirstIsNow, TimeOrigin::At),
        ..UploaderOptions::default()
    };
    let mut uploader = client.uploader(&name, options).await?;
    let mut printer = Printer::new(args.connection.output);
    let bar = printer.progress(length(&args.file).await);
    let pacer = args.realtime.then(Pacer::new);
    let pumped = pump(&mut input, &mut uploader, pacer, &bar).await;
    let (session, skipped) = (uploader.session(), uploader.skipped());
    // Also after an error: what was whole before it is worth keeping.
    let finished = uploader.finish().await;
    bar.finish_and_clear();
    pumped?;
    let persisted = finished?;
    let value = json!({
        "stream": name.as_str(),
        "session": session.to_string(),
        "fragments": persisted,
        "skipped": skipped,
    });
    printer.result(&value, || {
        format!("{persisted} fragments are durable in {name}")
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Passes the input on until it ends.
async fn pump(
    input: &mut (impl AsyncRead + Unpin),
    uploader: &mut Uploader,
    mut pacer: Option<Pacer>,
    bar: &ProgressBar,
) -> Result<()> {
    let clock = Clock::system();
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ_BYTES);
        let read = input
            .read_buf(&mut buffer)
            .await
            .context("read the input")?;
        if read == 0 {
            return Ok(());
        }
        push(uploader, pacer.as_mut(), &clock, buffer.split().freeze()).await?;
        progress(bar, read, uploader);
    }
}

/// What the input is, if the command is run again: a file with a start time is the same video.
async fn source(args: &VideoPut, start: Option<ProducerTime>) -> Result<Source> {
    if let Some(spool) = &args.spool {
        return Ok(Source::Live(Spool::Directory(spool.clone())));
    }
    let (Some(start), Some(bytes)) = (start, length(&args.file).await) else {
        return Ok(Source::Live(Spool::Memory));
    };
    let path = std::path::absolute(&args.file).context("find the file")?;
    let identity = format!("{} {bytes} {}", path.display(), start.as_millis());
    Ok(Source::Replay(SessionId::of(identity.as_bytes())))
}

async fn length(path: &Path) -> Option<u64> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    metadata.is_file().then_some(metadata.len())
}

async fn push(
    uploader: &mut Uploader,
    pacer: Option<&mut Pacer>,
    clock: &Clock,
    bytes: bytes::Bytes,
) -> Result<()> {
    let Some(pacer) = pacer else {
        return Ok(uploader.push(bytes).await?);
    };
    for step in pacer.push(bytes)? {
        tokio::time::sleep(step.at.saturating_sub(clock.elapsed())).await;
        uploader.push(step.bytes).await?;
    }
    Ok(())
}

fn progress(bar: &ProgressBar, read: usize, uploader: &Uploader) {
    bar.inc(u64::try_from(read).unwrap_or(0));
    bar.set_message(format!("{} fragments durable", uploader.persisted()));
}

fn selector(axis: Axis, from: Option<i64>, to: Option<i64>, cover_start: bool) -> FragmentSelector {
    let axis = match axis {
        Axis::Producer => TimeAxis::Producer,
        Axis::Server => TimeAxis::Server,
    };
    FragmentSelector {
        axis: axis.into(),
        from_ms: from,
        to_ms: to,
        cover_start,
    }
}

/// Milliseconds of a time that was typed, on either axis.
fn millis(text: &str) -> Result<i64> {
    usage(text.parse::<ServerTime>()).map(ServerTime::as_millis)
}

async fn list(args: VideoList) -> Result<ExitCode> {
    let name: StreamName = usage(args.name.parse())?;
    let from = args.from.as_deref().map(millis).transpose()?;
    let to = args.to.as_deref().map(millis).transpose()?;
    let client = connect(&args.connection).await?;
    let mut request = ListFragments {
        stream: name.to_string(),
        selector: Some(selector(args.axis, from, to, false)),
        ..ListFragments::default()
    };
    let mut fragments = Vec::new();
    loop {
        let page = client.list_fragments(request.clone()).await?;
        fragments.extend(page.fragments);
        let Some(next) = page.next_position else {
            break;
        };
        request.position = next;
    }
    let values: Vec<Value> = fragments.iter().map(as_json).collect();
    let mut printer = Printer::new(args.connection.output);
    printer.result(&values, || {
        let rows: Vec<Vec<String>> = fragments.iter().map(as_row).collect();
        table(
            &[
                "FRAGMENT",
                "PRODUCER TIME",
                "SERVER TIME",
                "DURATION",
                "BYTES",
                "KEY",
            ],
            &rows,
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn as_json(fragment: &message::Fragment) -> Value {
    let tags: serde_json::Map<String, Value> = fragment
        .tags
        .iter()
        .map(|tag| (tag.name.clone(), tag.value.clone().into()))
        .collect();
    json!({
        "fragment_number": fragment.fragment_number,
        "producer_time": ProducerTime::from_millis(fragment.producer_time_ms).to_string(),
        "server_time": ServerTime::from_millis(fragment.server_time_ms).to_string(),
        "duration_ms": fragment.duration_ms,
        "bytes": fragment.bytes,
        "key_frame": fragment.key_frame,
        "discontinuity": fragment.discontinuity,
        "tags": tags,
    })
}

fn as_row(fragment: &message::Fragment) -> Vec<String> {
    vec![
        fragment.fragment_number.clone(),
        ProducerTime::from_millis(fragment.producer_time_ms).to_string(),
        ServerTime::from_millis(fragment.server_time_ms).to_string(),
        format!("{} ms", fragment.duration_ms),
        fragment.bytes.to_string(),
        if fragment.key_frame { "yes" } else { "no" }.to_owned(),
    ]
}

async fn clip(args: VideoClip) -> Result<ExitCode> {
    let name: StreamName = usage(args.name.parse())?;
    let range = millis(&args.from)?..millis(&args.to)?;
    let client = connect(&args.connection).await?;
    let clip = if args.exact {
        make_exact_clip(&client, &name, args.axis, range).await?
    } else {
        let selector = selector(args.axis, Some(range.start), Some(range.end), true);
        make_clip(&client, &name, selector).await?
    };
    let Some(clip) = clip else {
        bail!(
            "stream {name} has no video from {} to {}",
            args.from,
            args.to
        );
    };
    write_clip(&args.out, &clip).await?;
    let mut printer = Printer::new(args.connection.output);
    let (fragments, bytes) = (clip.fragments(), clip.bytes());
    let value = json!({ "file": args.out, "fragments": fragments, "bytes": bytes });
    printer.result(&value, || {
        format!(
            "{} holds {fragments} fragments, {bytes} bytes",
            args.out.display()
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Fetches fragments and joins them; `None` if there are none.
pub(crate) async fn make_clip(
    client: &Client,
    stream: &StreamName,
    selector: FragmentSelector,
) -> Result<Option<Clip>> {
    let push =
        |builder: &mut clip::Builder, _: &Batch, fragment: &StoredFragment| builder.push(fragment);
    join(client, stream, selector, push).await
}

/// Fetches what plays in a range of milliseconds and cuts it; `None` if there is nothing.
async fn make_exact_clip(
    client: &Client,
    stream: &StreamName,
    axis: Axis,
    range: Range<i64>,
) -> Result<Option<Clip>> {
    let reach = clip::reach(&range);
    let selector = selector(axis, Some(reach.start), Some(reach.end), true);
    let push = |builder: &mut clip::Builder, batch: &Batch, fragment: &StoredFragment| {
        let start = match axis {
            Axis::Producer => fragment.meta().producer_time.as_millis(),
            Axis::Server => batch.arrival().as_millis(),
        };
        builder.push_within(fragment, start, &range)
    };
    join(client, stream, selector, push).await
}

async fn join(
    client: &Client,
    stream: &StreamName,
    selector: FragmentSelector,
    push: impl Fn(&mut clip::Builder, &Batch, &StoredFragment) -> afflux_media::Result<()>,
) -> Result<Option<Clip>> {
    let mut fetch = client.fetch_fragments(stream, selector).await?;
    let mut builder: Option<clip::Builder> = None;
    while let Some(batch) = fetch.next().await? {
        let has_begun = builder.as_ref().is_some_and(|open| open.fragments() > 0);
        match (batch.kind(), &mut builder) {
            (Kind::Init, _) if !has_begun => {
                let init = Init::decode(&batch.body(), &Limits::default())?;
                builder = Some(Clip::builder(init));
            }
            (Kind::Fragment, Some(builder)) => {
                push(builder, &batch, &StoredFragment::decode(batch.body())?).context(
                    "a clip has one codec initialisation; cut one for each side of the change",
                )?;
            }
            _ => {}
        }
    }
    match builder.map(clip::Builder::finish).transpose() {
        Err(afflux_media::Error::ClipEmpty) => Ok(None),
        clip => Ok(clip?),
    }
}

/// Writes a clip beside its place and renames it: a file that exists is whole.
pub(crate) async fn write_clip(path: &Path, clip: &Clip) -> Result<()> {
    let (path, clip) = (path.to_owned(), clip.clone());
    let write = move || -> Result<()> {
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let mut file = tempfile::NamedTempFile::new_in(parent.unwrap_or_else(|| Path::new(".")))?;
        for piece in clip.pieces() {
            std::io::Write::write_all(&mut file, piece)?;
        }
        file.persist(&path)
            .map(drop)
            .with_context(|| format!("write {}", path.display()))
    };
    tokio::task::spawn_blocking(write)
        .await
        .context("write the clip")?
}

async fn follow(args: VideoTail) -> Result<ExitCode> {
    let name: StreamName = usage(args.name.parse())?;
    let (from, _) = tail::start(&args.from, None)?;
    let client = connect(&args.connection).await?;
    let mut follow = client.follow_video(&name, from).await?;
    let mut printer = Printer::new(args.connection.output);
    let mut left = args.limit;
    let mut sequence = 1_u32;
    while left != Some(0) {
        let Some(batch) = follow.next().await? else {
            break;
        };
        match batch.kind() {
            Kind::Init if args.connection.output == Output::Text => {
                let init = Init::decode(&batch.body(), &Limits::default())?;
                printer.bytes(&playback::init_segment(&init))?;
            }
            Kind::Fragment => {
                let fragment = StoredFragment::decode(batch.body())?;
                if args.connection.output == Output::Json {
                    let mut line = describe(&batch, &fragment).to_string();
                    line.push('\n');
                    printer.bytes(line.as_bytes())?;
                } else {
                    for piece in playback::fragment_bytes(&fragment, sequence, &[])? {
                        printer.bytes(&piece)?;
                    }
                    let tracks = fragment.meta().tracks.len();
                    sequence = sequence.wrapping_add(u32::try_from(tracks).unwrap_or(1));
                }
                left = left.map(|left| left - 1);
            }
            _ => {}
        }
        printer.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(batch: &Batch, fragment: &StoredFragment) -> Value {
    let meta = fragment.meta();
    json!({
        "fragment_number": FragmentNumber::new(batch.position(), batch.arrival()).to_string(),
        "producer_time": meta.producer_time.to_string(),
        "server_time": batch.arrival().to_string(),
        "duration_ms": meta.duration_ms,
        "bytes": batch.entry_len(),
        "key_frame": meta.flags.is_keyframe(),
    })
}
