//! Matroska that nobody has captured: every way to lay it out, and every way to get it wrong.

use afflux_media::mkv::{self, Assembled, Assembler, Closed, Coalesce, Settings, error_id};
use afflux_media::{Error, Init, Limits, StoredFragment};
use bytes::Bytes;

use crate::kvs::{
    Uploaded, answer, block, cluster, element, entry, head, scanned, stored, upload, uploaded,
};

const SEGMENT: [u8; 4] = [0x18, 0x53, 0x80, 0x67];
const CLUSTER: u32 = 0x1F43_B675;
const TIMESTAMP: u32 = 0xE7;
const KEY: u8 = 0x80;

/// An H.264 track and an AAC track.
fn two_tracks() -> Vec<u8> {
    head(&[entry(1, 1, "V_MPEG4/ISO/AVC", &[]), aac(2)])
}

fn aac(number: u8) -> Vec<u8> {
    let audio = element(0xE1, &element(0xB5, &48_000_f64.to_be_bytes()));
    let config = element(0x63A2, &[0x11, 0x90]);
    entry(number, 2, "A_AAC", &[audio, config].concat())
}

fn video() -> Vec<u8> {
    head(&[entry(1, 1, "V_MPEG4/ISO/AVC", &[])])
}

/// A Tags element as the producer SDKs write it.
fn tag(name: &str, value: &str) -> Vec<u8> {
    mkv::tags([(name, value)]).to_vec()
}

fn failed(input: &[u8], limits: Limits) -> (Uploaded, Error) {
    let settings = Settings {
        limits,
        ..Settings::default()
    };
    let (uploaded, end) = upload([Bytes::copy_from_slice(input)], settings);
    (uploaded, end.expect_err("the input is wrong"))
}

fn error(input: &[u8]) -> String {
    failed(input, Limits::default()).1.to_string()
}

/// Each fragment's track, first time in ticks and number of samples.
fn summary(uploaded: &Uploaded) -> Vec<Vec<(u32, u64, u32)>> {
    let fragments = uploaded.finished.iter();
    let of_tracks = |it: &mkv::Assembly| {
        let tracks = it.fragment.tracks();
        tracks
            .map(|it| (it.track_id, it.base_decode_time, it.samples))
            .collect()
    };
    fragments.map(of_tracks).collect()
}

#[test]
fn sizes_may_be_known_or_unknown() {
    let timestamp = element(TIMESTAMP, &[10]);
    let frame = block(1, 0, KEY, b"frame");
    let known = element(CLUSTER, &[&timestamp[..], &frame].concat());
    let unknown = cluster(10, std::slice::from_ref(&frame));
    let document = video();
    let start = document.windows(4).position(|id| id == SEGMENT).unwrap();
    let (front, tracks) = (&document[..start], &document[start + 5..]);
    let cues = element(0x1C53_BB6B, &[0; 40]);
    let void = element(0xEC, &[0; 7]);
    for body in [
        [&known[..], &unknown].concat(),
        [&unknown[..], &known].concat(),
        [&unknown[..], &cues, &known].concat(),
        [&void[..], &known, &void, &unknown].concat(),
    ] {
        let content = [tracks, &body].concat();
        let whole = [front, &element(u32::from_be_bytes(SEGMENT), &content)].concat();
        let open = [
            front,
            &SEGMENT,
            &[0x01, 255, 255, 255, 255, 255, 255, 255],
            &content,
        ]
        .concat();
        for input in [&whole, &open, &[&whole[..], &void, &open].concat()] {
            let uploaded = uploaded(input);
            let expected = 2 * uploaded.headers.len();
            assert_eq!(summary(&uploaded), vec![vec![(1, 10, 1)]; expected]);
        }
    }
}

