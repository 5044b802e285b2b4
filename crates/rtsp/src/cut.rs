//! Where one fragment ends and the next begins.
//!
//! ```text
//!  frames ──► (before the first key frame: dropped) ──► open ──► Cut, Cut, …
//! ```
//!
//! A fragment starts at a key frame. It ends at the next one, if it is long enough by then; without
//! one it ends where it is too long or too large, and the next starts with what there is. Without
//! video every frame is a key frame.

use bytes::Bytes;

/// One frame of one track, as it came from the camera.
///
/// # Units
/// Ticks of the track's RTP clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Which of the recorder's tracks, counted from zero.
    pub track: usize,
    /// When it is shown or heard, without the wrap of RTP's 32 bits.
    pub ticks: i64,
    /// Whether decoding can start here.
    pub key: bool,
    /// How long it plays, if that is known.
    pub duration: Option<u32>,
    /// The coded frame.
    pub data: Bytes,
}

/// When fragments end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// The track that decides: the first with video, else the first.
    pub(crate) reference: usize,
    /// Without video, a fragment ends as soon as it may.
    pub(crate) has_video: bool,
    /// In ticks of the reference: a key frame ends no fragment that is shorter.
    pub(crate) least: i64,
    /// In ticks of the reference.
    pub(crate) most: i64,
    /// Bytes of all frames.
    pub(crate) bytes_max: usize,
    /// Frames of all tracks.
    pub(crate) frames_max: usize,
}

/// The frames of one fragment, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) frames: Vec<Frame>,
    pub(crate) bytes: usize,
    /// The reference's frame that made the cut, if one did: when the last frame here ends.
    pub(crate) next_ticks: Option<i64>,
}

impl Cut {
    /// The first and the last time of a track.
    pub(crate) fn span(&self, track: usize) -> Option<(i64, i64)> {
        let times = self.frames.iter().filter(|frame| frame.track == track);
        let times = times.map(|frame| frame.ticks);
        Some((times.clone().min()?, times.max()?))
    }
}

/// Collects frames until they make a fragment.
#[derive(Debug)]
pub(crate) struct Cutter {
    rules: Rules,
    open: Cut,
    /// When the reference began in the open fragment.
    start: Option<i64>,
}

