//! Where one object of video ends, and moments.

mod roll;

use std::time::Duration;

use afflux_types::ServerTime;

pub(crate) use roll::{Current, KEY_FRAME_WAIT, Next, Policy};

#[cfg(test)]
pub(crate) mod film;
#[cfg(test)]
pub(crate) mod script;

/// A moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Decides what is due.
    pub(crate) elapsed: Duration,
    /// Is noted.
    pub(crate) wall: ServerTime,
}
