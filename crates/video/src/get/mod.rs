//! Media on its way out as Matroska: from a place on for ever, or the fragments of a list.
//!
//! # Shape
//! Per fragment a whole small file, as the service sends it: the producer's head, tags with the
//! fragment's number and times, the Cluster, the producer's tags, and tags that say how to go on.
//! Readers of Matroska take the files one after the other.

mod live;
mod picked;
mod readers;
mod reel;
mod start;

use std::sync::Arc;

use afflux_aws::video::input::{GetMediaForFragmentListInput, GetMediaInput};
use afflux_aws::video::{Code, Error};
use afflux_types::FragmentNumber;

pub(crate) use readers::Readers;

use crate::context::{Context, service_error};
use crate::library;
use crate::limits::FRAGMENT_LIST_MAX;
use crate::{Media, Pieces};
use live::Live;
use picked::Picked;
use reel::{Reel, Style};

/// What the service says of its answers.
const CONTENT_TYPE: &str = "video/webm";

/// Media from a place on, for as long as somebody reads.
pub(crate) async fn get_media(ctx: &Arc<Context>, input: GetMediaInput) -> Result<Media, Error> {
    let known = ctx.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let stream = known.stream.name.clone();
    let shard = library::open(ctx, &stream).await?;
    let reading = ctx.puts.readers.enter(&stream).ok_or_else(|| {
        Error::new(
            Code::ConnectionLimitExceeded,
            format!("stream {stream} has too many readers of its live end"),
        )
    })?;
    let from = start::resolve(ctx, &shard, &input.start_selector).await?;
    let subscription = shard.subscribe(from).await;
    let subscription = subscription.map_err(|error| service_error(&error))?;
    let reel = Reel::new(ctx, shard, Style::Live);
    Ok(Media {
        content_type: CONTENT_TYPE,
        length: None,
        pieces: Pieces::new(Live::new(reel, subscription, reading)),
    })
}

/// The fragments of a list, in its order.
pub(crate) async fn get_media_for_fragment_list(
    ctx: &Arc<Context>,
    input: GetMediaForFragmentListInput,
) -> Result<Media, Error> {
    let known = ctx.readable(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let shard = library::open(ctx, &known.stream.name).await?;
    if input.fragments.len() > FRAGMENT_LIST_MAX {
        return Err(Error::new(
            Code::InvalidArgument,
            format!(
                "{} fragments are listed; the limit is {FRAGMENT_LIST_MAX}",
                input.fragments.len()
            ),
        ));
    }
    let numbers = input.fragments.iter().map(|text| number(text));
    let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
    let marks = shard.watermarks();
    let is_kept =
        |number: &&FragmentNumber| (marks.trim_horizon..marks.durable).contains(&number.position());
    if let Some(lost) = numbers.iter().find(|number| !is_kept(number)) {
        return Err(Error::new(
            Code::ResourceNotFound,
            format!("fragment {lost} is not found: it never was, or has expired"),
        ));
    }
    let reel = Reel::new(ctx, shard, Style::List);
    Ok(Media {
        content_type: CONTENT_TYPE,
        length: None,
        pieces: Pieces::new(Picked::new(reel, numbers)),
    })
}

fn number(text: &str) -> Result<FragmentNumber, Error> {
    text.parse()
        .map_err(|error: afflux_types::FragmentNumberError| {
            Error::new(Code::InvalidArgument, error.to_string())
        })
}

#[cfg(test)]
mod tests;
