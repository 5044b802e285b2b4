//! The stored form of fragments, from files and from boxes written by hand.

use afflux_media::{
    Continuity, Error, Facts, Fragment, Init, Limits, Sample, StoredFragment, TAGS_MAX, Tag,
    TrackKind, layout,
};
use bytes::Bytes;

use crate::support::{
    ALL, Fixture, H264_AAC, Received, boxed, facts, full, is_slice_of, split, store, stored,
};

#[test]
fn stored_samples_are_the_bytes_of_the_mdat() {
    // ffmpeg writes all of one track, then all of the next.
    for fixture in ALL {
        let (_, fragments) = store(fixture.bytes);
        for (fragment, received) in fragments.iter().zip(&split(fixture.bytes).fragments) {
            let received = received.joined();
            let mdat =
                usize::try_from(u32::from_be_bytes(received[..4].try_into().unwrap())).unwrap();
            assert!(
                data(fragment).concat() == received[mdat + 8..],
                "{}",
                fixture.name
            );
            for track in fragment.tracks() {
                let samples = track.samples(&Limits::default()).unwrap();
                let bytes: u32 = samples.iter().map(|sample| sample.size).sum();
                assert_eq!(bytes as usize, track.data().len());
            }
        }
    }
}

#[test]
fn every_fixture_is_stored_and_read_back() {
    for Fixture {
        name,
        bytes,
        samples,
        ..
    } in ALL
    {
        let (init, fragments) = store(bytes);
        let mut totals = vec![0; samples.len()];
        for (fragment, i) in fragments.iter().zip(0..) {
            fragment.verify(&init, &Limits::default()).unwrap();
            let meta = fragment.meta();
            assert_eq!(
                (meta.init_id, meta.session_id, meta.sequence),
                (init.id(), 7, i)
            );
            assert_eq!(meta.producer_time.as_millis(), i64::from(i) * 1_000);
            assert_eq!(meta.bytes, fragment.body().len() as u64);
            assert_eq!(fragment.tags(), facts(i).tags);
            let is_audio = init
                .tracks()
                .iter()
                .all(|track| track.kind() == TrackKind::Audio);
            assert!(
                meta.flags.is_keyframe() && !meta.flags.is_discontinuity(),
                "{name}"
            );
            assert_eq!(meta.flags.is_audio_only(), is_audio, "{name}");
            let track = meta.reference().unwrap();
            let is_video = track.kind == TrackKind::Video;
            assert_eq!(is_video, !is_audio, "{name}");
            if is_video {
                assert_eq!(meta.duration_ms, 1_000, "{name}");
                assert_eq!(track.base_ms(), u64::from(i) * 1_000, "{name}");
            }
            for (track, total) in meta.tracks.iter().zip(&mut totals) {
                *total += track.samples;
            }
            let head = layout::HEADER_BYTES + layout::TRACK_BYTES * meta.tracks.len();
            assert_eq!(
                StoredFragment::peek(&fragment.body()[..head]).unwrap(),
                *meta
            );
            assert!(StoredFragment::peek(&fragment.body()[..head - 1]).is_err());
        }
        assert_eq!(totals, *samples, "{name}");
    }
    let reordered = |input: &[u8]| store(input).1[0].meta().flags.is_reordered();
    assert!(reordered(H264_AAC.bytes), "it has B-frames");
    assert!(!reordered(crate::support::H264.bytes), "it has none");
}

#[test]
fn sample_bytes_are_slices_until_they_are_stored() {
    let output = split(H264_AAC.bytes);
    let input: Bytes = output.fragments[0].joined().into();
    let fragment =
        Fragment::parse(&output.inits[0], vec![input.clone()], &Limits::default()).unwrap();
    let pieces = fragment.encode(&facts(0)).unwrap();
    let (sliced, written): (Vec<&Bytes>, Vec<&Bytes>) =
        pieces.iter().partition(|piece| is_slice_of(piece, &input));
    let bytes = |pieces: Vec<&Bytes>| pieces.into_iter().map(Bytes::len).sum::<usize>();
    assert_eq!(
        bytes(sliced) as u64,
        output.fragments[0].started.sample_bytes
    );
    assert!(bytes(written) < 1_000);
    let body: Bytes = pieces.concat().into();
    let stored = StoredFragment::decode(body.clone()).unwrap();
    assert!(
        stored
            .tracks()
            .all(|track| is_slice_of(&track.data(), &body))
    );
}

