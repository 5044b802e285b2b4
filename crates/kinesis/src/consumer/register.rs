//! Registering and deregistering consumers.

use std::collections::BTreeMap;

use afflux_aws::kinesis::input::{DeregisterStreamConsumerInput, RegisterStreamConsumerInput};
use afflux_aws::kinesis::output::{Consumer, RegisterStreamConsumerOutput};
use afflux_aws::kinesis::values::{ConsumerStatus, StreamMode};
use afflux_aws::kinesis::{Code, Error};
use afflux_types::{ConsumerName, ErrorKind};

use super::{Names, arn, find};
use crate::context::{Context, Known};
use crate::resource::tags;

/// Consumers of a stream.
const CONSUMERS_MAX: usize = 20;
/// Consumers of a stream on demand, in an account that is committed to it.
const CONSUMERS_MAX_COMMITTED: usize = 50;

/// `RegisterStreamConsumer`. The consumer may subscribe when this returns.
pub(crate) async fn register(
    to: &Context,
    input: RegisterStreamConsumerInput,
) -> Result<RegisterStreamConsumerOutput, Error> {
    let known = to.stream(None, Some(&input.stream_arn))?;
    let name = ConsumerName::new(&input.consumer_name)
        .map_err(|error| Error::new(Code::InvalidArgument, format!("{error}.")))?;
    let mut kept = BTreeMap::new();
    let owner = tags::Owner::consumer(&name);
    tags::add(&mut kept, input.tags.unwrap_or_default(), &owner)?;
    let stream = &known.stream.name;
    let registered = to.engine.list_consumers(stream);
    let registered = registered.map_err(|error| to.stream_error(&error, stream.as_str()))?;
    if registered.iter().any(|consumer| consumer.name == name) {
        return Err(exists(to, &known, &name));
    }
    check_limit(to, &known, registered.len())?;
    let consumer = match to.engine.register_consumer(stream, &name).await {
        Ok(consumer) => consumer,
        Err(error) if error.kind() == ErrorKind::InUse => return Err(exists(to, &known, &name)),
        Err(error) => return Err(to.stream_error(&error, stream.as_str())),
    };
    if !kept.is_empty() {
        let tag = to.book.change_consumer(&known.stream, &consumer, |known| {
            known.tags = kept;
            Ok(())
        });
        tag.await?;
    }
    Ok(RegisterStreamConsumerOutput {
        consumer: Consumer {
            consumer_arn: arn(to, &known, &consumer).to_string(),
            consumer_name: consumer.name.to_string(),
            // The service has begun when it answers, and its clients wait until it is done.
            consumer_status: ConsumerStatus::Active,
            consumer_creation_timestamp: consumer.created,
        },
    })
}

/// `DeregisterStreamConsumer`.
pub(crate) async fn deregister(
    to: &Context,
    input: DeregisterStreamConsumerInput,
) -> Result<(), Error> {
    let names = Names {
        stream_arn: input.stream_arn.as_deref(),
        consumer_name: input.consumer_name.as_deref(),
        consumer_arn: input.consumer_arn.as_deref(),
    };
    let (known, consumer) = find(to, &names)?;
    let stream = &known.stream.name;
    let gone = to.engine.deregister_consumer(stream, &consumer.name).await;
    gone.map_err(|error| match error.kind() {
        ErrorKind::NotFound => to.no_consumer(&consumer.name),
        _ => to.stream_error(&error, stream.as_str()),
    })?;
    to.book.forget_consumer(&known.stream, &consumer).await
}

fn check_limit(to: &Context, known: &Known, registered: usize) -> Result<(), Error> {
    let committed = known.attributes.mode == StreamMode::OnDemand && to.is_committed();
    let limit = if committed {
        CONSUMERS_MAX_COMMITTED
    } else {
        CONSUMERS_MAX
    };
    if !to.options.throttled || registered < limit {
        return Ok(());
    }
    Err(Error::new(
        Code::LimitExceeded,
        format!(
            "Stream {} under account {} has {registered} registered consumers. Limit: {limit}.",
            known.stream.name,
            to.account()
        ),
    ))
}

fn exists(to: &Context, known: &Known, name: &ConsumerName) -> Error {
    Error::new(
        Code::ResourceInUse,
        format!(
            "Consumer {name} under stream {} already exists for account {}.",
            known.stream.name,
            to.account()
        ),
    )
}
