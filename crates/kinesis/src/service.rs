//! From a request to an answer: the table of operations.

use std::sync::Arc;

use afflux_aws::document::{Encode, Format};
use afflux_aws::kinesis::arn::ResourceArn;
use afflux_aws::kinesis::{Class, Code, Error, Operation, Request, encode};
use afflux_aws::policy::Policy;
use afflux_engine::Engine;
use afflux_types::{Clock, Result};
use bytes::Bytes;

use crate::context::Context;
use crate::record::Events;
use crate::{Options, account, consumer, record, resource, scale, shard, stream};

/// The service; a cheap handle.
#[derive(Clone, Debug)]
pub struct Kinesis(Arc<Context>);

/// What a request is answered with.
#[derive(Debug)]
pub enum Answer {
    /// The body of an answer, in the format of the request; often empty.
    Body(Bytes),
    /// The frames of a subscription.
    Events(Box<Events>),
}

impl Kinesis {
    /// The service over `engine`.
    ///
    /// Begins to look at on-demand streams every few seconds, until the last handle is dropped.
    ///
    /// # Errors
    /// As the engine's settings report them.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn open(engine: Engine, clock: Clock, options: Options) -> Result<Self> {
        let to = Arc::new(Context::open(engine, clock, options).await?);
        scale::start(&to);
        Ok(Self(to))
    }

    /// Looks at the on-demand streams now, and splits and merges their shards as their load demands.
    /// Streams that were looked at less than a second ago are left as they are.
    ///
    /// # Cancel safety
    /// A dropped future has split or merged each shard whole or not at all.
    pub async fn scale(&self) {
        scale::look(&self.0).await;
    }

    /// The stream or consumer that a request is about, for policies; `None` if it is about all.
    ///
    /// # Errors
    /// The service's error for names that contradict each other, ARNs that are malformed, and
    /// iterators that are not this service's or are too old.
    pub fn resource_of(&self, request: &Request) -> Result<Option<ResourceArn>, Error> {
        self.0.resource_of(request)
    }

    /// The policy that a stream or consumer, as [`Self::resource_of`] names it, has for an operation.
    #[must_use]
    pub fn policy_of(&self, resource: &ResourceArn, operation: Operation) -> Option<Arc<Policy>> {
        resource::policy_of(&self.0, resource, operation)
    }

    /// Answers a request. Needs a tokio runtime.
    ///
    /// # Errors
    /// The service's own.
    ///
    /// # Cancel safety
    /// When the future is dropped, records may or may not have been taken; any other change that has
    /// begun is finished.
    pub async fn call(&self, request: Request, format: Format) -> Result<Answer, Error> {
        if request.operation().class() == Class::Data {
            return self.data(request, format).await;
        }
        let to = Arc::clone(&self.0);
        // A task of its own: a client that goes away leaves nothing half done.
        let call = tokio::spawn(async move { control(&to, request, format).await });
        call.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request was not finished");
            Err(Error::bare(Code::InternalFailure))
        })
    }

    async fn data(&self, request: Request, format: Format) -> Result<Answer, Error> {
        let to = &self.0;
        match request {
            Request::PutRecord(input) => body(format, record::put_record(to, input).await),
            Request::PutRecords(input) => {
                let answer = record::put_records(to, input).await?;
                Ok(Answer::Body(answer.to_bytes(format)))
            }
            Request::GetShardIterator(input) => {
                body(format, record::get_shard_iterator(to, input).await)
            }
            Request::GetRecords(input) => record::get_records(to, input, format)
                .await
                .map(Answer::Body),
            Request::SubscribeToShard(input) => record::subscribe_to_shard(to, input)
                .await
                .map(|events| Answer::Events(Box::new(events))),
            _ => Err(Error::bare(Code::UnknownOperation)),
        }
    }
}

