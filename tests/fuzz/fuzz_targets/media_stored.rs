//! Any body of a log entry, as a stored fragment and as a stored codec initialisation.
#![no_main]

use afflux_media::mkv::Writer;
use afflux_media::{Clip, Init, Limits, StoredFragment, playback};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let body = Bytes::copy_from_slice(data);
    let limits = Limits::default();
    let _ = StoredFragment::peek(&body);
    if let Ok(stored) = StoredFragment::decode(body.clone()) {
        let _ = stored.tags();
        let _ = playback::fragment_bytes(&stored, u32::MAX, &[]);
        for track in stored.tracks() {
            let _ = track.samples(&limits);
        }
    }
    if let Ok(init) = Init::decode(&body, &limits) {
        let again = Init::decode(&init.encode().concat().into(), &limits);
        assert_eq!(again.as_ref(), Ok(&init), "an init is stored as it is");
        assert!(
            !Writer::new(&init, &limits).header().is_empty(),
            "there is always a header"
        );
        assert!(
            Clip::builder(init).finish().is_err(),
            "a clip needs fragments"
        );
    }
});
