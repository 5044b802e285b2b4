//! Writes what comes before the media of a clip: `ftyp`, `moov` and the header of the `mdat`.
//!
//! Composition offsets are written without a sign, and an edit list takes back what that adds:
//! every player knows this form. The edit list also keeps the tracks in step when one starts later
//! than the other, and hides what the init's own edit list hid and what lies outside of a range.

use bytes::Bytes;
use mp4_atom::{Co64, Ctts, CttsEntry, Stco, Stsc, Stss, Stsz, StszSamples, Stts, Tkhd};

use super::table::{Table, push_run};
use crate::bmff::{HEADER_BYTES, LARGE_HEADER_BYTES, Writer, kind};
use crate::error::{Error, Result};
use crate::head::{self, Brands, Edits, Outline};
use crate::init::{Init, Track, TrackKind};

const BRANDS: Brands = Brands {
    major: *b"isom",
    minor: 0x200,
    compatible: [*b"isom", *b"iso2", *b"mp41"],
};

/// Writes the front of a file with `media_bytes` of media.
pub(super) fn head(init: &Init, tables: &[Table], media_bytes: u64) -> Result<Bytes> {
    let tracks: Vec<Plan<'_>> = plan(init, tables);
    let wide = media_bytes > u64::from(u32::MAX);
    let mut places = Places {
        media_start: 0,
        wide,
    };
    // Where the media starts depends on the size of the tables, which depends on the width of
    // offsets alone.
    let length = write(init, &tracks, media_bytes, places)?.len();
    places.media_start = u64::try_from(length).unwrap_or(u64::MAX);
    if !wide && places.media_start.saturating_add(media_bytes) > u64::from(u32::MAX) {
        places.wide = true;
        let length = write(init, &tracks, media_bytes, places)?.len();
        places.media_start = u64::try_from(length).unwrap_or(u64::MAX);
    }
    write(init, &tracks, media_bytes, places).map(Bytes::from)
}

/// Where chunks are.
#[derive(Clone, Copy)]
struct Places {
    /// Offset in the file of the first byte of media.
    media_start: u64,
    /// Whether offsets need 64 bits.
    wide: bool,
}

/// A track of the clip, with its place in time.
struct Plan<'a> {
    track: &'a Track,
    table: &'a Table,
    /// Added to every composition offset, so that none is negative.
    lift: i128,
    /// Ticks of the movie's timescale before anything of the track is shown.
    delay: u64,
    /// Tick of the track, lifted, that is shown first.
    media_time: u64,
    /// Ticks of the track that are shown.
    shown: u64,
    /// Ticks of the movie's timescale that are shown.
    shown_in_movie: u64,
    /// Ticks of the track from the first decoding to the last sample's end.
    duration: u64,
    movie_timescale: u32,
}

impl Plan<'_> {
    /// Ticks of the movie until the track ends.
    fn duration_in_movie(&self) -> u64 {
        self.delay.saturating_add(self.shown_in_movie)
    }

    fn outline(&self) -> Outline {
        let is_edited = self.delay > 0 || self.media_time > 0 || self.shown < self.duration;
        Outline {
            header: Tkhd {
                duration: self.duration_in_movie(),
                ..self.track.boxes.tkhd.clone()
            },
            duration: self.duration,
            edits: is_edited.then_some(Edits {
                delay: self.delay,
                media_time: self.media_time,
                shown: self.shown_in_movie,
            }),
        }
    }
}

/// Puts the tracks that are shown on one axis.
fn plan<'a>(init: &'a Init, tables: &'a [Table]) -> Vec<Plan<'a>> {
    let used = || {
        init.tracks()
            .iter()
            .zip(tables)
            .filter(|(_, table)| table.is_shown())
    };
    let reference = used().find(|(track, _)| track.kind() == TrackKind::Video);
    let reference = reference.or_else(|| used().next());
    let movie_timescale = reference.map_or(1_000, |(track, _)| track.timescale());
    // When something of a track is shown, in ticks of the movie.
    let at = |track: &Track, ticks: i128| {
        let edit = track.edit;
        let hidden = i128::from(edit.media_time);
        let delay = i128::from(edit.delay);
        scale(ticks - hidden, track.timescale(), movie_timescale, false)
            + scale(delay, init.mvhd.timescale.max(1), movie_timescale, false)
    };
    // Rounded for each track alone, one start of a range would be two.
    let earliest =
        reference.and_then(|(track, table)| Some(at(track, table.range.as_ref()?.start)));
    // What the init's edit list hides stays hidden: the first tick that is shown, from the first
    // decoding, and when that is, in ticks of the movie.
    let starts: Vec<(i128, i128)> = used()
        .map(|(track, table)| {
            let origin = table.origin().unwrap_or(0);
            let hidden = i128::from(track.edit.media_time);
            let first = table
                .shown()
                .map_or(0, |(first, _)| first)
                .max(hidden - origin);
            let start = at(track, origin + first);
            (
                first,
                earliest.map_or(start, |earliest| start.max(earliest)),
            )
        })
        .collect();
    let zero = starts.iter().map(|(_, start)| *start).min().unwrap_or(0);
    used()
        .zip(&starts)
        .map(|((track, table), (first, start))| {
            let lowest = table
                .composition
                .iter()
                .map(|(_, offset)| *offset)
                .min()
                .unwrap_or(0);
            let lift = -i128::from(lowest.min(0));
            let shown = table.shown().map_or(0, |(_, last)| last - first).max(0);
            let shown_in_movie = scale(shown, track.timescale(), movie_timescale, true);
            let duration = table.end().unwrap_or(0) - table.origin().unwrap_or(0);
            Plan {
                track,
                table,
                lift,
                delay: narrow(start - zero),
                media_time: narrow(first + lift),
                shown: narrow(shown),
                shown_in_movie: narrow(shown_in_movie),
                duration: narrow(duration),
                movie_timescale,
            }
        })
        .collect()
}

