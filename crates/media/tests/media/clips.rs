//! Clips, read by the `mp4` crate, which shares no code with us.

use afflux_media::{
    Clip, Continuity, Error, Facts, Fragment, Init, Limits, StoredFragment, TrackKind, clip,
};
use bytes::Bytes;
use mp4::Mp4Reader;

use crate::support::{ALL, CAMERA, H264, H264_AAC, HEVC, facts, is_slice_of, split, store, stored};

pub(crate) type Reader = Mp4Reader<std::io::Cursor<Vec<u8>>>;

/// Reads a clip with the `mp4` crate.
pub(crate) fn open(clip: Clip) -> Reader {
    let bytes = clip.bytes();
    let file: Vec<u8> = clip.into_iter().collect::<Vec<Bytes>>().concat();
    assert_eq!(file.len() as u64, bytes, "the clip knows its size");
    Mp4Reader::read_header(std::io::Cursor::new(file), bytes).unwrap()
}

fn clip<'a>(init: &Init, fragments: impl IntoIterator<Item = &'a StoredFragment>) -> Clip {
    let mut builder = Clip::builder(init.clone());
    fragments
        .into_iter()
        .for_each(|fragment| builder.push(fragment).unwrap());
    builder.finish().unwrap()
}

/// When each sample of a track is decoded, and for how long.
fn times(reader: &mut Reader, track: u32) -> Vec<(u64, u32)> {
    let count = reader.sample_count(track).unwrap();
    (1..=count)
        .map(|i| reader.read_sample(track, i).unwrap().unwrap())
        .map(|sample| (sample.start_time, sample.duration))
        .collect()
}

#[test]
fn another_parser_finds_every_sample() {
    for fixture in [&H264_AAC, &H264, &CAMERA] {
        let (init, fragments) = store(fixture.bytes);
        let mut reader = open(clip(&init, &fragments));
        for (track, expected) in init.tracks().iter().zip(fixture.samples) {
            assert_eq!(
                reader.sample_count(track.id()).unwrap(),
                *expected,
                "{}",
                fixture.name
            );
            let mut data: Vec<u8> = Vec::new();
            for i in 1..=*expected {
                let sample = reader.read_sample(track.id(), i).unwrap().unwrap();
                let frames = expected / u32::try_from(fixture.fragments).unwrap();
                if track.kind() == TrackKind::Video {
                    assert_eq!(sample.is_sync, (i - 1) % frames == 0, "sample {i}");
                }
                data.extend(&sample.bytes);
            }
            let stored = fragments.iter().flat_map(StoredFragment::tracks);
            let stored = stored.filter(|part| part.meta().track_id == track.id());
            let stored: Vec<Bytes> = stored.map(|part| part.data()).collect();
            assert!(
                data == stored.concat(),
                "{} track {}",
                fixture.name,
                track.id()
            );
        }
    }
}

#[test]
fn media_is_not_copied() {
    let (init, fragments) = store(CAMERA.bytes);
    let clip = clip(&init, &fragments);
    let (head, media) = clip.pieces().split_first().unwrap();
    assert!(head.len() < 8_000, "{} bytes of tables", head.len());
    for piece in media {
        assert!(
            fragments
                .iter()
                .any(|fragment| is_slice_of(piece, fragment.body()))
        );
    }
}

#[test]
fn a_part_of_a_recording_starts_at_zero() {
    let (init, fragments) = store(H264_AAC.bytes);
    let mut reader = open(clip(&init, &fragments[1..]));
    let video = times(&mut reader, 1);
    assert_eq!(video.len(), 50);
    assert_eq!(video[0].0, 0);
    assert!(video.windows(2).all(|pair| pair[1].0 - pair[0].0 == 512));
    // Audio starts 41,984 samples in, video 44,100: audio is shown 2,116 samples earlier.
    let edits = |track: u32| {
        let edits = reader.tracks()[&track].trak.edts.as_ref()?.elst.as_ref()?;
        let edits = edits.entries.iter();
        Some(
            edits
                .map(|edit| (edit.segment_duration, edit.media_time))
                .collect::<Vec<_>>(),
        )
    };
    let early = (12_800 - 41_984 * 12_800 / 44_100) as u64;
    let edits = edits(1).unwrap();
    assert_eq!(edits[0].0, early);
    assert_eq!(
        edits[0].1,
        u64::from(u32::MAX),
        "an empty edit, as the parser reads it"
    );
    assert_eq!(edits[1].0, 50 * 512);
}

#[test]
fn gaps_are_kept() {
    let (init, fragments) = store(H264_AAC.bytes);
    let mut reader = open(clip(&init, [&fragments[0], &fragments[2]]));
    let video = times(&mut reader, 1);
    assert_eq!(video.len(), 50);
    assert_eq!(
        video[24],
        (24 * 512, 26 * 512),
        "the last picture stands still"
    );
    assert_eq!(video[25].0, 50 * 512);
}

fn again(init: &Init, input: &[u8], facts: &Facts) -> Vec<StoredFragment> {
    let output = split(input);
    let fragments = output.fragments.into_iter().map(|received| {
        stored(
            &Fragment::parse(init, received.pieces, &Limits::default()).unwrap(),
            facts,
        )
    });
    fragments.collect()
}