#[test]
fn a_body_cut_anywhere_is_refused() {
    let body = store(H264_AAC.bytes).1[0].body().clone();
    for cut in 0..body.len() {
        assert!(
            StoredFragment::decode(body.slice(..cut)).is_err(),
            "cut at {cut}"
        );
    }
    let longer = [&body[..], &[0]].concat();
    assert!(matches!(
        StoredFragment::decode(longer.into()).unwrap_err(),
        Error::StoredLength {
            what: "fragment",
            ..
        }
    ));
    let mut newer = body.to_vec();
    newer[0] = 2;
    let error = StoredFragment::decode(newer.into()).unwrap_err();
    assert_eq!(
        error,
        Error::StoredVersion {
            version: 2,
            newest: 1
        }
    );
}

#[test]
fn tags_have_limits() {
    let output = split(H264_AAC.bytes);
    let pieces = output.fragments[0].pieces.clone();
    let fragment = Fragment::parse(&output.inits[0], pieces, &Limits::default()).unwrap();
    let with = |tags: Vec<Tag>| {
        let facts = Facts {
            tags,
            continuity: Continuity::Discontinuous,
            ..facts(0)
        };
        fragment.encode(&facts).map(|pieces| pieces.concat())
    };
    let longest = Tag::new("n".repeat(128), "ü".repeat(128)).unwrap();
    let most = vec![longest.clone(); TAGS_MAX];
    let body = with(most.clone()).unwrap();
    let stored = StoredFragment::decode(body.into()).unwrap();
    assert_eq!(stored.tags(), most);
    assert!(stored.meta().flags.is_discontinuity());
    stored.verify(&output.inits[0], &Limits::default()).unwrap();
    let error = with(vec![longest; TAGS_MAX + 1]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "11 tags; the limit is 10 on one fragment"
    );
    let error = Tag::new("n".repeat(129), "").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the name of a tag has 129 bytes; the limit is 128"
    );
    let error = Tag::new("n", "v".repeat(257)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the value of a tag has 257 bytes; the limit is 256"
    );
    assert_eq!(Tag::new("", "v").unwrap_err(), Error::TagWithoutName);
}

/// A fragment written by hand, for the init of `h264-aac.mp4`: tracks 1 (video) and 2 (audio).
struct Made {
    tracks: Vec<Vec<u8>>,
    data: Vec<u8>,
}

const MOOF: u32 = 0x02_0000;
const OFFSET: u32 = 0x001;
const DURATION: u32 = 0x100;
const SIZE: u32 = 0x200;
const FLAGS: u32 = 0x400;
const COMPOSITION: u32 = 0x800;

impl Made {
    fn moof(&self) -> Vec<u8> {
        let tracks: Vec<&[u8]> = self.tracks.iter().map(Vec::as_slice).collect();
        boxed(b"moof", &[&full(b"mfhd", 0, 0, &[9]), &tracks.concat()])
    }

    fn bytes(&self) -> Vec<u8> {
        [self.moof(), boxed(b"mdat", &[&self.data])].concat()
    }

    fn parse(&self) -> afflux_media::Result<StoredFragment> {
        self.parse_at(None)
    }

    fn parse_at(&self, position: Option<u64>) -> afflux_media::Result<StoredFragment> {
        let init = init();
        let pieces = vec![Bytes::from(self.bytes())];
        let limits = Limits::default();
        let fragment = match position {
            Some(position) => Fragment::parse_at(&init, pieces, position, &limits)?,
            None => Fragment::parse(&init, pieces, &limits)?,
        };
        let stored = stored(&fragment, &facts(0));
        stored.verify(&init, &limits).unwrap();
        Ok(stored)
    }
}

fn init() -> Init {
    split(H264_AAC.bytes).inits.remove(0)
}

