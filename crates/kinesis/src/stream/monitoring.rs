//! Which metrics of each shard are collected.

use std::collections::BTreeSet;

use afflux_aws::kinesis::Error;
use afflux_aws::kinesis::input::{DisableEnhancedMonitoringInput, EnableEnhancedMonitoringInput};
use afflux_aws::kinesis::output::EnhancedMonitoringOutput;
use afflux_aws::kinesis::values::MetricName;

use crate::context::{Context, Known};

/// `EnableEnhancedMonitoring`.
pub(crate) async fn enable_monitoring(
    to: &Context,
    input: EnableEnhancedMonitoringInput,
) -> Result<EnhancedMonitoringOutput, Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let named = each(&input.shard_level_metrics);
    change(to, &known, |before| before | &named).await
}

/// `DisableEnhancedMonitoring`.
pub(crate) async fn disable_monitoring(
    to: &Context,
    input: DisableEnhancedMonitoringInput,
) -> Result<EnhancedMonitoringOutput, Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let named = each(&input.shard_level_metrics);
    change(to, &known, |before| before - &named).await
}

async fn change(
    to: &Context,
    known: &Known,
    after: impl FnOnce(&BTreeSet<MetricName>) -> BTreeSet<MetricName>,
) -> Result<EnhancedMonitoringOutput, Error> {
    let changed = to.book.change(&known.stream, |attributes| {
        let after = after(&attributes.metrics);
        let before = std::mem::replace(&mut attributes.metrics, after.clone());
        Ok((before, after))
    });
    let (before, after) = changed.await?;
    let name = &known.stream.name;
    Ok(EnhancedMonitoringOutput {
        stream_name: Some(name.to_string()),
        current_shard_level_metrics: before.into_iter().collect(),
        desired_shard_level_metrics: after.into_iter().collect(),
        stream_arn: Some(to.arn(name).to_string()),
    })
}

/// The metrics that are meant; `ALL` stands for every one.
fn each(named: &[MetricName]) -> BTreeSet<MetricName> {
    let named = if named.contains(&MetricName::All) {
        MetricName::ALL
    } else {
        named
    };
    let named = named.iter().copied();
    named.filter(|name| *name != MetricName::All).collect()
}
