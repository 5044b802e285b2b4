//! Consumers described and listed.

use afflux_aws::kinesis::input::{DescribeStreamConsumerInput, ListStreamConsumersInput};
use afflux_aws::kinesis::output::{
    Consumer, ConsumerDescription, DescribeStreamConsumerOutput, ListStreamConsumersOutput,
};
use afflux_aws::kinesis::token::Page;
use afflux_aws::kinesis::values::ConsumerStatus;
use afflux_aws::kinesis::{Error, Operation};

use super::{Names, arn, find};
use crate::context::Context;
use crate::shard::{check_created, check_excluded};
use crate::stream::page_size;

/// Consumers in one answer.
const CONSUMERS_MAX: usize = 100;

/// `DescribeStreamConsumer`.
pub(crate) fn describe(
    to: &Context,
    input: &DescribeStreamConsumerInput,
) -> Result<DescribeStreamConsumerOutput, Error> {
    let names = Names {
        stream_arn: input.stream_arn.as_deref(),
        consumer_name: input.consumer_name.as_deref(),
        consumer_arn: input.consumer_arn.as_deref(),
    };
    let (known, consumer) = find(to, &names)?;
    Ok(DescribeStreamConsumerOutput {
        consumer_description: ConsumerDescription {
            consumer_arn: arn(to, &known, &consumer).to_string(),
            consumer_name: consumer.name.to_string(),
            consumer_status: ConsumerStatus::Active,
            consumer_creation_timestamp: consumer.created,
            stream_arn: to.arn(&known.stream.name).to_string(),
        },
    })
}

/// `ListStreamConsumers`: in the order of the names.
pub(crate) fn list(
    to: &Context,
    input: &ListStreamConsumersInput,
) -> Result<ListStreamConsumersOutput, Error> {
    let operation = Operation::ListStreamConsumers;
    let known = to.stream(None, Some(&input.stream_arn))?;
    let scope = known.stream.id.to_string();
    let after = match &input.next_token {
        Some(token) => {
            let timed = input.stream_creation_timestamp.is_some();
            check_excluded(&[("StreamCreationTimestamp", timed)])?;
            let page = to.sealer.open_page(token, operation, to.now())?;
            if page.scope != scope {
                return Err(to.no_stream(known.stream.name.as_str()));
            }
            Some(page.after)
        }
        None => {
            check_created(to, &known, input.stream_creation_timestamp)?;
            None
        }
    };
    let name = &known.stream.name;
    let listed = to.engine.list_consumers(name);
    let listed = listed.map_err(|error| to.stream_error(&error, name.as_str()))?;
    let mut rest = listed.iter().filter(|consumer| {
        let after = after.as_deref();
        after.is_none_or(|after| consumer.name.as_str() > after)
    });
    let limit = page_size(input.max_results, CONSUMERS_MAX);
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let last = page.last().filter(|_| rest.next().is_some());
    let next_token = last.map(|last| {
        to.sealer.seal_page(&Page {
            operation,
            scope,
            after: last.name.to_string(),
            filter: String::new(),
            created: to.now(),
        })
    });
    let consumers = page.into_iter().map(|consumer| Consumer {
        consumer_arn: arn(to, &known, consumer).to_string(),
        consumer_name: consumer.name.to_string(),
        consumer_status: ConsumerStatus::Active,
        consumer_creation_timestamp: consumer.created,
    });
    Ok(ListStreamConsumersOutput {
        consumers: consumers.collect(),
        next_token,
    })
}
