//! Uploads that fail: what was complete is handed out, and the error names the Cluster that is not.

use afflux_media::mkv::{self, Assembled, Assembler, Coalesce, Settings, error_id};
use bytes::Bytes;

use crate::kvs::{block, cluster, element, entry, head};

const KEY: u8 = 0x80;

/// What came of an input.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// Timestamps of the Clusters that are in complete fragments.
    complete: Vec<u64>,
    error: Option<u16>,
    failed: Option<u64>,
}

fn outcome(pieces: &[&[u8]], coalesce: Coalesce) -> Outcome {
    let settings = Settings {
        coalesce,
        ..Settings::default()
    };
    let mut assembler = Assembler::new(settings);
    let mut complete = Vec::new();
    let mut poll = |assembler: &mut Assembler| loop {
        match assembler.poll() {
            Ok(Some(Assembled::Finished(assembly))) => {
                complete.push(assembly.timecode);
                complete.extend(assembly.joined);
            }
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(error) => return Some(error_id(&error)),
        }
    };
    for piece in pieces {
        assembler.push(Bytes::copy_from_slice(piece));
        poll(&mut assembler);
    }
    let finished = assembler.finish().err().map(|error| error_id(&error));
    let error = poll(&mut assembler);
    assert_eq!(finished.or(error), error, "an error stays");
    Outcome {
        complete,
        error,
        failed: assembler.failed_cluster(),
    }
}

/// A Cluster of known size.
fn sized(timecode: u16, blocks: &[Vec<u8>]) -> Vec<u8> {
    let time = element(0xE7, &timecode.to_be_bytes());
    element(0x1F43_B675, &[time, blocks.concat()].concat())
}

fn video() -> Vec<u8> {
    head(&[entry(1, 1, "V_MPEG4/ISO/AVC", &[])])
}

fn frame(flags: u8) -> Vec<Vec<u8>> {
    vec![block(1, 0, flags, b"frame")]
}

/// A small upload in the order of its parts: each with the Cluster that it holds or belongs to.
fn parts(cluster: fn(u16) -> Vec<u8>) -> Vec<(u64, Vec<u8>)> {
    let tags = mkv::tags([("name", "value")]).to_vec();
    vec![
        (0, video()),
        (1_000, cluster(1_000)),
        (2_000, cluster(2_000)),
        (2_000, tags),
        (3_000, cluster(3_000)),
    ]
}

#[test]
fn a_cut_at_any_byte_keeps_every_complete_cluster_and_names_the_one_that_is_not() {
    let parts = parts(|timecode| sized(timecode, &frame(KEY)));
    let input: Vec<u8> = parts.iter().flat_map(|(_, part)| part.clone()).collect();
    let head = parts[0].1.len();
    for cut in head..=input.len() {
        let (mut complete, mut failed, mut start) = (Vec::new(), None, 0);
        let mut is_between = false;
        for (timecode, part) in &parts {
            let come = cut.saturating_sub(start).min(part.len());
            start += part.len();
            is_between |= come == part.len() && start == cut;
            let is_cluster = part.starts_with(&[0x1f, 0x43, 0xb6, 0x75]);
            if is_cluster && come == part.len() {
                complete.push(*timecode);
            } else if is_cluster && come >= CLUSTER_HEAD {
                failed = Some(*timecode);
            } else if part.starts_with(&[0x12, 0x54, 0xc3, 0x67])
                && (TAGS_HEAD..part.len()).contains(&come)
            {
                // Half of what is said of a fragment is not what its producer said.
                complete.retain(|of| of != timecode);
                failed = Some(*timecode);
            }
        }
        let expected = Outcome {
            complete,
            error: (!is_between).then_some(4_006),
            failed,
        };
        for pieces in [vec![&input[..cut]], input[..cut].chunks(1).collect()] {
            for coalesce in [Coalesce::Never, Coalesce::Small] {
                assert_eq!(outcome(&pieces, coalesce), expected, "cut at {cut}");
            }
        }
    }
}

