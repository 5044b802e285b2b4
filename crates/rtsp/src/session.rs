//! One connection to a camera, as a task: RTSP and RTP in, frames and reports out.
//!
//! The task ends when the connection does, when the camera says nothing for too long, or when
//! nobody listens any more. It always says goodbye, but waits for the answer only a moment.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use afflux_media::build::TrackDescription;
use afflux_types::Clock;
use bytes::Bytes;
use futures_core::Stream as _;
use retina::client::{
    Demuxed, Described, InitialSequenceNumberPolicy, InitialTimestampPolicy, PlayOptions, Session,
    SessionGroup, SessionIdPolicy, SessionOptions, SetupOptions, Stream, TcpTransportOptions,
    UdpTransportOptions,
};
use retina::codec::{AudioFrame, CodecItem, FrameFormat, VideoFrame};
use retina::rtcp::ReceivedCompoundPacket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::cut::Frame;
use crate::describe::{self, Chosen};
use crate::key;
use crate::options::{CameraOptions, Transport};

/// Frames and reports that wait for the recorder.
pub(crate) const INPUTS_MAX: usize = 64;
/// How long the camera may take to say goodbye.
const TEARDOWN: Duration = Duration::from_secs(2);
/// Nanoseconds in the fraction of an NTP time are counted in 2⁻³² seconds.
const NTP_FRACTION_BITS: u32 = 32;
/// Seconds from 1900 to 1970.
const NTP_TO_UNIX: i64 = 2_208_988_800;

/// Something that the camera sent.
#[derive(Debug)]
pub(crate) enum Input {
    /// How its tracks are coded from the next frame on.
    Tracks(Vec<TrackDescription>),
    /// A frame, when it arrived in nanoseconds since 1970, and how many packets were lost before it.
    Frame(Frame, i64, u16),
    /// A sender report.
    Report(Report),
}

/// One moment by the camera's clock and in ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) track: usize,
    pub(crate) ticks: i64,
    pub(crate) ns: i64,
    pub(crate) at_ns: i64,
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Ended {
    #[error("nobody listens")]
    Unheard,
    #[error("it wants a user name and a password")]
    Anonymous,
    #[error("it refuses the user name or the password")]
    Denied,
    #[error("it offers nothing that can be recorded, but {0}")]
    Useless(String),
    #[error("it says nothing for {} seconds", .0.as_secs())]
    Silent(Duration),
    #[error("it sent no picture for {} seconds", .0.as_secs())]
    Stalled(Duration),
    #[error("{0}")]
    Broken(String),
}

/// Runs one connection to its end.
pub(crate) async fn run(
    options: Arc<CameraOptions>,
    clock: Clock,
    inputs: mpsc::Sender<Input>,
) -> Ended {
    let group = Arc::new(SessionGroup::default());
    let ended = tokio::select! {
        ended = connected(&options, &clock, &inputs, &group) => ended,
        () = inputs.closed() => Ended::Unheard,
    };
    // The session is gone here; its goodbye is under way.
    let _ = timeout(TEARDOWN, group.await_teardown()).await;
    ended
}

async fn connected(
    options: &CameraOptions,
    clock: &Clock,
    inputs: &mpsc::Sender<Input>,
    group: &Arc<SessionGroup>,
) -> Ended {
    let opened = Box::pin(open(options, group));
    match timeout(options.connect_timeout, opened).await {
        Err(_) => Ended::Silent(options.connect_timeout),
        Ok(Err(ended)) => ended,
        Ok(Ok((frames, chosen))) => {
            let receiver = Receiver {
                clock,
                inputs,
                frames,
                chosen,
                tracks: None,
            };
            receiver.run(options.stall).await
        }
    }
}

