//! Clips of exactly a range, read by the `mp4` crate, which shares no code with us.

use std::ops::Range;

use afflux_media::frames::{Builder, Frame};
use afflux_media::{Clip, Continuity, Error, Facts, Fragment, Init, Limits, StoredFragment, clip};
use afflux_types::ProducerTime;
use bytes::Bytes;
use proptest::prelude::*;

use crate::clips::{Reader, open};
use crate::support::{AAC, CAMERA, H264_AAC, HEVC, facts, store, stored};

/// A clip of a range of the producer's time, in milliseconds.
fn exact<'a>(
    init: &Init,
    fragments: impl IntoIterator<Item = &'a StoredFragment>,
    range: &Range<i64>,
) -> Result<Clip, Error> {
    let mut builder = Clip::builder(init.clone());
    for fragment in fragments {
        let start = fragment.meta().producer_time.as_millis();
        builder.push_within(fragment, start, range)?;
    }
    builder.finish()
}

/// A track as a player sees it. Times are in ticks of the track, from when the movie starts.
#[derive(Debug)]
struct Seen {
    /// The bytes of each sample, when it is shown, and whether it is a key frame.
    samples: Vec<(Vec<u8>, i64, bool)>,
    /// How long the edit list waits, in ticks of the movie.
    delay: u64,
    /// How long the track is shown, in ticks of the movie.
    shown: u64,
    /// What the edit list shows first.
    media_time: u64,
}

fn see(reader: &mut Reader, track: u32) -> Option<Seen> {
    let trak = &reader.tracks().get(&track)?.trak;
    let edits = trak.edts.as_ref().and_then(|edts| edts.elst.as_ref());
    let edits: Vec<(u64, u64)> = edits
        .into_iter()
        .flat_map(|elst| &elst.entries)
        .map(|edit| (edit.segment_duration, edit.media_time))
        .collect();
    let (shown, media_time) = edits.last().copied().unwrap_or((trak.tkhd.duration, 0));
    let delays = edits.iter().rev().skip(1).map(|(delay, empty)| {
        assert_eq!(
            *empty,
            u64::from(u32::MAX),
            "an empty edit, as the parser reads it"
        );
        *delay
    });
    let delay = delays.sum();
    let count = reader.sample_count(track).unwrap();
    let samples = (1..=count).map(|i| reader.read_sample(track, i).unwrap().unwrap());
    let samples = samples.map(|sample| {
        let shown = i64::try_from(sample.start_time).unwrap() + i64::from(sample.rendering_offset);
        let shown = shown - i64::try_from(media_time).unwrap();
        (sample.bytes.to_vec(), shown, sample.is_sync)
    });
    Some(Seen {
        samples: samples.collect(),
        delay,
        shown,
        media_time,
    })
}

#[test]
fn a_range_inside_of_a_group_of_pictures_is_what_edit_lists_show() {
    let (init, fragments) = store(H264_AAC.bytes);
    let mut reader = open(exact(&init, &fragments, &(1_400..2_200)).unwrap());
    let video = see(&mut reader, 1).unwrap();
    // From the key frame at one second to the last picture before 2.2 s.
    assert!(video.samples[0].2);
    let shown = |video: &Seen| {
        video
            .samples
            .iter()
            .filter(|s| s.1 >= 0 && s.1 < 10_240)
            .count()
    };
    assert_eq!(shown(&video), 20);
    assert_eq!((video.delay, video.shown), (0, 800 * 12_800 / 1_000));
    // The lift of composition offsets, and what is hidden of the group of pictures.
    assert_eq!(video.media_time, 1_024 + 400 * 12_800 / 1_000);
    let audio = see(&mut reader, 2).unwrap();
    assert_eq!((audio.delay, audio.shown), (0, 800 * 12_800 / 1_000));
    // The packet that plays at the key frame is the first: 41,984 + 2 * 1,024.
    assert_eq!(audio.media_time, 61_740 - 43_008 - 1_024);
}

#[test]
fn a_range_that_starts_with_a_key_frame_hides_only_sound() {
    let (init, fragments) = store(H264_AAC.bytes);
    let mut reader = open(exact(&init, &fragments, &(1_000..2_000)).unwrap());
    let video = see(&mut reader, 1).unwrap();
    assert_eq!((video.samples.len(), video.samples[0].1), (25, 0));
    assert_eq!((video.delay, video.shown), (0, 12_800));
    // The decoder of the sound gets 128 ms to begin with.
    let audio = see(&mut reader, 2).unwrap();
    let before = 128 * 44_100 / 1_000;
    assert!(
        (before..before + 1_024).contains(&audio.media_time),
        "{}",
        audio.media_time
    );
    assert_eq!(audio.shown, 12_800);
}

