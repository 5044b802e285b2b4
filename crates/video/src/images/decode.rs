//! Decodes H.264.

use afflux_media::annexb::AnnexB;
use afflux_media::{Limits, Sample, StoredFragment, Track};
use afflux_types::{Error, Result};
use bytes::Bytes;
use openh264::decoder::{DecodeOptions, DecodedYUV, Decoder, Flush};
use openh264::formats::YUVSource as _;

use super::{Look, Raster, gaps};

/// The pictures of a fragment at some offsets, which are in order. A frame that cannot be decoded has
/// none.
///
/// # Units
/// Offsets are in milliseconds from the start of the fragment.
///
/// # Errors
/// If nothing can be decoded.
pub(super) fn pictures(
    track: &Track,
    fragment: &StoredFragment,
    offsets: &[i64],
    look: Look,
) -> Result<Vec<Option<Bytes>>> {
    let invalid = |what: &str| Error::invalid(what);
    let part = fragment
        .tracks()
        .find(|part| part.meta().track_id == track.id());
    let part = part.ok_or_else(|| invalid("the fragment has no video"))?;
    let samples = part.samples(&Limits::default())?;
    let wanted = shown_at(&samples, track.timescale(), offsets);
    let annex_b = AnnexB::of(track)?.ok_or_else(|| invalid("the track is not H.264"))?;
    let mut shots = Shots {
        look,
        wanted,
        shown: 0,
        files: Vec::new(),
    };
    let failed = |error: openh264::Error| Error::invalid(format!("decode: {error}"));
    let mut decoder = Decoder::new().map_err(failed)?;
    let options = || DecodeOptions::new().flush_after_decode(Flush::NoFlush);
    let (mut data, mut packet) = (part.data(), Vec::new());
    let mut refused = None;
    for sample in &samples {
        if shots.is_done() {
            break;
        }
        let size = usize::try_from(sample.size).unwrap_or(usize::MAX);
        let frame = data.split_to(size.min(data.len()));
        packet.clear();
        annex_b.append(&frame, sample.is_sync(), &mut packet)?;
        gaps::allow(&mut packet);
        match decoder.decode_with_options(&packet, options()) {
            Ok(Some(picture)) => shots.take(&picture),
            Ok(None) => {}
            Err(error) => {
                // The frames behind it are shown at their own times.
                shots.shown += 1;
                refused = Some(error);
            }
        }
    }
    if !shots.is_done() {
        for picture in decoder.flush_remaining().map_err(failed)? {
            shots.take(&picture);
        }
    }
    if let Some(error) = refused.filter(|_| shots.files.is_empty()) {
        return Err(failed(error));
    }
    let Shots { wanted, files, .. } = shots;
    let file = |index: &usize| {
        let found = files.iter().find(|(of, _)| of == index);
        found.and_then(|(_, file)| file.clone())
    };
    Ok(wanted.iter().map(file).collect())
}

/// For each offset, which frame is shown then, counted in the order of showing.
pub(super) fn shown_at(samples: &[Sample], timescale: u32, offsets: &[i64]) -> Vec<usize> {
    let mut decoded = 0_i64;
    let mut shown = Vec::with_capacity(samples.len());
    for sample in samples {
        shown.push(decoded.saturating_add(i64::from(sample.composition)));
        decoded = decoded.saturating_add(i64::from(sample.duration));
    }
    shown.sort_unstable();
    let first = shown.first().copied().unwrap_or(0);
    let at = |offset: &i64| {
        let ticks = i128::from(*offset) * i128::from(timescale) / 1_000;
        let before = |time: &i64| i128::from(time - first) <= ticks;
        shown.partition_point(before).saturating_sub(1)
    };
    offsets.iter().map(at).collect()
}

/// The pictures that were asked for, of those that a decoder shows.
struct Shots {
    look: Look,
    /// In order; one may be wanted several times.
    wanted: Vec<usize>,
    shown: usize,
    files: Vec<(usize, Option<Bytes>)>,
}

impl Shots {
    fn is_done(&self) -> bool {
        self.wanted.last().is_none_or(|last| self.shown > *last)
    }

    fn take(&mut self, picture: &DecodedYUV<'_>) {
        let index = self.shown;
        self.shown += 1;
        if self.wanted.binary_search(&index).is_err() {
            return;
        }
        let (width, height) = picture.dimensions();
        let file = Raster::new(width, height).and_then(|mut raster| {
            picture.write_rgb8(raster.rgb());
            raster.encode(self.look)
        });
        self.files.push((index, file));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_in_the_order_of_showing() {
        let sample = |composition| Sample {
            duration: 40,
            size: 1,
            flags: 0,
            composition,
        };
        // I P B: shown as I B P, 40 ms each, the first 40 ms after it is decoded.
        let samples = [sample(40), sample(80), sample(0)];
        let at = |offset| shown_at(&samples, 1_000, &[offset])[0];
        assert_eq!(
            [at(0), at(39), at(40), at(79), at(80), at(9_999)],
            [0, 0, 1, 1, 2, 2]
        );
    }
}
