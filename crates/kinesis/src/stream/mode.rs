//! Who decides how many shards a stream has, and what a stream on demand is ready for.

use std::time::Duration;

use afflux_aws::kinesis::input::{UpdateStreamModeInput, UpdateStreamWarmThroughputInput};
use afflux_aws::kinesis::output::{UpdateStreamWarmThroughputOutput, WarmThroughput};
use afflux_aws::kinesis::values::{RecordDistributionStrategy, StreamMode};
use afflux_aws::kinesis::{Code, Error};
use afflux_types::limits::STREAM_SHARDS_MAX;

use super::create::SHARDS_DEFAULT;
use super::describe::count;
use crate::account::{check_on_demand_limit, check_shard_limit};
use crate::attributes::recent;
use crate::context::{Context, Known, service_error};
use crate::shard::scale;

const DAY: Duration = Duration::from_secs(86_400);
/// Changes of the mode in a day.
const MODE_CHANGES_MAX: usize = 2;
/// 10 GiB/s.
const WARM_MIBPS_MAX: u32 = 10_240;

/// `UpdateStreamMode`. The shards stay as they are.
pub(crate) async fn update_mode(to: &Context, input: UpdateStreamModeInput) -> Result<(), Error> {
    let known = to.stream(None, Some(&input.stream_arn))?;
    let mode = input.stream_mode_details.stream_mode;
    let _updating = to.begin_update(&known.stream)?;
    if let Some(mibps) = input.warm_throughput_mibps {
        check_warm_throughput(to, mode, mibps)?;
        check_room(to, &known, mibps)?;
    }
    if mode == StreamMode::OnDemand && known.attributes.mode != mode {
        check_on_demand_limit(to)?;
    }
    let now = to.now();
    let limit = to.options.throttled.then_some(MODE_CHANGES_MAX);
    let change = to.book.change(&known.stream, |attributes| {
        if mode == StreamMode::Provisioned
            && attributes.distribution == RecordDistributionStrategy::Auto
        {
            return Err(Error::new(
                Code::Validation,
                format!(
                    "Request is invalid. Stream {} under account {} has the record distribution \
                     strategy AUTO, which is supported in On-Demand mode only.",
                    known.stream.name,
                    to.account()
                ),
            ));
        }
        attributes.warm_mibps = match mode {
            StreamMode::OnDemand => input.warm_throughput_mibps.or(attributes.warm_mibps),
            StreamMode::Provisioned => None,
        };
        if attributes.mode == mode {
            return Ok(());
        }
        recent(&mut attributes.mode_changes, now, DAY);
        if limit.is_some_and(|limit| attributes.mode_changes.len() >= limit) {
            return Err(Error::new(
                Code::LimitExceeded,
                format!(
                    "The mode of stream {} under account {} was changed {MODE_CHANGES_MAX} times \
                     within 24 hours, which is the limit.",
                    known.stream.name,
                    to.account()
                ),
            ));
        }
        attributes.mode = mode;
        attributes.mode_changes.push(now);
        Ok(())
    });
    change.await?;
    match input.warm_throughput_mibps {
        Some(mibps) => warm_up(to, &known, mibps).await,
        None => Ok(()),
    }
}

/// `UpdateStreamWarmThroughput`.
pub(crate) async fn update_warm_throughput(
    to: &Context,
    input: UpdateStreamWarmThroughputInput,
) -> Result<UpdateStreamWarmThroughputOutput, Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let mibps = input.warm_throughput_mibps;
    let _updating = to.begin_update(&known.stream)?;
    check_warm_throughput(to, known.attributes.mode, mibps)?;
    check_room(to, &known, mibps)?;
    let has_more = shards_for(Some(mibps)) <= count(known.open_shards());
    warm_up(to, &known, mibps).await?;
    let noted = to.book.change(&known.stream, |attributes| {
        attributes.warm_mibps = Some(mibps);
        Ok(())
    });
    noted.await?;
    if has_more {
        // What the service documents: so its owner says that a burst will not come again.
        let released = to.scaling.release(&to.engine, known.stream.id).await;
        released.map_err(|error| service_error(&error))?;
    }
    let name = &known.stream.name;
    Ok(UpdateStreamWarmThroughputOutput {
        stream_arn: Some(to.arn(name).to_string()),
        stream_name: Some(name.to_string()),
        warm_throughput: WarmThroughput {
            target_mibps: mibps,
            current_mibps: count(to.known(name)?.open_shards()),
        },
    })
}

/// Whether a stream may be made ready for so much.
pub(super) fn check_warm_throughput(
    to: &Context,
    mode: StreamMode,
    mibps: u32,
) -> Result<(), Error> {
    let refuse = |code, text: String| Err(Error::new(code, text));
    if mode != StreamMode::OnDemand {
        return refuse(
            Code::Validation,
            "WarmThroughputMiBps is supported for streams in On-Demand mode only.".to_owned(),
        );
    }
    if !to.is_committed() {
        return refuse(
            Code::Validation,
            "WarmThroughputMiBps needs an account with MinimumThroughputBillingCommitment enabled."
                .to_owned(),
        );
    }
    if mibps > WARM_MIBPS_MAX {
        return refuse(
            Code::LimitExceeded,
            format!(
                "A warm throughput of {mibps} MiB/s was requested. The limit is {WARM_MIBPS_MAX}."
            ),
        );
    }
    Ok(())
}

/// Shards of a stream on demand that is ready for so much: one for each MiB/s.
pub(crate) fn shards_for(warm_mibps: Option<u32>) -> u32 {
    warm_mibps
        .unwrap_or(0)
        .clamp(SHARDS_DEFAULT, STREAM_SHARDS_MAX)
}

/// Whether the account may have the shards of a stream that is made ready for so much.
fn check_room(to: &Context, known: &Known, mibps: u32) -> Result<(), Error> {
    let more = shards_for(Some(mibps)).saturating_sub(count(known.open_shards()));
    check_shard_limit(to, more)
}

/// Splits until there is a shard for each MiB/s. A stream that has more keeps them while they are busy.
async fn warm_up(to: &Context, known: &Known, mibps: u32) -> Result<(), Error> {
    let target = shards_for(Some(mibps));
    if target <= count(known.open_shards()) {
        return Ok(());
    }
    scale::reshape(to, &known.stream.name, target).await
}