#[test]
fn sound_alone_starts_at_its_own_packet() {
    let (init, fragments) = store(AAC.bytes);
    let mut reader = open(exact(&init, &fragments, &(1_500..1_600)).unwrap());
    let audio = see(&mut reader, init.tracks()[0].id()).unwrap();
    assert_eq!(audio.shown, 4_410);
    assert!(audio.samples.len() <= 11, "{}", audio.samples.len());
}

#[test]
fn a_range_that_reaches_further_than_the_film_shows_the_film() {
    for fixture in [&H264_AAC, &CAMERA, &AAC] {
        let (init, fragments) = store(fixture.bytes);
        let mut reader = open(exact(&init, &fragments, &(-5_000..100_000)).unwrap());
        let mut whole = Clip::builder(init.clone());
        fragments
            .iter()
            .for_each(|fragment| whole.push(fragment).unwrap());
        let mut whole = open(whole.finish().unwrap());
        for track in init.tracks() {
            let (one, other) = (see(&mut reader, track.id()), see(&mut whole, track.id()));
            let (one, other) = (one.unwrap(), other.unwrap());
            assert_eq!(one.samples, other.samples, "{}", fixture.name);
            assert_eq!((one.delay, one.shown), (other.delay, other.shown));
        }
    }
}

#[test]
fn a_range_of_nothing_is_no_clip() {
    let (init, fragments) = store(H264_AAC.bytes);
    let backward = Range {
        start: 1_500,
        end: 1_400,
    };
    for range in [-5_000..0, 9_000..10_000, 1_500..1_500, backward] {
        let nothing = exact(&init, &fragments, &range);
        assert_eq!(nothing.unwrap_err(), Error::ClipEmpty, "{range:?}");
    }
    // What begins in a gap begins where it ends.
    let apart = [&fragments[0], &fragments[2]];
    assert_eq!(
        exact(&init, apart, &(1_200..1_900)).unwrap_err(),
        Error::ClipEmpty
    );
    let mut reader = open(exact(&init, apart, &(1_200..2_400)).unwrap());
    let video = see(&mut reader, 1).unwrap();
    assert_eq!((video.samples[0].1, video.samples[0].2), (0, true));
    let total = video.delay + video.shown;
    // Sound comes 2,116 - 1,024 ticks of 44,100 before the first picture of a fragment.
    assert!((5_120..5_120 + 12_800 / 20).contains(&total), "{total}");
}

#[test]
fn gaps_within_a_range_are_kept() {
    let (init, fragments) = store(H264_AAC.bytes);
    let apart = [&fragments[0], &fragments[2]];
    let mut reader = open(exact(&init, apart, &(600..2_200)).unwrap());
    let video = see(&mut reader, 1).unwrap();
    assert_eq!((video.delay, video.shown), (0, 1_600 * 12_800 / 1_000));
}

#[test]
fn what_is_behind_the_range_may_have_any_codec() {
    let (init, fragments) = store(H264_AAC.bytes);
    let (_, others) = store(HEVC.bytes);
    let mut builder = Clip::builder(init);
    let mut push = |fragment, start| builder.push_within(fragment, start, &(200..900));
    push(&fragments[0], 0).unwrap();
    push(&others[0], 900).unwrap();
    let refused = push(&others[0], 890).unwrap_err();
    assert!(matches!(refused, Error::InitChanged { .. }), "{refused}");
    assert_eq!(builder.fragments(), 1);
    assert_eq!(
        see(&mut open(builder.finish().unwrap()), 1).unwrap().shown,
        8_960
    );
}

#[test]
fn a_discontinuity_starts_anew_at_a_key_frame() {
    let film = Film::new(&[&[4, 4], &[4, 4], &[4, 4]]);
    let (init, mut fragments) = (film.init, film.fragments);
    let later = Facts {
        session_id: 8,
        ..at(640)
    };
    fragments[2] = stored(&film.made[2], &later);
    // The second session is shown from its first key frame in the range.
    let mut reader = open(exact(&init, &fragments, &(200..900)).unwrap());
    let video = see(&mut reader, 1).unwrap();
    let ids: Vec<u8> = video.samples.iter().map(|sample| sample.0[3]).collect();
    assert_eq!(ids, (4..16).chain(16..23).collect::<Vec<u8>>());
    // Before a range, it makes what was held useless.
    let mut reader = open(exact(&init, &fragments, &(720..900)).unwrap());
    let video = see(&mut reader, 1).unwrap();
    let ids: Vec<u8> = video.samples.iter().map(|sample| sample.0[3]).collect();
    assert_eq!(ids, (16..23).collect::<Vec<u8>>());
}

