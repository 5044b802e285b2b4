use super::*;
use crate::fragment::{Continuity, Facts, StoredFragment};
use crate::init::build::{Codec, Media, TrackDescription, build};

const VIDEO: u32 = 1;
const AUDIO: u32 = 2;

fn init() -> Init {
    let video = TrackDescription {
        id: VIDEO,
        timescale: 1_000,
        media: Media::Video {
            width: 640,
            height: 480,
        },
        codec: Codec::H264(None),
    };
    let audio = TrackDescription {
        id: AUDIO,
        timescale: 48_000,
        media: Media::Audio {
            sample_rate: 48_000,
            channels: 2,
        },
        codec: Codec::Aac(None),
    };
    build(&[video, audio], None, &Limits::default()).unwrap()
}

fn picture(pts: i64, key: bool) -> Frame {
    Frame {
        track_id: VIDEO,
        pts,
        key,
        duration: None,
        data: vec![Bytes::from_static(b"picture")],
    }
}

/// A packet of AAC at a time in milliseconds.
fn packet(ms: i64) -> Frame {
    Frame {
        track_id: AUDIO,
        pts: ms * 48,
        key: false,
        duration: Some(1_024),
        data: vec![Bytes::from_static(b"sound")],
    }
}

fn finish(builder: &mut Builder, closing: Closing) -> StoredFragment {
    let init = init();
    let fragment = builder.close(&init, closing).unwrap().unwrap();
    let facts = Facts {
        session_id: 0,
        sequence: 0,
        producer_time: afflux_types::ProducerTime::from_millis(0),
        continuity: Continuity::Continuous,
        tags: Vec::new(),
    };
    let body = fragment.encode(&facts).unwrap().concat();
    let stored = StoredFragment::decode(body.into()).unwrap();
    assert_eq!(
        stored.meta().tracks,
        fragment.tracks().copied().collect::<Vec<_>>()
    );
    stored
}

/// Durations and composition offsets of a track.
fn times(stored: &StoredFragment, track: usize) -> (u64, Vec<(u32, i32)>) {
    let track = stored.tracks().nth(track).unwrap();
    let samples = track.samples(&Limits::default()).unwrap();
    let samples = samples.iter().map(|it| (it.duration, it.composition));
    (track.meta().base_decode_time, samples.collect())
}

#[test]
fn pictures_are_decoded_at_the_times_at_which_pictures_are_shown() {
    let mut builder = Builder::new(&init(), Limits::default());
    for (pts, key) in [
        (1_000, true),
        (1_120, false),
        (1_040, false),
        (1_080, false),
    ] {
        builder.push(picture(pts, key)).unwrap();
    }
    let stored = finish(&mut builder, Closing::default());
    let expected = vec![(40, 0), (40, 80), (40, -40), (40, -40)];
    assert_eq!(times(&stored, 0), (1_000, expected));
    let flags = stored.meta().flags;
    assert!(flags.is_keyframe() && flags.is_reordered());
    assert!(stored.meta().tracks[0].flags.has_negative_composition());
}

#[test]
fn the_last_picture_lasts_until_the_next_fragment_if_that_is_near() {
    for (next, last) in [(1_085, 45), (1_160, 120), (1_161, 40), (900, 40)] {
        let mut builder = Builder::new(&init(), Limits::default());
        builder.push(picture(1_000, true)).unwrap();
        builder.push(picture(1_040, false)).unwrap();
        let next = Some((VIDEO, next));
        let closing = Closing {
            next,
            ..Closing::default()
        };
        let stored = finish(&mut builder, closing);
        assert_eq!(times(&stored, 0).1, [(40, 0), (last, 0)], "{next:?}");
    }
}

#[test]
fn pictures_before_zero_are_decoded_at_zero() {
    let mut builder = Builder::new(&init(), Limits::default());
    builder.push(picture(-40, true)).unwrap();
    builder.push(picture(0, false)).unwrap();
    builder.push(picture(40, false)).unwrap();
    let stored = finish(&mut builder, Closing::default());
    assert_eq!(times(&stored, 0), (0, vec![(0, -40), (40, 0), (40, 0)]));
}

