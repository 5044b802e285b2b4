//! From a request for a session to its ticket: defaults, what contradicts what, and whether there is
//! anything to play.

use std::sync::Arc;
use std::time::Duration;

use afflux_aws::video::input::{
    GetDASHStreamingSessionURLInput, GetHLSStreamingSessionURLInput, PlaybackSelector,
};
use afflux_aws::video::values::{
    ContainerFormat, DiscontinuityMode, Display, FragmentSelectorType, PlaybackMode,
};
use afflux_aws::video::{Code, Error};
use afflux_engine::Shard;
use afflux_types::{Position, ServerTime};

use super::answer::invalid;
use super::layout::Layout;
use super::play::load;
use super::ticket::{Container, Discontinuities, Mode, Protocol, Ticket};
use crate::context::{Context, Known, service_error};
use crate::library::{self, Found, Selector, TimeAxis};

/// How long a session is good unless it says so.
const EXPIRES_S: u32 = 300;
/// Fragments in a playlist unless the session says so: of a live one, and of one on demand.
const LIVE_LIMIT: u32 = 5;
const ON_DEMAND_LIMIT: u32 = 1_000;
/// How much time a range may span, as in the service.
const RANGE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// A stream without a fragment for so long is not live, as in the service.
const LIVE_SINCE: Duration = Duration::from_secs(30);

/// What both protocols' requests say.
struct Asked<'a> {
    protocol: Protocol,
    name: Option<&'a str>,
    arn: Option<&'a str>,
    mode: Option<PlaybackMode>,
    selector: Option<&'a PlaybackSelector>,
    /// The selector's name in the request.
    selector_name: &'static str,
    container: Container,
    discontinuities: Option<DiscontinuityMode>,
    shows_times: Option<Display>,
    shows_numbers: Option<Display>,
    limit: Option<u32>,
    expires: Option<u32>,
}

pub(super) async fn hls(
    ctx: &Arc<Context>,
    input: &GetHLSStreamingSessionURLInput,
) -> Result<Ticket, Error> {
    let asked = Asked {
        protocol: Protocol::Hls,
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
        mode: input.playback_mode,
        selector: input.hls_fragment_selector.as_ref(),
        selector_name: "HLSFragmentSelector",
        container: match input.container_format {
            Some(ContainerFormat::MpegTs) => Container::Ts,
            Some(ContainerFormat::FragmentedMp4) | None => Container::Mp4,
        },
        discontinuities: input.discontinuity_mode,
        shows_times: input.display_fragment_timestamp,
        shows_numbers: None,
        limit: input.max_media_playlist_fragment_results,
        expires: input.expires,
    };
    ticket(ctx, &asked).await
}

pub(super) async fn dash(
    ctx: &Arc<Context>,
    input: &GetDASHStreamingSessionURLInput,
) -> Result<Ticket, Error> {
    let asked = Asked {
        protocol: Protocol::Dash,
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
        mode: input.playback_mode,
        selector: input.dash_fragment_selector.as_ref(),
        selector_name: "DASHFragmentSelector",
        container: Container::Mp4,
        discontinuities: Some(DiscontinuityMode::Never),
        shows_times: input.display_fragment_timestamp,
        shows_numbers: input.display_fragment_number,
        limit: input.max_manifest_fragment_results,
        expires: input.expires,
    };
    ticket(ctx, &asked).await
}

async fn ticket(ctx: &Arc<Context>, asked: &Asked<'_>) -> Result<Ticket, Error> {
    let mode = match asked.mode {
        None | Some(PlaybackMode::Live) => Mode::Live,
        Some(PlaybackMode::LiveReplay) => Mode::Replay,
        Some(PlaybackMode::OnDemand) => Mode::OnDemand,
    };
    let now = ctx.now();
    let axis = match asked
        .selector
        .and_then(|selector| selector.fragment_selector_type)
    {
        None | Some(FragmentSelectorType::ServerTimestamp) => TimeAxis::Server,
        Some(FragmentSelectorType::ProducerTimestamp) => TimeAxis::Producer,
    };
    let (from, to) = range(asked, mode, axis, now)?;
    let known = ctx.readable(asked.name, asked.arn)?;
    let default_limit = match mode {
        Mode::Live | Mode::Replay => LIVE_LIMIT,
        Mode::OnDemand => ON_DEMAND_LIMIT,
    };
    let expires = u64::from(asked.expires.unwrap_or(EXPIRES_S));
    let mut ticket = Ticket {
        protocol: asked.protocol,
        mode,
        axis,
        container: asked.container,
        discontinuities: discontinuities(asked.discontinuities, axis),
        shows_times: asked.shows_times == Some(Display::Always),
        shows_numbers: asked.shows_numbers == Some(Display::Always),
        limit: asked.limit.unwrap_or(default_limit),
        created: now,
        expires: now.plus(Duration::from_secs(expires)),
        stream_id: known.stream.id,
        from,
        to,
        anchor: Position::ZERO,
        until: Position::new(u64::MAX),
        origin: 0,
        stream: known.stream.name.clone(),
    };
    // The service shows none unless asked to. Here parts need them; who refuses them gets none.
    ticket.shows_times |= asked.shows_times.is_none() && ticket.can_have_parts();
    anchor(ctx, &known, &mut ticket).await?;
    Ok(ticket)
}