#[test]
fn limits_hold_for_what_is_held_too() {
    let (init, fragments) = store(H264_AAC.bytes);
    let limits = clip::Limits {
        samples: 135,
        ..clip::Limits::default()
    };
    let mut builder = Clip::builder(init).limits(limits);
    // Only the group of pictures that is shown counts.
    let mut push = |i: usize, start| builder.push_within(&fragments[i], start, &(1_500..2_500));
    push(0, 0).unwrap();
    push(1, 1_000).unwrap();
    let refused = push(2, 2_000).unwrap_err();
    assert_eq!(builder.fragments(), 1);
    assert!(
        matches!(refused, Error::ClipTooManySamples { .. }),
        "{refused}"
    );
    let mut reader = open(builder.finish().unwrap());
    assert_eq!(see(&mut reader, 1).unwrap().shown, 6_400);
}

fn at(ms: i64) -> Facts {
    Facts {
        producer_time: ProducerTime::from_millis(ms),
        continuity: Continuity::Continuous,
        ..facts(0)
    }
}

/// Ticks of a picture: 40 ms.
const PICTURE: i64 = 512;
/// Ticks of a packet of sound.
const PACKET: i64 = 1_024;

/// A film whose samples are their own numbers.
struct Film {
    init: Init,
    made: Vec<Fragment>,
    fragments: Vec<StoredFragment>,
    /// When each picture is shown and whether it is a key frame, in the order of decoding.
    pictures: Vec<(i64, bool)>,
    /// When each packet of sound is heard.
    packets: Vec<i64>,
}

/// A fragment: how many pictures each of its groups has, how many B-frames follow each P-frame, and
/// for how many pictures nothing comes after it.
type Cut = (Vec<i64>, i64, i64);

impl Film {
    fn new(groups: &[&[i64]]) -> Self {
        let cuts: Vec<Cut> = groups
            .iter()
            .map(|groups| (groups.to_vec(), 0, 0))
            .collect();
        Self::of(&cuts)
    }

    fn of(cuts: &[Cut]) -> Self {
        let (init, _) = store(H264_AAC.bytes);
        let mut film = Self {
            init: init.clone(),
            made: Vec::new(),
            fragments: Vec::new(),
            pictures: Vec::new(),
            packets: Vec::new(),
        };
        let mut builder = Builder::new(&init, Limits::default());
        let (mut start, mut heard) = (0, 0);
        for (groups, between, gap) in cuts {
            let first = start;
            for pictures in groups {
                for (pts, key) in group(start, *pictures, *between) {
                    let id = u32::try_from(film.pictures.len()).unwrap();
                    film.pictures.push((pts, key));
                    builder.push(frame(1, pts, key, id)).unwrap();
                }
                start += pictures * PICTURE;
            }
            // Sound of a fragment ends with the packet in which the pictures end.
            while heard * 12_800 < start * 44_100 {
                let id = u32::try_from(film.packets.len()).unwrap();
                film.packets.push(heard);
                builder.push(frame(2, heard, true, id)).unwrap();
                heard += PACKET;
            }
            let made = builder.finish(&init).unwrap().unwrap();
            film.fragments
                .push(stored(&made, &at(first * 1_000 / 12_800)));
            film.made.push(made);
            start += gap * PICTURE;
            if *gap > 0 {
                heard = start * 44_100 / 12_800;
            }
        }
        film
    }
}

/// The pictures of a group in the order of decoding: when they are shown, and which is the key.
fn group(start: i64, pictures: i64, between: i64) -> Vec<(i64, bool)> {
    let mut order = vec![(start, true)];
    let mut next = 1;
    while next < pictures {
        let ahead = (next + between).min(pictures - 1);
        order.push((start + ahead * PICTURE, false));
        order.extend((next..ahead).map(|i| (start + i * PICTURE, false)));
        next = ahead + 1;
    }
    order
}

