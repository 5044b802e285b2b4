//! What every operation starts from: the engine, the delivery stream that a request means, and how errors
//! are said in the service's words.

use afflux_aws::firehose::arn::DeliveryStreamArn;
use afflux_aws::firehose::{Code, Error};
use afflux_deliver::{Deliveries, DeliveryDescription};
use afflux_engine::{Engine, KeyFault, delivery_stream};
use afflux_types::{DeliveryName, ErrorKind, StreamName};

use crate::Options;
use crate::document::Document;

/// What operations share.
#[derive(Debug)]
pub(crate) struct Context {
    /// Finds the data streams that records come from.
    pub(crate) engine: Engine,
    /// Finds the streams in which records wait that were put.
    pub(crate) buffers: Engine,
    pub(crate) deliveries: Deliveries,
    pub(crate) options: Options,
    /// Held while a delivery stream is made or deleted, or what is kept of one is read and written.
    pub(crate) changes: tokio::sync::Mutex<()>,
}

/// A delivery stream that exists.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) delivery: DeliveryDescription,
    pub(crate) document: Document,
}

impl Context {
    pub(crate) fn new(engine: Engine, deliveries: Deliveries, options: Options) -> Self {
        Self {
            buffers: engine.deliveries(),
            engine,
            deliveries,
            options,
            changes: tokio::sync::Mutex::default(),
        }
    }

    /// The name, if a delivery stream can have it.
    pub(crate) fn name(&self, name: &str) -> Result<DeliveryName, Error> {
        DeliveryName::new(name).map_err(|_| self.no_stream(name))
    }

    /// The delivery stream of a name.
    pub(crate) fn known(&self, name: &str) -> Result<Known, Error> {
        let name = self.name(name)?;
        let delivery = self.deliveries.describe(&name);
        let delivery = delivery.map_err(|error| self.failed(&name, &error))?;
        Ok(Known {
            document: Document::read(&delivery.document),
            delivery,
        })
    }

    /// Keeps another document with a delivery stream.
    pub(crate) async fn keep(&self, name: &DeliveryName, document: &Document) -> Result<(), Error> {
        let kept = self.deliveries.annotate(name, document.write()).await;
        kept.map_err(|error| self.failed(name, &error))
    }

    pub(crate) fn arn(&self, name: &DeliveryName) -> DeliveryStreamArn {
        DeliveryStreamArn {
            place: self.options.place.clone(),
            name: StreamName::new(name.as_str())
                .expect("the name of a delivery stream is a short name of a stream"),
        }
    }

    /// The account that everything here belongs to.
    pub(crate) fn account(&self) -> &str {
        &self.options.place.account
    }

    pub(crate) fn no_stream(&self, name: &str) -> Error {
        let account = self.account();
        Error::new(
            Code::ResourceNotFound,
            format!("Firehose {name} under account {account} not found."),
        )
    }

    /// Says an error about a delivery stream in the service's words.
    pub(crate) fn failed(&self, name: &DeliveryName, error: &afflux_types::Error) -> Error {
        let is_missing = error.kind() == ErrorKind::NotFound && KeyFault::of(error).is_none();
        match is_missing && self.deliveries.source(name).is_err() {
            true => self.no_stream(name.as_str()),
            false => service_error(error),
        }
    }
}

/// The stream in which records wait that were put into a delivery stream.
pub(crate) fn buffer(name: &DeliveryName) -> StreamName {
    delivery_stream(name.as_str()).expect("the name of a delivery stream leaves room for a prefix")
}

/// An error of the caller, with its sentence.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidArgument, message.into())
}

/// Says an error of the engine or of a delivery in the service's words.
pub(crate) fn service_error(error: &afflux_types::Error) -> Error {
    if let Some(fault) = KeyFault::of(error) {
        tracing::warn!(error = %error.chain(), "a delivery stream's key cannot be used");
        return Error::new(Code::InvalidKmsResource, fault.outline());
    }
    let code = match error.kind() {
        // A bucket or a directory that is not there, or may not be written to.
        ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Denied => Code::InvalidArgument,
        ErrorKind::InUse => Code::ResourceInUse,
        ErrorKind::Expired => Code::ConcurrentModification,
        ErrorKind::LimitExceeded => Code::LimitExceeded,
        ErrorKind::Throttled | ErrorKind::Unavailable => Code::ServiceUnavailable,
        _ => {
            tracing::error!(error = %error.chain(), "a request failed");
            return Error::bare(Code::InternalFailure);
        }
    };
    Error::new(code, error.message().to_owned())
}