/// Id, size and timestamp of a Cluster of [`sized`].
const CLUSTER_HEAD: usize = 12 + 11;
/// Id and size of small tags.
const TAGS_HEAD: usize = 4 + 1;

#[test]
fn an_input_in_two_pieces_is_the_same_wherever_it_is_cut() {
    for cluster in [
        (|timecode| sized(timecode, &frame(KEY))) as fn(u16) -> Vec<u8>,
        |timecode| cluster(timecode.into(), &frame(KEY)),
    ] {
        let input: Vec<u8> = parts(cluster).into_iter().flat_map(|part| part.1).collect();
        for cut in 0..=input.len() {
            let (first, second) = input.split_at(cut);
            let whole = outcome(&[first, second], Coalesce::Never);
            assert_eq!(
                (whole.complete, whole.error),
                (vec![1_000, 2_000, 3_000], None),
                "{cut}"
            );
        }
    }
}

/// A Cluster and what follows it; the error, what is complete, and what the error is about.
type Case<'a> = (&'a [u8], &'a [u8], u16, &'a [u64], Option<u64>);

#[test]
fn garbage_behind_a_complete_cluster_does_not_spoil_it() {
    let known = sized(1_000, &frame(KEY));
    let open = cluster(1_000, &frame(KEY));
    let undeclared = cluster(2_000, &[block(9, 0, KEY, b"frame")]);
    let overrun = [
        &sized(2_000, &frame(KEY))[..CLUSTER_HEAD],
        &[0xa3, 0x40, 0xff, 0x81],
    ]
    .concat();
    let bad_tags = element(0x1254_C367, &[0x73, 0x73, 0xff]);
    let bad_head = element(0x1A45_DFA3, &element(0x4282, b"docx"));
    let nine = head(&[1, 2, 3, 4, 5, 6, 7, 8, 9].map(|i| entry(i, 1, "V_MPEG4/ISO/AVC", &[])));
    let huge = [
        &cluster(2_000, &[])[..],
        &[0xa3, 0x01, 0, 0, 0, 0xff, 0, 0, 0],
    ]
    .concat();
    let garbage = vec![0x5a; 64];
    let cases: [Case<'_>; 10] = [
        (&known, &garbage, 4_006, &[1_000], None),
        (&known, &[0; 3], 4_006, &[1_000], None),
        // Nobody can say where a Cluster of unknown size ends but by what follows.
        (&open, &[0; 3], 4_006, &[], Some(1_000)),
        (&known, &undeclared, 4_010, &[1_000], Some(2_000)),
        (&open, &undeclared, 4_010, &[1_000], Some(2_000)),
        (&known, &overrun, 4_006, &[1_000], Some(2_000)),
        (&open, &bad_head, 4_006, &[1_000], None),
        (&open, &nine, 4_012, &[1_000], None),
        (&open, &huge, 4_001, &[1_000], Some(2_000)),
        (&known, &bad_tags, 4_006, &[], Some(1_000)),
    ];
    for (number, (cluster, then, error, complete, failed)) in cases.into_iter().enumerate() {
        let input = [&video()[..], cluster, then].concat();
        let expected = Outcome {
            complete: complete.to_vec(),
            error: Some(error),
            failed,
        };
        for pieces in [vec![&input[..]], input.chunks(1).collect()] {
            assert_eq!(outcome(&pieces, Coalesce::Small), expected, "case {number}");
        }
    }
}

#[test]
fn a_cluster_that_fails_before_it_has_joined_leaves_the_fragment_whole() {
    let mut half = sized(1_300, &[frame(0), frame(0)].concat());
    half.truncate(half.len() - 3);
    let input = [
        video(),
        sized(1_000, &frame(KEY)),
        sized(1_100, &frame(0)),
        sized(1_200, &frame(0)),
        half,
    ]
    .concat();
    let expected = Outcome {
        complete: vec![1_000, 1_100, 1_200],
        error: Some(4_006),
        failed: Some(1_300),
    };
    assert_eq!(outcome(&[&input], Coalesce::Small), expected);
}