#[test]
fn time_that_goes_back_is_closed_up() {
    let (init, fragments) = store(H264.bytes);
    let mut reader = open(clip(&init, fragments.iter().chain(&fragments)));
    let video = times(&mut reader, 1);
    assert_eq!(video.len(), 150);
    assert!(
        video
            .iter()
            .zip(0..)
            .all(|(found, i)| *found == (i * 512, 512))
    );
}

#[test]
fn tracks_stay_in_step_where_time_is_closed_up() {
    let (init, fragments) = store(H264_AAC.bytes);
    let mut reader = open(clip(&init, fragments.iter().chain(&fragments)));
    let (video, audio) = (times(&mut reader, 1), times(&mut reader, 2));
    // Audio ends a little after the video's three seconds.
    let end = fragments[2].meta().tracks[1].end();
    assert_eq!(audio[131].0, end);
    let expected = (end * 12_800).div_ceil(44_100);
    assert!(expected > 75 * 512);
    assert_eq!(video[75].0, expected, "the video waits for the audio's end");
    assert_eq!(video[74].1, u32::try_from(expected).unwrap() - 74 * 512);
}

#[test]
fn a_discontinuity_and_a_new_session_close_gaps() {
    let (init, fragments) = store(H264.bytes);
    let discontinuous = Facts {
        continuity: Continuity::Discontinuous,
        ..facts(1)
    };
    let other_session = Facts {
        session_id: 8,
        ..facts(1)
    };
    for facts in [discontinuous, other_session] {
        let later = &again(&init, H264.bytes, &facts)[2];
        let mut reader = open(clip(&init, [&fragments[0], later]));
        let video = times(&mut reader, 1);
        assert!(
            video
                .iter()
                .zip(0..)
                .all(|(found, i)| *found == (i * 512, 512))
        );
    }
}

#[test]
fn a_clip_has_one_init_and_limits() {
    let (init, fragments) = store(H264.bytes);
    let (_, others) = store(HEVC.bytes);
    let mut builder = Clip::builder(init.clone());
    let error = builder.push(&others[0]).unwrap_err();
    assert!(matches!(error, Error::InitChanged { .. }), "{error}");
    assert_eq!(builder.finish().unwrap_err(), Error::ClipEmpty);

    let limits = clip::Limits {
        samples: 50,
        ..clip::Limits::default()
    };
    let mut builder = Clip::builder(init.clone()).limits(limits);
    builder.push(&fragments[0]).unwrap();
    builder.push(&fragments[1]).unwrap();
    let error = builder.push(&fragments[2]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the clip would have 75 samples; the limit is 50"
    );
    let mut reader = open(builder.finish().unwrap());
    assert_eq!(
        times(&mut reader, 1).len(),
        50,
        "what was refused left no trace"
    );

    let limits = clip::Limits {
        bytes: 10,
        ..clip::Limits::default()
    };
    let error = Clip::builder(init)
        .limits(limits)
        .push(&fragments[0])
        .unwrap_err();
    assert!(
        matches!(error, Error::ClipTooLarge { limit: 10, .. }),
        "{error}"
    );
}

#[test]
fn every_fixture_becomes_a_clip() {
    for fixture in ALL {
        let (init, fragments) = store(fixture.bytes);
        let clip = clip(&init, &fragments);
        assert!(clip.bytes() > 1_000, "{}", fixture.name);
    }
}

#[test]
fn media_beyond_four_gigabytes_has_wide_offsets() {
    let (init, fragments) = store(CAMERA.bytes);
    let media: usize = fragments
        .iter()
        .flat_map(StoredFragment::tracks)
        .map(|t| t.data().len())
        .sum();
    let rounds = (1 << 32) / media + 1;
    let limits = clip::Limits {
        samples: 1 << 26,
        ..clip::Limits::default()
    };
    let mut builder = Clip::builder(init).limits(limits);
    for _ in 0..rounds {
        fragments
            .iter()
            .for_each(|fragment| builder.push(fragment).unwrap());
    }
    let clip = builder.finish().unwrap();
    let head = &clip.pieces()[0];
    assert!(head.windows(4).any(|kind| kind == b"co64"));
    assert_eq!(
        head[head.len() - 16..][..8],
        [0, 0, 0, 1, b'm', b'd', b'a', b't']
    );
    let declared = u64::from_be_bytes(head[head.len() - 8..].try_into().unwrap());
    assert_eq!(declared, (media * rounds + 16) as u64);
    assert_eq!(clip.bytes(), head.len() as u64 - 16 + declared);
}

#[test]
fn pictures_that_are_reordered_are_shown_from_the_start() {
    let (init, fragments) = store(H264_AAC.bytes);
    assert!(
        fragments[0].meta().tracks[0]
            .flags
            .has_negative_composition()
    );
    let reader = open(clip(&init, &fragments));
    let video = &reader.tracks()[&1].trak;
    let offsets = video.mdia.minf.stbl.ctts.as_ref().unwrap();
    assert_eq!(
        offsets.version, 0,
        "every player knows offsets without a sign"
    );
    let lowest = offsets
        .entries
        .iter()
        .map(|entry| entry.sample_offset)
        .min();
    assert_eq!(lowest, Some(0));
    // The first picture's offset was zero; the edit list takes back what was added to it.
    let edits = video.edts.as_ref().unwrap().elst.as_ref().unwrap();
    let first = u64::try_from(offsets.entries[0].sample_offset).unwrap();
    assert_eq!((edits.entries[0].media_time, first), (1_024, 1_024));
}
