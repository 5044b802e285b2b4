//! What a connection may do: what its request says, and what is set of its stream.

use afflux_aws::video::input::{FragmentTimecodeType, PutMediaInput};
use afflux_media::mkv::{Coalesce, Settings};
use afflux_types::{ProducerTime, ServerTime};

use crate::context::Known;
use crate::limits::{FRAGMENT_BYTES_MAX, FRAGMENT_DURATION_MAX, TRACKS_MAX};

/// The tag of a stream that says what becomes of Clusters that are too small to be fragments:
/// `coalesce`, as it is without the tag, or `keep`.
const SMALL_CLUSTERS: &str = "afflux:small-clusters";
/// The tag of a stream that says what becomes of a producer whose time goes backwards: `refuse`, as it
/// is without the tag, or `discontinuity`.
const BACKWARD_TIMECODE: &str = "afflux:backward-timecode";

/// What becomes of a producer whose time goes backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backward {
    /// Its connection ends, as in the service.
    Refused,
    /// Its time starts anew.
    Discontinuity,
}

/// What a connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// What times of zero mean.
    pub(super) origin: ProducerTime,
    /// Times count from the origin.
    pub(super) is_relative: bool,
    pub(super) backward: Backward,
    /// Whether the client wants to hear of its fragments.
    pub(super) is_acked: bool,
    coalesce: Coalesce,
}

impl Rules {
    /// The rules of a request that came at `now`.
    pub(super) fn of(known: &Known, input: &PutMediaInput, now: ServerTime) -> Self {
        let is_relative = input.timecode_type == FragmentTimecodeType::Relative;
        let start = input
            .producer_start
            .unwrap_or_else(|| ProducerTime::from_millis(now.as_millis()));
        let origin = if is_relative {
            start
        } else {
            ProducerTime::from_millis(0)
        };
        let tag = |name| known.attributes.tags.get(name).map(String::as_str);
        Self {
            origin,
            is_relative,
            backward: match tag(BACKWARD_TIMECODE) {
                Some("discontinuity") => Backward::Discontinuity,
                _ => Backward::Refused,
            },
            is_acked: input.acks,
            coalesce: match tag(SMALL_CLUSTERS) {
                Some("keep") => Coalesce::Never,
                _ => Coalesce::Small,
            },
        }
    }

    /// How media is read.
    pub(super) fn settings(&self) -> Settings {
        Settings {
            limits: afflux_media::Limits {
                fragment_bytes: FRAGMENT_BYTES_MAX,
                fragment_duration: FRAGMENT_DURATION_MAX,
                tracks: TRACKS_MAX,
                ..afflux_media::Limits::default()
            },
            coalesce: self.coalesce,
        }
    }
}