async fn control(to: &Context, request: Request, format: Format) -> Result<Answer, Error> {
    to.count_call(&request)?;
    match request {
        Request::CreateStream(input) => stream::create(to, input).await.map(done),
        Request::DeleteStream(input) => stream::delete(to, input).await.map(done),
        Request::DescribeStream(input) => body(format, stream::describe(to, &input)),
        Request::DescribeStreamSummary(input) => body(format, stream::summary(to, &input)),
        Request::ListStreams(input) => body(format, stream::list(to, &input)),
        Request::IncreaseStreamRetentionPeriod(input) => {
            stream::increase_retention(to, input).await.map(done)
        }
        Request::DecreaseStreamRetentionPeriod(input) => {
            stream::decrease_retention(to, input).await.map(done)
        }
        Request::EnableEnhancedMonitoring(input) => {
            body(format, stream::enable_monitoring(to, input).await)
        }
        Request::DisableEnhancedMonitoring(input) => {
            body(format, stream::disable_monitoring(to, input).await)
        }
        Request::UpdateStreamMode(input) => stream::update_mode(to, input).await.map(done),
        Request::UpdateStreamWarmThroughput(input) => {
            body(format, stream::update_warm_throughput(to, input).await)
        }
        Request::UpdateMaxRecordSize(input) => {
            stream::update_max_record_size(to, input).await.map(done)
        }
        Request::UpdateStreamRecordDistributionStrategy(input) => {
            stream::update_distribution(to, input).await.map(done)
        }
        Request::StartStreamEncryption(input) => {
            stream::start_encryption(to, input).await.map(done)
        }
        Request::StopStreamEncryption(input) => stream::stop_encryption(to, input).await.map(done),

        Request::ListShards(input) => body(format, shard::list(to, &input)),
        Request::SplitShard(input) => shard::split(to, input).await.map(done),
        Request::MergeShards(input) => shard::merge(to, input).await.map(done),
        Request::UpdateShardCount(input) => body(format, shard::update_count(to, input).await),

        Request::RegisterStreamConsumer(input) => body(format, consumer::register(to, input).await),
        Request::DeregisterStreamConsumer(input) => consumer::deregister(to, input).await.map(done),
        Request::DescribeStreamConsumer(input) => body(format, consumer::describe(to, &input)),
        Request::ListStreamConsumers(input) => body(format, consumer::list(to, &input)),

        Request::AddTagsToStream(input) => resource::add_tags(to, input).await.map(done),
        Request::RemoveTagsFromStream(input) => resource::remove_tags(to, input).await.map(done),
        Request::ListTagsForStream(input) => body(format, resource::list_tags(to, &input)),
        Request::TagResource(input) => resource::tag(to, input).await.map(done),
        Request::UntagResource(input) => resource::untag(to, input).await.map(done),
        Request::ListTagsForResource(input) => body(format, resource::resource_tags(to, &input)),
        Request::PutResourcePolicy(input) => resource::put_policy(to, input).await.map(done),
        Request::GetResourcePolicy(input) => body(format, resource::get_policy(to, &input)),
        Request::DeleteResourcePolicy(input) => resource::delete_policy(to, input).await.map(done),

        Request::DescribeLimits(_) => body(format, Ok(account::describe_limits(to))),
        Request::DescribeAccountSettings(_) => body(format, Ok(account::describe_settings(to))),
        Request::UpdateAccountSettings(input) => {
            body(format, account::update_settings(to, input).await)
        }

        Request::PutRecord(_)
        | Request::PutRecords(_)
        | Request::GetShardIterator(_)
        | Request::GetRecords(_)
        | Request::SubscribeToShard(_) => Err(Error::bare(Code::UnknownOperation)),
    }
}

/// The answer of an operation that answers nothing.
fn done((): ()) -> Answer {
    Answer::Body(Bytes::new())
}

fn body<T: Encode>(format: Format, answer: Result<T, Error>) -> Result<Answer, Error> {
    answer.map(|answer| Answer::Body(encode(format, &answer)))
}
