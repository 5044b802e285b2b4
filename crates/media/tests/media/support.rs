//! Fixtures, a driver for the splitter, and a writer of odd boxes.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::ops::Range;

use afflux_media::{
    Continuity, Event, Facts, Fragment, Init, Limits, Splitter, Started, StoredFragment, Tag,
};
use afflux_types::ProducerTime;
use bytes::Bytes;

/// A fixture and what `ffprobe -count_frames` says of it.
pub(crate) struct Fixture {
    pub(crate) name: &'static str,
    pub(crate) bytes: &'static [u8],
    pub(crate) codecs: &'static str,
    /// Samples of each track.
    pub(crate) samples: &'static [u32],
    pub(crate) fragments: usize,
}

macro_rules! fixtures {
    ($($constant:ident = $name:literal, $codecs:literal, $samples:expr, $fragments:literal;)*) => {
        $(pub(crate) const $constant: Fixture = Fixture {
            name: $name,
            bytes: include_bytes!(concat!("../../../../fixtures/video/", $name)),
            codecs: $codecs,
            samples: &$samples,
            fragments: $fragments,
        };)*
        pub(crate) const ALL: &[Fixture] = &[$($constant),*];
    };
}

fixtures! {
    H264_AAC = "h264-aac.mp4", "avc1.64000b,mp4a.40.2", [75, 131], 3;
    H264 = "h264.mp4", "avc1.64000b", [75], 3;
    AAC = "aac.mp4", "mp4a.40.2", [131], 3;
    HEVC = "hevc.mp4", "hvc1.1.6.L30.90", [75], 3;
    AV1 = "av1.mp4", "av01.0.00M.08", [75], 3;
    H264_OPUS = "h264-opus.mp4", "avc1.64000b,opus", [75, 151], 3;
    CAMERA = "camera.mp4", "avc1.64001e,mp4a.40.2", [240, 376], 8;
}

/// A progressive file, which is refused.
pub(crate) const PLAIN: &[u8] = include_bytes!("../../../../fixtures/video/plain.mp4");

/// A fragment as the splitter handed it out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Received {
    pub(crate) started: Started,
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) bytes: u64,
}

impl Received {
    pub(crate) fn joined(&self) -> Vec<u8> {
        self.pieces.concat()
    }
}

/// Everything that came out of an input.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output {
    pub(crate) inits: Vec<Init>,
    pub(crate) fragments: Vec<Received>,
}

/// Pushes pieces and collects what comes out, until the first error.
pub(crate) fn run(
    pieces: impl IntoIterator<Item = Bytes>,
    limits: Limits,
) -> (Output, afflux_media::Result<()>) {
    let mut splitter = Splitter::new(limits);
    let mut output = Output::default();
    let mut open: Option<Received> = None;
    for piece in pieces {
        splitter.push(piece);
        loop {
            match splitter.poll() {
                Ok(None) => break,
                Err(error) => return (output, Err(error)),
                Ok(Some(Event::Init(init))) => output.inits.push(init),
                Ok(Some(Event::Started(started))) => {
                    assert!(open.is_none(), "fragments do not nest");
                    open = Some(Received {
                        started,
                        pieces: Vec::new(),
                        bytes: 0,
                    });
                }
                Ok(Some(Event::Data(data))) => {
                    open.as_mut()
                        .expect("data belongs to a fragment")
                        .pieces
                        .push(data);
                }
                Ok(Some(Event::Finished { bytes })) => {
                    let mut fragment = open.take().expect("a fragment was started");
                    fragment.bytes = bytes;
                    output.fragments.push(fragment);
                }
            }
        }
    }
    let end = splitter.finish();
    (output, end)
}

/// Splits a good input that is pushed whole.
pub(crate) fn split(input: &[u8]) -> Output {
    let (output, end) = run([Bytes::copy_from_slice(input)], Limits::default());
    end.expect("the input is good");
    output
}

/// The stored fragments of a good input, in one session, with producer times from zero.
pub(crate) fn store(input: &[u8]) -> (Init, Vec<StoredFragment>) {
    let output = split(input);
    let init = output
        .inits
        .into_iter()
        .next()
        .expect("the input has an init");
    let fragments = output
        .fragments
        .iter()
        .zip(0..)
        .map(|(received, sequence)| {
            let fragment = Fragment::parse(&init, received.pieces.clone(), &Limits::default())
                .expect("it is good");
            stored(&fragment, &facts(sequence))
        });
    let fragments = fragments.collect();
    (init, fragments)
}

pub(crate) fn stored(fragment: &Fragment, facts: &Facts) -> StoredFragment {
    let body = fragment.encode(facts).expect("it fits").concat();
    StoredFragment::decode(body.into()).expect("what was encoded can be decoded")
}

pub(crate) fn facts(sequence: u32) -> Facts {
    Facts {
        session_id: 7,
        sequence,
        producer_time: ProducerTime::from_millis(1_000 * i64::from(sequence)),
        continuity: Continuity::Continuous,
        tags: vec![Tag::new("camera", "north").unwrap()],
    }
}

/// Whether a slice is part of a buffer, and not a copy.
pub(crate) fn is_slice_of(slice: &[u8], buffer: &[u8]) -> bool {
    let buffer: Range<*const u8> = buffer.as_ptr_range();
    let slice = slice.as_ptr_range();
    buffer.start <= slice.start && slice.end <= buffer.end
}

/// A box.
pub(crate) fn boxed(kind: &[u8; 4], body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let size = u32::try_from(body.len() + 8).unwrap();
    [&size.to_be_bytes()[..], kind, &body].concat()
}

/// A box with a version and flags.
pub(crate) fn full(kind: &[u8; 4], version: u8, flags: u32, fields: &[u32]) -> Vec<u8> {
    let mut body = flags.to_be_bytes().to_vec();
    body[0] = version;
    fields
        .iter()
        .for_each(|field| body.extend(field.to_be_bytes()));
    boxed(kind, &[&body])
}
