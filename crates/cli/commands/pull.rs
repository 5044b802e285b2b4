//! `afflux video pull`: a camera by RTSP, recorded until a signal.
//!
//! The camera and the server are lost and found independently of each other. Between them fragments
//! wait in the uploader, in memory or in a spool directory; when that is full, new ones are dropped
//! and counted, because a camera cannot wait.

use std::future::Future;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use afflux_client::{Client, PlacedFragment, Source, Spool, Uploader, UploaderOptions};
use afflux_rtsp::{
    Camera, CameraError, CameraOptions, CameraUrl, Counts, Credentials, Recorded, RecorderOptions,
    Transport,
};
use afflux_types::{Clock, ErrorKind, StreamName};
use anyhow::{Result, anyhow};
use serde_json::json;
use tokio::time::timeout;
use tracing_subscriber::EnvFilter;

use super::connect::persistent;
use super::signals::ended;
use crate::args::{PullTransport, VideoPull};
use crate::printer::{Printer, Usage, usage};

/// How long the server may take to say whether there is such a stream.
const ASK: Duration = Duration::from_secs(5);
/// How long the end waits for the server, if the fragments are safe in a spool; and if not.
const LEAVE: Duration = Duration::from_secs(5);
const LEAVE_UNSAFE: Duration = Duration::from_secs(30);
/// How long the camera may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(3);
const PASSWORD_BYTES_MAX: u64 = 4_096;

pub(crate) async fn run(args: VideoPull) -> Result<ExitCode> {
    let stream: StreamName = usage(args.name.parse())?;
    let options = options(&args)?;
    log_to_stderr()?;
    let client = persistent(&args.connection)?;
    ask(&client, &stream).await?;
    let uploader = client
        .uploader(
            &stream,
            UploaderOptions {
                source: Source::Live(args.spool.clone().map_or(Spool::Memory, Spool::Directory)),
                spool_bytes_max: args.spool_bytes,
                ..UploaderOptions::default()
            },
        )
        .await?;
    let mut recording = Recording {
        camera: Camera::new(options, Clock::system()),
        sink: Sink {
            stream,
            uploader,
            sequence: 1,
            pushed: 0,
            dropped: 0,
        },
    };
    let recorded = recording.until(ended()?).await;
    let (printed, done) = recording.finish(&args, recorded).await;
    let mut printer = Printer::new(args.connection.output);
    if let Some((value, text)) = printed {
        printer.result(&value, || text)?;
    }
    done.map(|()| ExitCode::SUCCESS)
}

/// A camera and where its fragments go.
struct Recording {
    camera: Camera,
    sink: Sink,
}

struct Sink {
    stream: StreamName,
    uploader: Uploader,
    /// Of the next `moof`.
    sequence: u32,
    pushed: u64,
    dropped: u64,
}

impl Recording {
    /// Records until `ended`, or until nothing can be recorded any more.
    async fn until(&mut self, ended: impl Future<Output = ()>) -> Result<()> {
        tokio::pin!(ended);
        loop {
            tokio::select! {
                recorded = self.camera.next() => {
                    let recorded = recorded.map_err(|error| advise(&error))?;
                    self.sink.take(recorded).await?;
                }
                () = &mut ended => return Ok(()),
            }
        }
    }

    /// Ends the recording with what came, and says what became of it.
    async fn finish(
        self,
        args: &VideoPull,
        recorded: Result<()>,
    ) -> (Option<(serde_json::Value, String)>, Result<()>) {
        let Self { camera, mut sink } = self;
        let counts = camera.counts();
        let (last, counts) = match timeout(GOODBYE, camera.stop()).await {
            Ok(stopped) => stopped,
            Err(_) => (Vec::new(), counts),
        };
        if let Err(error) = recorded {
            return (None, Err(error));
        }
        for fragment in last {
            if let Err(error) = sink.take(fragment).await {
                return (None, Err(error));
            }
        }
        let patience = if args.spool.is_some() {
            LEAVE
        } else {
            LEAVE_UNSAFE
        };
        let done = match timeout(patience, sink.uploader.flush()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(sink.unsent(args.spool.as_deref())),
        };
        (Some(sink.summary(counts)), done)
    }
}

impl Sink {
    /// Sends a fragment, or drops it if too many wait.
    async fn take(&mut self, recorded: Recorded) -> Result<()> {
        let stream = &self.stream;
        if !self.uploader.has_room()? {
            self.dropped += 1;
            tracing::warn!(
                %stream,
                dropped = self.dropped,
                "the server takes nothing and the spool is full: a fragment is dropped"
            );
            return Ok(());
        }
        let boxes = recorded.fragment.boxes(self.sequence)?;
        self.sequence = self.sequence.wrapping_add(1);
        tracing::debug!(
            %stream,
            producer_time = %recorded.producer_time,
            duration_ms = recorded.fragment.duration_ms(),
            "fragment"
        );
        let fragment = PlacedFragment {
            init: recorded.init.bytes().clone(),
            producer_time: recorded.producer_time,
            continuity: recorded.continuity,
            boxes,
        };
        self.uploader.push_fragment(fragment).await?;
        self.pushed += 1;
        Ok(())
    }

