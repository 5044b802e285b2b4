//! What a connection may do: what its request says, and what is set of its stream.

use std::time::Duration;

use afflux_aws::video::input::{FragmentTimecodeType, PutMediaInput};
use afflux_media::mkv::{Coalesce, Settings};
use afflux_types::{ProducerTime, ServerTime};

use crate::context::Known;
use crate::limits::{FRAGMENT_BYTES_MAX, FRAGMENT_DURATION_MAX, SEAT_WAIT_MAX, TRACKS_MAX};

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
    /// Whether the client wants to hear of its fragments, if it says so.
    acks: Option<bool>,
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
            acks: input.acks,
            coalesce: match tag(SMALL_CLUSTERS) {
                Some("keep") => Coalesce::Never,
                _ => Coalesce::Small,
            },
        }
    }

    /// Whether the client wants to hear of its fragments: it does unless it says otherwise.
    pub(super) fn is_acked(&self) -> bool {
        self.acks.unwrap_or(true)
    }

    /// Whether the client is the AWS SDK for C, the only one that says what it wants to hear.
    pub(super) fn is_c_sdk(&self) -> bool {
        self.acks.is_some()
    }

    /// How long the client may wait for its seat.
    pub(super) fn patience(&self) -> Duration {
        if self.is_c_sdk() {
            SEAT_WAIT_MAX
        } else {
            Duration::ZERO
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
