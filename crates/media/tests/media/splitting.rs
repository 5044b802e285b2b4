//! The splitter: any cut, any end, any order of boxes.

use afflux_media::{Error, Limits, Splitter};
use bytes::Bytes;
use proptest::prelude::*;

use crate::support::{
    AAC, ALL, CAMERA, Fixture, H264, H264_AAC, HEVC, Output, PLAIN, boxed, full, is_slice_of, run,
    split,
};

/// What must not depend on how the input was cut.
fn essence(output: &Output) -> Vec<(Vec<u8>, u64, usize)> {
    let fragments = output.fragments.iter().map(|fragment| {
        (
            fragment.joined(),
            fragment.started.position,
            fragment.started.tracks.len(),
        )
    });
    let inits = output
        .inits
        .iter()
        .map(|init| (init.bytes().to_vec(), 0, 0));
    inits.chain(fragments).collect()
}

#[test]
fn every_fixture_is_cut_into_its_fragments() {
    for Fixture {
        name,
        bytes,
        samples,
        fragments,
        ..
    } in ALL
    {
        let output = split(bytes);
        assert_eq!(
            (output.inits.len(), output.fragments.len()),
            (1, *fragments),
            "{name}"
        );
        let init = &output.inits[0];
        for (track, expected) in init.tracks().iter().zip(*samples) {
            let tracks = output
                .fragments
                .iter()
                .flat_map(|fragment| &fragment.started.tracks);
            let found: usize = tracks
                .filter(|found| found.track_id == track.id())
                .map(|found| found.samples)
                .sum();
            assert_eq!(
                u32::try_from(found),
                Ok(*expected),
                "{name}, track {}",
                track.id()
            );
        }
        for fragment in &output.fragments {
            assert!(fragment.started.keyframe, "{name}");
            assert_eq!(fragment.bytes, fragment.joined().len() as u64);
            let announced = fragment.started.moof_bytes + fragment.started.sample_bytes + 8;
            assert_eq!(
                fragment.bytes, announced,
                "{name}: the moof announces all of the mdat"
            );
            let at = usize::try_from(fragment.started.position).unwrap();
            assert!(
                bytes[at..].starts_with(&fragment.joined()),
                "{name}: verbatim"
            );
        }
    }
}

#[test]
fn single_bytes_give_the_same_as_the_whole() {
    for fixture in ALL {
        let whole = essence(&split(fixture.bytes));
        let bytes = Bytes::from_static(fixture.bytes);
        let (output, end) = run(
            (0..bytes.len()).map(|i| bytes.slice(i..=i)),
            Limits::default(),
        );
        end.unwrap();
        assert_eq!(essence(&output), whole, "{}", fixture.name);
    }
}

#[test]
fn a_cut_at_any_byte_changes_nothing() {
    let bytes = Bytes::from_static(AAC.bytes);
    let whole = essence(&split(&bytes));
    for cut in 0..=bytes.len() {
        let (output, end) = run([bytes.slice(..cut), bytes.slice(cut..)], Limits::default());
        end.unwrap();
        assert!(essence(&output) == whole, "cut at {cut}");
    }
}

#[test]
fn an_end_at_any_byte_is_named_unless_a_box_ends_there() {
    let bytes = Bytes::from_static(HEVC.bytes);
    let mut ends = vec![];
    let mut at = 0;
    while at < bytes.len() {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let after_moof = &bytes[at + 4..at + 8] == b"moof";
        at += usize::try_from(size).unwrap();
        if !after_moof {
            ends.push(at);
        }
    }
    for cut in 0..=bytes.len() {
        let (_, end) = run([bytes.slice(..cut)], Limits::default());
        // The first two boxes are ftyp and moov; before them nothing can be played.
        let whole = ends.contains(&cut) && cut >= ends[1];
        assert_eq!(end.is_ok(), whole, "cut at {cut}: {end:?}");
    }
    let mdat = bytes.windows(4).position(|kind| kind == b"mdat").unwrap();
    let (_, end) = run([bytes.slice(..mdat + 104)], Limits::default());
    let text = end.unwrap_err().to_string();
    assert!(text.starts_with(&format!(
        "the input ends inside 'mdat' at offset {}",
        mdat - 4
    )));
    assert!(text.contains("after 108 of "), "{text}");
}

