//! MPEG-TS segments for HLS players that take nothing newer: H.264 or H.265, and AAC.
//!
//! This is the one form of playback that rewrites every byte, so a segment is made while it is sent:
//! [`Segment`] hands out pieces of some ten kilobytes, and holds no more than one sample besides.
//!
//! A segment stands by itself: it starts with the tables, and the jump of its continuity counters is
//! said. Times are those of the fragment, moved by the caller; they wrap after 26.5 hours, as they do.
//! Where samples are shown before they are decoded, which MP4 can say and MPEG-TS cannot, decoding is
//! moved forward by the most that the fragment needs.

mod adts;
mod packet;

use std::vec;

use bytes::Bytes;

use self::adts::Adts;
use self::packet::{Elementary, Marks, Packets, Times};
use crate::annexb::{AnnexB, NalCodec};
use crate::error::{Error, Result};
use crate::fragment::StoredFragment;
use crate::init::{Init, Track, TrackKind};
use crate::limits::Limits;
use crate::moof::Sample;

/// Ticks of MPEG-TS in a second.
const CLOCK: i128 = 90_000;
/// How much earlier than decoding a sample is received, in 90 kHz: a tenth of a second.
const CLOCK_LEAD: i128 = 9_000;
/// Bytes of a piece, at least, unless it is the last.
const PIECE_BYTES: usize = 64 << 10;
/// Packets of sound in one PES packet, and the bytes after which there is no more.
const GROUP_PACKETS: usize = 8;
const GROUP_BYTES: usize = 8 << 10;

const VIDEO_PID: u16 = 0x100;
const AUDIO_PID: u16 = 0x110;
const VIDEO_STREAM: u8 = 0xe0;
const AUDIO_STREAM: u8 = 0xc0;

/// How the tracks of an init become a transport stream.
#[derive(Clone, Debug)]
pub struct Plan {
    streams: Vec<Stream>,
}

#[derive(Clone, Debug)]
struct Stream {
    track_id: u32,
    timescale: u32,
    /// What the track's edit list adds to its times, in 90 kHz.
    edit: i128,
    to: Elementary,
    coding: Coding,
}

#[derive(Clone, Debug)]
enum Coding {
    Video(AnnexB),
    Audio(Adts),
}

impl Plan {
    /// A stream of the first video track and all tracks of AAC; `None` if there are none of these.
    ///
    /// # Errors
    /// If the description of a codec is missing or damaged.
    pub fn of(init: &Init) -> Result<Option<Self>> {
        let mut streams: Vec<Stream> = Vec::new();
        let of_kind = |kind| {
            init.tracks()
                .iter()
                .filter(move |track| track.kind() == kind)
        };
        for track in of_kind(TrackKind::Video) {
            if let Some(writer) = AnnexB::of(track)? {
                let to = Elementary {
                    pid: VIDEO_PID,
                    stream_type: match writer.codec() {
                        NalCodec::Avc => 0x1b,
                        NalCodec::Hevc => 0x24,
                    },
                    stream_id: VIDEO_STREAM,
                };
                streams.push(Stream::new(init, track, to, Coding::Video(writer)));
                break;
            }
        }
        // `Limits::tracks` is far below the number of PIDs.
        for (track, number) in of_kind(TrackKind::Audio).zip(0_u8..16) {
            if let Some(writer) = Adts::of(track)? {
                let to = Elementary {
                    pid: AUDIO_PID + u16::from(number),
                    stream_type: 0x0f,
                    stream_id: AUDIO_STREAM + number,
                };
                streams.push(Stream::new(init, track, to, Coding::Audio(writer)));
            }
        }
        Ok((!streams.is_empty()).then_some(Self { streams }))
    }

    /// The tracks that are in the stream.
    pub fn track_ids(&self) -> impl Iterator<Item = u32> {
        self.streams.iter().map(|stream| stream.track_id)
    }

    /// Begins the segment of a fragment.
    ///
    /// # Units
    /// `shift_ns` is in nanoseconds; positive is later.
    ///
    /// # Errors
    /// If a `moof` is damaged.
    pub fn segment(
        &self,
        fragment: &StoredFragment,
        shift_ns: i64,
        limits: &Limits,
    ) -> Result<Segment> {
        let mut queues = Vec::with_capacity(self.streams.len());
        for stream in &self.streams {
            let track = fragment
                .tracks()
                .find(|track| track.meta().track_id == stream.track_id);
            let Some(track) = track else { continue };
            let parsed = track.parse(limits)?;
            let lowest = parsed.samples.iter().map(|sample| sample.composition).min();
            queues.push(Queue {
                stream: stream.clone(),
                shift: i128::from(shift_ns) * 9 / 100_000,
                lag: i128::from(lowest.unwrap_or(0).min(0)).abs(),
                decoded: i128::from(parsed.base_decode_time),
                data: track.data(),
                samples: parsed.samples.into_iter(),
            });
        }
        let mut packets = Packets::default();
        let streams: Vec<Elementary> = self.streams.iter().map(|stream| stream.to).collect();
        packets.tables(&streams);
        Ok(Segment {
            // Whoever comes first carries the clock, whether the fragment has it or not.
            clock_pid: queues.first().map(|queue| queue.stream.to.pid),
            packets,
            queues,
            scratch: Vec::new(),
        })
    }
}