/// Ticks of one timescale in another.
pub(super) fn scale(ticks: i128, from: u32, to: u32, up: bool) -> i128 {
    let scaled = ticks * i128::from(to);
    let from = i128::from(from.max(1));
    if up {
        -(-scaled).div_euclid(from)
    } else {
        scaled.div_euclid(from)
    }
}

fn narrow(ticks: i128) -> u64 {
    u64::try_from(ticks.max(0)).unwrap_or(u64::MAX >> 1)
}

fn write(init: &Init, tracks: &[Plan<'_>], media_bytes: u64, places: Places) -> Result<Vec<u8>> {
    let mut out = Writer::default();
    BRANDS.write(&mut out)?;
    out.nested(kind::MOOV, |out| {
        let timescale = tracks.first().map_or(1_000, |plan| plan.movie_timescale);
        let duration = tracks.iter().map(Plan::duration_in_movie).max();
        let listed = tracks.iter().map(|plan| plan.track);
        head::write_movie(init, (timescale, duration.unwrap_or(0)), listed, out)?;
        tracks.iter().try_for_each(|plan| {
            let tables = |out: &mut Writer| sample_table(plan, places, out);
            head::write_track(plan.track, &plan.outline(), tables, out)
        })
    })?;
    let bytes = media_bytes.saturating_add(HEADER_BYTES);
    match u32::try_from(bytes) {
        Ok(bytes) => {
            out.u32(bytes);
            out.bytes(&kind::MDAT.0);
        }
        Err(_) => {
            out.u32(1);
            out.bytes(&kind::MDAT.0);
            out.u64(media_bytes.saturating_add(LARGE_HEADER_BYTES));
        }
    }
    Ok(out.into_bytes())
}

fn sample_table(plan: &Plan<'_>, places: Places, out: &mut Writer) -> Result<()> {
    let table = plan.table;
    let mut durations = table.stts.clone();
    push_run(&mut durations, table.last_duration());
    out.atom(&Stts { entries: durations })?;
    if table
        .composition
        .iter()
        .any(|(_, offset)| i128::from(*offset) + plan.lift != 0)
    {
        let lifted = table.composition.iter().map(|(count, offset)| CttsEntry {
            sample_count: *count,
            // At most 2^32: the distance between two 32-bit numbers.
            sample_offset: i64::try_from(i128::from(*offset) + plan.lift).unwrap_or(0),
        });
        out.atom(&Ctts {
            entries: lifted.collect(),
        })?;
    }
    if table.sync.len() < table.sizes.len() {
        out.atom(&Stss {
            entries: table.sync.clone(),
        })?;
    }
    out.atom(&Stsc {
        entries: table.stsc.clone(),
    })?;
    out.atom(&Stsz {
        samples: sizes(&table.sizes),
    })?;
    let offsets = table
        .chunks
        .iter()
        .map(|chunk| chunk.saturating_add(places.media_start));
    if places.wide {
        return out.atom(&Co64 {
            entries: offsets.collect(),
        });
    }
    let narrow = offsets.map(|offset| {
        u32::try_from(offset).map_err(|_| Error::ClipTooLarge {
            bytes: offset,
            limit: u64::from(u32::MAX),
        })
    });
    out.atom(&Stco {
        entries: narrow.collect::<Result<_>>()?,
    })
}

/// The sizes of all samples, in the short form if they are equal and not zero, which means "not
/// equal" there.
fn sizes(sizes: &[u32]) -> StszSamples {
    match sizes.split_first() {
        Some((&size, rest)) if size > 0 && rest.iter().all(|other| *other == size) => {
            StszSamples::Identical {
                count: u32::try_from(sizes.len()).unwrap_or(u32::MAX),
                size,
            }
        }
        _ => StszSamples::Different {
            sizes: sizes.to_vec(),
        },
    }
}