#[test]
fn data_is_not_copied() {
    let bytes = Bytes::from_static(CAMERA.bytes);
    let pieces: Vec<Bytes> = (0..bytes.len())
        .step_by(1_000)
        .map(|i| bytes.slice(i..bytes.len().min(i + 1_000)))
        .collect();
    let (output, end) = run(pieces, Limits::default());
    end.unwrap();
    for fragment in output.fragments {
        // The first pieces are the moof and the header of the mdat.
        let samples = &fragment.pieces[2..];
        let total: usize = samples.iter().map(Bytes::len).sum();
        assert_eq!(total as u64, fragment.started.sample_bytes);
        assert!(samples.iter().all(|piece| is_slice_of(piece, &bytes)));
    }
}

#[test]
fn boxes_beside_the_media_are_skipped() {
    let output = split(H264.bytes);
    let skipped = [
        boxed(b"styp", &[b"msdh", &[0; 4]]),
        full(b"sidx", 0, 0, &[0; 6]),
        boxed(b"emsg", &[&[0; 20]]),
        boxed(b"prft", &[&[0; 24]]),
        boxed(b"free", &[&[0; 100]]),
        boxed(b"abcd", &[b"nobody knows"]),
        [
            &1_u32.to_be_bytes()[..],
            b"free",
            &24_u64.to_be_bytes(),
            &[0; 8],
        ]
        .concat(),
    ]
    .concat();
    let mut input = [&skipped[..], output.inits[0].bytes(), &skipped].concat();
    for fragment in &output.fragments {
        input.extend(fragment.joined());
        input.extend(&skipped);
    }
    let found = split(&input);
    let joined = |output: &Output| -> Vec<Vec<u8>> {
        output
            .fragments
            .iter()
            .map(crate::support::Received::joined)
            .collect()
    };
    assert_eq!(joined(&found), joined(&output));
    assert_eq!(found.inits, output.inits);
}

#[test]
fn a_second_moov_is_a_new_init() {
    let input = [H264_AAC.bytes, HEVC.bytes].concat();
    let output = split(&input);
    let codecs: Vec<String> = output
        .inits
        .iter()
        .map(afflux_media::Init::codecs)
        .collect();
    assert_eq!(codecs, [H264_AAC.codecs, HEVC.codecs]);
    assert_eq!(output.fragments.len(), 6);
}

fn failure(input: &[u8], limits: Limits) -> Error {
    let mut splitter = Splitter::new(limits);
    splitter.push(Bytes::copy_from_slice(input));
    loop {
        match splitter.poll() {
            Ok(Some(_)) => {}
            Ok(None) => unreachable!("the input was taken"),
            Err(error) => {
                splitter.push(Bytes::from_static(H264.bytes));
                assert_eq!(
                    splitter.poll().unwrap_err(),
                    error,
                    "the first error is final"
                );
                assert_eq!(splitter.finish().unwrap_err(), error);
                return error;
            }
        }
    }
}

#[test]
fn a_huge_fragment_is_refused_by_its_header() {
    let output = split(H264.bytes);
    let init = output.inits[0].bytes();
    let moof = &output.fragments[0].pieces[0];
    let huge = [&(300_u32 << 20).to_be_bytes()[..], b"mdat"].concat();
    let error = failure(&[init, moof, &huge[..]].concat(), Limits::default());
    let bytes = (300 << 20) + moof.len();
    assert_eq!(
        error.to_string(),
        format!("the fragment has at least {bytes} bytes; the limit is 67108864")
    );
    // A 64-bit size changes nothing.
    let huge = [&1_u32.to_be_bytes()[..], b"mdat", &u64::MAX.to_be_bytes()].concat();
    let error = failure(&[init, moof, &huge[..]].concat(), Limits::default());
    assert!(matches!(error, Error::BoxSize { .. }), "{error}");
}

