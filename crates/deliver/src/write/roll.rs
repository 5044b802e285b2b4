//! Decides where one file ends and the next begins. Pure: time comes in as a number.

use std::time::Duration;

use afflux_media::InitId;

use crate::names::Hour;

/// How far past its bounds a video file may grow while it waits for a key frame.
const OVERSIZE_FACTOR: u64 = 4;
/// How long a video file may stay open past its age while it waits for a key frame.
pub(crate) const KEY_FRAME_WAIT: Duration = Duration::from_secs(10);

/// When files are finished.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// Bytes before compression.
    pub(crate) bytes: u64,
    /// Since the file was opened.
    pub(crate) age: Duration,
}

/// What a file holds; one file never mixes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Records,
    /// Fragments that need this init.
    Video(InitId),
}

/// What the decision depends on, of the open file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current {
    pub(crate) content: Content,
    pub(crate) hour: Hour,
    pub(crate) bytes: u64,
    /// By the clock's elapsed time.
    pub(crate) opened: Duration,
}

/// What the decision depends on, of a record or fragment that is to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next {
    pub(crate) content: Content,
    pub(crate) hour: Hour,
    /// Whether a file may well start with it: every record, and a fragment with a key frame.
    pub(crate) starts_well: bool,
    /// Whether its media time does not continue that of what is before it.
    pub(crate) discontinuous: bool,
}

impl Policy {
    /// Whether the current file must be finished before `next` is written.
    ///
    /// Files end with the hour, so that the directory of an hour holds exactly the records that
    /// arrived in it.
    pub(crate) fn ends_before(&self, current: &Current, next: &Next, now: Duration) -> bool {
        let must = current.content != next.content
            || current.hour != next.hour
            || next.discontinuous
            || current.bytes >= self.bytes.saturating_mul(OVERSIZE_FACTOR);
        let may = current.bytes >= self.bytes || now >= current.opened.saturating_add(self.age);
        must || (may && next.starts_well)
    }

    /// Whether the current file is complete right after a record.
    pub(crate) fn ends_after(&self, current: &Current) -> bool {
        // A video file waits for the next key frame.
        current.content == Content::Records && current.bytes >= self.bytes
    }

    /// When the current file must be finished if nothing else finishes it.
    pub(crate) fn deadline(&self, current: &Current) -> Duration {
        let due = current.opened.saturating_add(self.age);
        match current.content {
            Content::Records => due,
            Content::Video(_) => due.saturating_add(KEY_FRAME_WAIT.min(self.age)),
        }
    }
}

#[cfg(test)]
mod tests {
    use afflux_types::ServerTime;
    use proptest::prelude::*;

    use super::*;

    const POLICY: Policy = Policy {
        bytes: 100,
        age: Duration::from_secs(60),
    };

    fn video(id: u64) -> Content {
        Content::Video(InitId::new(id))
    }

    fn hour(hours: i64) -> Hour {
        Hour::of(ServerTime::from_millis(hours * 3_600_000))
    }

    fn current(content: Content, bytes: u64) -> Current {
        Current {
            content,
            hour: hour(5),
            bytes,
            opened: Duration::from_secs(1_000),
        }
    }

    fn next(content: Content) -> Next {
        Next {
            content,
            hour: hour(5),
            starts_well: true,
            discontinuous: false,
        }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1_000 + seconds)
    }

    #[test]
    fn records_roll_by_size_age_hour_and_kind() {
        let records = current(Content::Records, 99);
        let same = next(Content::Records);
        assert!(!POLICY.ends_before(&records, &same, at(59)));
        assert!(POLICY.ends_before(&records, &same, at(60)));
        assert!(POLICY.ends_before(
            &records,
            &Next {
                hour: hour(6),
                ..same
            },
            at(0)
        ));
        assert!(POLICY.ends_before(&records, &next(video(1)), at(0)));
        assert!(!POLICY.ends_after(&records));
        assert!(POLICY.ends_after(&current(Content::Records, 100)));
        assert_eq!(POLICY.deadline(&records), at(60));
    }

    #[test]
    fn video_rolls_at_a_key_frame_but_does_not_wait_for_ever() {
        let full = current(video(1), 100);
        let key = next(video(1));
        let delta = Next {
            starts_well: false,
            ..key
        };
        assert!(!POLICY.ends_after(&full));
        assert!(POLICY.ends_before(&full, &key, at(0)));
        assert!(!POLICY.ends_before(&full, &delta, at(60)));
        assert!(POLICY.ends_before(&current(video(1), 400), &delta, at(0)));
        assert_eq!(POLICY.deadline(&full), at(70));
    }

    #[test]
    fn video_rolls_where_its_time_or_its_init_changes() {
        let current = current(video(1), 1);
        let other = next(video(2));
        assert!(POLICY.ends_before(&current, &other, at(0)));
        assert!(POLICY.ends_before(
            &current,
            &Next {
                discontinuous: true,
                ..next(video(1))
            },
            at(0)
        ));
    }

    proptest! {
        #[test]
        fn more_bytes_and_more_time_never_keep_a_file_open(
            bytes in 0_u64..1_000, more in 0_u64..1_000, secs in 0_u64..200, later in 0_u64..200,
            starts_well: bool, video: bool,
        ) {
            let content = if video { self::video(1) } else { Content::Records };
            let next = Next { starts_well, ..next(content) };
            if POLICY.ends_before(&current(content, bytes), &next, at(secs)) {
                prop_assert!(POLICY.ends_before(&current(content, bytes + more), &next, at(secs + later)));
            }
        }
    }
}
