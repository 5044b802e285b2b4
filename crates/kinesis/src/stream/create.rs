//! Making and deleting streams.

use std::collections::BTreeMap;

use afflux_aws::kinesis::input::{CreateStreamInput, DeleteStreamInput};
use afflux_aws::kinesis::values::{RecordDistributionStrategy, StreamMode};
use afflux_aws::kinesis::{Code, Error};
use afflux_engine::{NewStream, Quota, StreamKind};
use afflux_types::{ErrorKind, StreamName};

use super::mode::{check_warm_throughput, shards_for};
use crate::account::{check_on_demand_limit, check_shard_limit};
use crate::attributes::Attributes;
use crate::context::{Context, service_error};
use crate::resource::tags;

/// Shards of a stream that names no number, and of one on demand.
pub(crate) const SHARDS_DEFAULT: u32 = 4;
const KIB: usize = 1_024;
/// What a shard takes in.
const QUOTA: Quota = Quota {
    bytes_per_second: 1 << 20,
    records_per_second: 1_000,
};

/// `CreateStream`. The stream is there when this returns.
pub(crate) async fn create(to: &Context, input: CreateStreamInput) -> Result<(), Error> {
    let name = stream_name(&input.stream_name)?;
    let _creating = to.creating.lock().await;
    if to.engine.describe_stream(&name).is_ok() {
        return Err(exists(to, &name));
    }
    let attributes = attributes(to, &name, &input)?;
    let shards = match attributes.mode {
        StreamMode::Provisioned => input.shard_count.unwrap_or(SHARDS_DEFAULT),
        StreamMode::OnDemand => shards_for(attributes.warm_mibps),
    };
    check_shard_limit(to, shards)?;
    if attributes.mode == StreamMode::OnDemand {
        check_on_demand_limit(to)?;
    }
    let mut new = NewStream::new(name.clone(), StreamKind::Records);
    new.shards = shards;
    new.quota = to.options.throttled.then_some(QUOTA);
    if let Some(kib) = input.max_record_size_kib {
        new.record_bytes_max = record_bytes(kib);
    }
    to.book.intend(&name, &attributes).await?;
    let made = to.engine.create_stream(new).await;
    let settled = to.book.settle(&name, attributes, made.as_ref().ok()).await;
    match made {
        Ok(_) => settled,
        Err(error) if error.kind() == ErrorKind::InUse => Err(exists(to, &name)),
        Err(error) => Err(service_error(&error)),
    }
}

/// `DeleteStream`. The stream is gone when this returns.
pub(crate) async fn delete(to: &Context, input: DeleteStreamInput) -> Result<(), Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let name = &known.stream.name;
    let said = |error: afflux_types::Error| to.stream_error(&error, name.as_str());
    let consumers = to.engine.list_consumers(name).map_err(said)?.len();
    if consumers > 0 && !input.enforce_consumer_deletion.unwrap_or(false) {
        return Err(Error::new(
            Code::ResourceInUse,
            format!(
                "Stream {name} under account {} has {consumers} registered consumers. Deregister \
                 them first, or set EnforceConsumerDeletion.",
                to.account()
            ),
        ));
    }
    to.engine.delete_stream(name).await.map_err(said)?;
    to.records.forget(name);
    to.book.forget(&known.stream).await
}

/// Bytes of the largest record.
pub(super) fn record_bytes(kib: u32) -> usize {
    usize::try_from(kib)
        .unwrap_or(usize::MAX)
        .saturating_mul(KIB)
}

/// KiB of the largest record; a limit that another door has set is rounded up.
pub(super) fn record_kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX)
}

fn stream_name(name: &str) -> Result<StreamName, Error> {
    // The pattern of the request lets `.` and `..` pass.
    StreamName::new(name).map_err(|error| Error::new(Code::InvalidArgument, format!("{error}.")))
}

fn attributes(
    to: &Context,
    name: &StreamName,
    input: &CreateStreamInput,
) -> Result<Attributes, Error> {
    let mode = input
        .stream_mode_details
        .as_ref()
        .map_or(StreamMode::Provisioned, |details| details.stream_mode);
    let distribution = input
        .record_distribution_strategy
        .unwrap_or(RecordDistributionStrategy::UserPartitionKey);
    if mode == StreamMode::Provisioned && distribution == RecordDistributionStrategy::Auto {
        return Err(Error::new(
            Code::Validation,
            "RecordDistributionStrategy AUTO is supported for streams in On-Demand mode only.",
        ));
    }
    if let Some(mibps) = input.warm_throughput_mibps {
        check_warm_throughput(to, mode, mibps)?;
    }
    let mut kept = BTreeMap::new();
    tags::add(
        &mut kept,
        input.tags.clone().unwrap_or_default(),
        &tags::Owner::stream(to, name),
    )?;
    Ok(Attributes {
        mode,
        distribution,
        warm_mibps: input.warm_throughput_mibps,
        tags: kept,
        ..Attributes::default()
    })
}

fn exists(to: &Context, name: &StreamName) -> Error {
    Error::new(
        Code::ResourceInUse,
        format!(
            "Stream {name} under account {} already exists.",
            to.account()
        ),
    )
}
