//! Where media begins.

use std::sync::Arc;
use std::time::Duration;

use afflux_aws::video::input::StartSelector;
use afflux_aws::video::values::StartSelectorType;
use afflux_aws::video::{Code, Error};
use afflux_engine::{From, Shard};
use afflux_types::{Position, ServerTime};

use super::number;
use crate::context::{Context, service_error};
use crate::library::{Selector, TimeAxis};

/// A fragment that arrived no longer ago is what plays now.
const NOW_AGE_MAX: Duration = Duration::from_secs(20);

/// The first fragment that a selector means.
pub(super) async fn resolve(
    ctx: &Arc<Context>,
    shard: &Shard,
    selector: &StartSelector,
) -> Result<From, Error> {
    match selector.start_selector_type {
        StartSelectorType::Now => Ok(From::Sequence(newest(ctx, shard).await?)),
        StartSelectorType::Earliest => Ok(From::TrimHorizon),
        StartSelectorType::FragmentNumber => after(
            shard,
            selector.after_fragment_number.as_deref(),
            "AfterFragmentNumber",
        ),
        StartSelectorType::ContinuationToken => after(
            shard,
            selector.continuation_token.as_deref(),
            "ContinuationToken",
        ),
        StartSelectorType::ServerTimestamp => {
            let time = time(selector)?;
            at(ctx, shard, TimeAxis::Server, time).await
        }
        StartSelectorType::ProducerTimestamp => {
            let time = time(selector)?;
            at(ctx, shard, TimeAxis::Producer, time).await
        }
    }
}

fn time(selector: &StartSelector) -> Result<ServerTime, Error> {
    selector
        .start_timestamp
        .ok_or_else(|| missing("StartTimestamp"))
}

fn missing(what: &str) -> Error {
    let problem = format!("{what} is missing; the type of the start selector needs it.");
    Error::new(Code::InvalidArgument, problem)
}

fn after(shard: &Shard, text: Option<&str>, what: &str) -> Result<From, Error> {
    let number = number(text.ok_or_else(|| missing(what))?)?;
    let next = number.position().advance(1);
    if next > shard.watermarks().appended {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("fragment {number} is not of this stream"),
        ));
    }
    Ok(From::Sequence(next))
}

/// The fragment that plays now if there is one, else the next.
async fn newest(ctx: &Context, shard: &Shard) -> Result<Position, Error> {
    let marks = shard.watermarks();
    let recent = ctx.now().minus(NOW_AGE_MAX);
    let first = shard.resolve(From::At(recent)).await;
    let first = first.map_err(|error| service_error(&error))?;
    let last = Position::new(marks.durable.get().saturating_sub(1));
    Ok(first.max(last).max(marks.trim_horizon))
}

/// The fragment that plays at a time, else the first after it, else the next.
async fn at(
    ctx: &Arc<Context>,
    shard: &Shard,
    axis: TimeAxis,
    time: ServerTime,
) -> Result<From, Error> {
    let selector = Selector {
        axis,
        from: time.as_millis(),
        to: i64::MAX,
        cover_start: true,
    };
    let recording = ctx.library.of(shard.stream_name());
    let first = async {
        let mut search = recording.search(shard, selector, Position::ZERO).await?;
        search.next().await
    };
    let first = first.await.map_err(|error| service_error(&error))?;
    let position = first.and_then(|found| found.entry.header.stamp);
    Ok(position.map_or(From::Latest, |stamp| From::Sequence(stamp.position)))
}
