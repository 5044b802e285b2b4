//! Stored fragments as Matroska: a Cluster of `SimpleBlock`s for each, as GetMedia answers.
//!
//! Blocks stand in the order in which they are decoded, over all tracks, and carry the time at which
//! they are shown. Their headers are written here into one buffer; the samples are slices of the
//! log.

use bytes::{Bytes, BytesMut};

use super::block::KEY;
use super::clock;
use super::ebml::{Id, put_id, put_size, put_unsigned};
use super::header::{Header, TIMESTAMP_SCALE_DEFAULT};
use super::made;
use crate::error::{Error, Result};
use crate::fragment::{StoredFragment, StoredTrack};
use crate::init::{Init, TrackKind};
use crate::limits::Limits;
use crate::moof::Sample;
use crate::rope::length;

/// Writes the fragments of one init.
#[derive(Clone, Debug)]
pub struct Writer {
    header: Bytes,
    scale: u64,
    limits: Limits,
}

/// A fragment as Matroska.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The timestamp of the Cluster: the one that the producer sent, or in milliseconds.
    pub timecode: u64,
    /// Bytes of all pieces.
    pub bytes: u64,
    /// A Cluster of known size; more than one if the fragment is longer than the times in a Cluster
    /// reach. The samples are slices of the fragment.
    pub pieces: Vec<Bytes>,
}

impl Writer {
    /// A writer of fragments that need `init`.
    #[must_use]
    pub fn new(init: &Init, limits: &Limits) -> Self {
        let sent = init.matroska();
        let sent = sent.and_then(|bytes| Header::parse(bytes, limits).ok());
        let (header, scale) = match sent {
            Some(header) => (header.bytes().clone(), header.timestamp_scale()),
            None => {
                let origin = made::Origin {
                    scale: TIMESTAMP_SCALE_DEFAULT,
                    segment_uid: None,
                };
                (made::header(init, origin), TIMESTAMP_SCALE_DEFAULT)
            }
        };
        Self {
            header,
            scale,
            limits: *limits,
        }
    }

    /// What comes before the first Cluster: what the producer sent, or, of a producer of MP4, the
    /// same said in Matroska.
    #[must_use]
    pub fn header(&self) -> &Bytes {
        &self.header
    }

    /// Writes a fragment.
    ///
    /// # Errors
    /// If its samples cannot be read.
    pub fn cluster(&self, fragment: &StoredFragment) -> Result<Cluster> {
        let mut lanes = Vec::with_capacity(fragment.meta().tracks.len());
        for track in fragment.tracks() {
            lanes.push(Lane::new(&track, self.scale, &self.limits)?);
        }
        let reference = lanes
            .iter()
            .find(|lane| lane.kind == TrackKind::Video)
            .or_else(|| lanes.first());
        let timecode = reference.map_or(0, |lane| lane.timecode);
        let mut blocks = Vec::with_capacity(lanes.iter().map(|lane| lane.blocks.len()).sum());
        for lane in &mut lanes {
            blocks.append(&mut lane.blocks);
        }
        // Stable: samples of one track keep their order.
        blocks.sort_by_key(|block| block.decoded_ns);
        Ok(write(timecode, &blocks))
    }
}

/// What comes before the Clusters of fragments that need `init`; see [`Writer::header`].
#[must_use]
pub fn header(init: &Init) -> Bytes {
    Writer::new(init, &Limits::default()).header
}

/// A fragment that needs `init` as Matroska.
///
/// # Errors
/// If its samples cannot be read, or it needs another init.
pub fn cluster(init: &Init, fragment: &StoredFragment, limits: &Limits) -> Result<Cluster> {
    if fragment.meta().init_id != init.id() {
        return Err(Error::StoredInitId {
            declared: fragment.meta().init_id,
            actual: init.id(),
        });
    }
    Writer::new(init, limits).cluster(fragment)
}

/// The samples of one track as blocks.
struct Lane {
    kind: TrackKind,
    /// The timestamp of the Cluster, as this track knows it.
    timecode: u64,
    blocks: Vec<Block>,
}

/// A sample on its way into a Cluster.
struct Block {
    track: u32,
    decoded_ns: i128,
    /// When it is shown, in ticks of the header's scale.
    time: i64,
    key: bool,
    data: Bytes,
}