fn track(header: Vec<u8>, runs: &[Vec<u8>]) -> Vec<u8> {
    boxed(
        b"traf",
        &[&header, &full(b"tfdt", 0, 0, &[512]), &runs.concat()],
    )
}

fn run_at(offset: u32, sizes: &[u32]) -> Vec<u8> {
    let mut fields = vec![u32::try_from(sizes.len()).unwrap(), offset];
    fields.extend(sizes);
    full(b"trun", 0, OFFSET | SIZE, &fields)
}

/// A header with a default duration of 10 and default flags of zero.
fn header(track: u32) -> Vec<u8> {
    full(b"tfhd", 0, MOOF | 0x28, &[track, 10, 0])
}

/// Two tracks of two runs each, video and audio in turn, whose samples are `V` and `A`.
fn interleaved() -> Made {
    let make = |data: u32| Made {
        tracks: vec![
            track(header(1), &[run_at(data, &[2, 1]), run_at(data + 5, &[3])]),
            track(
                header(2),
                &[run_at(data + 3, &[1, 1]), run_at(data + 8, &[1])],
            ),
        ],
        data: b"VVVAAVVVA".to_vec(),
    };
    let moof = u32::try_from(make(0).moof().len()).unwrap();
    make(moof + 8)
}

fn data(fragment: &StoredFragment) -> Vec<Bytes> {
    fragment.tracks().map(|track| track.data()).collect()
}

fn sample(duration: u32, size: u32, flags: u32, composition: i32) -> Sample {
    Sample {
        duration,
        size,
        flags,
        composition,
    }
}

#[test]
fn runs_of_two_tracks_in_turn_are_taken_apart() {
    let fragment = interleaved().parse().unwrap();
    assert_eq!(data(&fragment), ["VVVVVV", "AAA"]);
    let tracks: Vec<_> = fragment.tracks().collect();
    let samples = tracks[0].samples(&Limits::default()).unwrap();
    assert_eq!(
        samples,
        [
            sample(10, 2, 0, 0),
            sample(10, 1, 0, 0),
            sample(10, 3, 0, 0)
        ]
    );
    assert_eq!(
        (tracks[1].meta().samples, tracks[1].meta().duration),
        (3, 30)
    );
    assert_eq!(tracks[0].meta().base_decode_time, 512);
}

#[test]
fn offsets_may_be_left_out_or_count_from_other_places() {
    let made = |tracks: Vec<Vec<u8>>| Made {
        tracks,
        data: b"VVVVVAA".to_vec(),
    };
    let follows = |sizes: &[u32]| {
        let mut fields = vec![u32::try_from(sizes.len()).unwrap()];
        fields.extend(sizes);
        full(b"trun", 0, SIZE, &fields)
    };
    // The second run follows the first, and without a base the second track follows the first.
    let no_base = |track| full(b"tfhd", 0, 0x28, &[track, 10, 0]);
    let make = |data| {
        made(vec![
            track(no_base(1), &[run_at(data, &[1, 1]), follows(&[3])]),
            track(no_base(2), &[follows(&[2])]),
        ])
    };
    let start = u32::try_from(make(0).moof().len()).unwrap() + 8;
    assert_eq!(data(&make(start).parse().unwrap()), ["VVVVV", "AA"]);

    // A base in the file needs the place of the fragment in the file.
    let absolute = |track, base| full(b"tfhd", 0, 0x29, &[track, 0, base, 10, 0]);
    let make = |base: u32| {
        made(vec![
            track(absolute(1, base), &[run_at(0, &[5])]),
            track(absolute(2, base), &[run_at(5, &[2])]),
        ])
    };
    let start = u32::try_from(make(0).moof().len()).unwrap() + 8;
    let made = make(1_000 + start);
    assert_eq!(data(&made.parse_at(Some(1_000)).unwrap()), ["VVVVV", "AA"]);
    let error = made.parse().unwrap_err();
    assert_eq!(
        error,
        Error::AbsoluteOffset {
            track_id: 1,
            offset: u64::from(1_000 + start)
        }
    );
    assert!(error.to_string().contains("-movflags default_base_moof"));
}