#[test]
fn huge_headers_are_refused_before_they_arrive() {
    let init = split(H264.bytes).inits[0].bytes().clone();
    for (before, kind) in [(&[][..], b"ftyp"), (&[], b"moov"), (&init, b"moof")] {
        let head = [before, &(2_u32 << 20).to_be_bytes(), kind].concat();
        let error = failure(&head, Limits::default());
        assert!(matches!(
            error,
            Error::BoxTooLarge {
                bytes: 2_097_152,
                limit: 1_048_576,
                ..
            }
        ));
    }
}

#[test]
fn inputs_of_other_kinds_are_refused_with_a_hint() {
    let error = failure(PLAIN, Limits::default());
    assert!(
        error
            .to_string()
            .contains("frag_keyframe+empty_moov+default_base_moof"),
        "{error}"
    );
    let moov = PLAIN.windows(4).position(|kind| kind == b"moov").unwrap() - 4;
    let error = failure(&PLAIN[moov..], Limits::default());
    assert!(
        error
            .to_string()
            .contains("plain MP4 (a moov that lists samples)"),
        "{error}"
    );
    let matroska = [
        0x1a, 0x45, 0xdf, 0xa3, 0x01, 0, 0, 0, 0, 0, 0, 0x1f, 0x42, 0x86, 0x81, 0x01,
    ];
    let error = failure(&matroska, Limits::default());
    assert!(error.to_string().contains("not MP4"), "{error}");
    let annex_b = [
        0, 0, 0, 1, 0x67, 0x64, 0, 0x0b, 0xac, 0xd9, 0x42, 0x8d, 0, 0, 0, 1,
    ];
    failure(&annex_b, Limits::default());
}

#[test]
fn boxes_out_of_order_are_refused() {
    let output = split(H264.bytes);
    let init = &output.inits[0].bytes()[..];
    let fragment = output.fragments[0].joined();
    let moof = &output.fragments[0].pieces[0][..];
    let mdat = &fragment[moof.len()..];
    let check = |input: &[&[u8]], expected: Error| {
        assert_eq!(failure(&input.concat(), Limits::default()), expected);
    };
    let kind = |kind: &[u8; 4]| afflux_media::FourCc(*kind);
    let offset = init.len() as u64;
    check(
        &[&fragment],
        Error::MediaBeforeInit {
            kind: kind(b"moof"),
            offset: 0,
        },
    );
    check(
        &[mdat],
        Error::MediaBeforeInit {
            kind: kind(b"mdat"),
            offset: 0,
        },
    );
    check(&[init, mdat], Error::MdatWithoutMoof { offset });
    check(&[init, moof, moof], Error::MoofWithoutMdat { offset });
    check(&[init, moof, init], Error::MoofWithoutMdat { offset });
    let unsized_box = [0, 0, 0, 0, b'm', b'd', b'a', b't'];
    let at = offset + moof.len() as u64;
    check(
        &[init, moof, &unsized_box],
        Error::BoxWithoutSize {
            kind: kind(b"mdat"),
            offset: at,
        },
    );
    let tiny = [0, 0, 0, 7, b'f', b'r', b'e', b'e'];
    check(
        &[init, &tiny],
        Error::BoxSize {
            kind: kind(b"free"),
            offset,
            bytes: 7,
        },
    );
}

#[test]
fn an_input_without_an_init_is_not_finished() {
    let (_, end) = run([], Limits::default());
    assert_eq!(end.unwrap_err(), Error::NoInit);
}

proptest! {
    #[test]
    fn random_cuts_change_nothing(
        fixture in 0..ALL.len(),
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let fixture = &ALL[fixture];
        let bytes = Bytes::from_static(fixture.bytes);
        let mut cuts: Vec<usize> = cuts.drain(..).map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| bytes.slice(pair[0]..pair[1]));
        let (output, end) = run(pieces, Limits::default());
        prop_assert!(end.is_ok());
        prop_assert!(essence(&output) == essence(&split(fixture.bytes)));
    }
}
