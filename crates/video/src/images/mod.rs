//! Pictures of a time range, at intervals.
//!
//! # Shape
//! One picture for each time of the range that is asked for: the frame that is shown then. Where there
//! is no fragment, or none that can be decoded, the picture is an error. A page ends after the pictures
//! that were asked for, or when the answer has become large.

mod decode;
mod external;
mod gaps;
pub(crate) mod picture;
mod plan;

use std::sync::Arc;
use std::time::Duration;

use afflux_aws::video::input::GetImagesInput;
use afflux_aws::video::output::{GetImagesOutput, Image};
use afflux_aws::video::values::{Format, ImageError};
use afflux_aws::video::{Code, Error};
use afflux_engine::Shard;
use afflux_media::{Init, Limits, StoredFragment, Track, TrackKind};
use afflux_types::{Position, ServerTime};
use bytes::Bytes;

use crate::context::{Context, service_error};
use crate::library::{self, Found, Recording, Selector, TimeAxis};
use crate::limits::{IMAGES_BYTES_MAX, IMAGES_SPAN_MAX};
use crate::list;
use crate::page::Query;
pub(crate) use picture::{Look, Raster};
use plan::Plan;

/// Pictures in a page whose request does not say.
const PAGE: u32 = 25;
/// Milliseconds between pictures if the request does not say.
const INTERVAL_MS: i64 = 3_000;
/// The shortest interval.
const INTERVAL_MS_MIN: i64 = 200;
/// What paging tokens are sealed as.
const LABEL: &str = "images";

/// A page of pictures.
pub(crate) async fn get_images(
    ctx: &Arc<Context>,
    input: GetImagesInput,
) -> Result<GetImagesOutput, Error> {
    let known = ctx.readable(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let request = Request::new(&input)?;
    let query = Query::new(LABEL, &[&known.stream.id.to_be_bytes(), &request.digest()]);
    let first = match input.next_token.as_deref() {
        Some(token) => query.open_time(ctx, token)?,
        None => request.from,
    };
    let shard = library::open(ctx, &known.stream.name).await?;
    let maker = Maker::new(ctx, shard);
    let limit = input.max_results.unwrap_or(PAGE);
    let times = request.times(first, limit);
    let Some(last) = times.last().copied() else {
        return Ok(GetImagesOutput {
            images: Vec::new(),
            next_token: None,
        });
    };
    let plan = maker.plan(request.axis, &times).await?;
    let mut images = Vec::with_capacity(times.len());
    let mut bytes = 0;
    for (fragment, times) in plan.steps() {
        let pictures = maker.pictures(fragment, times, request.look).await;
        for (time, picture) in times.iter().zip(pictures) {
            bytes += picture.as_ref().map_or(0, Bytes::len);
            images.push((*time, picture));
        }
        if bytes > IMAGES_BYTES_MAX {
            break;
        }
    }
    images.sort_by_key(|(time, _)| *time);
    let reached = images.last().map_or(last, |(time, _)| *time);
    let next = reached.saturating_add(request.interval_ms);
    Ok(GetImagesOutput {
        images: images.into_iter().map(image).collect(),
        next_token: (next <= request.to).then(|| query.seal_time(ctx, next)),
    })
}

fn image((time, picture): (i64, Result<Bytes, ImageError>)) -> Image {
    let time_stamp = ServerTime::from_millis(time);
    match picture {
        Ok(content) => Image {
            time_stamp,
            error: None,
            image_content: Some(content),
        },
        Err(error) => Image {
            time_stamp,
            error: Some(error),
            image_content: None,
        },
    }
}

/// What is asked for, checked.
#[derive(Clone, Copy, Debug)]
struct Request {
    axis: TimeAxis,
    from: i64,
    to: i64,
    interval_ms: i64,
    look: Look,
}

impl Request {
    fn new(input: &GetImagesInput) -> Result<Self, Error> {
        let refused = |problem: String| Error::new(Code::InvalidArgument, problem);
        let from = input.start_timestamp.as_millis();
        let to = input.end_timestamp.as_millis();
        if from > to {
            return Err(refused(
                "StartTimestamp lies behind EndTimestamp.".to_owned(),
            ));
        }
        let span = Duration::from_millis(to.abs_diff(from));
        if span > IMAGES_SPAN_MAX {
            return Err(refused(format!(
                "The time range spans {} ms; the limit is {}.",
                span.as_millis(),
                IMAGES_SPAN_MAX.as_millis()
            )));
        }
        let interval_ms = input.sampling_interval.map_or(INTERVAL_MS, i64::from);
        if interval_ms < INTERVAL_MS_MIN {
            return Err(refused(format!(
                "SamplingInterval is {interval_ms} ms; the shortest is {INTERVAL_MS_MIN}."
            )));
        }
        let look = Look::new(
            input.format == Format::Png,
            input.format_config.as_ref(),
            (input.width_pixels, input.height_pixels),
        )?;
        Ok(Self {
            axis: list::axis(input.image_selector_type),
            from,
            to,
            interval_ms,
            look,
        })
    }

    /// The times of a page that begins at `first`.
    fn times(&self, first: i64, limit: u32) -> Vec<i64> {
        let mut times = Vec::new();
        let mut time = first;
        while time <= self.to && times.len() < usize::try_from(limit).unwrap_or(usize::MAX) {
            times.push(time);
            time = time.saturating_add(self.interval_ms);
        }
        times
    }

    /// Everything that a page depends on.
    fn digest(&self) -> Vec<u8> {
        format!("{self:?}").into_bytes()
    }
}

/// Makes pictures of a stream's fragments.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    ctx: Arc<Context>,
    shard: Shard,
    recording: Arc<Recording>,
}

