//! Test help: films cut into what a log holds of them.

use afflux_media::{Event, Fragment, Init, Limits, Splitter};
use bytes::Bytes;

pub(crate) const CAMERA: &[u8] = include_bytes!("../../../../fixtures/video/h264-aac.mp4");
pub(crate) const OTHER: &[u8] = include_bytes!("../../../../fixtures/video/hevc.mp4");

/// An input cut into its init and its fragments.
pub(crate) fn split(input: &'static [u8]) -> (Init, Vec<Fragment>) {
    let mut splitter = Splitter::new(Limits::default());
    splitter.push(Bytes::from_static(input));
    let (mut init, mut fragments, mut pieces) = (None, Vec::new(), Vec::new());
    while let Some(event) = splitter.poll().unwrap() {
        match event {
            Event::Init(found) => init = Some(found),
            Event::Started(_) => pieces.clear(),
            Event::Data(data) => pieces.push(data),
            Event::Finished { .. } => {
                let pieces = std::mem::take(&mut pieces);
                let init = init.as_ref().unwrap();
                fragments.push(Fragment::parse(init, pieces, &Limits::default()).unwrap());
            }
        }
    }
    (init.unwrap(), fragments)
}
