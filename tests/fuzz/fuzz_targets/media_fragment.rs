//! Any `moof` and `mdat`, for the tracks of a real init.
#![no_main]

use std::sync::OnceLock;

use afflux_media::{Event, Fragment, Init, Limits, Splitter};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

static INPUT: &[u8] = include_bytes!("../../../fixtures/video/h264-aac.mp4");

fn init() -> &'static Init {
    static INIT: OnceLock<Init> = OnceLock::new();
    INIT.get_or_init(|| {
        let mut splitter = Splitter::new(Limits::default());
        splitter.push(Bytes::from_static(INPUT));
        match splitter.poll() {
            Ok(Some(Event::Init(init))) => init,
            other => unreachable!("the fixture starts with an init, not {other:?}"),
        }
    })
}

fuzz_target!(|data: &[u8]| {
    let pieces = data.chunks(97).map(Bytes::copy_from_slice).collect();
    if let Ok(fragment) = Fragment::parse_at(init(), pieces, 0, &Limits::default()) {
        assert!(fragment.tracks().count() > 0, "a fragment has a track");
        assert!(fragment.tracks().all(|track| track.samples > 0), "a track has samples");
    }
});
