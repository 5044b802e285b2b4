//! What a camera sends: frames of a camera's sizes, each with a stamp that says when it was sent, so that
//! whoever receives it knows how long it took.
//!
//! A frame is one H.264 unit with its length before it. Behind the stamp is noise that all cameras share:
//! making 100 MB of it a second would cost more than what is measured.

use std::time::Duration;

use afflux_media::{Event, Init, Limits, Splitter};
use anyhow::{Context, Result, bail};
use bytes::{BufMut as _, Bytes, BytesMut};

use crate::bench::load;

/// 4 Mbit/s with a key frame every two seconds, thirty frames a second.
pub(super) const FRAGMENT_TIME: Duration = Duration::from_secs(2);
pub(super) const FRAGMENT_BYTES: u32 = KEY_BYTES + (FRAMES - 1) * OTHER_BYTES;
pub(super) const FRAMES: u32 = 60;
const KEY_BYTES: u32 = 115_000;
const OTHER_BYTES: u32 = 15_000;

/// The length before the unit, the unit's first byte, the mark and the stamp.
const HEAD_BYTES: usize = 4 + 1 + MARK.len() + 4 + 4 + 8;
const MARK: &[u8] = b"Afflux";
/// First bytes of a unit: a slice of a key picture, and one of a picture that depends on others.
const KEY_UNIT: u8 = 0x65;
const OTHER_UNIT: u8 = 0x41;

/// Whose init the cameras send: one H.264 track.
static CAMERA: &[u8] = include_bytes!("../../../../fixtures/video/h264.mp4");

/// Which frame of a camera this is, and when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) fragment: u32,
    /// In the fragment.
    pub(super) frame: u32,
    /// By the clock of the run.
    pub(super) sent: Duration,
}

/// One frame, in two pieces.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) stamp: Stamp,
    pub(super) head: Bytes,
    pub(super) rest: Bytes,
}

/// What all cameras show.
#[derive(Clone, Debug)]
pub(super) struct Footage {
    pub(super) init: Init,
    noise: Bytes,
}

impl Stamp {
    pub(super) fn is_key(self) -> bool {
        self.frame == 0
    }

    pub(super) fn is_last(self) -> bool {
        self.frame + 1 == FRAMES
    }

    /// Reads the stamp of a received frame.
    pub(super) fn read(frame: impl IntoIterator<Item = u8>) -> Option<Self> {
        let mut head = frame.into_iter().skip(4 + 1);
        let mark = MARK.iter().all(|byte| head.next() == Some(*byte));
        let mut number = |width: usize| {
            (0..width).try_fold(0_u64, |sum, _| Some(sum << 8 | u64::from(head.next()?)))
        };
        let (fragment, frame, sent) = (number(4)?, number(4)?, number(8)?);
        mark.then_some(Self {
            fragment: u32::try_from(fragment).ok()?,
            frame: u32::try_from(frame).ok()?,
            sent: Duration::from_nanos(sent),
        })
    }

    fn write(self) -> Bytes {
        let mut head = BytesMut::with_capacity(HEAD_BYTES);
        head.put_u32(bytes_of(self.frame) - 4);
        head.put_u8(if self.is_key() { KEY_UNIT } else { OTHER_UNIT });
        head.put_slice(MARK);
        head.put_u32(self.fragment);
        head.put_u32(self.frame);
        head.put_u64(u64::try_from(self.sent.as_nanos()).unwrap_or(u64::MAX));
        head.freeze()
    }
}

impl Frame {
    pub(super) fn len(&self) -> usize {
        self.head.len() + self.rest.len()
    }
}

impl Footage {
    pub(super) fn new() -> Result<Self> {
        let mut splitter = Splitter::new(Limits::default());
        splitter.push(Bytes::from_static(CAMERA));
        let Event::Init(init) = splitter.poll()?.context("the fixture is empty")? else {
            bail!("the fixture does not start with an init");
        };
        let noise = load::payload(usize::try_from(KEY_BYTES)?);
        Ok(Self {
            init,
            noise: noise.into(),
        })
    }

