//! What every operation starts from: the engine, the stream that a request means, what is remembered
//! of it, and how the engine's errors are said in the service's words.

use std::collections::BTreeSet;
use std::sync::Arc;

use afflux_aws::arn::stream_name;
use afflux_aws::kinesis::arn::{ConsumerArn, StreamArn};
use afflux_aws::kinesis::token::Sealer;
use afflux_aws::kinesis::values::StreamStatus;
use afflux_aws::kinesis::{Code, Error, Origin};
use afflux_engine::{
    ConsumerDescription, Engine, KeyFault, ShardDescription, StreamDescription, StreamKind,
};
use afflux_types::{Clock, ConsumerName, ErrorKind, Result, ServerTime, ShardId, StreamName};
use parking_lot::Mutex;

use crate::Options;
use crate::attributes::{Attributes, Book, token_key};
use crate::rate::Rates;
use crate::record::State;
use crate::scale::Scaling;

/// What operations share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    pub(crate) options: Options,
    /// What only this API knows of streams.
    pub(crate) book: Book,
    /// Iterators and paging tokens.
    pub(crate) sealer: Sealer,
    /// Calls per second.
    pub(crate) rates: Rates,
    /// What on-demand streams take in.
    pub(crate) scaling: Scaling,
    /// What the operations on records share.
    pub(crate) records: State,
    /// Held while a stream is made: what is intended for a name is meant for one stream.
    pub(crate) creating: tokio::sync::Mutex<()>,
    /// Streams whose shards are being split or merged, by their ids.
    updating: Mutex<BTreeSet<u64>>,
}

/// A stream of records that exists.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) stream: StreamDescription,
    pub(crate) attributes: Arc<Attributes>,
}

impl Context {
    pub(crate) async fn open(engine: Engine, clock: Clock, options: Options) -> Result<Self> {
        let key = token_key(&engine).await?;
        let mut seed = [0; 8];
        afflux_engine::random(&mut seed)?;
        Ok(Self {
            sealer: Sealer::new(&key, u64::from_be_bytes(seed)),
            book: Book::open(&engine).await?,
            rates: Rates::default(),
            scaling: Scaling::default(),
            records: State::default(),
            creating: tokio::sync::Mutex::default(),
            updating: Mutex::default(),
            engine,
            clock,
            options,
        })
    }

    /// The stream's name, of a request that may give it, its ARN, or both.
    pub(crate) fn name(&self, name: Option<&str>, arn: Option<&str>) -> Result<StreamName, Error> {
        let of_arn = arn.map(str::parse::<StreamArn>).transpose()?;
        let of_arn = of_arn.map(|arn| arn.stream);
        stream_name(name, of_arn, |name| self.no_stream(name))?.ok_or_else(|| {
            Error::new(
                Code::InvalidArgument,
                "Either StreamName or StreamARN should be provided.",
            )
        })
    }

    /// The stream that a request means.
    pub(crate) fn stream(&self, name: Option<&str>, arn: Option<&str>) -> Result<Known, Error> {
        self.known(&self.name(name, arn)?)
    }

    /// The stream of this name. A stream of video is none of this API's.
    pub(crate) fn known(&self, name: &StreamName) -> Result<Known, Error> {
        let stream = self
            .engine
            .describe_stream(name)
            .map_err(|error| self.stream_error(&error, name.as_str()))?;
        if stream.kind != StreamKind::Records {
            return Err(self.no_stream(name.as_str()));
        }
        let attributes = self.book.of(&stream);
        Ok(Known { stream, attributes })
    }

    pub(crate) fn arn(&self, name: &StreamName) -> StreamArn {
        self.options.place.stream(name.clone())
    }

    /// The consumer of an ARN, with its stream.
    pub(crate) fn consumer(
        &self,
        arn: &ConsumerArn,
    ) -> Result<(Known, ConsumerDescription), Error> {
        let no_consumer = || self.no_consumer(arn);
        let known = self.known(&arn.stream.stream)?;
        let consumer = self.consumer_of(&known, &arn.consumer)?;
        let same = consumer.created.as_millis().div_euclid(1_000) == arn.created;
        same.then_some((known, consumer)).ok_or_else(no_consumer)
    }

    /// The consumer of a name.
    pub(crate) fn consumer_of(
        &self,
        known: &Known,
        name: &ConsumerName,
    ) -> Result<ConsumerDescription, Error> {
        let stream = &known.stream.name;
        let consumers = self
            .engine
            .list_consumers(stream)
            .map_err(|error| self.stream_error(&error, stream.as_str()))?;
        consumers
            .into_iter()
            .find(|consumer| consumer.name == *name)
            .ok_or_else(|| self.no_consumer(name))
    }

    pub(crate) fn no_stream(&self, name: &str) -> Error {
        let account = self.account();
        Error::new(
            Code::ResourceNotFound,
            format!("Stream {name} under account {account} not found."),
        )
    }