/// Asks for the chosen streams and starts them.
async fn open(
    options: &CameraOptions,
    group: &Arc<SessionGroup>,
) -> Result<(Demuxed, Chosen), Ended> {
    let credentials = options.credentials();
    let session = SessionOptions::default()
        .creds(credentials.map(|credentials| retina::client::Credentials {
            username: credentials.user.clone(),
            password: credentials.password.clone(),
        }))
        .session_group(Arc::clone(group))
        .session_id(SessionIdPolicy::UseFirst)
        .user_agent(concat!("afflux/", env!("CARGO_PKG_VERSION")).to_owned());
    let broken = |error: retina::Error| match error.status_code() {
        Some(401 | 403) if credentials.is_none() => Ended::Anonymous,
        Some(401 | 403) => Ended::Denied,
        _ => Ended::Broken(first_line(&error)),
    };
    let url = options.url.url().clone();
    let mut session = Session::describe(url, session).await.map_err(broken)?;
    let chosen = Chosen::of(session.streams());
    if chosen.streams.is_empty() {
        return Err(Ended::Useless(describe::offer(session.streams())));
    }
    setup(&mut session, &chosen, options.transport)
        .await
        .map_err(broken)?;
    tracing::info!(
        camera = %options.url,
        offer = describe::offer(session.streams()),
        recorded = chosen.streams.len(),
        transport = ?options.transport,
        "connected"
    );
    // What was sent before we came is not lost, whatever number the camera announced.
    let play = PlayOptions::default()
        .initial_timestamp(InitialTimestampPolicy::Permissive)
        .initial_seq(InitialSequenceNumberPolicy::Ignore);
    let playing = session.play(play).await.map_err(broken)?;
    let frames = playing.demuxed().map_err(broken)?;
    Ok((frames, chosen))
}

async fn setup(
    session: &mut Session<Described>,
    chosen: &Chosen,
    transport: Transport,
) -> Result<(), retina::Error> {
    for stream in &chosen.streams {
        let transport = match transport {
            Transport::Tcp => retina::client::Transport::Tcp(TcpTransportOptions::default()),
            Transport::Udp => retina::client::Transport::Udp(UdpTransportOptions::default()),
        };
        let options = SetupOptions::default()
            .transport(transport)
            .frame_format(FrameFormat::MP4);
        session.setup(*stream, options).await?;
    }
    Ok(())
}

/// Hands on what a playing camera sends.
struct Receiver<'a> {
    clock: &'a Clock,
    inputs: &'a mpsc::Sender<Input>,
    frames: Demuxed,
    chosen: Chosen,
    /// What the recorder was told of the tracks.
    tracks: Option<Vec<TrackDescription>>,
}

