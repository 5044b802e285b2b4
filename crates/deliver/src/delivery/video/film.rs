//! The video of a delivery stream on its way into objects: what the next fragment begins, ends and becomes.

use std::time::Duration;

use afflux_media::playback::{fragment_bytes, init_segment};
use afflux_media::{Init, InitId, StoredFragment};
use afflux_types::ServerTime;
use bytes::Bytes;

use super::policy::{Current, Next, Policy};
use super::reel::{Hour, Object, Range, Reel};
use super::{Clock, Placed};
use crate::delivery::spool::Spool;
use crate::fault::Result;
use crate::inits::{Inits, Known};

/// The video of a delivery stream.
#[derive(Debug, Default)]
pub(crate) struct Film {
    inits: Inits,
    /// The playlist that goes on.
    reel: Option<Reel>,
    /// Whether it has something of the batch.
    is_touched: bool,
    /// Playlists that have something of the batch and do not go on.
    ended: Vec<Reel>,
    /// The object that grows.
    object: Option<Growing>,
    /// The number of the playlist that begins next, for its hour.
    number: Option<(Hour, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Growing {
    bytes: u64,
    /// By the clock's elapsed time.
    opened: Duration,
    /// Of the next `moof`.
    sequence: u32,
}

/// A fragment that is to be delivered, and where.
#[derive(Debug)]
pub(crate) struct Shot {
    pub(crate) arrival: ServerTime,
    hour: Hour,
    codec: InitId,
    fragment: StoredFragment,
    placed: Placed,
    /// With the fragment.
    clock: Clock,
    /// Whether it begins a playlist.
    is_first: bool,
}

impl Shot {
    /// Whether an object may well begin with it.
    pub(crate) fn is_key(&self) -> bool {
        self.fragment.meta().flags.is_keyframe()
    }
}

impl Film {
    /// Reads what was kept of the delivery stream's video behind so many batches.
    pub(crate) fn open(spool: &Spool, batches: u64) -> Result<Self> {
        Ok(Self {
            inits: Inits::load(&*spool.fs, spool.init())?,
            reel: spool.read_reel(batches)?,
            ..Self::default()
        })
    }

    /// Takes an init for the fragments that name it, and keeps it.
    pub(crate) fn learn(&mut self, spool: &Spool, init: Init) -> Result<()> {
        self.inits.learn(&*spool.fs, init)
    }

    /// Notes that an init was looked for and not found.
    pub(crate) fn give_up(&mut self, init: InitId) {
        self.inits.give_up(init);
    }

    pub(crate) fn known(&self, init: InitId) -> Known {
        self.inits.known(init)
    }

    /// Finds where a fragment goes that arrived in `hour` and whose init is known; `None` if its times have no
    /// place in any file.
    pub(crate) fn place(
        &self,
        fragment: StoredFragment,
        arrival: ServerTime,
        hour: Hour,
    ) -> Option<Shot> {
        let codec = InitId::of(&init_segment(self.inits.last()?));
        let reel = self.reel.as_ref();
        let reel = reel.filter(|reel| reel.takes(&hour, codec));
        let mut clock = reel.map_or_else(Clock::default, |reel| reel.clock.clone());
        let placed = clock.place(fragment.meta())?;
        Some(Shot {
            arrival,
            hour,
            codec,
            fragment,
            placed,
            clock,
            is_first: reel.is_none(),
        })
    }

    /// Whether the object that grows, if there is one, ends before the fragment.
    pub(crate) fn ends_before(&self, shot: &Shot, policy: &Policy, now: Duration) -> bool {
        let Some(object) = self.object else {
            return false;
        };
        let current = Current {
            bytes: object.bytes,
            opened: object.opened,
        };
        let flags = shot.fragment.meta().flags;
        let next = Next {
            starts_well: shot.is_key(),
            discontinuous: shot.is_first || shot.placed.is_behind_gap || flags.is_discontinuity(),
        };
        policy.ends_before(current, next, now)
    }

    /// The hour of the playlist that a fragment begins, and the least number that it may have, unless its number is
    /// known.
    pub(crate) fn needs_number(&self, shot: &Shot) -> Option<(Hour, u32)> {
        let known = self.number.as_ref();
        if !shot.is_first || known.is_some_and(|(hour, _)| *hour == shot.hour) {
            return None;
        }
        let before = self.reel.as_ref();
        let before = before.filter(|before| before.hour == shot.hour);
        let number = before.map_or(1, |before| before.number.saturating_add(1));
        Some((shot.hour.clone(), number))
    }

    /// Takes the number of the playlist that begins next.
    pub(crate) fn learn_number(&mut self, hour: Hour, number: u32) {
        self.number = Some((hour, number));
    }

    /// Ends the object that grows.
    pub(crate) fn end_object(&mut self) {
        self.object = None;
    }

    /// Begins an object if none grows; what is to be put behind what the object has.
    pub(crate) fn play(&mut self, shot: &Shot, now: Duration) -> Vec<Bytes> {
        let init = self.inits.last().filter(|_| self.object.is_none());
        let mut pieces: Vec<Bytes> = init.map(init_segment).into_iter().collect();
        let object = self.object.get_or_insert(Growing {
            bytes: 0,
            opened: now,
            sequence: 1,
        });
        let played = fragment_bytes(&shot.fragment, object.sequence, &shot.placed.shifts);
        pieces.extend(played.expect("a fragment has a place where MP4 can say its times"));
        let boxes = u32::try_from(shot.fragment.meta().tracks.len()).unwrap_or(u32::MAX);
        object.sequence = object.sequence.wrapping_add(boxes);
        pieces
    }

    /// Notes what was put into the object of that name.
    pub(crate) fn push(&mut self, shot: Shot, key: String, pieces: &[Bytes]) {
        let Some(object) = &mut self.object else {
            return;
        };
        let bytes = |pieces: &[Bytes]| {
            let bytes = pieces.iter().map(Bytes::len).sum::<usize>();
            u64::try_from(bytes).unwrap_or(u64::MAX)
        };
        if shot.is_first {
            let number = self.number.take().map_or(1, |(_, number)| number);
            let next = Reel::new(shot.hour, number, shot.codec);
            let before = self.reel.replace(next);
            self.ended.extend(before.filter(|_| self.is_touched));
        }
        let Some(reel) = &mut self.reel else { return };
        let (mut offset, mut length) = (object.bytes, bytes(pieces));
        if object.bytes == 0 {
            let init_bytes = bytes(pieces.get(..1).unwrap_or_default());
            reel.begin(Object { key, init_bytes });
            (offset, length) = (init_bytes, length.saturating_sub(init_bytes));
        }
        object.bytes = offset.saturating_add(length);
        let meta = shot.fragment.meta();
        reel.push(&Range {
            offset,
            bytes: length,
            placed: &shot.placed,
            producer_time: meta.producer_time,
            is_key: meta.flags.is_keyframe(),
        });
        reel.clock = shot.clock;
        self.is_touched = true;
    }

    /// Ends the batch; gives the playlists that have something of it, in their order.
    pub(crate) fn end_batch(&mut self) -> Vec<Reel> {
        self.object = None;
        let mut reels = std::mem::take(&mut self.ended);
        if std::mem::take(&mut self.is_touched) {
            reels.extend(self.reel.clone());
        }
        reels
    }
}
