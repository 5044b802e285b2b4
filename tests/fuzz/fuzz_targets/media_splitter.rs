//! Any bytes, cut anywhere, through the splitter, and what comes out through everything else.
//!
//! The first byte says how long the pieces are.
#![no_main]

use afflux_media::{Clip, Continuity, Event, Facts, Fragment, Limits, Splitter, StoredFragment};
use afflux_types::ProducerTime;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((step, input)) = data.split_first() else { return };
    let limits = Limits { fragment_bytes: 1 << 20, ..Limits::default() };
    let mut splitter = Splitter::new(limits);
    let mut clip = None;
    let mut pieces = Vec::new();
    for piece in input.chunks(usize::from(*step).max(1)) {
        splitter.push(Bytes::copy_from_slice(piece));
        while let Ok(Some(event)) = splitter.poll() {
            match event {
                Event::Init(init) => clip = Some((Clip::builder(init.clone()), init)),
                Event::Started(_) => pieces.clear(),
                Event::Data(data) => pieces.push(data),
                Event::Finished { bytes } => {
                    let total: usize = pieces.iter().map(Bytes::len).sum();
                    assert_eq!(u64::try_from(total), Ok(bytes), "data is all of the fragment");
                    let Some((clip, init)) = &mut clip else { unreachable!("an init comes first") };
                    let Ok(fragment) = Fragment::parse(init, std::mem::take(&mut pieces), &limits)
                    else {
                        continue;
                    };
                    let facts = Facts {
                        session_id: 1,
                        sequence: 0,
                        producer_time: ProducerTime::from_millis(0),
                        continuity: Continuity::Continuous,
                        tags: Vec::new(),
                    };
                    let body = fragment.encode(&facts).expect("it was within the limits").concat();
                    let stored = StoredFragment::decode(body.into()).expect("it was encoded here");
                    stored.verify(init, &limits).expect("it was made from this init");
                    clip.push(&stored).expect("it is verified");
                }
            }
        }
    }
    let _ = splitter.finish();
    if let Some((clip, _)) = clip {
        let _ = clip.finish();
    }
});
