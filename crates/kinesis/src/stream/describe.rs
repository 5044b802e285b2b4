//! Streams described and listed.

use afflux_aws::kinesis::input::{
    DescribeStreamInput, DescribeStreamSummaryInput, ListStreamsInput,
};
use afflux_aws::kinesis::output::{
    DescribeStreamOutput, DescribeStreamSummaryOutput, EnhancedMetrics, ListStreamsOutput,
    StreamDescription, StreamDescriptionSummary, StreamModeDetails, StreamSummary, WarmThroughput,
};
use afflux_aws::kinesis::token::Page;
use afflux_aws::kinesis::values::{EncryptionType, StreamMode};
use afflux_aws::kinesis::{Error, Operation};
use afflux_engine::StreamKind;
use afflux_types::{ShardId, StreamName};

use super::create::record_kib;
use crate::attributes::Attributes;
use crate::context::{Context, Known};
use crate::shard::{describe_shard, shard_id};

/// Shards in one answer of `DescribeStream`.
const SHARDS_MAX: usize = 100;
/// Streams in one answer of `ListStreams`.
const STREAMS_MAX: usize = 100;

/// `DescribeStream`.
pub(crate) fn describe(
    to: &Context,
    input: &DescribeStreamInput,
) -> Result<DescribeStreamOutput, Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let after: Option<ShardId> = input
        .exclusive_start_shard_id
        .as_deref()
        .map(|id| shard_id(to, &known, id))
        .transpose()?;
    let limit = page_size(input.limit, SHARDS_MAX);
    let mut shards = known
        .shards(to.now())
        .filter(|shard| after.is_none_or(|after| shard.id > after));
    let page = shards
        .by_ref()
        .take(limit)
        .map(|shard| describe_shard(&known, shard))
        .collect();
    let stream = &known.stream;
    Ok(DescribeStreamOutput {
        stream_description: StreamDescription {
            stream_name: stream.name.to_string(),
            stream_arn: to.arn(&stream.name).to_string(),
            stream_status: to.status(stream),
            stream_mode_details: Some(mode_of(&known.attributes)),
            shards: page,
            has_more_shards: shards.next().is_some(),
            retention_period_hours: retention_hours(&known),
            stream_creation_timestamp: stream.created,
            enhanced_monitoring: monitoring_of(&known.attributes),
            encryption_type: Some(encryption_type(&known)),
            key_id: key_id(&known),
        },
    })
}

/// `DescribeStreamSummary`.
pub(crate) fn summary(
    to: &Context,
    input: &DescribeStreamSummaryInput,
) -> Result<DescribeStreamSummaryOutput, Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let stream = &known.stream;
    let consumers = to
        .engine
        .list_consumers(&stream.name)
        .map_err(|error| to.stream_error(&error, stream.name.as_str()))?;
    Ok(DescribeStreamSummaryOutput {
        stream_description_summary: StreamDescriptionSummary {
            stream_name: stream.name.to_string(),
            stream_arn: to.arn(&stream.name).to_string(),
            stream_status: to.status(stream),
            stream_mode_details: Some(mode_of(&known.attributes)),
            retention_period_hours: retention_hours(&known),
            stream_creation_timestamp: stream.created,
            enhanced_monitoring: monitoring_of(&known.attributes),
            encryption_type: Some(encryption_type(&known)),
            key_id: key_id(&known),
            open_shard_count: count(known.open_shards()),
            consumer_count: Some(count(consumers.len())),
            warm_throughput: warm_throughput(to, &known),
            max_record_size_kib: Some(record_kib(stream.record_bytes_max)),
            channel_count: Some(0),
            record_distribution_strategy: Some(known.attributes.distribution),
            queue_count: Some(0),
        },
    })
}

/// `ListStreams`: in the order of the names.
pub(crate) fn list(to: &Context, input: &ListStreamsInput) -> Result<ListStreamsOutput, Error> {
    let operation = Operation::ListStreams;
    let after = match &input.next_token {
        Some(token) => Some(to.sealer.open_page(token, operation, to.now())?.after),
        None => input.exclusive_start_stream_name.clone(),
    };
    let limit = page_size(input.limit, STREAMS_MAX);
    // `.` and `..` come before every name.
    let after = after.and_then(|name| StreamName::new(&name).ok());
    let (page, more) = page_of_streams(to, after, limit);
    let last = page.last().map(|stream| stream.stream_name.clone());
    Ok(ListStreamsOutput {
        stream_names: page.iter().map(|s| s.stream_name.clone()).collect(),
        has_more_streams: more,
        next_token: last.filter(|_| more).map(|after| {
            to.sealer.seal_page(&Page {
                operation,
                scope: String::new(),
                after,
                filter: String::new(),
                created: to.now(),
            })
        }),
        stream_summaries: page,
    })
}

/// A page of the streams of records after a name, and whether there are more.
fn page_of_streams(
    to: &Context,
    mut after: Option<StreamName>,
    limit: usize,
) -> (Vec<StreamSummary>, bool) {
    let mut page = Vec::new();
    loop {
        let listed = to.engine.list_streams(after.as_ref(), limit + 1);
        let Some(last) = listed.last() else {
            return (page, false);
        };
        after = Some(last.name.clone());
        for stream in listed {
            // Gone since it was listed, or a stream of video.
            let known = match stream.kind {
                StreamKind::Records => to.known(&stream.name).ok(),
                StreamKind::Video | StreamKind::Delivery => None,
            };
            let Some(known) = known else { continue };
            if page.len() == limit {
                return (page, true);
            }
            page.push(StreamSummary {
                stream_name: stream.name.to_string(),
                stream_arn: to.arn(&stream.name).to_string(),
                stream_status: to.status(&known.stream),
                stream_mode_details: Some(mode_of(&known.attributes)),
                stream_creation_timestamp: Some(stream.created),
            });
        }
    }
}

/// How many items an answer holds.
pub(crate) fn page_size(asked: Option<u32>, max: usize) -> usize {
    asked.map_or(max, |asked| {
        usize::try_from(asked).unwrap_or(max).clamp(1, max)
    })
}

/// A count in an answer.
pub(crate) fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

/// What a stream on demand is ready for. The service tells those who are committed to it.
pub(super) fn warm_throughput(to: &Context, known: &Known) -> Option<WarmThroughput> {
    let told = known.attributes.mode == StreamMode::OnDemand && to.is_committed();
    let current_mibps = count(known.open_shards());
    told.then(|| WarmThroughput {
        target_mibps: known.attributes.warm_mibps.unwrap_or(current_mibps),
        current_mibps,
    })
}

fn encryption_type(known: &Known) -> EncryptionType {
    match known.stream.encryption {
        Some(_) => EncryptionType::Kms,
        None => EncryptionType::None,
    }
}

/// As it was given.
fn key_id(known: &Known) -> Option<String> {
    let encryption = known.stream.encryption.as_ref();
    encryption.map(|encryption| encryption.key.clone())
}

pub(super) fn retention_hours(known: &Known) -> u32 {
    let hours = known.stream.retention.age.as_secs() / 3_600;
    u32::try_from(hours).unwrap_or(u32::MAX)
}

fn mode_of(attributes: &Attributes) -> StreamModeDetails {
    StreamModeDetails {
        stream_mode: attributes.mode,
    }
}

fn monitoring_of(attributes: &Attributes) -> Vec<EnhancedMetrics> {
    vec![EnhancedMetrics {
        shard_level_metrics: attributes.metrics.iter().copied().collect(),
    }]
}
