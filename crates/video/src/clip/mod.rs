//! A clip: the fragments of a time range as one MP4 file.
//!
//! # Shape
//! Whole fragments in the order in which they arrived, the first 200 or 100 MB as in the service: what
//! is more ends the clip. So does a change of the codecs, because one file has one initialisation.
//!
//! Beyond the service, a clip may show exactly its range: then its end does not belong to it.

use std::ops::Range;
use std::sync::Arc;

use afflux_aws::video::input::GetClipInput;
use afflux_aws::video::{Code, Error};
use afflux_engine::Shard;
use afflux_media::clip::{self, Builder, Limits};
use afflux_media::{Clip, Init, StoredFragment, Track, TrackKind};

use crate::context::{Context, service_error};
use crate::library::{self, Found, Recording, Selector};
use crate::limits::{CLIP_BYTES_MAX, CLIP_FRAGMENTS_MAX, CLIP_SPAN_MAX};
use crate::list;
use crate::{Media, Pieces};

/// The fragments of a time range as one file.
pub(crate) async fn get_clip(ctx: &Arc<Context>, input: GetClipInput) -> Result<Media, Error> {
    let known = ctx.readable(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let selector = list::between(&input.clip_fragment_selector)?;
    check_span(&selector)?;
    // The selector holds its end.
    let range = selector.from..selector.to.saturating_sub(1);
    let shard = library::open(ctx, &known.stream.name).await?;
    let cutter = Cutter {
        recording: ctx.library.of(&known.stream.name),
        limits: Limits {
            bytes: CLIP_BYTES_MAX,
            ..Limits::default()
        },
        shard,
        exact: input.exact.unwrap_or(false).then_some(range),
    };
    let clip = cutter.cut(selector).await?;
    Ok(Media {
        content_type: "video/mp4",
        length: Some(clip.bytes()),
        pieces: Pieces::whole(clip),
    })
}

fn check_span(selector: &Selector) -> Result<(), Error> {
    // The end is counted in.
    let span = selector.to.saturating_sub(selector.from).saturating_sub(1);
    let limit = i64::try_from(CLIP_SPAN_MAX.as_millis()).unwrap_or(i64::MAX);
    if span <= limit {
        return Ok(());
    }
    Err(Error::new(
        Code::InvalidArgument,
        format!("The time range spans {span} ms; the limit is {limit}."),
    ))
}

struct Cutter {
    shard: Shard,
    recording: Arc<Recording>,
    limits: Limits,
    /// What is shown, in milliseconds, if that is not whole fragments.
    exact: Option<Range<i64>>,
}

impl Cutter {
    async fn cut(&self, mut selector: Selector) -> Result<Clip, Error> {
        if let Some(range) = &self.exact {
            let reach = clip::reach(range);
            (selector.from, selector.to) = (reach.start, reach.end);
            selector.cover_start = true;
        }
        let search = self
            .recording
            .search(&self.shard, selector, Default::default());
        let mut search = search.await.map_err(|error| service_error(&error))?;
        let mut builder: Option<Builder> = None;
        let mut needed = None;
        while let Some(found) = search.next().await.map_err(|error| service_error(&error))? {
            if needed.replace(found.meta.init_id) != Some(found.meta.init_id) {
                let init = self.init(&found).await?;
                let open = builder.as_mut().filter(|open| open.fragments() > 0);
                match open.map(|open| open.accept(&init)) {
                    Some(true) => {}
                    Some(false) => break,
                    None => builder = Some(self.start(init)?),
                }
            }
            let Some(open) = builder.as_mut() else {
                break;
            };
            let fragment = StoredFragment::decode(found.entry.body());
            let fragment = fragment.map_err(|error| service_error(&error.into()))?;
            let pushed = match (&self.exact, found.entry.header.stamp) {
                (Some(range), Some(stamp)) => {
                    let start = selector.axis.start_ms(&found.meta, stamp.arrival);
                    open.push_within(&fragment, start, range)
                }
                _ => open.push(&fragment),
            };
            match pushed {
                Ok(()) => {}
                Err(
                    afflux_media::Error::ClipTooLarge { .. }
                    | afflux_media::Error::ClipTooManySamples { .. },
                ) => break,
                Err(error) => return Err(Error::new(Code::InvalidMediaFrame, error.to_string())),
            }
            if open.fragments() >= CLIP_FRAGMENTS_MAX {
                break;
            }
        }
        let clip = builder.ok_or_else(nothing)?.finish();
        clip.map_err(|error| match error {
            afflux_media::Error::ClipEmpty => nothing(),
            error => service_error(&error.into()),
        })
    }

    /// What a fragment is decoded with.
    async fn init(&self, found: &Found) -> Result<Init, Error> {
        let position = found.entry.header.stamp.map(|stamp| stamp.position);
        let id = found.meta.init_id;
        let body = self
            .recording
            .init(&self.shard, id, position.unwrap_or_default());
        let body = body.await.map_err(|error| service_error(&error))?;
        Init::decode(&body.ok_or_else(nothing)?, &self.limits.fragment)
            .map_err(|error| Error::new(Code::InvalidCodecPrivateData, error.to_string()))
    }

    fn start(&self, init: Init) -> Result<Builder, Error> {
        for track in init.tracks() {
            check_track(track)?;
        }
        Ok(Clip::builder(init).limits(self.limits))
    }
}

/// Refuses what MP4 has no name for, or cannot be decoded.
fn check_track(track: &Track) -> Result<(), Error> {
    let (id, codec) = (track.id(), track.codec());
    if track.kind() == TrackKind::Other || codec == "mkvc" {
        return Err(Error::new(
            Code::UnsupportedStreamMediaType,
            format!("Track {id} has a codec that MP4 has no name for."),
        ));
    }
    if !track.has_config() {
        return Err(Error::new(
            Code::MissingCodecPrivateData,
            format!("Track {id} ({codec}) has no codec private data."),
        ));
    }
    Ok(())
}

fn nothing() -> Error {
    Error::new(
        Code::ResourceNotFound,
        "There are no fragments in the time range.",
    )
}

#[cfg(test)]
mod tests;
