//! From a request to an answer: the table of operations.

use std::sync::Arc;

use afflux_aws::document::Encode;
use afflux_aws::firehose::arn::DeliveryStreamArn;
use afflux_aws::firehose::output::EmptyOutput;
use afflux_aws::firehose::{Class, Code, Error, Request, encode};
use afflux_deliver::Deliveries;
use afflux_engine::Engine;
use bytes::Bytes;

use crate::context::Context;
use crate::{Options, record, stream, tag};

/// The service; a cheap handle.
#[derive(Clone, Debug)]
pub struct Firehose(Arc<Context>);

impl Firehose {
    /// The service over an engine and its delivery streams.
    #[must_use]
    pub fn new(engine: Engine, deliveries: Deliveries, options: Options) -> Self {
        Self(Arc::new(Context::new(engine, deliveries, options)))
    }

    /// The delivery stream that a request is about, for policies; `None` if it is about all.
    ///
    /// # Errors
    /// The service's error for a name that no delivery stream can have.
    pub fn resource_of(&self, request: &Request) -> Result<Option<DeliveryStreamArn>, Error> {
        let name = request.delivery_stream();
        name.map(|name| Ok(self.0.arn(&self.0.name(name)?)))
            .transpose()
    }

    /// Answers a request. Needs a tokio runtime.
    ///
    /// # Errors
    /// The service's own.
    ///
    /// # Cancel safety
    /// When the future is dropped, records may or may not have been taken; any other change that has
    /// begun is finished.
    pub async fn call(&self, request: Request) -> Result<Bytes, Error> {
        if request.operation().class() == Class::Data {
            return data(&self.0, request).await;
        }
        let to = Arc::clone(&self.0);
        // A task of its own: a client that goes away leaves nothing half done.
        let call = tokio::spawn(async move { control(&to, request).await });
        call.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request was not finished");
            Err(Error::bare(Code::InternalFailure))
        })
    }
}

async fn data(to: &Context, request: Request) -> Result<Bytes, Error> {
    match request {
        Request::PutRecord(input) => body(record::put_record(to, input).await),
        Request::PutRecordBatch(input) => {
            let answer = record::put_record_batch(to, input).await?;
            Ok(answer.to_bytes())
        }
        _ => Err(Error::bare(Code::UnknownOperation)),
    }
}

async fn control(to: &Context, request: Request) -> Result<Bytes, Error> {
    match request {
        Request::CreateDeliveryStream(input) => body(stream::create(to, input).await),
        Request::DeleteDeliveryStream(input) => stream::delete(to, &input).await.map(done),
        Request::DescribeDeliveryStream(input) => stream::describe(to, &input),
        Request::ListDeliveryStreams(input) => body(stream::list(to, &input)),
        Request::UpdateDestination(input) => stream::update(to, input).await.map(done),
        Request::StartDeliveryStreamEncryption(input) => {
            stream::start_encryption(to, &input).await.map(done)
        }
        Request::StopDeliveryStreamEncryption(input) => {
            stream::stop_encryption(to, &input).await.map(done)
        }

        Request::TagDeliveryStream(input) => tag::add(to, input).await.map(done),
        Request::UntagDeliveryStream(input) => tag::remove(to, &input).await.map(done),
        Request::ListTagsForDeliveryStream(input) => body(tag::list(to, &input)),

        Request::PutRecord(_) | Request::PutRecordBatch(_) => {
            Err(Error::bare(Code::UnknownOperation))
        }
    }
}

/// The answer of an operation that answers nothing.
fn done((): ()) -> Bytes {
    encode(&EmptyOutput {})
}

fn body<T: Encode>(answer: Result<T, Error>) -> Result<Bytes, Error> {
    answer.map(|answer| encode(&answer))
}
