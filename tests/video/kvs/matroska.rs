//! Matroska by hand: what a camera sends, and what comes back.

use std::path::Path;

/// Milliseconds between two fragments, and between two frames.
pub(super) const FRAGMENT_MS: u64 = 2_000;
const FRAME_MS: u64 = 500;

const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1f43_b675;
const TIMECODE: u32 = 0xe7;
const SIMPLE_BLOCK: u32 = 0xa3;

/// What a camera sends first: one track of H.264, in ticks of a millisecond.
pub(super) fn header(uid: u8) -> Vec<u8> {
    let kind = [
        element(0x4286, &[1]),
        element(0x42f7, &[1]),
        element(0x42f2, &[4]),
        element(0x42f3, &[8]),
        element(0x4282, b"matroska"),
        element(0x4287, &[2]),
        element(0x4285, &[2]),
    ];
    let info = [
        element(0x002a_d7b1, &1_000_000_u32.to_be_bytes()),
        element(0x73a4, &[uid; 16]),
        element(0x4d80, b"test"),
        element(0x5741, b"test"),
    ];
    let picture = [
        element(0xb0, &640_u16.to_be_bytes()),
        element(0xba, &360_u16.to_be_bytes()),
    ];
    let track = [
        element(0xd7, &[1]),
        element(0x73c5, &[1]),
        element(0x83, &[1]),
        element(0x86, b"V_MPEG4/ISO/AVC"),
        element(0x63a2, &configuration()),
        element(0xe0, &picture.concat()),
    ];
    let mut header = element(0x1a45_dfa3, &kind.concat());
    header.extend(SEGMENT.to_be_bytes());
    header.extend([0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    header.extend(element(0x1549_a966, &info.concat()));
    let entry = element(0xae, &track.concat());
    header.extend(element(0x1654_ae6b, &entry));
    header
}

/// A fragment with these frames, of which the first is a key frame.
pub(super) fn cluster(timecode: u64, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut content = element(TIMECODE, &timecode.to_be_bytes());
    for (n, frame) in (0_u64..).zip(frames) {
        let time = i16::try_from(n * FRAME_MS).unwrap();
        let flags = if n == 0 { 0x80 } else { 0 };
        let [high, low] = time.to_be_bytes();
        let block = [&[0x81, high, low, flags], frame.as_slice()].concat();
        content.extend(element(SIMPLE_BLOCK, &block));
    }
    element(CLUSTER, &content)
}

/// A cluster that came back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cluster {
    pub(super) timecode: u64,
    pub(super) frames: Vec<Vec<u8>>,
}

/// Every cluster of one file after the other.
pub(super) fn clusters(mut bytes: &[u8]) -> Vec<Cluster> {
    let mut found = Vec::new();
    while let Some((id, content, rest)) = next(bytes) {
        if id == CLUSTER {
            found.push(read_cluster(content));
        }
        bytes = rest;
    }
    found
}

fn read_cluster(mut bytes: &[u8]) -> Cluster {
    let mut cluster = Cluster {
        timecode: u64::MAX,
        frames: Vec::new(),
    };
    while let Some((id, content, rest)) = next(bytes) {
        match id {
            TIMECODE => {
                let mut value = [0; 8];
                value[8 - content.len()..].copy_from_slice(content);
                cluster.timecode = u64::from_be_bytes(value);
            }
            // A track below 128 is one byte, its time two, flags one.
            SIMPLE_BLOCK => cluster.frames.push(content[4..].to_vec()),
            _ => {}
        }
        bytes = rest;
    }
    cluster
}

/// The next element: its id, what it holds, and what comes behind it. A segment is opened, not skipped.
fn next(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let first = *bytes.first()?;
    let id_len = first.leading_zeros() as usize + 1;
    let id = bytes[..id_len]
        .iter()
        .fold(0, |id, &byte| id << 8 | u32::from(byte));
    let size = &bytes[id_len..];
    let size_len = size[0].leading_zeros() as usize + 1;
    let marked = size[..size_len]
        .iter()
        .fold(0, |size, &byte| size << 8 | u64::from(byte));
    let length = marked & !(1 << (7 * size_len));
    let content = &size[size_len..];
    if id == SEGMENT {
        return Some((id, &[], content));
    }
    let (content, rest) = content.split_at(usize::try_from(length).unwrap());
    Some((id, content, rest))
}

fn element(id: u32, content: &[u8]) -> Vec<u8> {
    let id = id.to_be_bytes();
    let start = id.iter().position(|&byte| byte != 0).unwrap();
    let size = 1 << 56 | content.len() as u64;
    [&id[start..], &size.to_be_bytes(), content].concat()
}

/// The decoder configuration of a real camera.
fn configuration() -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/video/h264.mp4");
    let bytes = std::fs::read(file).unwrap();
    let at = bytes.windows(4).position(|name| name == b"avcC").unwrap();
    let length = u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap());
    bytes[at + 4..at - 4 + length as usize].to_vec()
}
