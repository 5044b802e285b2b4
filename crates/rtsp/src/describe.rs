//! What a camera offers, in the words of a codec initialisation.

use afflux_media::build::{Codec, Media, TrackDescription};
use bytes::Bytes;
use retina::client::Stream;
use retina::codec::{ParametersRef, VideoParametersCodec};

/// What of a camera's offer is recorded: at most one video and one sound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Numbers of the camera's streams; the index here is the recorder's track.
    pub(crate) streams: Vec<usize>,
}

impl Chosen {
    /// Chooses among the streams of a camera.
    pub(crate) fn of(streams: &[Stream]) -> Self {
        let video = streams
            .iter()
            .position(|stream| is_video(stream.media(), stream.encoding_name()));
        let sound = streams.iter().position(|stream| {
            is_sound(stream.media(), stream.encoding_name()) && stream.parameters().is_some()
        });
        Self {
            streams: video.into_iter().chain(sound).collect(),
        }
    }

    /// The recorder's number of a camera's stream.
    pub(crate) fn track(&self, stream: usize) -> Option<usize> {
        self.streams.iter().position(|chosen| *chosen == stream)
    }
}

fn is_video(media: &str, encoding: &str) -> bool {
    media == "video" && matches!(encoding, "h264" | "h265")
}

fn is_sound(media: &str, encoding: &str) -> bool {
    media == "audio" && matches!(encoding, "mpeg4-generic" | "pcma" | "pcmu" | "l16")
}

/// Whether this stream has pictures.
pub(crate) fn has_pictures(stream: &Stream) -> bool {
    stream.media() == "video"
}

/// The tracks of the chosen streams; `None` while the camera has not said how one is coded.
pub(crate) fn tracks(chosen: &Chosen, streams: &[Stream]) -> Option<Vec<TrackDescription>> {
    let track = |(index, stream): (usize, &usize)| {
        let id = u32::try_from(index).ok()?.checked_add(1)?;
        describe(id, streams.get(*stream)?)
    };
    chosen.streams.iter().enumerate().map(track).collect()
}

fn describe(id: u32, stream: &Stream) -> Option<TrackDescription> {
    let (media, codec) = match stream.parameters()? {
        ParametersRef::Video(video) => {
            let config = Some(Bytes::copy_from_slice(video.extra_data()));
            let codec = match video.codec_params() {
                VideoParametersCodec::H264 { .. } => Codec::H264(config),
                VideoParametersCodec::H265 { .. } => Codec::H265(config),
                _ => return None,
            };
            let (width, height) = video.pixel_dimensions();
            (Media::Video { width, height }, codec)
        }
        ParametersRef::Audio(audio) => {
            let codec = match stream.encoding_name() {
                "mpeg4-generic" => Codec::Aac(Some(Bytes::copy_from_slice(audio.extra_data()))),
                "pcma" => Codec::Alaw,
                "pcmu" => Codec::Ulaw,
                "l16" => Codec::Pcm16Big,
                _ => return None,
            };
            let media = Media::Audio {
                sample_rate: audio.clock_rate(),
                channels: audio.channels().get(),
            };
            (media, codec)
        }
        ParametersRef::Message(_) => return None,
    };
    Some(TrackDescription {
        id,
        timescale: stream.clock_rate_hz().max(1),
        media,
        codec,
    })
}

/// What the camera offers, for people: `video h264, audio opus`.
pub(crate) fn offer(streams: &[Stream]) -> String {
    let one = |stream: &Stream| format!("{} {}", stream.media(), stream.encoding_name());
    let all: Vec<String> = streams.iter().map(one).collect();
    if all.is_empty() {
        "nothing".to_owned()
    } else {
        all.join(", ")
    }
}
