//! `DescribeDeliveryStream` and `ListDeliveryStreams`.

use afflux_aws::firehose::input::{
    DescribeDeliveryStreamInput, DirectPutSourceConfiguration, ListDeliveryStreamsInput,
};
use afflux_aws::firehose::output::{
    DeliveryStreamDescription, DescribeDeliveryStreamOutput, KinesisStreamSourceDescription,
    ListDeliveryStreamsOutput, SourceDescription,
};
use afflux_aws::firehose::values::{DeliveryStreamStatus, DeliveryStreamType};
use afflux_aws::firehose::{Error, encode};
use afflux_deliver::DeliverySource;
use afflux_types::{DeliveryName, StreamName};
use bytes::Bytes;

use super::{DESTINATION_ID, encryption};
use crate::context::{Context, Known, service_error};
use crate::settings;

/// Names of one answer unless the request says otherwise.
const PAGE_DEFAULT: u32 = 10;

/// `DescribeDeliveryStream`, encoded.
pub(crate) fn describe(to: &Context, input: &DescribeDeliveryStreamInput) -> Result<Bytes, Error> {
    let known = to.known(&input.delivery_stream_name)?;
    let delivery = &known.delivery;
    let destination = known.document.destination();
    let destination =
        destination.unwrap_or_else(|| settings::destination(&delivery.settings, &role(to)));
    let after = input.exclusive_start_destination_id.as_deref();
    let shown = after.is_none_or(|after| after < DESTINATION_ID);
    let shown = shown.then(|| destination.describe(DESTINATION_ID));
    let description = DeliveryStreamDescription {
        delivery_stream_name: delivery.name.to_string(),
        delivery_stream_arn: to.arn(&delivery.name).to_string(),
        status: DeliveryStreamStatus::Active,
        failure: None,
        encryption: Some(encryption::describe(to, delivery)?),
        kind: kind(&delivery.settings.source),
        version_id: delivery.version.to_string(),
        created: Some(delivery.created),
        last_update: delivery.updated,
        source: source(to, &known)?,
        destinations: shown.into_iter().collect(),
        has_more_destinations: false,
    };
    Ok(encode(&DescribeDeliveryStreamOutput {
        delivery_stream_description: description,
    }))
}

/// `ListDeliveryStreams`: in the order of their names.
pub(crate) fn list(
    to: &Context,
    input: &ListDeliveryStreamsInput,
) -> Result<ListDeliveryStreamsOutput, Error> {
    let after = input.exclusive_start_delivery_stream_name.as_deref();
    let after = after.map(DeliveryName::new).transpose();
    let after = after.map_err(|error| service_error(&error))?;
    let limit = usize::try_from(input.limit.unwrap_or(PAGE_DEFAULT)).unwrap_or(usize::MAX);
    let wanted = input.delivery_stream_type;
    let looked_at = match wanted {
        None => limit.saturating_add(1),
        // The names of a type may be anywhere.
        Some(_) => usize::MAX,
    };
    let found = to.deliveries.list(after.as_ref(), looked_at).into_iter();
    let mut found = found
        .filter(|found| wanted.is_none_or(|wanted| wanted == kind(&found.settings.source)))
        .map(|found| found.name.to_string());
    Ok(ListDeliveryStreamsOutput {
        delivery_stream_names: found.by_ref().take(limit).collect(),
        has_more_delivery_streams: found.next().is_some(),
    })
}

fn kind(source: &DeliverySource) -> DeliveryStreamType {
    match source {
        DeliverySource::Direct => DeliveryStreamType::DirectPut,
        DeliverySource::Stream { .. } => DeliveryStreamType::KinesisStreamAsSource,
    }
}

fn source(to: &Context, known: &Known) -> Result<Option<SourceDescription>, Error> {
    let Known { delivery, document } = known;
    Ok(match &delivery.settings.source {
        DeliverySource::Direct => {
            let hint = document.throughput_hint_in_mbs;
            hint.map(|throughput_hint_in_mbs| SourceDescription {
                direct_put: Some(DirectPutSourceConfiguration {
                    throughput_hint_in_mbs,
                }),
                kinesis_stream: None,
            })
        }
        DeliverySource::Stream { name, .. } => {
            let stream = StreamName::new(name).map_err(|error| service_error(&error))?;
            let role_arn = document.source_role_arn.clone();
            Some(SourceDescription {
                direct_put: None,
                kinesis_stream: Some(KinesisStreamSourceDescription {
                    kinesis_stream_arn: to.options.place.stream(stream).to_string(),
                    role_arn: role_arn.unwrap_or_else(|| role(to)),
                    delivery_start: Some(delivery.created),
                }),
            })
        }
    })
}

/// Stands where the API wants a role, which delivery streams of other doors do not have.
fn role(to: &Context) -> String {
    format!("arn:aws:iam::{}:role/none", to.account())
}