impl Maker {
    pub(crate) fn new(ctx: &Arc<Context>, shard: Shard) -> Self {
        Self {
            ctx: Arc::clone(ctx),
            recording: ctx.library.of(shard.stream_name()),
            shard,
        }
    }

    /// Which fragment each time is to be taken from. Times are in order.
    async fn plan(&self, axis: TimeAxis, times: &[i64]) -> Result<Plan, Error> {
        let (Some(first), Some(last)) = (times.first(), times.last()) else {
            return Ok(Plan::default());
        };
        let selector = Selector {
            axis,
            from: *first,
            to: last.saturating_add(1),
            cover_start: true,
        };
        let search = self
            .recording
            .search(&self.shard, selector, Position::ZERO)
            .await;
        let mut search = search.map_err(|error| service_error(&error))?;
        let mut plan = Plan::new(axis, times);
        while let Some(found) = search.next().await.map_err(|error| service_error(&error))? {
            plan.add(found);
        }
        plan.close();
        Ok(plan)
    }

    /// The pictures of one fragment at some times, in their order; `times` count from the start of the
    /// fragment.
    pub(crate) async fn pictures(
        &self,
        found: Option<(&Found, i64)>,
        times: &[i64],
        look: Look,
    ) -> Vec<Result<Bytes, ImageError>> {
        let Some((found, start)) = found else {
            return times.iter().map(|_| Err(ImageError::NoMedia)).collect();
        };
        let offsets: Vec<i64> = times
            .iter()
            .map(|time| time.saturating_sub(start).max(0))
            .collect();
        match self.try_pictures(found, offsets, look).await {
            Ok(pictures) => pictures
                .into_iter()
                .map(|picture| picture.ok_or(ImageError::MediaError))
                .collect(),
            Err(error) => {
                let stream = self.shard.stream_name();
                tracing::debug!(%stream, error = %error.chain(), "a fragment has no pictures");
                times.iter().map(|_| Err(ImageError::MediaError)).collect()
            }
        }
    }

    async fn try_pictures(
        &self,
        found: &Found,
        offsets: Vec<i64>,
        look: Look,
    ) -> afflux_types::Result<Vec<Option<Bytes>>> {
        let invalid = |what: &str| afflux_types::Error::invalid(what);
        let limits = Limits::default();
        let position = found.entry.header.stamp.map(|stamp| stamp.position);
        let id = found.meta.init_id;
        let body = self
            .recording
            .init(&self.shard, id, position.unwrap_or_default());
        let body = body.await?;
        let body = body.ok_or_else(|| invalid("the fragment's initialisation is gone"))?;
        let init = Init::decode(&body, &limits)?;
        let fragment = StoredFragment::decode(found.entry.body())?;
        let is_video = |track: &&Track| track.kind() == TrackKind::Video;
        let track = init.tracks().iter().find(is_video).cloned();
        let track = track.ok_or_else(|| invalid("there is no track of video"))?;
        let permit = Arc::clone(&self.ctx.puts.decoders).acquire_owned().await;
        let permit = permit.map_err(|error| {
            afflux_types::Error::unavailable("wait for a decoder").with_source(error)
        })?;
        let mut failed = invalid("nothing here decodes the codec");
        if track.codec().starts_with("avc") {
            let job = (track.clone(), fragment.clone(), offsets.clone());
            let decoded = tokio::task::spawn_blocking(move || {
                let (track, fragment, offsets) = job;
                decode::pictures(&track, &fragment, &offsets, look)
            });
            let decoded = decoded.await.map_err(|error| {
                afflux_types::Error::internal("decode a fragment").with_source(error)
            })?;
            match decoded {
                Ok(pictures) => return Ok(pictures),
                // Such as ten bits a pixel.
                Err(error) => failed = error,
            }
        }
        let pictures = match &self.ctx.options.ffmpeg {
            Some(program) => {
                external::pictures(program, (&init, &track), &fragment, &offsets, look).await
            }
            None => Err(failed),
        };
        drop(permit);
        pictures
    }
}

#[cfg(test)]
mod tests;