#[test]
fn a_block_of_several_packets_plays_them_one_after_the_other() {
    // Fixed lacing: three packets of two bytes.
    let laced = [&[2][..], b"aabbcc"].concat();
    let blocks = [block(2, 0, 0x04, &laced), block(2, 64, 0, b"dd")];
    let input = [head(&[aac(2)]), cluster(0, &blocks)].concat();
    let uploaded = uploaded(&input);
    assert_eq!(summary(&uploaded), [[(2, 0, 4)]]);
    let (_, stored) = stored(&uploaded).remove(0);
    let track = stored.tracks().next().unwrap();
    let samples = track.samples(&Limits::default()).unwrap();
    assert!(
        samples
            .iter()
            .all(|it| (it.duration, it.size) == (1_024, 2))
    );
    assert_eq!(&track.data()[..], b"aabbccdd");
}

#[test]
fn a_group_may_hold_a_block() {
    let frame = element(0xA1, &[0x81, 0, 5, 0, 1, 2, 3]);
    let key = element(0xA0, &[&frame[..], &element(0x9B, &[40])].concat());
    let other = element(0xA0, &[&element(0xFB, &[0xd8])[..], &frame].concat());
    let uploaded = uploaded(&[video(), cluster(100, &[key, other])].concat());
    let (_, stored) = stored(&uploaded).remove(0);
    let track = stored.tracks().next().unwrap();
    let samples = track.samples(&Limits::default()).unwrap();
    let keys: Vec<bool> = samples.iter().map(|it| it.is_sync()).collect();
    assert_eq!(
        (track.meta().base_decode_time, &keys[..]),
        (105, &[true, false][..])
    );
}

#[test]
fn any_scale_keeps_the_times_of_pictures() {
    for scale in [1_u64, 100_000, 333_333, 1_000_000, 40_000_000] {
        let document = video();
        let at = document.len()
            - document
                .windows(4)
                .rev()
                .position(|id| id == [0x16, 0x54, 0xae, 0x6b])
                .unwrap()
            - 4;
        let info = element(0x1549_A966, &element(0x2A_D7B1, &scale.to_be_bytes()));
        let blocks = [
            block(1, 3, KEY, b"a"),
            block(1, 10, 0, b"b"),
            block(1, 5, 0, b"c"),
        ];
        let body = cluster(1_000_007, &blocks);
        let input = [&document[..at], &info, &document[at..], &body].concat();
        let back = answer(&stored(&uploaded(&input)));
        let times = |input: &[u8]| {
            let mut times = Vec::new();
            for event in scanned(input) {
                match event {
                    mkv::Event::Frame(frame) => times.push(frame.time),
                    mkv::Event::ClusterStarted(start) => assert_eq!(start.timecode, 1_000_007),
                    _ => {}
                }
            }
            times
        };
        assert_eq!(times(&back), times(&input), "{scale}");
    }
}

#[test]
fn tags_close_fragments_and_belong_to_the_one_before() {
    let frame = [block(1, 0, KEY, b"frame")];
    let input = [
        video(),
        tag("first", "a"),
        cluster(0, &frame),
        tag("second", "b"),
        tag(mkv::END_OF_FRAGMENT, ""),
        tag("third", "c"),
        cluster(2_000, &frame),
    ]
    .concat();
    let uploaded = uploaded(&input);
    let tags = |i: usize| {
        let tags = uploaded.finished[i].tags.iter();
        tags.map(|tag| &*tag.name).collect::<Vec<_>>()
    };
    assert_eq!((tags(0), tags(1)), (vec!["first", "second"], vec!["third"]));
    let closed: Vec<Closed> = uploaded.finished.iter().map(|it| it.closed).collect();
    assert_eq!(closed, [Closed::EndOfFragmentTag, Closed::EndOfInput]);
}

#[test]
fn the_end_of_a_fragment_is_known_at_its_tag_and_not_later() {
    let mut assembler = Assembler::new(Settings::default());
    let input = [video(), cluster(0, &[block(1, 0, KEY, b"frame")])].concat();
    assembler.push(input.into());
    let poll = |assembler: &mut Assembler| {
        let mut last = None;
        while let Some(assembled) = assembler.poll().unwrap() {
            last = Some(assembled);
        }
        last
    };
    assert!(matches!(poll(&mut assembler), Some(Assembled::Started(_))));
    assert!(assembler.has_open_fragment());
    assembler.push(tag(mkv::END_OF_FRAGMENT, "").into());
    assert!(matches!(poll(&mut assembler), Some(Assembled::Finished(_))));
    assert!(!assembler.has_open_fragment());
}

