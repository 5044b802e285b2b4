//! Video: uploads with their acknowledgements, resuming, listing, fetching, following.

use std::collections::BTreeSet;

use afflux_entry::Kind;
use afflux_media::{Event, Init, Limits, Splitter, StoredFragment};
use afflux_types::{ErrorKind, FragmentNumber};
use afflux_wire::message::{
    Activity, Answer, Command, Fetch, Fragment, FragmentAck, FragmentEnd, FragmentSelector,
    FragmentStart, FragmentState, From, ListFragments, StreamKind, Tag, TimeAxis, Upload,
    UploadInit, UploadOpened,
};
use afflux_wire::{EntryRope, Frame, Item};
use bytes::Bytes;

use crate::subscribe::subscribe;
use crate::support::{Channel, Peer, Running, admin, create};

/// Eight fragments of one second, H.264 and AAC.
const CAMERA: &[u8] = include_bytes!("../../../../fixtures/video/camera.mp4");
const FRAGMENTS: u64 = 8;
/// When the first fragment starts, by the camera's clock.
const START_MS: i64 = 1_700_000_000_000;

/// The fixture as an initialisation and whole fragments.
struct Footage {
    init: Bytes,
    fragments: Vec<Bytes>,
}

fn footage() -> Footage {
    let mut splitter = Splitter::new(Limits::default());
    splitter.push(Bytes::from_static(CAMERA));
    let mut footage = Footage {
        init: Bytes::new(),
        fragments: Vec::new(),
    };
    let mut data = Vec::new();
    while let Some(event) = splitter.poll().unwrap() {
        match event {
            Event::Init(init) => footage.init = init.bytes().clone(),
            Event::Started(_) => data.clear(),
            Event::Data(piece) => data.extend_from_slice(&piece),
            Event::Finished { .. } => footage.fragments.push(Bytes::from(data.clone())),
        }
    }
    footage
}

/// Opens an upload and passes over the answer.
async fn upload(peer: &Peer, stream: &str, session: u8) -> (Channel, UploadOpened) {
    let request = Upload {
        stream: stream.to_owned(),
        session_id: vec![session; 16].into(),
    };
    let mut channel = peer.open(Activity::Upload(request)).await;
    match channel.frame().await {
        Frame::UploadOpened(opened) => (channel, opened),
        other => panic!("{other:?} instead of UploadOpened"),
    }
}

/// Sends a fragment in pieces of odd sizes.
async fn send(channel: &mut Channel, footage: &Footage, number: u64, start_ms: i64) {
    let start = FragmentStart {
        number,
        producer_time_ms: start_ms,
        tags: vec![Tag {
            name: "camera".to_owned(),
            value: "north".to_owned(),
        }],
        discontinuity: false,
    };
    channel.send_frame(start).await;
    let index = usize::try_from(number).unwrap() % footage.fragments.len();
    for piece in footage.fragments[index].chunks(777) {
        for bytes in Frame::fragment_data(Bytes::copy_from_slice(piece)) {
            channel.send_bytes(bytes).await;
        }
    }
    channel.send_frame(FragmentEnd { number }).await;
}

async fn ack(channel: &mut Channel) -> FragmentAck {
    match channel.frame().await {
        Frame::FragmentAck(ack) => ack,
        other => panic!("{other:?} instead of an acknowledgement"),
    }
}

/// Uploads fragments of one second each and waits until the last one is durable.
async fn record(peer: &Peer, stream: &str, session: u8, numbers: std::ops::Range<u64>) {
    let footage = footage();
    let (mut channel, _) = upload(peer, stream, session).await;
    channel
        .send_frame(UploadInit {
            init: footage.init.clone(),
        })
        .await;
    for number in numbers.clone() {
        let start = START_MS + 1_000 * i64::try_from(number).unwrap();
        send(&mut channel, &footage, number, start).await;
    }
    channel.send.finish().unwrap();
    let mut persisted = numbers.start;
    while let Some(item) = channel.item().await {
        let Item::Frame(Frame::FragmentAck(ack)) = item else {
            panic!("{item:?}")
        };
        if ack.state() == FragmentState::Persisted {
            assert_eq!(ack.number, persisted);
            persisted += 1;
        }
    }
    assert_eq!(persisted, numbers.end);
}

async fn list(peer: &Peer, request: ListFragments) -> (Vec<Fragment>, Option<u64>) {
    let request = ListFragments {
        stream: "camera".to_owned(),
        ..request
    };
    match admin(peer, Command::ListFragments(request)).await.unwrap() {
        Answer::Fragments(list) => (list.fragments, list.next_position),
        other => panic!("{other:?} is no list of fragments"),
    }
}

fn producer_axis(from_ms: i64, to_ms: i64) -> FragmentSelector {
    FragmentSelector {
        axis: TimeAxis::Producer.into(),
        from_ms: Some(from_ms),
        to_ms: Some(to_ms),
        cover_start: false,
    }
}