#[test]
fn what_samples_have_in_common_is_written_once() {
    let cases: &[(&str, u32, &[Sample])] = &[
        ("equal", 0, &[sample(10, 2, 0, 0), sample(10, 2, 0, 0)]),
        ("one", 0, &[sample(10, 3, 0x0101_0000, 0)]),
        (
            "a key frame first",
            4,
            &[sample(9, 2, 0x0200_0000, 0), sample(9, 2, 0x0101_0000, 0)],
        ),
        ("sizes", 8, &[sample(10, 2, 0, 0), sample(10, 3, 0, 0)]),
        ("durations", 8, &[sample(10, 2, 0, 0), sample(11, 2, 0, 0)]),
        (
            "everything",
            48,
            &[
                sample(1, 2, 0, -5),
                sample(2, 3, 0x0001_0000, 7),
                sample(3, 1, 0x0002_0000, 0),
            ],
        ),
    ];
    for (name, expected, samples) in cases {
        let make = |data: u32| {
            let mut fields = vec![u32::try_from(samples.len()).unwrap(), data];
            for sample in *samples {
                let composition = sample.composition.cast_unsigned();
                fields.extend([sample.duration, sample.size, sample.flags, composition]);
            }
            let flags = OFFSET | DURATION | SIZE | FLAGS | COMPOSITION;
            let run = full(b"trun", 1, flags, &fields);
            let bytes: u32 = samples.iter().map(|sample| sample.size).sum();
            Made {
                tracks: vec![track(header(1), &[run])],
                data: vec![1; bytes as usize],
            }
        };
        let start = u32::try_from(make(0).moof().len()).unwrap() + 8;
        let fragment = make(start).parse().unwrap();
        let stored = fragment.tracks().next().unwrap();
        assert_eq!(
            stored.samples(&Limits::default()).unwrap(),
            *samples,
            "{name}"
        );
        let per_sample = stored.moof().len() - layout::moof::TRUN - 20;
        assert_eq!(per_sample, *expected as usize, "{name}");
    }
}

#[test]
fn a_fragment_without_a_key_frame_is_marked() {
    let make = |data| Made {
        tracks: vec![track(
            full(b"tfhd", 0, MOOF | 0x28, &[1, 10, 0x0101_0000]),
            &[run_at(data, &[4])],
        )],
        data: b"VVVV".to_vec(),
    };
    let start = u32::try_from(make(0).moof().len()).unwrap() + 8;
    let fragment = make(start).parse().unwrap();
    assert!(!fragment.meta().flags.is_keyframe());
    assert!(!fragment.meta().tracks[0].flags.starts_with_sync());
}

/// The moof of `interleaved`, with other tracks.
fn with(tracks: [Vec<u8>; 2]) -> afflux_media::Result<StoredFragment> {
    Made {
        tracks: tracks.into(),
        data: interleaved().data,
    }
    .parse()
}

/// The tracks of `interleaved`, and where their data starts.
fn parts() -> (Vec<u8>, Vec<u8>, u32) {
    let mut made = interleaved();
    let start = u32::try_from(made.moof().len()).unwrap() + 8;
    let audio = made.tracks.remove(1);
    (made.tracks.remove(0), audio, start)
}

