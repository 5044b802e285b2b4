//! Amazon resource names of streams and of registered consumers.

#![expect(
    clippy::module_name_repetitions,
    reason = "a bare Stream would be taken for the stream"
)]

use std::fmt;
use std::str::FromStr;

use afflux_types::{ConsumerName, StreamName};

use super::{Code, Error};
pub use crate::arn::Place;
use crate::arn::{self, split};

/// `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamArn {
    /// The partition, the region and the account.
    pub place: Place,
    /// The stream.
    pub stream: StreamName,
}

/// `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME/consumer/CONSUMER:SECONDS`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerArn {
    /// The stream.
    pub stream: StreamArn,
    /// The consumer.
    pub consumer: ConsumerName,
    /// When the consumer was registered, in seconds since 1970: tells two of one name apart.
    pub created: i64,
}

/// What carries tags and policies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceArn {
    /// A stream.
    Stream(StreamArn),
    /// A registered consumer.
    Consumer(ConsumerArn),
}

/// Text that is no ARN of this kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the ARN of a stream or consumer")]
pub struct ParseError(String);

impl Place {
    /// The ARN of a stream here.
    #[must_use]
    pub fn stream(&self, stream: StreamName) -> StreamArn {
        StreamArn {
            place: self.clone(),
            stream,
        }
    }
}

impl StreamArn {
    /// The ARN of a consumer of this stream.
    #[must_use]
    pub fn consumer(&self, consumer: ConsumerName, created: i64) -> ConsumerArn {
        ConsumerArn {
            stream: self.clone(),
            consumer,
            created,
        }
    }
}

/// What the policy of a stream can share.
///
/// # Source
/// The developer guide's table of actions that can be shared, and `DescribeStream`, which its examples
/// share too.
const STREAM_SHARES: &[&str] = &[
    "DescribeStream",
    "DescribeStreamSummary",
    "GetRecords",
    "GetShardIterator",
    "ListShards",
    "PutRecord",
    "PutRecords",
];
/// What the policy of a consumer can share, from the same table.
const CONSUMER_SHARES: &[&str] = &["DescribeStreamConsumer", "SubscribeToShard"];

impl ResourceArn {
    /// The names of the operations that a policy of the resource can share.
    #[must_use]
    pub fn shares(&self) -> &'static [&'static str] {
        match self {
            Self::Stream(_) => STREAM_SHARES,
            Self::Consumer(_) => CONSUMER_SHARES,
        }
    }

    /// The stream, or the stream of the consumer.
    #[must_use]
    pub fn stream(&self) -> &StreamArn {
        match self {
            Self::Stream(stream) => stream,
            Self::Consumer(consumer) => &consumer.stream,
        }
    }
}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        Self::new(Code::InvalidArgument, format!("{error}."))
    }
}

impl fmt::Display for StreamArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = format_args!("stream/{}", self.stream);
        arn::write(f, "kinesis", &self.place, resource)
    }
}

impl fmt::Display for ConsumerArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stream,
            consumer,
            created,
        } = self;
        write!(f, "{stream}/consumer/{consumer}:{created}")
    }
}

impl fmt::Display for ResourceArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(stream) => stream.fmt(f),
            Self::Consumer(consumer) => consumer.fmt(f),
        }
    }
}

fn parse_stream(text: &str) -> Option<StreamArn> {
    let (place, resource) = split(text, "kinesis")?;
    let stream = resource.strip_prefix("stream/")?.parse().ok()?;
    Some(StreamArn { place, stream })
}

fn parse_consumer(text: &str) -> Option<ConsumerArn> {
    let (stream, consumer) = text.split_once("/consumer/")?;
    let (consumer, created) = consumer.rsplit_once(':')?;
    if !created.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(ConsumerArn {
        stream: parse_stream(stream)?,
        consumer: consumer.parse().ok()?,
        created: created.parse().ok()?,
    })
}

fn found<T>(parsed: Option<T>, text: &str) -> Result<T, ParseError> {
    parsed.ok_or_else(|| ParseError(text.to_owned()))
}

impl FromStr for StreamArn {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        found(parse_stream(text), text)
    }
}

impl FromStr for ConsumerArn {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        found(parse_consumer(text), text)
    }
}

impl FromStr for ResourceArn {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let stream = || parse_stream(text).map(Self::Stream);
        found(
            parse_consumer(text).map(Self::Consumer).or_else(stream),
            text,
        )
    }
}

#[cfg(test)]
mod tests;