#[test]
fn tags_of_a_file_give_way_to_those_of_the_fragment() {
    let of_file = |i: u8| {
        let simple = element(0x67C8, &element(0x45A3, format!("FILE{i}").as_bytes()));
        element(
            0x1254_C367,
            &element(0x7373, &[element(0x63C0, &[]), simple].concat()),
        )
    };
    let frame = [block(1, 0, KEY, b"frame")];
    for (files, kept) in [(9, 10), (10, 1), (200, 1)] {
        let tags: Vec<u8> = (0..files).flat_map(of_file).collect();
        let input = [video(), tags, tag("own", "a"), cluster(0, &frame)].concat();
        let uploaded = uploaded(&input);
        assert_eq!(uploaded.finished[0].tags.len(), kept, "{files}");
    }
}

#[test]
fn small_clusters_without_a_key_frame_join() {
    let key = [block(1, 0, KEY, b"key"), block(2, 1, KEY, b"sound")];
    let small = [block(2, 0, KEY, b"sound"), block(1, 0, 0, b"other")];
    let sound = [block(2, 0, KEY, b"sound")];
    let input = [
        two_tracks(),
        cluster(0, &key),
        cluster(300, &small),
        cluster(600, &sound),
        cluster(900, &key),
        cluster(2_000, &small),
    ]
    .concat();
    let joined = uploaded(&input);
    assert_eq!(joined.joined, [300, 600]);
    assert_eq!(joined.finished[0].joined, [300, 600]);
    let started: Vec<u64> = joined.started.iter().map(|it| it.timecode).collect();
    assert_eq!(started, [0, 900, 2_000], "1,100 ms are not small");
    assert_eq!(summary(&joined)[0][0], (1, 0, 2));
    let settings = Settings {
        coalesce: Coalesce::Never,
        ..Settings::default()
    };
    let (apart, end) = upload([Bytes::from(input)], settings);
    end.unwrap();
    assert_eq!((apart.finished.len(), apart.joined.len()), (5, 0));
    assert_eq!(apart.finished[2].missing, [1]);
}

#[test]
fn joined_fragments_do_not_grow_without_end() {
    let mut input = [video(), cluster(0, &[block(1, 0, KEY, b"key")])].concat();
    for i in 1..60 {
        input.extend_from_slice(&cluster(i * 500, &[block(1, 0, 0, b"other")]));
    }
    let spans = uploaded(&input).finished;
    let spans: Vec<usize> = spans.iter().map(|it| it.joined.len() + 1).collect();
    assert_eq!(spans, [20, 20, 20]);
}

#[test]
fn a_timestamp_that_goes_backward_is_no_error() {
    let frame = [block(1, 0, KEY, b"frame")];
    let input = [
        video(),
        cluster(5_000, &frame),
        cluster(2_000, &frame),
        cluster(2_000, &frame),
    ];
    let uploaded = uploaded(&input.concat());
    let backward: Vec<bool> = uploaded.started.iter().map(|it| it.backward).collect();
    assert_eq!(backward, [false, true, false]);
}

#[test]
fn what_is_not_matroska_is_refused_at_once() {
    for input in [
        &b"\0\0\0\x18ftypiso6"[..],
        b"RIFF....AVI ",
        &[0; 100],
        &video()[1..],
    ] {
        let error = error(input);
        assert!(
            error.contains("not Matroska") || error.contains("element id"),
            "{error}"
        );
    }
    let other = element(0x1A45_DFA3, &element(0x4282, b"docx"));
    assert!(error(&other).contains("\"docx\""));
    let newer = element(0x1A45_DFA3, &element(0x42F3, &[9]));
    assert!(error(&newer).contains("sizes of 9 bytes; the limit is 8"));
}

