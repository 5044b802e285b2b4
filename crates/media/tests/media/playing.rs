//! Fragmented output: what a player gets, read again by the splitter.

use afflux_media::playback::{self, Shift};
use afflux_media::{Error, Limits, TrackKind};
use bytes::Bytes;

use crate::support::{ALL, H264_AAC, is_slice_of, run, store};

#[test]
fn what_is_played_can_be_stored_again() {
    for fixture in ALL {
        let (init, fragments) = store(fixture.bytes);
        let mut pieces = vec![playback::init_segment(&init)];
        let mut sequence = 1;
        for fragment in &fragments {
            pieces.extend(playback::fragment_bytes(fragment, sequence, &[]).unwrap());
            sequence += u32::try_from(fragment.meta().tracks.len()).unwrap();
        }
        let (output, end) = run(pieces, Limits::default());
        end.unwrap();
        assert_eq!(output.inits, [init], "{}", fixture.name);
        // Each track of each fragment is a moof of its own now.
        let tracks: usize = fragments
            .iter()
            .map(|fragment| fragment.meta().tracks.len())
            .sum();
        assert_eq!(output.fragments.len(), tracks);
        let expected = fragments.iter().flat_map(|fragment| {
            let mut tracks = fragment.meta().tracks.clone();
            // Sound first.
            tracks.sort_by_key(|track| track.kind == TrackKind::Video);
            tracks
        });
        for ((found, expected), sequence) in output.fragments.iter().zip(expected).zip(1_u32..) {
            let track = found.started.tracks[0];
            assert_eq!(track.track_id, expected.track_id);
            assert_eq!(track.base_decode_time, expected.base_decode_time);
            assert_eq!(found.joined()[20..24], sequence.to_be_bytes());
        }
    }
}

#[test]
fn only_the_number_and_the_time_change() {
    let (_, fragments) = store(H264_AAC.bytes);
    let fragment = &fragments[1];
    let mut tracks: Vec<_> = fragment.tracks().collect();
    tracks.reverse();
    let stored = tracks.iter();
    let stored: Vec<Bytes> = stored
        .flat_map(|track| [track.moof().clone(), track.mdat().clone()])
        .collect();
    let shifts = [
        Shift {
            track_id: 1,
            ticks: -12_800,
        },
        Shift {
            track_id: 2,
            ticks: 5,
        },
    ];
    let played = playback::fragment_bytes(fragment, 0xfefe_fefe, &shifts).unwrap();
    for (i, (played, stored)) in played.iter().zip(&stored).enumerate() {
        if i % 2 == 1 {
            assert!(is_slice_of(played, fragment.body()));
            continue;
        }
        let changed: Vec<usize> = (0..stored.len())
            .filter(|at| played[*at] != stored[*at])
            .collect();
        assert!(
            changed
                .iter()
                .all(|at| (20..24).contains(at) || (76..84).contains(at))
        );
        assert!(changed.len() > 4);
    }
    let base = |piece: &Bytes| u64::from_be_bytes(piece[76..84].try_into().unwrap());
    assert_eq!((base(&played[0]), base(&played[2])), (41_984 + 5, 0));
}

#[test]
fn shifts_beyond_what_a_time_can_be_are_refused() {
    let (_, fragments) = store(H264_AAC.bytes);
    for ticks in [-12_801, i64::MIN, i64::MAX] {
        let shift = Shift { track_id: 1, ticks };
        let error = playback::fragment_bytes(&fragments[1], 1, &[shift]).unwrap_err();
        let expected = Error::ShiftOutOfRange {
            track_id: 1,
            base_decode_time: 12_800,
            shift: ticks,
        };
        assert_eq!(error, expected);
    }
}