fn discontinuities(asked: Option<DiscontinuityMode>, axis: TimeAxis) -> Discontinuities {
    match (asked, axis) {
        (Some(DiscontinuityMode::Always), _) | (None, TimeAxis::Server) => Discontinuities::All,
        (Some(DiscontinuityMode::Never), _) | (None, TimeAxis::Producer) => Discontinuities::None,
        (Some(DiscontinuityMode::OnDiscontinuity), _) => Discontinuities::Broken,
    }
}

/// The time range, its end exclusive.
fn range(
    asked: &Asked<'_>,
    mode: Mode,
    axis: TimeAxis,
    now: ServerTime,
) -> Result<(i64, i64), Error> {
    let name = asked.selector_name;
    let range = asked
        .selector
        .and_then(|selector| selector.timestamp_range.as_ref());
    let start = range.and_then(|range| range.start_timestamp);
    let end = range.and_then(|range| range.end_timestamp);
    if mode == Mode::Live {
        return match range {
            None => Ok((i64::MIN, i64::MAX)),
            Some(_) => Err(invalid(format!(
                "TimestampRange must not be set in {name} when PlaybackMode is LIVE."
            ))),
        };
    }
    let Some(start) = start else {
        return Err(invalid(format!(
            "StartTimestamp must be set in {name} unless PlaybackMode is LIVE."
        )));
    };
    let from = start.as_millis();
    let Some(end) = end else {
        return if mode == Mode::Replay {
            Ok((from, i64::MAX))
        } else {
            Err(invalid(format!(
                "EndTimestamp must be set in {name} when PlaybackMode is ON_DEMAND."
            )))
        };
    };
    let to = end.as_millis();
    let span = to.saturating_sub(from);
    if span <= 0 {
        return Err(invalid("EndTimestamp must be later than StartTimestamp."));
    }
    if u128::from(span.unsigned_abs()) > RANGE_MAX.as_millis() {
        return Err(invalid(
            "EndTimestamp must be within 24 hours of StartTimestamp.",
        ));
    }
    if axis == TimeAxis::Server && mode == Mode::OnDemand && end > now {
        return Err(invalid(
            "EndTimestamp must be in the past when FragmentSelectorType is SERVER_TIMESTAMP.",
        ));
    }
    Ok((from, to.saturating_add(1)))
}

/// Finds where the session begins, and that it can be played.
async fn anchor(ctx: &Arc<Context>, known: &Known, ticket: &mut Ticket) -> Result<(), Error> {
    let stream = &known.stream.name;
    let shard = library::open(ctx, stream).await?;
    let recording = ctx.library.of(stream);
    let marks = shard.watermarks();
    let start = match ticket.mode {
        Mode::Live => {
            let newest = marks.durable.get().saturating_sub(u64::from(ticket.limit));
            Position::new(newest).max(marks.trim_horizon)
        }
        Mode::Replay | Mode::OnDemand => marks.trim_horizon,
    };
    let selector = match ticket.mode {
        Mode::Live => Selector::ALL,
        Mode::Replay | Mode::OnDemand => Selector {
            axis: ticket.axis,
            from: ticket.from,
            to: ticket.to,
            cover_start: false,
        },
    };
    let engine = |error: afflux_types::Error| service_error(&error);
    if ticket.mode == Mode::Live {
        check_is_live(ctx, ticket, &shard).await?;
    }
    let mut search = recording
        .search(&shard, selector, start)
        .await
        .map_err(engine)?;
    let first = search.next().await.map_err(engine)?;
    let Some((Found { meta, .. }, stamp)) =
        first.and_then(|found| found.entry.header.stamp.map(|stamp| (found, stamp)))
    else {
        return Err(nothing(ticket));
    };
    ticket.anchor = stamp.position;
    ticket.origin = ticket.axis.start_ms(&meta, stamp.arrival);
    if ticket.mode == Mode::OnDemand {
        ticket.until = marks.durable;
    }
    let init = load(&recording, &shard, meta.init_id, stamp.position).await?;
    Layout::of(&init, stamp.position, ticket).map(drop)
}

/// A stream is live if a fragment came lately.
async fn check_is_live(ctx: &Context, ticket: &Ticket, shard: &Shard) -> Result<(), Error> {
    let since = ctx.now().minus(LIVE_SINCE);
    let start = shard
        .resolve(afflux_engine::From::At(since))
        .await
        .map_err(|error| service_error(&error))?;
    if start < shard.watermarks().durable {
        Ok(())
    } else {
        Err(nothing(ticket))
    }
}

fn nothing(ticket: &Ticket) -> Error {
    let when = match ticket.mode {
        Mode::Live => "in the last 30 seconds",
        Mode::Replay | Mode::OnDemand => "in the requested range of time",
    };
    Error::new(
        Code::ResourceNotFound,
        format!("No fragments found in the stream for the streaming request {when}."),
    )
}