#[test]
fn what_is_in_the_wrong_place_is_refused() {
    let frame = block(1, 0, KEY, b"frame");
    let document = video();
    let start = document.windows(4).position(|id| id == SEGMENT).unwrap();
    let front = &document[..start];
    let no_timestamp = [&[0x1f, 0x43, 0xb6, 0x75, 0xff][..], &frame].concat();
    let too_long = element(
        CLUSTER,
        &[element(TIMESTAMP, &[1]), vec![0xa3, 0x84, 1, 2]].concat(),
    );
    let twice = [element(TIMESTAMP, &[1]), element(TIMESTAMP, &[1])].concat();
    let no_size = [0x12, 0x54, 0xc3, 0x67, 0xff];
    for (input, expected) in [
        (
            [front, &SEGMENT, &[0xff], &cluster(0, &[])].concat(),
            "before the Tracks",
        ),
        (
            [&document[..], &frame].concat(),
            "before its Cluster's timestamp",
        ),
        (
            [&document[..], &no_timestamp].concat(),
            "before its Cluster's timestamp",
        ),
        (
            [&document[..], &too_long].concat(),
            "runs past the end of its Cluster",
        ),
        (
            [&document[..], &element(CLUSTER, &twice)].concat(),
            "two timestamps",
        ),
        ([&document[..], &no_size].concat(), "no known size"),
        ([&document[..], &SEGMENT, &[0xff]].concat(), "no place"),
        ([front, &cluster(0, &[])].concat(), "no place"),
        (
            [
                &document[..],
                &cluster(u64::MAX, std::slice::from_ref(&frame)),
            ]
            .concat(),
            "beyond what a time",
        ),
        (
            [&document[..], &cluster(0, &[element(0xA3, &[0x81, 0])])].concat(),
            "damaged",
        ),
    ] {
        let error = error(&input);
        assert!(error.contains(expected), "{error}, not {expected}");
    }
}

#[test]
fn an_input_that_ends_inside_something_is_refused() {
    let frame = block(1, 0, KEY, b"frame");
    let known = element(
        CLUSTER,
        &[element(TIMESTAMP, &[1]), frame.clone(), frame].concat(),
    );
    let input = [video(), known].concat();
    for cut in 1..input.len() {
        let pieces = [Bytes::copy_from_slice(&input[..cut])];
        let (uploaded, end) = upload(pieces, Settings::default());
        assert!(uploaded.finished.is_empty(), "cut at {cut}");
        assert_eq!(end.is_ok(), cut == video().len(), "cut at {cut}");
    }
    assert_eq!(uploaded(&input).finished.len(), 1);
}

#[test]
fn tracks_are_checked() {
    let twice = head(&[aac(2), aac(2)]);
    assert!(error(&twice).contains("track 2 is declared twice"));
    let none = head(&[]);
    assert!(error(&none).contains("how the media is coded"));
    let zero = head(&[aac(0)]);
    assert!(error(&zero).contains("track number 0"));
    let encoding = element(0x6D80, &element(0x6240, &[]));
    let encoded = head(&[entry(1, 1, "V_VP8", &encoding)]);
    assert!(error(&encoded).contains("compressed or encrypted"));
}

#[test]
fn errors_have_the_numbers_of_kinesis_video_streams() {
    let id = |input: &[u8], limits: Limits| error_id(&failed(input, limits).1);
    let frame = |track| block(track, 0, KEY, &[7; 300]);
    let limits = Limits {
        fragment_bytes: 500,
        tracks: 3,
        ..Limits::default()
    };
    let four = head(&[aac(1), aac(2), aac(3), aac(4)]);
    assert_eq!(id(&four, limits), 4012);
    let unknown = [video(), cluster(0, &[frame(1), frame(9)])].concat();
    assert_eq!(id(&unknown, limits), 4010);
    let large = [video(), cluster(0, &[frame(1), frame(1)])].concat();
    assert_eq!(id(&large, limits), 4001);
    let long = Limits {
        fragment_duration: std::time::Duration::from_secs(20),
        ..limits
    };
    let far = [
        video(),
        cluster(0, &[block(1, 0, KEY, b"a"), block(1, 20_001, 0, b"b")]),
    ]
    .concat();
    assert_eq!(id(&far, long), 4002);
    let tags: Vec<u8> = (0..65).flat_map(|_| tag("name", "value")).collect();
    let tagged = [video(), cluster(0, &[frame(1)]), tags].concat();
    assert_eq!(id(&tagged, limits), 4009);
    assert_eq!(id(b"RIFF", limits), 4006);
}

