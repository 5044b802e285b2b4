//! A codec's own configuration, from the box of the sample entry that holds it.

use bytes::Bytes;
use mp4_atom::Esds;

use super::track::{Track, TrackKind};
use crate::bmff::{Boxed, Boxes, kind};

/// Bytes of fixed fields of sample entries, before their boxes.
const VISUAL_ENTRY_BYTES: usize = 78;
const AUDIO_ENTRY_BYTES: usize = 28;
/// Bytes of an ES descriptor that is looked into: descriptors nest, and this bounds the depth.
const ESDS_BYTES_MAX: usize = 1_024;

impl Track {
    /// The configuration of the track's codec: the body of `avcC`, `hvcC`, `av1C`, `vpcC` or `dOps`,
    /// the metadata blocks of FLAC, or the `AudioSpecificConfig` of AAC. `None` if there is none.
    #[must_use]
    pub fn config(&self) -> Option<Bytes> {
        let descriptions = &self.boxes.descriptions;
        let whole = Boxes::new(kind::STSD, descriptions).next()?.ok()?;
        let entry = Boxes::new(kind::STSD, whole.body.get(8..)?).next()?.ok()?;
        let fixed = match self.kind() {
            TrackKind::Video => VISUAL_ENTRY_BYTES,
            TrackKind::Audio => AUDIO_ENTRY_BYTES,
            TrackKind::Other => return None,
        };
        Boxes::new(entry.kind, entry.body.get(fixed..)?)
            .map_while(Result::ok)
            .find_map(|child| match &child.kind.0 {
                b"avcC" | b"hvcC" | b"av1C" | b"vpcC" | b"dOps" => {
                    Some(descriptions.slice_ref(child.body))
                }
                b"esds" => specific(&child),
                b"dfLa" => Some(descriptions.slice_ref(child.body.get(4..)?)),
                _ => None,
            })
    }
}

fn specific(esds: &Boxed<'_>) -> Option<Bytes> {
    if esds.body.len() > ESDS_BYTES_MAX {
        return None;
    }
    let config = esds.decode::<Esds>().ok()?.es_desc.dec_config;
    config
        .dec_specific
        .map(|specific| Bytes::from(specific.raw))
}