#[test]
fn data_that_is_not_where_the_moof_says_is_refused() {
    let (video, audio, start) = parts();
    let mut shorter = interleaved();
    shorter.data.pop();
    assert!(matches!(
        shorter.parse().unwrap_err(),
        Error::DataOutsideMdat { track_id: 2, .. }
    ));
    let mut longer = interleaved();
    longer.data.push(b'?');
    assert_eq!(
        longer.parse().unwrap_err(),
        Error::UnusedData {
            declared: 9,
            present: 10
        }
    );

    let overlap = track(
        header(2),
        &[run_at(start + 2, &[1, 1]), run_at(start + 8, &[1])],
    );
    let at = u64::from(start) + 2;
    let expected = Error::OverlappingData {
        offset: at,
        end: at + 1,
    };
    assert_eq!(with([video, overlap]).unwrap_err(), expected);

    for offset in [0, start - 1, start + 9, u32::MAX, 0x8000_0000] {
        let outside = track(
            header(1),
            &[run_at(offset, &[2, 1]), run_at(start + 5, &[3])],
        );
        let error = with([outside, audio.clone()]).unwrap_err();
        assert!(
            matches!(error, Error::DataOutsideMdat { track_id: 1, .. }),
            "{offset}: {error}"
        );
    }
    let sizes = [u32::MAX, u32::MAX];
    let huge = track(header(1), &[run_at(start, &sizes), run_at(start + 5, &[3])]);
    let error = with([huge, audio]).unwrap_err();
    assert!(
        matches!(
            error,
            Error::DataOutsideMdat {
                bytes: 8_589_934_590,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn tracks_that_the_init_does_not_allow_are_refused() {
    let (video, audio, start) = parts();
    let unknown = track(header(3), &[run_at(start, &[3])]);
    assert_eq!(
        with([unknown, audio.clone()]).unwrap_err(),
        Error::UnknownTrack { track_id: 3 }
    );
    let error = with([audio.clone(), audio]).unwrap_err();
    assert!(
        matches!(error, Error::DuplicateTrack { track_id: 2, .. }),
        "{error}"
    );
    let timeless = boxed(b"traf", &[&header(2), &run_at(start, &[1])]);
    let error = with([video.clone(), timeless]).unwrap_err();
    assert_eq!(error.to_string(), "'traf' has no 'tfdt'");
    let encrypted = boxed(b"traf", &[&header(2), &full(b"senc", 0, 0, &[0])]);
    let error = with([video, encrypted]).unwrap_err();
    assert!(error.to_string().contains("encrypted"), "{error}");

    // The longer header moves the data by four bytes.
    let second_entry = full(b"tfhd", 0, MOOF | 0x2a, &[2, 2, 10, 0]);
    let audio = track(
        second_entry,
        &[run_at(start + 7, &[1, 1]), run_at(start + 12, &[1])],
    );
    let video = track(
        header(1),
        &[run_at(start + 4, &[2, 1]), run_at(start + 9, &[3])],
    );
    let expected = Error::DescriptionIndex {
        track_id: 2,
        index: 2,
        count: 1,
    };
    assert_eq!(with([video, audio]).unwrap_err(), expected);
}

#[test]
fn samples_that_are_not_there_take_no_memory() {
    let made = |run: Vec<u8>| Made {
        tracks: vec![track(header(1), &[run])],
        data: vec![1; 4],
    };
    // Four billion samples of the default size, in a table without fields.
    let error = made(full(b"trun", 0, OFFSET, &[u32::MAX, 0]))
        .parse()
        .unwrap_err();
    assert_eq!(
        error,
        Error::TooManySamples {
            track_id: 1,
            samples: u32::MAX,
            limit: 65_536
        }
    );
    let error = made(full(b"trun", 0, OFFSET | SIZE, &[60_000, 0, 4]))
        .parse()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "'trun' is damaged: it ends inside a field"
    );
    let error = made(full(b"trun", 0, OFFSET, &[0, 0])).parse().unwrap_err();
    assert_eq!(
        error,
        Error::UnusedData {
            declared: 0,
            present: 4
        }
    );
    let empty = Made {
        tracks: vec![track(header(1), &[])],
        data: vec![],
    };
    assert_eq!(empty.parse().unwrap_err(), Error::NoSamples);
}

#[test]
fn impossible_times_are_refused() {
    let made = |base: [u32; 2], duration: u32| {
        let make = |data| {
            let run = full(
                b"trun",
                0,
                OFFSET | DURATION | SIZE,
                &[1, data, duration, 4],
            );
            let time = full(b"tfdt", 1, 0, &base);
            let track = boxed(b"traf", &[&header(1), &time, &run]);
            Made {
                tracks: vec![track],
                data: b"VVVV".to_vec(),
            }
        };
        let start = u32::try_from(make(0).moof().len()).unwrap() + 8;
        make(start).parse()
    };
    made([0x7fff_ffff, 0xffff_fffe], 1).unwrap();
    for base in [[0x7fff_ffff, u32::MAX], [u32::MAX, u32::MAX]] {
        let error = made(base, 1).unwrap_err();
        assert!(
            matches!(
                error,
                Error::TimeOverflow {
                    track_id: 1,
                    duration: 1,
                    ..
                }
            ),
            "{error}"
        );
    }
    let error = made([0, 0], u32::MAX).unwrap_err();
    assert_eq!(
        error.to_string(),
        "track 1 plays 335544320 ms in one fragment; the limit is 3600000"
    );
}

#[test]
fn a_fragment_needs_its_own_boxes() {
    let init = init();
    let parse =
        |bytes: Vec<u8>| Fragment::parse(&init, vec![bytes.into()], &Limits::default()).map(drop);
    let whole = interleaved().bytes();
    let moof = interleaved().moof();
    parse(
        [
            boxed(b"styp", &[b"msdh"]),
            whole.clone(),
            boxed(b"free", &[]),
        ]
        .concat(),
    )
    .unwrap();
    assert!(matches!(
        parse(vec![]).unwrap_err(),
        Error::MissingBox { .. }
    ));
    assert_eq!(
        parse(moof.clone()).unwrap_err(),
        Error::MoofWithoutMdat { offset: 0 }
    );
    assert!(parse([whole.clone(), moof].concat()).is_err());
    assert_eq!(
        parse(boxed(b"mdat", &[])).unwrap_err(),
        Error::MdatWithoutMoof { offset: 0 }
    );
    for cut in 1..whole.len() {
        assert!(parse(whole[..cut].to_vec()).is_err(), "cut at {cut}");
    }
}

#[test]
fn bodies_that_a_stranger_made_are_verified() {
    let (init, fragments) = store(H264_AAC.bytes);
    let good = fragments[0].body();
    let mut survivors = 0;
    // Every byte before the first sample's data, changed in three ways.
    let head = layout::HEADER_BYTES + 2 * layout::TRACK_BYTES + 4 + "cameranorth".len();
    let first_moof = fragments[0].tracks().next().unwrap().moof().len();
    for at in 0..head + first_moof {
        for bit in [0x01, 0x10, 0x80] {
            let mut body = good.to_vec();
            body[at] ^= bit;
            let Ok(stored) = StoredFragment::decode(body.into()) else {
                continue;
            };
            if stored.verify(&init, &Limits::default()).is_ok() {
                survivors += 1;
                // Only what a producer may say freely: who, when, tags, and sample flags.
                let header = (16..36).contains(&at) || (40..48).contains(&at) || at == 1;
                let tags = (head - "cameranorth".len()..head).contains(&at);
                let moof = at >= head;
                assert!(header || tags || moof, "byte {at}, bit {bit:#x}");
            }
        }
    }
    assert!(survivors > 0);
    let received: &Received = &split(H264_AAC.bytes).fragments[0];
    assert_eq!(received.bytes, received.joined().len() as u64);
}

#[test]
fn boxes_that_are_not_in_the_stored_shape_are_refused() {
    let (_, fragments) = store(H264_AAC.bytes);
    let body = fragments[0].body();
    let start = body.windows(4).position(|kind| kind == b"moof").unwrap() - 4;
    let moof = fragments[0].tracks().next().unwrap().moof().len();
    // The sizes and names of boxes, the track, version and time, the run's flags, count and offset.
    let header = |at: usize| [at + 3, at + 7];
    let places = [0, 8, 24, 32, 64, 84, moof].into_iter().flat_map(header);
    for at in places.chain([32 + 15, 64 + 8, 76, 83, 84 + 11, 84 + 15, 84 + 19]) {
        let mut body = body.to_vec();
        body[start + at] ^= 1;
        let error = StoredFragment::decode(body.into()).unwrap_err();
        assert!(
            matches!(
                error,
                Error::StoredBoxes {
                    line: 0,
                    track_id: 1
                }
            ),
            "{at}: {error}"
        );
    }
}
