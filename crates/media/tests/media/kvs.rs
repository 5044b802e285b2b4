//! Real uploads and answers of Kinesis Video Streams, and a driver for the assembler.
#![allow(dead_code, reason = "each test binary uses its own part")]

use afflux_media::mkv::{
    Assembled, Assembler, Assembly, Event, FragmentStart, Header, Scanner, Settings, Writer,
};
use afflux_media::{Facts, Init, Limits, StoredFragment, Tag, Timeline};
use afflux_types::ProducerTime;
use bytes::Bytes;

macro_rules! captures {
    ($($constant:ident = $name:literal;)*) => {
        $(pub(crate) const $constant: &[u8] =
            include_bytes!(concat!("../../../../fixtures/kvs/", $name));)*
        pub(crate) const ALL_CAPTURES: &[(&str, &[u8])] = &[$(($name, $constant)),*];
    };
}

captures! {
    PRODUCER_AV = "producer-c-av.mkv";
    PRODUCER_OFFLINE = "producer-c-offline.mkv";
    KVSSINK = "kvssink.mkv";
    CLUSTERS = "parser-clusters.mkv";
    GET_MEDIA = "get-media.mkv";
    BACKWARD = "get-media-backward.mkv";
    TAGS_MIXED = "tags-mixed.mkv";
}

/// The captures whose pictures and sound a decoder understands, and how many packets each track has.
pub(crate) const PLAYABLE: &[(&str, &[u8], &[u32])] = &[
    ("producer-c-av.mkv", PRODUCER_AV, &[14, 27]),
    ("kvssink.mkv", KVSSINK, &[96]),
    ("parser-clusters.mkv", CLUSTERS, &[118]),
    ("get-media.mkv", GET_MEDIA, &[60]),
    ("get-media-backward.mkv", BACKWARD, &[90]),
];

/// What the scanner finds in a good input that arrives whole.
pub(crate) fn scanned(input: &[u8]) -> Vec<Event> {
    let mut scanner = Scanner::new(Limits::default());
    scanner.push(Bytes::copy_from_slice(input));
    let mut events = Vec::new();
    while let Some(event) = scanner.poll().expect("the input is good") {
        events.push(event);
    }
    scanner.finish().expect("the input is whole");
    while let Some(event) = scanner.poll().expect("the input is good") {
        events.push(event);
    }
    events
}

/// Everything that came out of an upload.
#[derive(Debug, Default)]
pub(crate) struct Uploaded {
    pub(crate) headers: Vec<Header>,
    pub(crate) started: Vec<FragmentStart>,
    pub(crate) joined: Vec<u64>,
    pub(crate) finished: Vec<Assembly>,
}

/// Pushes pieces and collects what comes out, until the first error.
pub(crate) fn upload(
    pieces: impl IntoIterator<Item = Bytes>,
    settings: Settings,
) -> (Uploaded, afflux_media::Result<()>) {
    let mut assembler = Assembler::new(settings);
    let mut uploaded = Uploaded::default();
    let mut end = Ok(());
    for piece in pieces {
        assembler.push(piece);
        end = drain(&mut assembler, &mut uploaded);
        if end.is_err() {
            return (uploaded, end);
        }
    }
    if end.is_ok() {
        end = assembler.finish();
    }
    let last = drain(&mut assembler, &mut uploaded);
    (uploaded, end.and(last))
}

fn drain(assembler: &mut Assembler, uploaded: &mut Uploaded) -> afflux_media::Result<()> {
    while let Some(assembled) = assembler.poll()? {
        match assembled {
            Assembled::Header(header) => uploaded.headers.push(header),
            Assembled::Started(start) => uploaded.started.push(start),
            Assembled::Joined { timecode } => uploaded.joined.push(timecode),
            Assembled::Finished(assembly) => uploaded.finished.push(*assembly),
        }
    }
    Ok(())
}

