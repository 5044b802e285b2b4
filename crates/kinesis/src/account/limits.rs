//! How much there is, and how much there may be.

use afflux_aws::kinesis::output::DescribeLimitsOutput;
use afflux_aws::kinesis::values::StreamMode;
use afflux_aws::kinesis::{Code, Error};
use afflux_engine::StreamKind;

use crate::context::Context;
use crate::stream::count;

/// Streams on demand.
const ON_DEMAND_MAX: u32 = 50;

/// `DescribeLimits`.
pub(crate) fn describe_limits(to: &Context) -> DescribeLimitsOutput {
    DescribeLimitsOutput {
        shard_limit: to.options.shards_max,
        open_shard_count: open_shards(to),
        on_demand_stream_count: on_demand_streams(to),
        on_demand_stream_count_limit: ON_DEMAND_MAX,
        channel_count: Some(0),
        channel_count_limit: Some(0),
    }
}

/// Refuses `more` shards above the limit of the account.
pub(crate) fn check_shard_limit(to: &Context, more: u32) -> Result<(), Error> {
    let (open, limit) = (open_shards(to), to.options.shards_max);
    if open.saturating_add(more) <= limit {
        return Ok(());
    }
    Err(Error::new(
        Code::LimitExceeded,
        format!(
            "This request would exceed the shard limit for the account {} in {}. Current shard count \
             for the account: {open}. Limit: {limit}. Number of additional shards that would have \
             resulted from this request: {more}. Refer to the AWS Service Limits page \
             (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current \
             limits and how to request higher limits.",
            to.account(),
            to.options.place.region
        ),
    ))
}

/// How many shards more the account may have.
pub(crate) fn shard_room(to: &Context) -> u32 {
    to.options.shards_max.saturating_sub(open_shards(to))
}

/// Refuses one more stream on demand above the limit of the account.
pub(crate) fn check_on_demand_limit(to: &Context) -> Result<(), Error> {
    if !to.options.throttled {
        return Ok(());
    }
    let streams = on_demand_streams(to);
    if streams < ON_DEMAND_MAX {
        return Ok(());
    }
    Err(Error::new(
        Code::LimitExceeded,
        format!(
            "This request would exceed the limit of streams in On-Demand mode for the account {} in \
             {}. Current count: {streams}. Limit: {ON_DEMAND_MAX}.",
            to.account(),
            to.options.place.region
        ),
    ))
}

fn on_demand_streams(to: &Context) -> u32 {
    let streams = to.engine.list_streams(None, usize::MAX);
    let known = streams
        .iter()
        .filter_map(|stream| to.known(&stream.name).ok());
    count(
        known
            .filter(|known| known.attributes.mode == StreamMode::OnDemand)
            .count(),
    )
}

fn open_shards(to: &Context) -> u32 {
    let streams = to.engine.list_streams(None, usize::MAX);
    let streams = streams.iter().filter(|s| s.kind == StreamKind::Records);
    streams.fold(0, |sum, stream| sum.saturating_add(stream.open_shards))
}
