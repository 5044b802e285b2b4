//! Any bytes as an upload in Matroska, cut anywhere; what comes out is stored, checked and written
//! as Matroska again, which must hold the same frames.
//!
//! The first byte says how long the pieces are, its lowest bit what becomes of small Clusters.
#![no_main]

use afflux_media::mkv::{Assembled, Assembler, Coalesce, Event, Scanner, Settings, Writer};
use afflux_media::{Continuity, Facts, Init, Limits, StoredFragment};
use afflux_types::ProducerTime;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((step, input)) = data.split_first() else {
        return;
    };
    let limits = Limits {
        fragment_bytes: 1 << 20,
        ..Limits::default()
    };
    let coalesce = if step & 1 == 0 {
        Coalesce::Small
    } else {
        Coalesce::Never
    };
    let mut assembler = Assembler::new(Settings { limits, coalesce });
    for piece in input.chunks(usize::from(*step).max(1)) {
        assembler.push(Bytes::copy_from_slice(piece));
        drain(&mut assembler, &limits);
    }
    let _ = assembler.finish();
    drain(&mut assembler, &limits);
});

fn drain(assembler: &mut Assembler, limits: &Limits) {
    while let Ok(Some(assembled)) = assembler.poll() {
        let Assembled::Finished(assembly) = assembled else {
            continue;
        };
        let init = Init::decode(&assembly.init.encode().concat().into(), limits);
        assert_eq!(
            init.as_ref(),
            Ok(&assembly.init),
            "an init is stored as it is"
        );
        let facts = Facts {
            session_id: 1,
            sequence: 0,
            producer_time: ProducerTime::from_millis(0),
            continuity: Continuity::Continuous,
            tags: Vec::new(),
        };
        let body = assembly
            .fragment
            .encode(&facts)
            .expect("it was within the limits")
            .concat();
        let stored = StoredFragment::decode(body.into()).expect("it was encoded here");
        stored
            .verify(&assembly.init, limits)
            .expect("it was made for this init");
        let writer = Writer::new(&assembly.init, limits);
        let Ok(cluster) = writer.cluster(&stored) else {
            continue;
        };
        let mut scanner = Scanner::new(*limits);
        scanner.push(writer.header().clone());
        cluster
            .pieces
            .into_iter()
            .for_each(|piece| scanner.push(piece));
        let mut frames = 0;
        while let Some(event) = scanner.poll().expect("what is written here can be read") {
            frames += u32::from(matches!(event, Event::Frame(_)));
        }
        let samples = stored
            .meta()
            .tracks
            .iter()
            .map(|track| track.samples)
            .sum::<u32>();
        assert_eq!(frames, samples, "every sample is a frame");
    }
}