    pub(crate) fn no_consumer(&self, name: &impl std::fmt::Display) -> Error {
        let account = self.account();
        Error::new(
            Code::ResourceNotFound,
            format!("Consumer {name}, account {account} not found."),
        )
    }

    /// The account that everything here belongs to.
    pub(crate) fn account(&self) -> &str {
        &self.options.place.account
    }

    pub(crate) fn now(&self) -> ServerTime {
        self.clock.wall()
    }

    /// Whether the account is committed to a minimum throughput, which streams on demand profit from.
    pub(crate) fn is_committed(&self) -> bool {
        self.book.account().is_committed(self.now())
    }

    /// The state of a stream. One that exists can always be used.
    pub(crate) fn status(&self, stream: &StreamDescription) -> StreamStatus {
        if self.updating.lock().contains(&stream.id) {
            StreamStatus::Updating
        } else {
            StreamStatus::Active
        }
    }

    /// Marks a stream as being changed until the answer is dropped; only one change at a time may be.
    pub(crate) fn begin_update(&self, stream: &StreamDescription) -> Result<Update<'_>, Error> {
        if self.updating.lock().insert(stream.id) {
            return Ok(Update {
                to: self,
                stream: stream.id,
            });
        }
        Err(Error::new(
            Code::ResourceInUse,
            format!(
                "Stream {} under account {} not ACTIVE, instead in state UPDATING",
                stream.name,
                self.account()
            ),
        ))
    }

    /// Says an error of the engine about the stream `name` in the service's words.
    pub(crate) fn stream_error(&self, error: &afflux_types::Error, name: &str) -> Error {
        match error.kind() {
            ErrorKind::NotFound if KeyFault::of(error).is_none() => self.no_stream(name),
            _ => service_error(error),
        }
    }
}

/// A stream in the state `UPDATING`.
#[derive(Debug)]
pub(crate) struct Update<'c> {
    to: &'c Context,
    stream: u64,
}

impl Drop for Update<'_> {
    fn drop(&mut self) {
        self.to.updating.lock().remove(&self.stream);
    }
}

impl Known {
    /// Shards of which something may still be read, in the order of their ids.
    pub(crate) fn shards(&self, now: ServerTime) -> impl Iterator<Item = &ShardDescription> {
        let horizon = now.minus(self.stream.retention.age);
        let shards = self.stream.shards.iter();
        shards.filter(move |shard| shard.closed.is_none_or(|closed| closed >= horizon))
    }

    /// How many shards take records.
    pub(crate) fn open_shards(&self) -> usize {
        let shards = self.stream.shards.iter();
        shards.filter(|shard| shard.closed.is_none()).count()
    }

    /// The shard that a request names, in the full or a short form.
    pub(crate) fn shard(&self, id: &str) -> Option<&ShardDescription> {
        let id: ShardId = id.parse().ok()?;
        let shards = &self.stream.shards;
        let index = shards.binary_search_by_key(&id, |shard| shard.id).ok()?;
        shards.get(index)
    }
}

/// What the sequence numbers of a shard have in common.
pub(crate) fn origin(shard: &ShardDescription) -> Origin {
    Origin::new(shard.id, shard.created)
}

/// Says an error of the engine in the service's words.
pub(crate) fn service_error(error: &afflux_types::Error) -> Error {
    if let Some(fault) = KeyFault::of(error) {
        return key_error(fault, error);
    }
    let code = match error.kind() {
        ErrorKind::Invalid | ErrorKind::Expired => Code::InvalidArgument,
        ErrorKind::NotFound => Code::ResourceNotFound,
        ErrorKind::InUse | ErrorKind::ShardMoved => Code::ResourceInUse,
        ErrorKind::LimitExceeded => Code::LimitExceeded,
        ErrorKind::Denied => Code::AccessDenied,
        ErrorKind::Throttled => Code::ProvisionedThroughputExceeded,
        ErrorKind::Unavailable => Code::ServiceUnavailable,
        _ => {
            tracing::error!(error = %error.chain(), "a request failed");
            return Error::bare(Code::InternalFailure);
        }
    };
    Error::new(code, error.message().to_owned())
}

/// Says what is wrong with the key of a stream.
fn key_error(fault: &KeyFault, error: &afflux_types::Error) -> Error {
    let code = match fault {
        KeyFault::NoKeyring | KeyFault::NotFound { .. } => Code::KmsNotFound,
        KeyFault::Name { .. } => Code::InvalidArgument,
        KeyFault::Exposed { .. } | KeyFault::Io { .. } => Code::KmsAccessDenied,
        KeyFault::Malformed { .. } | KeyFault::Wrong { .. } => Code::KmsInvalidState,
        _ => {
            tracing::error!(error = %error.chain(), "a stream's key cannot be used");
            return Error::bare(Code::InternalFailure);
        }
    };
    tracing::warn!(error = %error.chain(), "a stream's key cannot be used");
    Error::new(code, fault.outline())
}