    fn unsent(&self, spool: Option<&Path>) -> anyhow::Error {
        match spool {
            Some(spool) => anyhow!(
                "the server cannot be reached; fragments wait in {} for the next run",
                spool.display()
            ),
            None => anyhow!(
                "the server cannot be reached, and what it does not have is lost; --spool DIR keeps it"
            ),
        }
    }

    fn summary(&self, counts: Counts) -> (serde_json::Value, String) {
        let durable = self.uploader.persisted();
        let value = json!({
            "stream": self.stream.as_str(),
            "session": self.uploader.session().to_string(),
            "fragments": self.pushed,
            "durable": durable,
            "dropped": self.dropped,
            "frames": counts.frames,
            "lost_packets": counts.lost_packets,
            "connections": counts.connections,
        });
        let text = format!(
            "{} fragments of {} frames recorded in {} ({} connections, {} packets lost, {} fragments \
             dropped)",
            self.pushed,
            counts.frames,
            self.stream,
            counts.connections,
            counts.lost_packets,
            self.dropped
        );
        (value, text)
    }
}

/// What was typed, as the camera's options.
fn options(args: &VideoPull) -> Result<CameraOptions> {
    let url: CameraUrl = args
        .url
        .parse()
        .map_err(|error: CameraError| Usage(error.to_string()))?;
    let credentials = credentials(args, &url)?;
    let seconds = Duration::from_secs;
    Ok(CameraOptions {
        credentials,
        transport: match args.transport {
            PullTransport::Tcp => Transport::Tcp,
            PullTransport::Udp => Transport::Udp,
        },
        stall: seconds(args.stall_seconds),
        recorder: RecorderOptions {
            fragment: seconds(args.fragment_seconds),
            ..RecorderOptions::default()
        },
        ..CameraOptions::new(url)
    })
}

/// The user and the password, from wherever they were given; the URL has the last word.
fn credentials(args: &VideoPull, url: &CameraUrl) -> Result<Option<Credentials>> {
    let mut credentials = Credentials {
        user: args.user.clone().unwrap_or_default(),
        password: match &args.password_file {
            Some(file) => read_password(file)?,
            None => std::env::var("AFFLUX_CAMERA_PASSWORD").unwrap_or_default(),
        },
    };
    if let Some(from_url) = url.credentials() {
        if !from_url.user.is_empty() {
            credentials.user.clone_from(&from_url.user);
        }
        if !from_url.password.is_empty() {
            credentials.password.clone_from(&from_url.password);
        }
    }
    let given = !credentials.user.is_empty() || !credentials.password.is_empty();
    Ok(given.then_some(credentials))
}

fn read_password(file: &Path) -> Result<String> {
    let wrong = |what: &str| Usage(format!("password file {}: {what}", file.display()));
    let length = std::fs::metadata(file).map_err(|error| wrong(&error.to_string()))?;
    if length.len() > PASSWORD_BYTES_MAX {
        return Err(wrong("it is too long for a password").into());
    }
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error.to_string()))?;
    // An editor ends the last line.
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// Asks for the stream, so that a mistake shows at once. A server that is away may come back.
async fn ask(client: &Client, stream: &StreamName) -> Result<()> {
    match timeout(ASK, client.describe_stream(stream)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if error.kind() != ErrorKind::Unavailable => Err(error.into()),
        Ok(Err(_)) | Err(_) => {
            tracing::warn!(%stream, "the server cannot be reached yet, fragments will wait for it");
            Ok(())
        }
    }
}

/// What a person can do about a camera that cannot be recorded.
fn advise(error: &CameraError) -> anyhow::Error {
    match error {
        CameraError::Anonymous(_) => anyhow!(
            "{error}: give them with --user and --password-file, with AFFLUX_CAMERA_USER and \
             AFFLUX_CAMERA_PASSWORD, or in the URL"
        ),
        CameraError::Denied(_) => anyhow!(
            "{error}: check --user, and the password in --password-file, AFFLUX_CAMERA_PASSWORD or the \
             URL (where '@', ':' and '/' are written %40, %3A and %2F)"
        ),
        CameraError::Url(_) | CameraError::Useless { .. } => anyhow!("{error}"),
    }
}

fn log_to_stderr() -> Result<()> {
    let filter = std::env::var("AFFLUX_LOG_FILTER").unwrap_or_else(|_| "info,retina=error".into());
    let filter = EnvFilter::try_new(&filter)
        .map_err(|error| Usage(format!("AFFLUX_LOG_FILTER: {error}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init()
        .map_err(|error| anyhow!("install the log: {error}"))
}