impl Receiver<'_> {
    async fn run(mut self, stall: Duration) -> Ended {
        let has_video = self
            .chosen
            .streams
            .iter()
            .filter_map(|stream| self.frames.streams().get(*stream))
            .any(describe::has_pictures);
        let mut stalled = pin!(sleep(stall));
        loop {
            let item = tokio::select! {
                biased;
                item = poll_fn(|context| pin!(&mut self.frames).poll_next(context)) => item,
                () = &mut stalled => return Ended::Stalled(stall),
            };
            let taken = match item {
                None => return Ended::Broken("it ended the stream".to_owned()),
                Some(Err(error)) => return Ended::Broken(first_line(&error)),
                Some(Ok(CodecItem::VideoFrame(frame))) => {
                    stalled.as_mut().reset(Instant::now() + stall);
                    self.video(frame).await
                }
                Some(Ok(CodecItem::AudioFrame(frame))) => {
                    if !has_video {
                        stalled.as_mut().reset(Instant::now() + stall);
                    }
                    self.sound(&frame).await
                }
                Some(Ok(CodecItem::Rtcp(packet))) => self.report(&packet).await,
                Some(Ok(_)) => Ok(()),
            };
            if let Err(ended) = taken {
                return ended;
            }
        }
    }

    async fn video(&mut self, frame: VideoFrame) -> Result<(), Ended> {
        if frame.has_new_parameters() || self.tracks.is_none() {
            self.describe().await?;
        }
        let Some(track) = self.chosen.track(frame.stream_id()) else {
            return Ok(());
        };
        let encoding = self.frames.streams().get(frame.stream_id());
        let is_key = match encoding.map(Stream::encoding_name) {
            Some("h265") => key::is_h265(frame.data()),
            _ => key::is_h264(frame.data()),
        };
        let lost = frame.loss();
        let frame = Frame {
            track,
            ticks: frame.timestamp().timestamp(),
            key: is_key,
            duration: None,
            data: frame.into_data().into(),
        };
        self.send_frame(frame, lost).await
    }

    async fn sound(&mut self, frame: &AudioFrame) -> Result<(), Ended> {
        if self.tracks.is_none() {
            self.describe().await?;
        }
        let Some(track) = self.chosen.track(frame.stream_id()) else {
            return Ok(());
        };
        let lost = frame.loss();
        let frame = Frame {
            track,
            ticks: frame.timestamp().timestamp(),
            key: true,
            duration: Some(frame.frame_length().get()),
            data: Bytes::copy_from_slice(frame.data()),
        };
        self.send_frame(frame, lost).await
    }

    /// Tells how the tracks are coded, if that is known and new.
    async fn describe(&mut self) -> Result<(), Ended> {
        let tracks = describe::tracks(&self.chosen, self.frames.streams());
        if tracks.is_none() || tracks == self.tracks {
            return Ok(());
        }
        self.tracks.clone_from(&tracks);
        self.send(Input::Tracks(tracks.unwrap_or_default())).await
    }

    async fn report(&self, packet: &ReceivedCompoundPacket) -> Result<(), Ended> {
        let sender = packet.pkts().next();
        let sender = sender.and_then(|first| first.as_sender_report().ok().flatten());
        let (Some(ticks), Some(sender), Some(track)) = (
            packet.rtp_timestamp(),
            sender,
            self.chosen.track(packet.stream_id()),
        ) else {
            return Ok(());
        };
        let report = Report {
            track,
            ticks: ticks.timestamp(),
            ns: unix_ns(sender.ntp_timestamp().0),
            at_ns: self.now_ns(),
        };
        self.send(Input::Report(report)).await
    }

    async fn send_frame(&self, frame: Frame, lost: u16) -> Result<(), Ended> {
        self.send(Input::Frame(frame, self.now_ns(), lost)).await
    }

    async fn send(&self, input: Input) -> Result<(), Ended> {
        self.inputs.send(input).await.map_err(|_| Ended::Unheard)
    }

    fn now_ns(&self) -> i64 {
        self.clock.wall().as_millis().saturating_mul(1_000_000)
    }
}

/// Nanoseconds since 1970 of an NTP time; after 2036 its seconds start over.
fn unix_ns(ntp: u64) -> i64 {
    let seconds = u32::try_from(ntp >> NTP_FRACTION_BITS).unwrap_or(u32::MAX);
    let era = if seconds < 1 << 31 { 1 << 32 } else { 0 };
    let fraction = ntp & u64::from(u32::MAX);
    let ns = (fraction * 1_000_000_000) >> NTP_FRACTION_BITS;
    let seconds = i64::from(seconds) + era - NTP_TO_UNIX;
    seconds * 1_000_000_000 + i64::try_from(ns).unwrap_or(0)
}

/// The library's messages go on with addresses and positions.
fn first_line(error: &retina::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_end_matches(':').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_times_are_read_across_their_era() {
        let ntp = |seconds: u64| seconds << 32;
        assert_eq!(unix_ns(ntp(2_208_988_800)), 0);
        assert_eq!(
            unix_ns(ntp(4_004_244_000) + (1 << 31)),
            1_795_255_200_500_000_000
        );
        // 2036-02-07 06:28:16 UTC is where the seconds start over.
        assert_eq!(unix_ns(0), 2_085_978_496_000_000_000);
    }
}