/// What comes out of a good upload that arrives whole.
pub(crate) fn uploaded(input: &[u8]) -> Uploaded {
    let (uploaded, end) = upload([Bytes::copy_from_slice(input)], Settings::default());
    end.expect("the upload is good");
    uploaded
}

/// The stored fragments of an upload, each with its init.
pub(crate) fn stored(uploaded: &Uploaded) -> Vec<(Init, StoredFragment)> {
    let mut timeline = Timeline::new(ProducerTime::from_millis(0));
    let fragments = uploaded.finished.iter().zip(0..);
    let fragments = fragments.map(|(assembly, sequence)| {
        let placement = timeline.place(assembly.fragment.reference());
        let tags = assembly.tags.iter().take(10);
        let facts = Facts {
            session_id: 7,
            sequence,
            producer_time: placement.producer_time,
            continuity: placement.continuity,
            tags: tags
                .map(|tag| Tag::new(&tag.name, &tag.value).expect("it is short"))
                .collect(),
        };
        let body = assembly.fragment.encode(&facts).expect("it fits").concat();
        let stored = StoredFragment::decode(body.into()).expect("it was encoded");
        let init = Init::decode(&assembly.init.encode().concat().into(), &Limits::default());
        let init = init.expect("an init comes back");
        stored
            .verify(&init, &Limits::default())
            .expect("it was made here");
        (init, stored)
    });
    fragments.collect()
}

/// What a reader of the fragments gets, as one document as long as the header stays the same.
pub(crate) fn answer(fragments: &[(Init, StoredFragment)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut last = None;
    for (init, fragment) in fragments {
        let writer = Writer::new(init, &Limits::default());
        if last.replace(init.id()) != Some(init.id()) {
            out.extend_from_slice(writer.header());
        }
        let cluster = writer.cluster(fragment).expect("it was stored");
        let bytes = cluster.pieces.concat();
        assert_eq!(u64::try_from(bytes.len()), Ok(cluster.bytes));
        out.extend_from_slice(&bytes);
    }
    out
}

/// An element.
pub(crate) fn element(id: u32, body: &[u8]) -> Vec<u8> {
    let id = id.to_be_bytes();
    let start = id.iter().position(|byte| *byte != 0).unwrap_or(3);
    let size = u64::try_from(body.len()).unwrap_or(0) | 1 << 56;
    [&id[start..], &size.to_be_bytes(), body].concat()
}

/// An EBML head, a Segment of unknown size, and Tracks with these entries.
pub(crate) fn head(entries: &[Vec<u8>]) -> Vec<u8> {
    let document = element(0x1A45_DFA3, &element(0x4282, b"matroska"));
    let segment = [0x18, 0x53, 0x80, 0x67, 0xff];
    let tracks = element(0x1654_AE6B, &entries.concat());
    [&document[..], &segment, &tracks].concat()
}

/// A track without what a decoder needs.
pub(crate) fn entry(number: u8, kind: u8, codec: &str, fields: &[u8]) -> Vec<u8> {
    let fields = [
        &element(0xD7, &[number])[..],
        &element(0x83, &[kind]),
        &element(0x86, codec.as_bytes()),
        fields,
    ];
    element(0xAE, &fields.concat())
}

/// A Cluster of unknown size with this timestamp.
pub(crate) fn cluster(timecode: u64, blocks: &[Vec<u8>]) -> Vec<u8> {
    let start = [0x1f, 0x43, 0xb6, 0x75, 0xff];
    let timestamp = element(0xE7, &timecode.to_be_bytes());
    [&start[..], &timestamp, &blocks.concat()].concat()
}

/// A `SimpleBlock`.
pub(crate) fn block(track: u8, time: i16, flags: u8, frame: &[u8]) -> Vec<u8> {
    let [high, low] = time.to_be_bytes();
    element(
        0xA3,
        &[&[0x80 | track, high, low, flags][..], frame].concat(),
    )
}