impl Cutter {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            open: Cut::default(),
            start: None,
        }
    }

    /// Whether nothing can be decoded yet.
    pub(crate) fn is_idle(&self) -> bool {
        self.start.is_none()
    }

    /// Takes a frame; returns the fragment that ended before it.
    pub(crate) fn push(&mut self, frame: Frame) -> Option<Cut> {
        let is_reference = frame.track == self.rules.reference;
        let starts = is_reference && (frame.key || !self.rules.has_video);
        let Some(start) = self.start else {
            if starts {
                self.start = Some(frame.ticks);
                self.add(frame);
            }
            return None;
        };
        let span = frame.ticks.saturating_sub(start);
        let is_due =
            is_reference && (starts && span >= self.rules.least || span >= self.rules.most);
        let bytes = self.open.bytes.saturating_add(frame.data.len());
        let is_full =
            bytes > self.rules.bytes_max || self.open.frames.len() >= self.rules.frames_max;
        if !is_due && !is_full {
            self.add(frame);
            return None;
        }
        let mut cut = std::mem::take(&mut self.open);
        if is_reference {
            cut.next_ticks = Some(frame.ticks);
        }
        // A frame of another track fills a fragment up in the middle of the reference.
        let last = cut.span(self.rules.reference).map(|(_, last)| last);
        self.start = if is_reference {
            Some(frame.ticks)
        } else {
            last.or(Some(start))
        };
        self.add(frame);
        Some(cut)
    }

    /// Ends the open fragment here; the next starts with a key frame.
    pub(crate) fn finish(&mut self) -> Option<Cut> {
        self.start = None;
        let cut = std::mem::take(&mut self.open);
        (!cut.frames.is_empty()).then_some(cut)
    }

    fn add(&mut self, frame: Frame) {
        self.open.bytes = self.open.bytes.saturating_add(frame.data.len());
        self.open.frames.push(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        reference: 0,
        has_video: true,
        least: 10,
        most: 100,
        bytes_max: 1_000,
        frames_max: 50,
    };

    fn frame(track: usize, ticks: i64, key: bool) -> Frame {
        Frame {
            track,
            ticks,
            key,
            duration: None,
            data: Bytes::from_static(b"ten bytes!"),
        }
    }

    /// First times of the reference, and counts of frames.
    fn cuts(cutter: &mut Cutter, frames: impl IntoIterator<Item = Frame>) -> Vec<(i64, usize)> {
        let cuts = frames.into_iter().filter_map(|frame| cutter.push(frame));
        let seen = |cut: Cut| (cut.span(0).unwrap().0, cut.frames.len());
        cuts.map(seen).collect()
    }

    #[test]
    fn fragments_start_at_key_frames() {
        let mut cutter = Cutter::new(RULES);
        let frames = (0..60).map(|at| frame(0, at, at % 20 == 5));
        assert_eq!(cuts(&mut cutter, frames), [(5, 20), (25, 20)]);
        let last = cutter.finish().unwrap();
        assert_eq!((last.frames.len(), last.next_ticks), (15, None));
        assert!(cutter.finish().is_none());
    }

    #[test]
    fn what_comes_before_the_first_key_frame_is_dropped() {
        let mut cutter = Cutter::new(RULES);
        let sound = frame(1, 0, true);
        assert_eq!(cuts(&mut cutter, [sound.clone(), frame(0, 0, false)]), []);
        assert!(cutter.is_idle() && cutter.finish().is_none());
        cutter.push(frame(0, 1, true));
        cutter.push(sound);
        assert_eq!(cutter.finish().unwrap().frames.len(), 2);
        cutter.push(frame(0, 2, false));
        assert!(cutter.is_idle(), "a new start needs a key frame again");
    }

    #[test]
    fn key_frames_close_together_share_a_fragment() {
        let mut cutter = Cutter::new(RULES);
        let frames = (0..31).map(|at| frame(0, at, true));
        assert_eq!(cuts(&mut cutter, frames), [(0, 10), (10, 10), (20, 10)]);
    }

    #[test]
    fn without_key_frames_length_size_and_count_end_a_fragment() {
        let mut cutter = Cutter::new(RULES);
        let slow = (0..25).map(|at| frame(0, at * 10, at == 0));
        assert_eq!(cuts(&mut cutter, slow), [(0, 10), (100, 10)]);
        let mut cutter = Cutter::new(Rules {
            bytes_max: 35,
            ..RULES
        });
        let large = (0..7).map(|at| frame(0, at, at == 0));
        assert_eq!(cuts(&mut cutter, large), [(0, 3), (3, 3)]);
        let mut cutter = Cutter::new(Rules {
            frames_max: 4,
            ..RULES
        });
        let many = (0..9).map(|at| frame(usize::from(at % 4 != 0), at, at == 0));
        assert_eq!(cuts(&mut cutter, many), [(0, 4), (4, 4)]);
    }

    #[test]
    fn sound_alone_is_cut_by_its_length() {
        let mut cutter = Cutter::new(Rules {
            has_video: false,
            ..RULES
        });
        let frames = (0..25).map(|at| frame(0, at, false));
        assert_eq!(cuts(&mut cutter, frames), [(0, 10), (10, 10)]);
    }

    #[test]
    fn reordered_frames_stay_with_their_key_frame() {
        let mut cutter = Cutter::new(RULES);
        let order = [0, 3, 1, 2, 6, 4, 5, 20, 23, 21, 22];
        let frames = order.map(|at| frame(0, at, at % 20 == 0));
        assert_eq!(cuts(&mut cutter, frames), [(0, 7)]);
        assert_eq!(cutter.finish().unwrap().span(0), Some((20, 23)));
    }
}