/// Everything that a fetch brings: initialisations and fragments, and the count at its end.
async fn fetch(peer: &Peer, selector: Option<FragmentSelector>) -> (Vec<EntryRope>, u64) {
    let request = Fetch {
        stream: "camera".to_owned(),
        selector,
    };
    let mut channel = peer.open(Activity::Fetch(request)).await;
    let mut entries = Vec::new();
    loop {
        match channel.item().await {
            Some(Item::Entry(entry)) => entries.push(entry),
            Some(Item::Frame(Frame::FetchEnd(end))) => return (entries, end.fragments),
            other => panic!("{other:?} in a fetch"),
        }
    }
}

/// Checks that every fragment comes after its initialisation; returns producer times.
fn play(entries: &[EntryRope]) -> Vec<i64> {
    let mut inits = BTreeSet::new();
    let mut times = Vec::new();
    for entry in entries {
        match entry.header.kind {
            Kind::Init => {
                let init = Init::decode(&entry.contiguous(), &Limits::default()).unwrap();
                inits.insert(init.id());
            }
            Kind::Fragment => {
                let fragment = StoredFragment::decode(entry.contiguous()).unwrap();
                assert!(
                    inits.contains(&fragment.meta().init_id),
                    "a fragment without its init"
                );
                times.push(fragment.meta().producer_time.as_millis());
            }
            Kind::Marker => {}
            Kind::Batch => panic!("a batch in a video stream"),
        }
    }
    times
}

#[tokio::test]
async fn a_fragment_is_buffering_then_received_then_persisted() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "camera", StreamKind::Video).await;
    let footage = footage();
    let (mut channel, opened) = upload(&peer, "camera", 1).await;
    assert_eq!(
        (opened.next_fragment, opened.fragment_bytes_max),
        (0, 64 << 20)
    );
    channel
        .send_frame(UploadInit {
            init: footage.init.clone(),
        })
        .await;
    send(&mut channel, &footage, 0, START_MS).await;
    let states = [
        FragmentState::Buffering,
        FragmentState::Received,
        FragmentState::Persisted,
    ];
    for expected in states {
        let ack = ack(&mut channel).await;
        assert_eq!((ack.number, ack.state()), (0, expected));
        if expected == FragmentState::Persisted {
            let number: FragmentNumber = ack.fragment_number.parse().unwrap();
            assert_eq!(number.position().get(), ack.position);
            assert_eq!(number.server_time().as_millis(), ack.server_time_ms);
        }
    }
}

#[tokio::test]
async fn an_upload_goes_on_where_it_stopped_also_after_a_restart() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "camera", StreamKind::Video).await;
    record(&peer, "camera", 1, 0..3).await;
    drop(peer);
    let running = running.restart().await;
    let peer = running.connect().await;
    let (_, opened) = upload(&peer, "camera", 1).await;
    assert_eq!(opened.next_fragment, 3);
    let (_, other) = upload(&peer, "camera", 2).await;
    assert_eq!(other.next_fragment, 0);
    record(&peer, "camera", 1, 3..FRAGMENTS).await;
    let (fragments, next) = list(&peer, ListFragments::default()).await;
    assert_eq!(fragments.len(), 8);
    assert_eq!(next, None);
}

#[tokio::test]
async fn fragments_are_listed_by_both_times_in_pages() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "camera", StreamKind::Video).await;
    record(&peer, "camera", 1, 0..FRAGMENTS).await;
    let all = list(&peer, ListFragments::default()).await.0;
    assert!(
        all.iter()
            .all(|one| one.key_frame && one.duration_ms >= 1_000 && one.bytes > 1_000)
    );
    assert_eq!(
        all[0].tags,
        [Tag {
            name: "camera".to_owned(),
            value: "north".to_owned()
        }]
    );
    let selector = producer_axis(START_MS + 2_000, START_MS + 5_000);
    let request = ListFragments {
        selector: Some(selector),
        ..ListFragments::default()
    };
    let (some, _) = list(&peer, request.clone()).await;
    let times: Vec<i64> = some
        .iter()
        .map(|one| one.producer_time_ms - START_MS)
        .collect();
    assert_eq!(times, [2_000, 3_000, 4_000]);

    let mut pages = Vec::new();
    let mut position = Some(0);
    while let Some(from) = position {
        let request = ListFragments {
            position: from,
            limit: 2,
            ..request.clone()
        };
        let (page, next) = list(&peer, request).await;
        pages.extend(page);
        position = next;
    }
    assert_eq!(pages, some);

    let from = all[3].server_time_ms;
    let server = FragmentSelector {
        axis: TimeAxis::Server.into(),
        from_ms: Some(from),
        to_ms: Some(from + 1),
        cover_start: false,
    };
    let request = ListFragments {
        selector: Some(server),
        ..ListFragments::default()
    };
    let (some, _) = list(&peer, request).await;
    let expected: Vec<Fragment> = all
        .iter()
        .filter(|one| one.server_time_ms == from)
        .cloned()
        .collect();
    assert_eq!(some, expected);
}