impl Lane {
    fn new(track: &StoredTrack, scale: u64, limits: &Limits) -> Result<Self> {
        let meta = track.meta();
        let samples: Vec<Sample> = track.samples(limits)?;
        let overflow = || Error::TimeOverflow {
            track_id: meta.track_id,
            base_decode_time: meta.base_decode_time,
            duration: meta.duration,
        };
        let mut decoded = i64::try_from(meta.base_decode_time).map_err(|_| overflow())?;
        let mut rest = track.data();
        let mut first = i64::MAX;
        let mut blocks = Vec::with_capacity(samples.len());
        for sample in &samples {
            let shown = decoded.saturating_add(i64::from(sample.composition));
            let time = clock::to_scale(shown, meta.timescale, scale).ok_or_else(overflow)?;
            first = first.min(time);
            let size = usize::try_from(sample.size).unwrap_or(usize::MAX);
            blocks.push(Block {
                track: meta.track_id,
                decoded_ns: i128::from(decoded) * 1_000_000_000 / i128::from(meta.timescale),
                time,
                key: sample.is_sync(),
                // `samples` made sure that the sizes add up.
                data: rest.split_to(size.min(rest.len())),
            });
            decoded = decoded.saturating_add(i64::from(sample.duration));
        }
        let timecode = first.saturating_sub(i64::from(track.cluster_lead()));
        Ok(Self {
            kind: meta.kind,
            timecode: u64::try_from(timecode).unwrap_or(0),
            blocks,
        })
    }
}

/// Bytes of a block's header: the longest track number, the time, the flags.
const BLOCK_HEADER_BYTES_MAX: usize = 8;

/// Writes blocks in their order into Clusters, the first of which has this timestamp.
fn write(timecode: u64, blocks: &[Block]) -> Cluster {
    let mut cluster = Cluster {
        timecode,
        bytes: 0,
        pieces: Vec::with_capacity(blocks.len() * 2 + 1),
    };
    let mut rest = blocks;
    let mut timecode = timecode;
    while let Some(first) = rest.first() {
        let relative = |block: &Block| {
            let time = i128::from(block.time) - i128::from(timecode);
            i16::try_from(time).ok()
        };
        if relative(first).is_none() {
            timecode = u64::try_from(first.time).unwrap_or(0);
        }
        let relative = |block: &Block| {
            let time = i128::from(block.time) - i128::from(timecode);
            i16::try_from(time).ok()
        };
        let fits = rest.iter().take_while(|block| relative(block).is_some());
        // The first block fits by now, unless it is shown more than half a minute before zero.
        let count = fits.count().max(1);
        let (now, later) = rest.split_at(count.min(rest.len()));
        let now = now.iter().map(|block| {
            let nearest = if block.time < 0 { i16::MIN } else { i16::MAX };
            (block, relative(block).unwrap_or(nearest))
        });
        write_cluster(timecode, now, &mut cluster);
        rest = later;
    }
    cluster
}

fn write_cluster<'a>(
    timecode: u64,
    blocks: impl Iterator<Item = (&'a Block, i16)> + Clone,
    cluster: &mut Cluster,
) {
    let mut head = Vec::new();
    put_unsigned(Id::TIMESTAMP, timecode, &mut head);
    // One buffer holds the headers of all blocks; each becomes a slice of it.
    let mut headers = BytesMut::new();
    let mut ends = Vec::new();
    let mut body_bytes = length(&head);
    let mut header = Vec::with_capacity(2 * BLOCK_HEADER_BYTES_MAX + 4);
    for (block, relative) in blocks.clone() {
        header.clear();
        put_block_header(block, relative, &mut header);
        headers.extend_from_slice(&header);
        ends.push(headers.len());
        body_bytes += length(&header) + length(&block.data);
    }
    let mut front = Vec::with_capacity(32);
    put_id(Id::CLUSTER, &mut front);
    put_size(body_bytes, &mut front);
    front.extend_from_slice(&head);
    cluster.bytes += length(&front) - length(&head) + body_bytes;
    cluster.pieces.push(front.into());
    let headers = headers.freeze();
    let mut start = 0;
    for ((block, _), end) in blocks.zip(ends) {
        cluster.pieces.push(headers.slice(start..end));
        if !block.data.is_empty() {
            cluster.pieces.push(block.data.clone());
        }
        start = end;
    }
}

fn put_block_header(block: &Block, relative: i16, out: &mut Vec<u8>) {
    let mut fields = Vec::with_capacity(BLOCK_HEADER_BYTES_MAX);
    put_size(u64::from(block.track), &mut fields);
    fields.extend_from_slice(&relative.to_be_bytes());
    fields.push(if block.key { KEY } else { 0 });
    put_id(Id::SIMPLE_BLOCK, out);
    put_size(length(&fields) + length(&block.data), out);
    out.extend_from_slice(&fields);
}
