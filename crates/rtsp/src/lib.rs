//! Cameras that can only be pulled: RTSP in, fragments out.
//!
//! A [`Camera`] connects, takes the first video and the first sound that can be stored, and gives
//! fragments with the camera's own times. What breaks is made again, for ever: a lost connection, a
//! camera that sends nothing, timestamps that leap.
//!
//! ```text
//!  camera ══ RTSP, RTP ══► session (task, retina) ──► bounded channel ──► Camera
//!                                                                           │ frames, reports
//!                                          Recorded ◄── Recorder (no I/O) ◄─┘
//! ```
//!
//! Invariants: no more than 64 frames and two fragments of a connection are held; user names and
//! passwords appear in no message; frames leave in the order in which they came.
//!
//! ```no_run
//! use afflux_rtsp::{Camera, CameraOptions, CameraUrl};
//! use afflux_types::Clock;
//!
//! # async fn example() -> Result<(), afflux_rtsp::CameraError> {
//! let url: CameraUrl = "rtsp://viewer:secret@192.0.2.7/stream1".parse()?;
//! let mut camera = Camera::new(CameraOptions::new(url), Clock::system());
//! loop {
//!     let recorded = camera.next().await?;
//!     println!("{}: {} ms", recorded.producer_time, recorded.fragment.duration_ms());
//! }
//! # }
//! ```
#![forbid(unsafe_code)]

mod camera;
mod clock;
mod cut;
mod describe;
mod key;
mod options;
mod recorder;
mod session;

pub use camera::{Camera, CameraError, Counts};
pub use clock::TimeSource;
pub use cut::Frame;
pub use options::{CameraOptions, CameraUrl, Credentials, Retry, Transport};
pub use recorder::{History, RecordError, Recorded, Recorder, RecorderOptions};