#[test]
fn rounded_times_do_not_tear_the_sound() {
    let mut builder = Builder::new(&init(), Limits::default());
    let mut end = None;
    for fragment in 0..20_i64 {
        for i in fragment * 47..(fragment + 1) * 47 {
            // Rounded down, as the producer SDKs do.
            builder.push(packet(i * 1_024 / 48)).unwrap();
        }
        let stored = finish(&mut builder, Closing::default());
        let (base, samples) = times(&stored, 0);
        assert!(samples.iter().all(|sample| *sample == (1_024, 0)));
        assert_eq!(end.unwrap_or(base), base, "fragment {fragment}");
        end = Some(base + 47 * 1_024);
    }
    assert_eq!(end, Some(20 * 47 * 1_024));
}

#[test]
fn sound_does_not_drift_from_its_times() {
    // A packet every 20 ms whose content plays for 21.3.
    let mut builder = Builder::new(&init(), Limits::default());
    for fragment in 0..20_i64 {
        for i in 0..50 {
            builder.push(packet((fragment * 50 + i) * 20)).unwrap();
        }
        let (base, samples) = times(&finish(&mut builder, Closing::default()), 0);
        let mut at = i64::try_from(base).unwrap();
        for ((duration, _), i) in samples.iter().zip(0..) {
            let sent = (fragment * 50 + i) * 20 * 48;
            assert!(
                (at - sent).abs() <= 480,
                "packet {i} of {fragment}: {at} for {sent}"
            );
            at += i64::from(*duration);
        }
    }
}

#[test]
fn silence_is_a_longer_packet() {
    let mut builder = Builder::new(&init(), Limits::default());
    builder.push(packet(0)).unwrap();
    builder.push(packet(1_000)).unwrap();
    let stored = finish(&mut builder, Closing::default());
    assert_eq!(times(&stored, 0), (0, vec![(48_000, 0), (1_024, 0)]));
}

#[test]
fn the_cluster_can_be_found_again() {
    let mut builder = Builder::new(&init(), Limits::default());
    for ms in [7, 28] {
        builder.push(packet(ms)).unwrap();
    }
    builder.push(picture(5, true)).unwrap();
    let cluster = Some((3, 1_000_000));
    let closing = Closing {
        cluster,
        ..Closing::default()
    };
    let stored = finish(&mut builder, closing);
    let leads: Vec<i16> = stored.tracks().map(|track| track.cluster_lead()).collect();
    assert_eq!(leads, [2, 4]);
}

#[test]
fn a_builder_refuses_what_does_not_fit() {
    let limits = Limits {
        fragment_bytes: 10,
        fragment_samples: 2,
        ..Limits::default()
    };
    let mut builder = Builder::new(&init(), limits);
    assert!(
        builder.finish(&init()).unwrap().is_none(),
        "there is nothing"
    );
    builder.push(picture(0, true)).unwrap();
    let error = builder.push(picture(40, false)).unwrap_err();
    assert!(matches!(
        error,
        Error::FragmentTooLarge {
            bytes: 14,
            limit: 10
        }
    ));
    let nothing = |track_id| Frame {
        track_id,
        data: Vec::new(),
        ..picture(0, true)
    };
    builder.push(nothing(AUDIO)).unwrap();
    let error = builder.push(nothing(VIDEO)).unwrap_err();
    assert!(matches!(error, Error::TooManySamples { limit: 2, .. }));
    let mut builder = Builder::new(&init(), limits);
    let error = builder.push(nothing(3)).unwrap_err();
    assert_eq!(error, Error::UnknownTrack { track_id: 3 });
    builder.push(nothing(VIDEO)).unwrap();
    builder
        .push(Frame {
            pts: i64::MAX,
            ..nothing(VIDEO)
        })
        .unwrap();
    let error = builder.finish(&init()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::TimeOverflow {
                track_id: VIDEO,
                ..
            }
        ),
        "{error}"
    );
}
