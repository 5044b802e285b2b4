//! Uploads in Matroska, as real producers send them, and what readers get back.

use afflux_media::TrackKind;
use afflux_media::mkv::{Closed, Coalesce, Event, Settings};
use bytes::Bytes;

use crate::kvs::{
    ALL_CAPTURES, BACKWARD, GET_MEDIA, KVSSINK, PRODUCER_AV, PRODUCER_OFFLINE, TAGS_MIXED,
    Uploaded, answer, scanned, stored, upload, uploaded,
};

/// Track, time and bytes of each frame of an input, ordered by track.
fn frames(input: &[u8]) -> Vec<(u64, i64, Vec<u8>)> {
    let frames = scanned(input).into_iter().filter_map(|event| match event {
        Event::Frame(frame) => Some((frame.track, frame.time, frame.data.concat())),
        _ => None,
    });
    let mut frames: Vec<_> = frames.collect();
    frames.sort_by_key(|(track, ..)| *track);
    frames
}

#[test]
fn a_reader_gets_the_frames_that_were_sent_and_pictures_at_their_times() {
    for (name, input) in ALL_CAPTURES {
        let back = frames(&answer(&stored(&uploaded(input))));
        let sent = frames(input);
        assert_eq!(back.len(), sent.len(), "{name}");
        assert!(!sent.is_empty(), "{name}");
        for ((track, time, data), (sent_track, sent_time, sent_data)) in back.iter().zip(&sent) {
            assert_eq!((track, data), (sent_track, sent_data), "{name}");
            let is_picture = *track == 1;
            let tolerance = if is_picture { 0 } else { 11 };
            assert!(
                (time - sent_time).abs() <= tolerance,
                "{name}: {sent_time} came back as {time}"
            );
        }
    }
}

#[test]
fn a_reader_gets_the_timestamps_of_clusters_as_sent() {
    for (name, input) in ALL_CAPTURES {
        let timecodes = |input: &[u8]| -> Vec<u64> {
            let timecode = |event| match event {
                Event::ClusterStarted(start) => Some(start.timecode),
                _ => None,
            };
            scanned(input).into_iter().filter_map(timecode).collect()
        };
        let uploaded = uploaded(input);
        assert_eq!(
            timecodes(&answer(&stored(&uploaded))),
            timecodes(input),
            "{name}"
        );
        let started: Vec<u64> = uploaded
            .started
            .iter()
            .map(|start| start.timecode)
            .collect();
        assert_eq!(started, timecodes(input), "{name}");
    }
}

#[test]
fn a_reader_gets_the_header_as_sent() {
    for (name, input) in [("C producer", PRODUCER_AV), ("kvssink", KVSSINK)] {
        let back = answer(&stored(&uploaded(input)));
        let cluster = back
            .windows(4)
            .position(|id| id == [0x1f, 0x43, 0xb6, 0x75]);
        let header = &back[..cluster.unwrap()];
        assert_eq!(header, &input[..header.len()], "{name}");
    }
}

fn bodies(uploaded: &Uploaded) -> Vec<Bytes> {
    let fragments = stored(uploaded).into_iter();
    fragments.map(|(_, it)| it.body().clone()).collect()
}

#[test]
fn an_upload_cut_anywhere_gives_the_same() {
    for (name, input) in ALL_CAPTURES {
        let whole = uploaded(input);
        let expected = bodies(&whole);
        for step in [1, 61, 255, 256, 1_000, 65_524] {
            if input.len() / step > 30_000 {
                continue; // a short input shows the same
            }
            let pieces = input.chunks(step).map(Bytes::copy_from_slice);
            let (cut, end) = upload(pieces, Settings::default());
            end.unwrap();
            assert_eq!(cut.headers, whole.headers, "{name} in steps of {step}");
            assert_eq!(cut.started, whole.started, "{name} in steps of {step}");
            assert_eq!(bodies(&cut), expected, "{name} in steps of {step}");
        }
    }
}

#[test]
fn the_producer_says_when_its_last_fragment_is_complete() {
    let mut assembled = uploaded(PRODUCER_AV);
    let last = assembled.finished.pop().unwrap();
    assert_eq!(last.closed, Closed::EndOfFragmentTag);
    assert_eq!((last.timecode, last.time_ms), (7_200, 7_200));
    assert_eq!((&last.tags[..], &last.missing[..]), (&[][..], &[][..]));
    assert_eq!(last.init.codecs(), "avc1.64001e,mp4a.40.2");
    let tracks: Vec<_> = last.fragment.tracks().collect();
    assert_eq!(
        (tracks[0].kind, tracks[0].base_ms()),
        (TrackKind::Video, 7_200)
    );
    assert_eq!((tracks[0].timescale, tracks[1].timescale), (1_000, 48_000));
}

