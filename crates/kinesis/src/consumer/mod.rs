//! Registered consumers.

mod describe;
mod register;

pub(crate) use describe::{describe, list};
pub(crate) use register::{deregister, register};

use afflux_aws::kinesis::arn::ConsumerArn;
use afflux_aws::kinesis::{Code, Error};
use afflux_engine::ConsumerDescription;
use afflux_types::ConsumerName;

use crate::context::{Context, Known};

/// How a request names a consumer.
struct Names<'i> {
    stream_arn: Option<&'i str>,
    consumer_name: Option<&'i str>,
    consumer_arn: Option<&'i str>,
}

/// The consumer that a request names: by its ARN, by its stream and name, or by all three.
fn find(to: &Context, names: &Names<'_>) -> Result<(Known, ConsumerDescription), Error> {
    let invalid = |text: &'static str| Error::new(Code::InvalidArgument, text);
    let by_arn = names
        .consumer_arn
        .map(str::parse::<ConsumerArn>)
        .transpose()?;
    let Some(arn) = by_arn else {
        let (Some(stream), Some(name)) = (names.stream_arn, names.consumer_name) else {
            return Err(invalid(
                "Either ConsumerARN or both StreamARN and ConsumerName should be provided.",
            ));
        };
        let known = to.stream(None, Some(stream))?;
        let parsed = ConsumerName::new(name).map_err(|_| to.no_consumer(&name))?;
        let consumer = to.consumer_of(&known, &parsed)?;
        return Ok((known, consumer));
    };
    let stream = names
        .stream_arn
        .map(|stream| to.name(None, Some(stream)))
        .transpose()?;
    let same_stream = stream.is_none_or(|stream| stream == arn.stream.stream);
    let same_name = names
        .consumer_name
        .is_none_or(|name| name == arn.consumer.as_str());
    if !same_stream || !same_name {
        return Err(invalid(
            "ConsumerARN does not match the given StreamARN or ConsumerName.",
        ));
    }
    to.consumer(&arn)
}

/// The ARN of a consumer.
pub(crate) fn arn(to: &Context, known: &Known, consumer: &ConsumerDescription) -> ConsumerArn {
    let created = consumer.created.as_millis().div_euclid(1_000);
    to.arn(&known.stream.name)
        .consumer(consumer.name.clone(), created)
}
