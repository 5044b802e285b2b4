//! What an init says of its tracks, and how it is stored.

use afflux_media::{Error, Init, InitId, Limits, TrackKind};
use bytes::Bytes;

use crate::support::{ALL, H264_AAC, HEVC, boxed, split};

#[test]
fn tracks_say_what_they_are() {
    for fixture in ALL {
        let init = &split(fixture.bytes).inits[0];
        assert_eq!(init.codecs(), fixture.codecs, "{}", fixture.name);
        assert_eq!(init.tracks().len(), fixture.samples.len());
        for track in init.tracks() {
            match track.kind() {
                TrackKind::Video => assert!(track.width() >= 160 && track.height() >= 120),
                TrackKind::Audio => assert!(track.sample_rate() >= 44_100 && track.channels() == 1),
                TrackKind::Other => panic!("{} has no other tracks", fixture.name),
            }
        }
    }
}

#[test]
fn init_keeps_the_bytes_as_they_were() {
    let init = &split(HEVC.bytes).inits[0];
    let start = HEVC
        .bytes
        .windows(4)
        .position(|kind| kind == b"moof")
        .unwrap()
        - 4;
    assert_eq!(&init.bytes()[..], &HEVC.bytes[..start]);
}

#[test]
fn id_is_the_front_of_the_md5() {
    // printf abc | md5sum
    assert_eq!(InitId::of(b"abc").to_string(), "900150983cd24fb0");
    let ids: Vec<InitId> = ALL
        .iter()
        .map(|fixture| split(fixture.bytes).inits[0].id())
        .collect();
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    // The video tracks of three fixtures are made alike, but the tracks beside them differ.
    assert_eq!(distinct.len(), ids.len());
}

#[test]
fn stored_init_reads_back_without_a_copy() {
    let init = &split(H264_AAC.bytes).inits[0];
    let body: Bytes = init.encode().concat().into();
    let read = Init::decode(&body, &Limits::default()).unwrap();
    assert_eq!(read, *init);
    assert!(crate::support::is_slice_of(read.bytes(), &body));

    let mut other = body.to_vec();
    other[8] ^= 1;
    let error = Init::decode(&other.into(), &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::StoredInitId { .. }), "{error}");
    for cut in 0..body.len() {
        assert!(
            Init::decode(&body.slice(..cut), &Limits::default()).is_err(),
            "cut at {cut}"
        );
    }
}

#[test]
fn limits_are_named() {
    let init = &split(H264_AAC.bytes).inits[0];
    let limits = Limits {
        init_bytes: 100,
        ..Limits::default()
    };
    let error = Init::parse(init.bytes().clone(), &limits).unwrap_err();
    assert!(error.to_string().contains("the limit is 100"), "{error}");
    let limits = Limits {
        tracks: 1,
        ..Limits::default()
    };
    let error = Init::parse(init.bytes().clone(), &limits).unwrap_err();
    assert_eq!(error, Error::TooManyTracks { limit: 1 });
}

#[test]
fn boxes_that_nest_without_end_are_refused() {
    let nest = |kind: &[u8; 4]| -> Vec<u8> {
        let sizes = (1..=60_000_u32).rev().map(|left| (left * 8).to_be_bytes());
        sizes.flat_map(|size| [size, *kind].concat()).collect()
    };
    for kind in [b"moov", b"trak", b"meta", b"wave"] {
        let moov = boxed(b"moov", &[&boxed(b"trak", &[&nest(kind)])]);
        assert!(Init::parse(moov, &Limits::default()).is_err());
        assert!(Init::parse(nest(kind), &Limits::default()).is_err());
    }
    // Descriptors of an elementary stream nest as well.
    let init = &split(H264_AAC.bytes).inits[0];
    let at = init
        .bytes()
        .windows(4)
        .position(|kind| kind == b"esds")
        .unwrap()
        + 8;
    let mut bytes = init.bytes().to_vec();
    bytes[at..at + 20].fill(0x03);
    assert!(Init::parse(bytes, &Limits::default()).is_err());
}