#[test]
fn absolute_timestamps_are_milliseconds_since_1970() {
    let assembled = uploaded(PRODUCER_OFFLINE);
    assert_eq!(assembled.started[0].time_ms, 0x01a1_fbe8_cd6b);
    let first = &assembled.finished[0];
    assert_eq!(first.closed, Closed::NextCluster);
    assert_eq!(first.fragment.reference().base_ms(), 0x01a1_fbe8_cd6b);
    assert!(assembled.finished.len() > 3);
}

#[test]
fn a_track_without_what_a_decoder_needs_is_stored_all_the_same() {
    // It says H.264 and is H.265, so its frames hold no parameter sets of H.264 either.
    let assembled = uploaded(PRODUCER_OFFLINE);
    let track = &assembled.finished[0].init.tracks()[0];
    assert_eq!((track.codec(), track.has_config()), ("avc1", false));
}

#[test]
fn fragments_follow_each_other_without_gaps_or_overlaps() {
    for (name, input) in [("kvssink", KVSSINK), ("get-media", GET_MEDIA)] {
        let assembled = uploaded(input);
        let tracks: Vec<_> = assembled
            .finished
            .iter()
            .map(|it| it.fragment.reference())
            .collect();
        for pair in tracks.windows(2) {
            assert_eq!(pair[0].end(), pair[1].base_decode_time, "{name}");
        }
    }
}

#[test]
fn an_answer_of_get_media_is_several_documents() {
    let assembled = uploaded(BACKWARD);
    assert_eq!(assembled.headers.len(), 3);
    assert_eq!(assembled.finished.len(), 3);
    assert_eq!(assembled.finished[0].closed, Closed::NextHeader);
    let name = "AWS_KINESISVIDEO_FRAGMENT_NUMBER";
    for assembly in &assembled.finished {
        assert!(assembly.tags.iter().any(|tag| tag.name == name));
    }
    // Headers are equal, so players need no other init.
    let ids: Vec<_> = assembled.finished.iter().map(|it| it.init.id()).collect();
    assert_eq!(ids, [ids[0]; 3]);
}

#[test]
fn tags_belong_to_the_cluster_before_them_or_to_the_first() {
    let assembled = uploaded(TAGS_MIXED);
    let tags = |i: usize| -> Vec<&str> {
        let tags = assembled.finished[i].tags.iter();
        tags.filter(|tag| tag.name.starts_with("test"))
            .map(|tag| &*tag.value)
            .collect()
    };
    assert_eq!(
        tags(0).len(),
        10,
        "five before it and five after it: {:?}",
        tags(0)
    );
    assert_eq!(tags(0)[0], "testTag_0_Value");
    let track = &assembled.finished[0].init.tracks()[0];
    assert_eq!(
        (track.codec(), track.width(), track.height()),
        ("jpeg", 640, 480)
    );
}

#[test]
fn sessions_have_inits_of_their_own_and_one_init_for_players() {
    let other = {
        let mut other = KVSSINK.to_vec();
        // The SegmentUID.
        other[51 + 3] ^= 1;
        other
    };
    let (a, b) = (uploaded(KVSSINK), uploaded(&other));
    let (a, b) = (&a.finished[0].init, &b.finished[0].init);
    assert_ne!(a.id(), b.id());
    assert_eq!(a.media_id(), b.media_id());
    assert_eq!(afflux_media::playback::init_segment(a), a.media_bytes());
    assert!(a.bytes().len() > a.media_bytes().len());
}

#[test]
fn an_upload_that_breaks_off_keeps_what_was_complete() {
    let cut = &KVSSINK[..KVSSINK.len() - 10];
    let settings = Settings {
        coalesce: Coalesce::Never,
        ..Settings::default()
    };
    let (assembled, end) = upload([Bytes::from_static(cut)], settings);
    assert!(end.unwrap_err().to_string().contains("SimpleBlock"));
    assert_eq!(assembled.finished.len(), 1);
    assert_eq!(assembled.started.len(), 2);
}
