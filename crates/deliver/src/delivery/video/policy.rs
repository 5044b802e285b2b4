//! Decides where one object of video ends and the next begins. Pure: time comes in as a number.

use std::time::Duration;

/// How far past its bounds an object may grow while it waits for a key frame.
const OVERSIZE_FACTOR: u64 = 4;
/// How long an object may stay open past its age while it waits for a key frame.
pub(crate) const KEY_FRAME_WAIT: Duration = Duration::from_secs(10);

/// When objects are complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) bytes: u64,
    /// Since the object was begun.
    pub(crate) age: Duration,
}

/// What the decision depends on, of the object that grows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current {
    pub(crate) bytes: u64,
    /// By the clock's elapsed time.
    pub(crate) opened: Duration,
}

/// What the decision depends on, of a fragment that is to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next {
    /// Whether it begins with a key frame.
    pub(crate) starts_well: bool,
    /// Whether its media time does not continue that of what is before it.
    pub(crate) discontinuous: bool,
}

impl Policy {
    /// Whether the current object must be complete before `next` is written.
    pub(crate) fn ends_before(&self, current: Current, next: Next, now: Duration) -> bool {
        let must =
            next.discontinuous || current.bytes >= self.bytes.saturating_mul(OVERSIZE_FACTOR);
        let may = current.bytes >= self.bytes || now >= current.opened.saturating_add(self.age);
        must || (may && next.starts_well)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: Policy = Policy {
        bytes: 100,
        age: Duration::from_secs(60),
    };
    const KEY: Next = Next {
        starts_well: true,
        discontinuous: false,
    };
    const DELTA: Next = Next {
        starts_well: false,
        ..KEY
    };

    fn current(bytes: u64) -> Current {
        Current {
            bytes,
            opened: Duration::from_secs(1_000),
        }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1_000 + seconds)
    }

    #[test]
    fn an_object_ends_at_a_key_frame_but_does_not_wait_for_ever() {
        assert!(!POLICY.ends_before(current(99), KEY, at(59)));
        assert!(POLICY.ends_before(current(99), KEY, at(60)));
        assert!(POLICY.ends_before(current(100), KEY, at(0)));
        assert!(!POLICY.ends_before(current(100), DELTA, at(60)));
        assert!(POLICY.ends_before(current(400), DELTA, at(0)));
    }

    #[test]
    fn an_object_ends_where_its_time_does() {
        let next = Next {
            discontinuous: true,
            ..DELTA
        };
        assert!(POLICY.ends_before(current(1), next, at(0)));
    }

    proptest! {
        #[test]
        fn more_bytes_and_more_time_never_keep_an_object_open(
            bytes in 0_u64..1_000, more in 0_u64..1_000, secs in 0_u64..200, later in 0_u64..200,
            starts_well: bool,
        ) {
            let next = Next { starts_well, ..KEY };
            if POLICY.ends_before(current(bytes), next, at(secs)) {
                prop_assert!(POLICY.ends_before(current(bytes + more), next, at(secs + later)));
            }
        }
    }
}