#[tokio::test]
async fn a_fetch_brings_what_plays_at_its_start_after_its_initialisation() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "camera", StreamKind::Video).await;
    record(&peer, "camera", 1, 0..FRAGMENTS).await;
    let mut selector = producer_axis(START_MS + 2_500, START_MS + 4_000);
    let (entries, count) = fetch(&peer, Some(selector)).await;
    assert_eq!((play(&entries), count), (vec![START_MS + 3_000], 1));
    selector.cover_start = true;
    let (entries, count) = fetch(&peer, Some(selector)).await;
    assert_eq!(
        (play(&entries), count),
        (vec![START_MS + 2_000, START_MS + 3_000], 2)
    );
    let (entries, count) = fetch(&peer, None).await;
    assert_eq!((play(&entries).len(), count), (8, 8));
}

#[tokio::test]
async fn a_follower_that_joins_late_gets_the_initialisation_first() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "camera", StreamKind::Video).await;
    let footage = footage();
    let (mut camera, _) = upload(&peer, "camera", 1).await;
    camera
        .send_frame(UploadInit {
            init: footage.init.clone(),
        })
        .await;
    send(&mut camera, &footage, 0, START_MS).await;
    while ack(&mut camera).await.state() != FragmentState::Persisted {}
    let (mut follower, opened) = subscribe(&peer, "camera", From::Latest(true), 16 << 20).await;
    assert_eq!(opened.position, 1);
    send(&mut camera, &footage, 1, START_MS + 1_000).await;
    let mut entries = Vec::new();
    while entries
        .last()
        .is_none_or(|last: &EntryRope| last.header.kind != Kind::Fragment)
    {
        entries.push(follower.entry().await);
    }
    assert_eq!(play(&entries), [START_MS + 1_000]);
}

#[tokio::test]
async fn uploads_that_break_the_rules_are_refused_with_the_reason() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "camera", StreamKind::Video).await;
    let footage = footage();

    let (mut channel, _) = upload(&peer, "camera", 1).await;
    channel.send_frame(FragmentStart::default()).await;
    assert!(
        channel
            .failure()
            .await
            .message
            .contains("before UploadInit")
    );

    let (mut channel, _) = upload(&peer, "camera", 1).await;
    channel
        .send_frame(UploadInit {
            init: footage.init.clone(),
        })
        .await;
    channel
        .send_frame(FragmentStart {
            number: 5,
            ..FragmentStart::default()
        })
        .await;
    let failure = channel.failure().await;
    assert!(failure.message.contains("fragment 5") && failure.message.contains("fragment 0"));

    let (mut channel, _) = upload(&peer, "camera", 1).await;
    channel
        .send_frame(UploadInit {
            init: Bytes::from_static(b"no video"),
        })
        .await;
    assert_eq!(channel.failure().await.error_kind(), ErrorKind::Invalid);

    let (mut channel, _) = upload(&peer, "camera", 1).await;
    channel
        .send_frame(UploadInit {
            init: footage.init.clone(),
        })
        .await;
    channel.send_frame(FragmentStart::default()).await;
    channel.send.finish().unwrap();
    assert!(
        channel
            .failure()
            .await
            .message
            .contains("inside fragment 0")
    );

    let request = Upload {
        stream: "camera".to_owned(),
        session_id: Bytes::from_static(b"short"),
    };
    let failure = peer.open(Activity::Upload(request)).await.failure().await;
    assert!(failure.message.contains("5 bytes, not 16"), "{failure:?}");
    let (fragments, _) = list(&peer, ListFragments::default()).await;
    assert!(fragments.is_empty());
}

#[tokio::test]
async fn fragments_before_a_damaged_one_are_persisted() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "camera", StreamKind::Video).await;
    let mut footage = footage();
    footage.fragments[1] = Bytes::from_static(b"this is not a moof at all");
    let (mut channel, _) = upload(&peer, "camera", 1).await;
    channel
        .send_frame(UploadInit {
            init: footage.init.clone(),
        })
        .await;
    send(&mut channel, &footage, 0, START_MS).await;
    send(&mut channel, &footage, 1, START_MS).await;
    let mut persisted = false;
    let failure = loop {
        match channel.frame().await {
            Frame::FragmentAck(ack) => persisted |= ack.state() == FragmentState::Persisted,
            Frame::Failure(failure) => break failure,
            other => panic!("{other:?} on an upload"),
        }
    };
    assert!(persisted);
    assert_eq!(failure.error_kind(), ErrorKind::Invalid, "{failure:?}");
    let (_, opened) = upload(&peer, "camera", 1).await;
    assert_eq!(opened.next_fragment, 1);
}