    pub(super) fn frame(&self, stamp: Stamp) -> Frame {
        let head = stamp.write();
        let len = usize::try_from(bytes_of(stamp.frame)).unwrap_or(usize::MAX);
        let rest = len.saturating_sub(head.len()).min(self.noise.len());
        Frame {
            stamp,
            head,
            rest: self.noise.slice(..rest),
        }
    }
}

/// Bytes of the frame with this number in its fragment.
pub(super) fn bytes_of(frame: u32) -> u32 {
    if frame == 0 { KEY_BYTES } else { OTHER_BYTES }
}

/// The stamps of the frames in a segment of fragmented MP4.
pub(super) fn stamps(segment: &[u8]) -> Vec<Stamp> {
    let mut stamps = Vec::new();
    for (kind, body) in Lengths::of(segment).filter_map(|one| one.get(4..)?.split_at_checked(4)) {
        if kind == b"mdat" {
            stamps.extend(samples(body).filter_map(|sample| Stamp::read(sample.iter().copied())));
        }
    }
    stamps
}

/// The units of an `mdat`, each with its length before it.
fn samples(mdat: &[u8]) -> impl Iterator<Item = &[u8]> {
    Lengths {
        rest: mdat,
        head_bytes: 4,
    }
}

/// Things one after the other that each start with their length, of four bytes.
struct Lengths<'a> {
    rest: &'a [u8],
    /// What the length does not count.
    head_bytes: usize,
}

impl<'a> Lengths<'a> {
    /// Boxes, whose length counts itself.
    fn of(boxes: &'a [u8]) -> Self {
        Self {
            rest: boxes,
            head_bytes: 0,
        }
    }
}

impl<'a> Iterator for Lengths<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let len = u32::from_be_bytes(*self.rest.first_chunk()?);
        let len = usize::try_from(len).ok()?.checked_add(self.head_bytes)?;
        let (one, rest) = self.rest.split_at_checked(len.max(4))?;
        self.rest = rest;
        Some(one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_from_the_frame_that_it_was_written_to() {
        let footage = Footage::new().unwrap();
        for frame in [0, 1, 59] {
            let stamp = Stamp {
                fragment: 7,
                frame,
                sent: Duration::from_nanos(123_456_789_012),
            };
            let frame = footage.frame(stamp);
            assert_eq!(frame.len(), usize::try_from(bytes_of(stamp.frame)).unwrap());
            let bytes = [&frame.head[..], &frame.rest[..]].concat();
            assert_eq!(Stamp::read(bytes.iter().copied()), Some(stamp));
            assert_eq!(Stamp::read(bytes.iter().copied().take(20)), None);
            assert_eq!(Stamp::read(bytes.iter().map(|byte| byte ^ 1)), None);
        }
    }

    #[test]
    fn the_frames_of_a_segment_are_found() {
        let footage = Footage::new().unwrap();
        let stamp = |frame| Stamp {
            fragment: 3,
            frame,
            sent: Duration::from_secs(1),
        };
        let media: Vec<u8> = (0..FRAMES)
            .map(|number| footage.frame(stamp(number)))
            .flat_map(|frame| [frame.head, frame.rest].concat())
            .collect();
        assert_eq!(media.len(), usize::try_from(FRAGMENT_BYTES).unwrap());
        let len = FRAGMENT_BYTES + 8;
        let head = [&b"\0\0\0\x0Cstyp\0\0\0\0"[..], &len.to_be_bytes(), b"mdat"].concat();
        let segment = [head, media].concat();
        let expected: Vec<Stamp> = (0..FRAMES).map(stamp).collect();
        assert_eq!(stamps(&segment), expected);
        assert!(stamps(&segment[..1_000]).is_empty());
        assert!(stamps(b"\0\0\0\0mdat").is_empty());
    }
}
