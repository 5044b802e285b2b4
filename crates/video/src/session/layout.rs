//! Which tracks of an initialisation a session plays, and under which numbers.
//!
//! Pictures are track 1 and sound follows; a stream without pictures starts with sound. Sound that
//! players of the protocol cannot take is left out rather than keeping the pictures from being seen;
//! pictures that they cannot take are an error.

use afflux_aws::video::{Code, Error};
use afflux_media::{Init, InitId, Track, TrackKind, ts};
use afflux_types::Position;

use super::ticket::{Container, Protocol, Ticket};

/// A track that is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Played {
    /// Its number in the initialisation.
    pub(super) id: u32,
    pub(super) kind: TrackKind,
    pub(super) timescale: u32,
    pub(super) codec: String,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) sample_rate: u32,
    pub(super) channels: u16,
}

/// An initialisation, as one session plays it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Which initialisation, and where a fragment is that needs it.
    pub(super) id: InitId,
    pub(super) position: Position,
    /// Whether the media came as Matroska.
    pub(super) is_matroska: bool,
    /// Track numbers count from one.
    pub(super) tracks: Vec<Played>,
}

impl Layout {
    /// # Errors
    /// `UnsupportedStreamMediaTypeException` and `MissingCodecPrivateDataException`.
    pub(super) fn of(init: &Init, position: Position, ticket: &Ticket) -> Result<Self, Error> {
        let of_kind = |kind| {
            init.tracks()
                .iter()
                .filter(move |track| track.kind() == kind)
        };
        let mut tracks: Vec<&Track> = Vec::new();
        if let Some(video) = of_kind(TrackKind::Video).next() {
            if !plays(ticket, video) {
                return Err(unsupported(video.codec()));
            }
            tracks.push(video);
        }
        tracks.extend(of_kind(TrackKind::Audio).filter(|track| plays(ticket, track)));
        let Some(first) = tracks.first() else {
            return Err(unsupported(&init.codecs()));
        };
        if let Some(track) = tracks.iter().find(|track| lacks_config(track)) {
            return Err(Error::new(
                Code::MissingCodecPrivateData,
                format!(
                    "Track {} ({}) has no codec private data.",
                    track.id(),
                    track.codec()
                ),
            ));
        }
        if ticket.container == Container::Ts {
            check_stream(init, first)?;
        }
        Ok(Self {
            id: init.id(),
            position,
            is_matroska: init.matroska().is_some(),
            tracks: tracks.into_iter().map(played).collect(),
        })
    }

    /// The index of a track.
    pub(super) fn index(&self, id: u32) -> Option<usize> {
        self.tracks.iter().position(|track| track.id == id)
    }

    /// Whether fragments of the other can follow in a session.
    pub(super) fn resembles(&self, other: &Self) -> bool {
        let kinds = |layout: &Self| -> Vec<TrackKind> {
            layout.tracks.iter().map(|track| track.kind).collect()
        };
        kinds(self) == kinds(other)
    }

    /// The codecs of all tracks, or of one.
    pub(super) fn codecs(&self) -> String {
        let mut codecs: Vec<&str> = Vec::new();
        for track in &self.tracks {
            if !codecs.contains(&track.codec.as_str()) {
                codecs.push(&track.codec);
            }
        }
        codecs.join(",")
    }
}

fn check_stream(init: &Init, first: &Track) -> Result<(), Error> {
    let plan = ts::Plan::of(init)
        .map_err(|error| Error::new(Code::InvalidCodecPrivateData, format!("{error}.")))?;
    plan.map(drop).ok_or_else(|| unsupported(first.codec()))
}

fn played(track: &Track) -> Played {
    Played {
        id: track.id(),
        kind: track.kind(),
        timescale: track.timescale(),
        codec: track.codec().to_owned(),
        width: track.width(),
        height: track.height(),
        sample_rate: track.sample_rate(),
        channels: track.channels(),
    }
}

fn family(track: &Track) -> &str {
    let codec = track.codec();
    codec.split_once('.').map_or(codec, |(family, _)| family)
}

fn plays(ticket: &Ticket, track: &Track) -> bool {
    match (ticket.container, family(track)) {
        (_, "avc1" | "avc3" | "hvc1" | "hev1" | "mp4a") => true,
        (Container::Mp4, "av01" | "vp09" | "opus" | "flac" | "ac-3" | "ec-3") => true,
        (Container::Mp4, "alaw" | "ulaw") => ticket.protocol == Protocol::Dash,
        _ => false,
    }
}

fn lacks_config(track: &Track) -> bool {
    let needs = matches!(
        family(track),
        "avc1" | "avc3" | "hvc1" | "hev1" | "av01" | "mp4a"
    );
    needs && track.config().is_none_or(|config| config.is_empty())
}

fn unsupported(codec: &str) -> Error {
    Error::new(
        Code::UnsupportedStreamMediaType,
        format!("The media is coded with {codec}, which the session cannot play."),
    )
}