impl Stream {
    fn new(init: &Init, track: &Track, to: Elementary, coding: Coding) -> Self {
        let scale =
            |ticks: u64, timescale: u32| i128::from(ticks) * CLOCK / i128::from(timescale.max(1));
        Self {
            track_id: track.id(),
            timescale: track.timescale(),
            edit: scale(track.edit.delay, init.mvhd.timescale)
                - scale(track.edit.media_time, track.timescale()),
            to,
            coding,
        }
    }
}

/// A segment that is made while it is read: an iterator of its pieces.
#[derive(Debug)]
pub struct Segment {
    packets: Packets,
    queues: Vec<Queue>,
    clock_pid: Option<u16>,
    scratch: Vec<u8>,
}

/// The samples of one track that are still to be written.
#[derive(Debug)]
struct Queue {
    stream: Stream,
    /// Added to every time, in 90 kHz.
    shift: i128,
    /// How much earlier than said samples are decoded, in ticks of the track.
    lag: i128,
    /// When the next sample is decoded, in ticks of the track.
    decoded: i128,
    data: Bytes,
    samples: vec::IntoIter<Sample>,
}

impl Queue {
    /// A time of the track in 90 kHz.
    fn clock(&self, ticks: i128) -> i128 {
        let scaled = (ticks * CLOCK).div_euclid(i128::from(self.stream.timescale.max(1)));
        scaled + self.stream.edit + self.shift
    }

    /// When the next sample is decoded; `None` at the end.
    fn next_time(&self) -> Option<i128> {
        let any = self.samples.as_slice().first();
        any.map(|_| self.clock(self.decoded - self.lag))
    }

    fn take(&mut self) -> Result<Option<(Sample, Times, Bytes)>> {
        let Some(sample) = self.samples.next() else {
            return Ok(None);
        };
        let shown = self.decoded + i128::from(sample.composition);
        let times = Times {
            pts: self.clock(shown),
            dts: self.clock(self.decoded - self.lag),
        };
        self.decoded += i128::from(sample.duration);
        let size = usize::try_from(sample.size).unwrap_or(usize::MAX);
        if size > self.data.len() {
            return Err(Error::UnusedData {
                declared: u64::from(sample.size),
                present: crate::rope::length(&self.data),
            });
        }
        Ok(Some((sample, times, self.data.split_to(size))))
    }
}

impl Segment {
    /// Writes the next sample, or sound of the length of a few; false at the end.
    fn write(&mut self) -> Result<bool> {
        let next = self
            .queues
            .iter_mut()
            .filter_map(|queue| queue.next_time().map(|time| (time, queue)))
            .min_by_key(|(time, _)| *time);
        let Some((time, queue)) = next else {
            return Ok(false);
        };
        let to = queue.stream.to;
        let pcr = (self.clock_pid == Some(to.pid)).then_some(time - CLOCK_LEAD);
        self.scratch.clear();
        let Some((sample, times, data)) = queue.take()? else {
            return Ok(false);
        };
        let is_random_access = match queue.stream.coding.clone() {
            Coding::Video(writer) => {
                writer.append(&data, sample.is_sync(), &mut self.scratch)?;
                sample.is_sync()
            }
            Coding::Audio(writer) => {
                append_packet(writer, &data, &mut self.scratch)?;
                for _ in 1..GROUP_PACKETS {
                    if self.scratch.len() >= GROUP_BYTES {
                        break;
                    }
                    if let Some((_, _, data)) = queue.take()? {
                        append_packet(writer, &data, &mut self.scratch)?;
                    }
                }
                true
            }
        };
        let marks = Marks {
            pcr,
            is_random_access,
        };
        self.packets.pes(to, times, marks, &self.scratch);
        Ok(true)
    }
}

fn append_packet(writer: Adts, data: &[u8], out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(&writer.header(data)?);
    out.extend_from_slice(data);
    Ok(())
}

impl Iterator for Segment {
    type Item = Result<Bytes>;

    /// The next piece; after an error there is nothing more.
    fn next(&mut self) -> Option<Self::Item> {
        while self.packets.out.len() < PIECE_BYTES {
            match self.write() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.queues.clear();
                    self.packets.out.clear();
                    return Some(Err(error));
                }
            }
        }
        let piece = std::mem::take(&mut self.packets.out);
        (!piece.is_empty()).then(|| Ok(piece.into()))
    }
}