#[test]
fn what_is_too_large_is_refused_before_it_arrives() {
    let huge = |id: &[u8]| [id, &[0x08, 0x40, 0, 0, 0]].concat();
    let limits = Limits::default();
    for (id, place) in [
        (&[0xa3][..], "SimpleBlock"),
        (&[0xa0], "BlockGroup"),
        (&[0x12, 0x54, 0xc3, 0x67], "Tags"),
    ] {
        let input = [video(), cluster(0, &[]), huge(id)].concat();
        let (_, error) = failed(&input, limits);
        let text = error.to_string();
        assert!(
            text.starts_with(place) && text.contains("the limit is"),
            "{text}"
        );
    }
    let document = video();
    let start = document.windows(4).position(|id| id == SEGMENT).unwrap();
    let tracks = [
        &document[..start],
        &SEGMENT,
        &[0xff, 0x16, 0x54, 0xae, 0x6b],
    ]
    .concat();
    let input = [&tracks[..], &[0x08, 0x10, 0, 0, 0]].concat();
    assert!(error(&input).contains("the limit is 5242"));
}

#[test]
fn long_fragments_become_several_clusters() {
    // Ninety seconds in one fragment, as a producer of MP4 may send it.
    use crate::support::{H264, store};
    let (init, fragments) = store(H264.bytes);
    let stretched = stretch(&fragments[0], 90_000);
    let cluster = mkv::cluster(&init, &stretched, &Limits::default()).unwrap();
    let header = mkv::header(&init);
    let (mut clusters, mut times) = (0, Vec::new());
    for event in scanned(&[&header[..], &cluster.pieces.concat()].concat()) {
        match event {
            mkv::Event::ClusterStarted(_) => clusters += 1,
            mkv::Event::Frame(frame) => times.push(frame.time),
            _ => {}
        }
    }
    assert_eq!((clusters, times.len()), (3, 25));
    assert_eq!((times[0], times[24]), (0, 86_400));
}

/// The same fragment, whose samples last longer: `ms` in all.
fn stretch(fragment: &StoredFragment, ms: u64) -> StoredFragment {
    let track = fragment.tracks().next().unwrap();
    let mut body = fragment.body().to_vec();
    let each = u32::try_from(ms * u64::from(track.meta().timescale) / 1_000 / 25).unwrap();
    let line = afflux_media::layout::HEADER_BYTES;
    let duration = u64::from(each) * 25;
    body[line + 16..line + 24].copy_from_slice(&duration.to_le_bytes());
    let moof = body.windows(4).position(|kind| kind == b"moof").unwrap() - 4;
    let default_duration = moof + 32 + 20;
    body[default_duration..default_duration + 4].copy_from_slice(&each.to_be_bytes());
    StoredFragment::decode(body.into()).unwrap()
}

#[test]
fn a_header_is_made_for_producers_of_mp4() {
    for fixture in crate::support::ALL {
        let (init, fragments) = crate::support::store(fixture.bytes);
        let header = mkv::Header::parse(mkv::header(&init), &Limits::default()).unwrap();
        let numbers: Vec<u64> = header.tracks().iter().map(|track| track.number).collect();
        let ids: Vec<u64> = init
            .tracks()
            .iter()
            .map(|track| track.id().into())
            .collect();
        assert_eq!(numbers, ids, "{}", fixture.name);
        let parts: Vec<(Init, StoredFragment)> =
            fragments.into_iter().map(|it| (init.clone(), it)).collect();
        let again = uploaded(&answer(&parts));
        let codecs = &again.finished[0].init.codecs();
        assert_eq!(codecs, fixture.codecs, "{}", fixture.name);
        let samples = summary(&again).into_iter().flatten();
        let samples: u32 = samples.map(|(.., samples)| samples).sum();
        assert_eq!(
            samples,
            fixture.samples.iter().sum::<u32>(),
            "{}",
            fixture.name
        );
    }
}
