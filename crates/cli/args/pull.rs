//! `afflux video pull`: what can be typed about a camera.

use std::path::PathBuf;

use clap::{Args, ValueEnum, value_parser};

use super::{Connection, from_one};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PullTransport {
    /// Inside the RTSP connection: nothing is lost.
    Tcp,
    /// In datagrams, for cameras that know nothing else.
    Udp,
}

/// Record a camera that offers RTSP until a signal ends it.
///
/// Takes the first video (H.264, H.265) and the first sound (AAC, G.711, L16). Fragments carry the
/// camera's own times, by its RTCP sender reports, or else the times at which they arrived. A camera
/// that is lost or sends nothing is connected to again, for ever. SIGINT and SIGTERM end the recording
/// with everything in it that came.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        afflux video create door\n  \
        afflux video pull door rtsp://192.0.2.7/stream1 --user viewer --password-file door.secret\n  \
        AFFLUX_CAMERA_PASSWORD=… afflux video pull door rtsp://viewer@192.0.2.7/stream1\n  \
        afflux video pull door rtsp://192.0.2.7/stream1 --spool /var/spool/afflux/door\n\n\
        A password in a URL shows in the list of processes: a file or the environment do not. \
        AFFLUX_LOG_FILTER says what is logged.")]
pub(crate) struct VideoPull {
    /// The stream's name.
    pub(crate) name: String,
    /// Where the camera is: rtsp://USER:PASSWORD@HOST:PORT/PATH; without user, password and port if it has none.
    #[arg(env = "AFFLUX_CAMERA_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) url: String,
    /// The user whom the camera knows.
    #[arg(
        long,
        env = "AFFLUX_CAMERA_USER",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub(crate) user: Option<String>,
    /// A file with the user's password; the environment may hold it instead, see below.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// How video travels from the camera.
    #[arg(long, value_enum, default_value_t = PullTransport::Tcp)]
    pub(crate) transport: PullTransport,
    /// How long a fragment is at most; it ends at a key frame before, if there is one after a second.
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = value_parser!(u64).range(1..=60))]
    pub(crate) fragment_seconds: u64,
    /// A camera that sends no picture for so long is connected to again.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = from_one())]
    pub(crate) stall_seconds: u64,
    /// Where fragments wait while the server cannot be reached; in memory if absent.
    #[arg(long, value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,
    /// How many bytes wait at most; what comes then is dropped.
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20, value_parser = from_one())]
    pub(crate) spool_bytes: u64,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
