//! Damaged and random bytes: whatever they are, nothing panics.

use afflux_media::mkv::{Settings, Writer};
use afflux_media::{Clip, Fragment, Init, Limits, StoredFragment, playback};
use bytes::Bytes;
use proptest::prelude::*;

use crate::kvs::{ALL_CAPTURES, PRODUCER_AV, upload};
use crate::support::{ALL, facts, run, store};

fn limits() -> Limits {
    Limits {
        fragment_bytes: 1 << 20,
        ..Limits::default()
    }
}

fn pieces(input: &Bytes, step: usize) -> impl Iterator<Item = Bytes> {
    (0..input.len())
        .step_by(step)
        .map(move |at| input.slice(at..input.len().min(at + step)))
}

/// Does everything that can be done with an input; returns how many fragments went all the way.
fn everything(input: &Bytes, step: usize) -> usize {
    let limits = limits();
    let (output, _) = run(pieces(input, step), limits);
    let mut done = 0;
    for init in &output.inits {
        let _ = Init::decode(&init.encode().concat().into(), &limits);
        let mut builder = Clip::builder(init.clone());
        for received in &output.fragments {
            let Ok(fragment) = Fragment::parse(init, received.pieces.clone(), &limits) else {
                continue;
            };
            let body = fragment.encode(&facts(0)).unwrap().concat();
            let stored = StoredFragment::decode(body.into()).unwrap();
            stored.verify(init, &limits).unwrap();
            let _ = playback::fragment_bytes(&stored, 1, &[]);
            builder.push(&stored).unwrap();
            done += 1;
        }
        let _ = builder.finish();
    }
    done
}

/// Does everything that can be done with the body of a stored fragment.
fn read_stored(init: &Init, body: Bytes) {
    let _ = StoredFragment::peek(&body);
    let Ok(stored) = StoredFragment::decode(body) else {
        return;
    };
    let _ = stored.tags();
    let _ = stored.verify(init, &Limits::default());
    let _ = playback::fragment_bytes(&stored, u32::MAX, &[]);
    let mut builder = Clip::builder(init.clone());
    let _ = builder.push(&stored).and_then(|()| builder.push(&stored));
    let _ = builder.finish();
}

#[test]
fn good_files_go_all_the_way() {
    for fixture in ALL {
        let bytes = Bytes::from_static(fixture.bytes);
        assert_eq!(
            everything(&bytes, 4_096),
            fixture.fragments,
            "{}",
            fixture.name
        );
    }
}

/// Places in a file where a change is likely to matter: not inside sample data.
fn heads(input: &[u8]) -> Vec<usize> {
    let mut places = Vec::new();
    let mut at = 0;
    while let Some(size) = input.get(at..at + 4) {
        let size = u32::from_be_bytes(size.try_into().unwrap()) as usize;
        let is_data = &input[at + 4..at + 8] == b"mdat";
        places.extend(at..at + if is_data { 8 } else { size });
        at += size;
    }
    places
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn damaged_files_do_not_panic(
        fixture in 0..ALL.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        step in 1_usize..8_000,
    ) {
        let mut input = ALL[fixture].bytes.to_vec();
        let heads = heads(&input);
        for (place, value) in changes {
            input[*place.get(&heads)] = value;
        }
        everything(&input.into(), step.max(64));
    }

    #[test]
    fn damaged_bodies_do_not_panic(
        fixture in 0..ALL.len(),
        changes in prop::collection::vec((0_usize..1_500, any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let (init, fragments) = store(ALL[fixture].bytes);
        let mut body = fragments[0].body().to_vec();
        for (place, value) in changes {
            let place = place % body.len();
            body[place] = value;
        }
        if is_cut {
            body.truncate(cut.index(body.len()));
        }
        read_stored(&init, body.into());
    }

    #[test]
    fn random_bytes_do_not_panic(input in prop::collection::vec(any::<u8>(), 0..600)) {
        let (init, _) = store(ALL[0].bytes);
        let input = Bytes::from(input);
        everything(&input, 7);
        read_stored(&init, input.clone());
        let _ = Init::decode(&input, &Limits::default());
        let _ = Fragment::parse(&init, vec![input], &Limits::default());
    }
}

/// Does everything that can be done with an upload in Matroska; returns how many fragments came
/// back as Matroska.
fn everything_matroska(input: &Bytes, step: usize) -> usize {
    let limits = limits();
    let settings = Settings {
        limits,
        ..Settings::default()
    };
    let (uploaded, _) = upload(pieces(input, step), settings);
    for assembly in &uploaded.finished {
        let body = assembly.fragment.encode(&facts(0)).unwrap().concat();
        let stored = StoredFragment::decode(body.into()).unwrap();
        stored.verify(&assembly.init, &limits).unwrap();
        let writer = Writer::new(&assembly.init, &limits);
        let _ = writer.cluster(&stored);
        let _ = playback::fragment_bytes(&stored, 1, &[]);
    }
    uploaded.finished.len()
}

proptest! {
    #[test]
    fn damaged_matroska_never_panics(
        capture in 0..ALL_CAPTURES.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        front in any::<bool>(),
        step in 1_usize..70_000,
    ) {
        let (_, input) = ALL_CAPTURES[capture];
        let mut input = input[..input.len().min(40_000)].to_vec();
        let reach = if front { 1_000.min(input.len()) } else { input.len() };
        for (at, byte) in damage {
            input[at.index(reach)] = byte;
        }
        everything_matroska(&input.into(), step);
    }

    #[test]
    fn any_bytes_after_a_good_header_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        step in 1_usize..50,
    ) {
        let mut input = PRODUCER_AV[..350].to_vec();
        input.extend_from_slice(&[0x1f, 0x43, 0xb6, 0x75, 0xff, 0xe7, 0x81, 5]);
        input.extend_from_slice(&bytes);
        everything_matroska(&input.into(), step);
    }
}
