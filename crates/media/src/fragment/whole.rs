//! A fragment as a producer sends it: one `moof` for all tracks, then one `mdat`.
//!
//! Each track already has a `moof` of its own in one fixed shape ([`layout::moof`]); their track
//! boxes are put side by side, and only where the samples lie is written anew.

use bytes::Bytes;

use super::Fragment;
use super::normalize::write_moof;
use crate::bmff::{Writer, kind};
use crate::error::{Error, Result};
use crate::layout;

/// `moof`, up to the first `traf`: its header, and `mfhd`.
const TRAF: usize = 24;
/// From the start of `trun` to its data offset.
const DATA_OFFSET: usize = 16;
const BOX_HEADER_BYTES: u64 = 8;

impl Fragment {
    /// One `moof` and one `mdat` with everything in it, in pieces: the headers are written here,
    /// the samples are slices of what was received.
    ///
    /// [`Fragment::parse`] makes the same fragment of it.
    ///
    /// # Errors
    /// If a track's samples lie beyond what an MP4 can say.
    pub fn boxes(&self, sequence: u32) -> Result<Vec<Bytes>> {
        let too_large = |bytes: u64| Error::FragmentTooLarge {
            bytes,
            limit: u64::from(i32::MAX.unsigned_abs()),
        };
        let trafs = self.parts.iter().map(|part| {
            let end = usize::try_from(part.moof_bytes).unwrap_or(usize::MAX);
            part.head.get(TRAF..end).unwrap_or_default()
        });
        let moof_bytes = TRAF + trafs.clone().map(<[u8]>::len).sum::<usize>();
        let mut data_offset = BOX_HEADER_BYTES;
        data_offset += u64::try_from(moof_bytes).unwrap_or(u64::MAX);
        let mut out = Writer::with_capacity(moof_bytes + 8);
        let mut pieces = vec![Bytes::new()];
        let mut samples_bytes = 0;
        write_moof(&mut out, sequence, |out| {
            for (traf, part) in trafs.zip(&self.parts) {
                let mut traf = traf.to_vec();
                let offset = i32::try_from(data_offset).map_err(|_| too_large(data_offset))?;
                let place = layout::moof::TRUN - TRAF + DATA_OFFSET;
                layout::put(&mut traf, place, &offset.to_be_bytes());
                out.bytes(&traf);
                let bytes = part.mdat_bytes - BOX_HEADER_BYTES;
                data_offset += bytes;
                samples_bytes += bytes;
                pieces.extend(part.data.iter().cloned());
            }
            Ok(())
        })?;
        let mdat_bytes = samples_bytes + BOX_HEADER_BYTES;
        out.u32(u32::try_from(mdat_bytes).map_err(|_| too_large(mdat_bytes))?);
        out.bytes(&kind::MDAT.0);
        if let Some(first) = pieces.first_mut() {
            *first = out.into_bytes().into();
        }
        Ok(pieces)
    }
}

#[cfg(test)]
mod tests {
    use afflux_types::ProducerTime;
    use bytes::Bytes;

    use crate::{Continuity, Event, Facts, Fragment, Limits, Splitter};

    #[test]
    fn a_fragment_of_two_tracks_comes_back_from_its_boxes() {
        let input = Bytes::from_static(include_bytes!("../../../../fixtures/video/h264-aac.mp4"));
        let limits = Limits::default();
        let facts = Facts {
            session_id: 1,
            sequence: 2,
            producer_time: ProducerTime::from_millis(3),
            continuity: Continuity::Continuous,
            tags: Vec::new(),
        };
        let mut splitter = Splitter::new(limits);
        splitter.push(input);
        let (mut pieces, mut seen) = (Vec::new(), 0);
        while let Some(event) = splitter.poll().unwrap() {
            match event {
                Event::Data(data) => pieces.push(data),
                Event::Finished { .. } => {
                    let init = splitter.init().unwrap();
                    let sent = std::mem::take(&mut pieces);
                    let fragment = Fragment::parse(init, sent, &limits).unwrap();
                    assert_eq!(fragment.tracks().count(), 2);
                    let boxes = fragment.boxes(7).unwrap();
                    let again = Fragment::parse(init, boxes, &limits).unwrap();
                    // Only the number in the `moof` may differ, and it is not part of the facts.
                    let (one, other) = (fragment.boxes(9), again.boxes(9));
                    assert_eq!(one.unwrap().concat(), other.unwrap().concat());
                    let stored = again.encode(&facts).unwrap().concat();
                    assert_eq!(
                        stored.len(),
                        fragment.encode(&facts).unwrap().concat().len()
                    );
                    seen += 1;
                }
                Event::Init(_) | Event::Started(_) => {}
            }
        }
        assert!(seen > 1);
    }
}