fn frame(track_id: u32, pts: i64, key: bool, id: u32) -> Frame {
    let ticks = if track_id == 1 { PICTURE } else { PACKET };
    Frame {
        track_id,
        pts,
        key,
        duration: u32::try_from(ticks).ok(),
        data: vec![Bytes::copy_from_slice(&id.to_be_bytes())],
    }
}

fn ids(seen: &Seen) -> Vec<usize> {
    let id = |data: &[u8]| u32::from_be_bytes(data.try_into().unwrap()) as usize;
    seen.samples.iter().map(|sample| id(&sample.0)).collect()
}

prop_compose! {
    fn cuts()(
        cuts in prop::collection::vec(
            (prop::collection::vec(1..12_i64, 1..4), 0..3_i64, prop_oneof![4 => Just(0), 1 => 1..9_i64]),
            1..6,
        ),
    ) -> Vec<Cut> {
        cuts
    }
}

/// The samples of a track that are shown in a range for some thousandths of a tick, by their numbers.
fn wanted(
    starts: &[i64],
    (ticks, timescale): (i64, i64),
    range: &Range<i64>,
    least: i64,
) -> Vec<usize> {
    let is_wanted = |at: i64| {
        let (start, end) = (at * 1_000, (at + ticks) * 1_000);
        let is_early = start < range.start * timescale;
        start < range.end * timescale && (!is_early || end >= range.start * timescale + least)
    };
    let numbered = starts.iter().enumerate();
    let wanted = numbered.filter(|(_, at)| is_wanted(**at));
    wanted.map(|(number, _)| number).collect()
}

proptest! {
    #[test]
    fn any_range_keeps_what_is_needed_and_shows_what_is_asked(
        cuts in cuts(),
        from in -300..4_000_i64,
        length in 1..3_000_i64,
    ) {
        let film = Film::of(&cuts);
        let range = from..from + length;
        let pictures: Vec<i64> = film.pictures.iter().map(|(at, _)| *at).collect();
        let seen = wanted(&pictures, (PICTURE, 12_800), &range, 12_800);
        let heard = wanted(&film.packets, (PACKET, 44_100), &range, 44_100);
        let clip = exact(&film.init, &film.fragments, &range);
        if seen.is_empty() {
            prop_assert_eq!(clip.is_err(), heard.is_empty());
            return Ok(());
        }
        let mut reader = open(clip.unwrap());

        // From the last key frame before the first picture to the last picture, and no other is shown.
        let video = see(&mut reader, 1).unwrap();
        let first = seen.iter().map(|i| pictures[*i] * 1_000).min().unwrap();
        let limit = first.max(from * 12_800);
        let is_start = |(at, key): &(i64, bool)| *key && at * 1_000 <= limit;
        let key = film.pictures.iter().rposition(is_start).unwrap();
        let last = *wanted(&pictures, (PICTURE, 12_800), &range, 1).last().unwrap();
        prop_assert_eq!(ids(&video), (key..=last).collect::<Vec<_>>());
        let end = i64::try_from(video.shown).unwrap();
        let shown = video.samples.iter().zip(ids(&video));
        let shown = shown.filter(|(sample, _)| sample.1 < end && sample.1 + PICTURE > 1);
        prop_assert_eq!(shown.map(|(_, id)| id).collect::<Vec<_>>(), seen);

        // The sound that is heard, what its decoder needs, and what belongs to hidden pictures.
        let Some(audio) = see(&mut reader, 2) else {
            prop_assert!(heard.is_empty());
            return Ok(());
        };
        let kept = ids(&audio);
        prop_assert!(kept.windows(2).all(|pair| pair[1] == pair[0] + 1));
        prop_assert!(heard.iter().all(|id| kept.contains(id)));
        prop_assert_eq!(kept.last(), heard.last());
        let needed = ((from - 128) * 44_100).min(pictures[key] * 44_100_000 / 12_800);
        let before = kept[0].checked_sub(1);
        let before = before.map(|before| (film.packets[before] + PACKET) * 1_000);
        prop_assert!(before.is_none_or(|end| end <= needed + 1_000));

        // The tracks are in step, in ticks of both.
        let starts = |seen: &Seen, ticks: i64| {
            i64::try_from(seen.delay).unwrap() * 44_100 + seen.samples[0].1 * ticks
        };
        let apart = film.packets[kept[0]] * 12_800 - pictures[key] * 44_100;
        let found = starts(&audio, 12_800) - starts(&video, 44_100);
        prop_assert!((found - apart).abs() <= 12_800 + 44_100, "{found}, not {apart}");
    }
}
