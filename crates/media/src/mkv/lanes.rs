//! The tracks of one document on their way into MP4: which init its fragments need, and each frame
//! as a sample.

use bytes::Bytes;

use super::clock;
use super::codec::{self, Units};
use super::error::Error;
use super::header::Header;
use super::made;
use super::scanner::Frame;
use crate::error::Result;
use crate::frames;
use crate::init::Init;
use crate::init::build::{TrackDescription, build};
use crate::limits::Limits;

/// The tracks of a document.
#[derive(Debug)]
pub(super) struct Lanes {
    header: Header,
    lanes: Vec<Lane>,
    init: Init,
    limits: Limits,
}

#[derive(Debug)]
struct Lane {
    number: u64,
    description: TrackDescription,
    /// Ticks that a frame plays if its content does not say.
    default_duration: Option<u32>,
    units: Option<Units>,
    /// The end of the frame before in the same block.
    laced_to: i64,
}

impl Lanes {
    /// The tracks of a document with this header.
    pub(super) fn new(header: Header, limits: &Limits) -> Result<Self> {
        let scale = header.timestamp_scale();
        let lanes = header.tracks().iter().map(|track| {
            let description = codec::describe(track, scale);
            let default_duration = track.default_duration_ns.and_then(|ns| {
                let ticks = clock::to_timescale(i64::try_from(ns).ok()?, 1, description.timescale);
                u32::try_from(ticks?).ok().filter(|ticks| *ticks > 0)
            });
            Lane {
                number: track.number,
                default_duration,
                units: Units::of(track, &description.codec),
                description,
                laced_to: 0,
            }
        });
        let lanes: Vec<Lane> = lanes.collect();
        let init = make_init(&header, &lanes, limits)?;
        Ok(Self {
            header,
            lanes,
            init,
            limits: *limits,
        })
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// A builder of fragments of these tracks.
    pub(super) fn builder(&self) -> frames::Builder {
        let mut builder = frames::Builder::new(&self.init, self.limits);
        for lane in &self.lanes {
            if let Some(ticks) = lane.default_duration {
                builder.set_usual_duration(lane.description.id, ticks);
            }
        }
        builder
    }

    /// The id in MP4 of a track.
    pub(super) fn id(&self, number: u64) -> Result<u32, Error> {
        let lane = self.lanes.iter().find(|lane| lane.number == number);
        lane.map(|lane| lane.description.id)
            .ok_or(Error::UnknownTrack { number })
    }

    /// When a frame is shown, in ticks of its track.
    pub(super) fn shown(&self, frame: &Frame) -> Result<i64, Error> {
        let lane = self.lanes.iter().find(|lane| lane.number == frame.track);
        let lane = lane.ok_or(Error::UnknownTrack {
            number: frame.track,
        })?;
        self.scaled(frame.time, lane.description.timescale)
    }

    fn scaled(&self, time: i64, timescale: u32) -> Result<i64, Error> {
        let scaled = clock::to_timescale(time, self.header.timestamp_scale(), timescale);
        let timecode = time.unsigned_abs();
        scaled.ok_or(Error::TimeOverflow { timecode })
    }

    /// A frame as a sample of its track.
    pub(super) fn sample(&mut self, frame: Frame) -> Result<frames::Frame, Error> {
        let number = frame.track;
        let scale = self.header.timestamp_scale();
        let shown = self.shown(&frame)?;
        let lane = self.lanes.iter_mut().find(|lane| lane.number == number);
        let lane = lane.ok_or(Error::UnknownTrack { number })?;
        let pts = if frame.lace == 0 {
            shown
        } else {
            lane.laced_to
        };
        let described = frame
            .duration
            .filter(|_| frame.lace == 0)
            .and_then(|ticks| {
                let ticks = i64::try_from(ticks).ok()?;
                let ticks = clock::to_timescale(ticks, scale, lane.description.timescale)?;
                u32::try_from(ticks).ok().filter(|ticks| *ticks > 0)
            });
        let duration = codec::duration(&lane.description, &frame.data);
        let duration = duration.or(described).or(lane.default_duration);
        lane.laced_to = pts.saturating_add(i64::from(duration.unwrap_or(0)));
        let data = match &mut lane.units {
            Some(units) => units.frame(frame.data, frame.key),
            None => frame.data,
        };
        Ok(frames::Frame {
            track_id: lane.description.id,
            pts,
            key: frame.key,
            duration,
            data,
        })
    }

    /// The init that the frames so far need.
    pub(super) fn init(&mut self) -> Result<Init> {
        let mut changed = false;
        for lane in &mut self.lanes {
            let Some(units) = &mut lane.units else {
                continue;
            };
            if let Some(config) = units.found.take() {
                let codec = codec::with_config(&lane.description.codec, config);
                changed |= codec != lane.description.codec;
                lane.description.codec = codec;
            }
            // The header must not promise start codes that were taken out.
            changed |= units.began_to_convert();
        }
        if changed {
            self.init = make_init(&self.header, &self.lanes, &self.limits)?;
        }
        Ok(self.init.clone())
    }

    /// Numbers of the tracks that have no frames in a builder.
    pub(super) fn missing(&self, builder: &frames::Builder) -> Vec<u64> {
        let missing = self
            .lanes
            .iter()
            .filter(|lane| !builder.has_frames(lane.description.id));
        missing.map(|lane| lane.number).collect()
    }
}

fn make_init(header: &Header, lanes: &[Lane], limits: &Limits) -> Result<Init> {
    let converts = |lane: &Lane| lane.units.as_ref().is_some_and(Units::are_converted);
    let descriptions = |keep_config: bool| -> Vec<TrackDescription> {
        let descriptions = lanes.iter().map(|lane| TrackDescription {
            codec: if keep_config {
                lane.description.codec.clone()
            } else {
                lane.description.codec.without_config()
            },
            ..lane.description.clone()
        });
        descriptions.collect()
    };
    let verbatim = header.bytes().clone();
    // What a decoder needs may be anything; a track whose need cannot be read has none.
    let made = build(&descriptions(true), Some(&verbatim), limits)
        .or_else(|_| build(&descriptions(false), Some(&verbatim), limits))?;
    if !lanes.iter().any(converts) {
        return Ok(made);
    }
    let origin = made::Origin {
        scale: header.timestamp_scale(),
        segment_uid: header.segment_uid(),
    };
    let rewritten: Bytes = made::header(&made, origin);
    build(&descriptions(true), Some(&rewritten), limits)
}
