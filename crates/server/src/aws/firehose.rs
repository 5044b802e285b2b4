//! Data Firehose as one of the services.

use afflux_aws::document::Format;
use afflux_aws::firehose::{Code, Error, Operation, Request, TARGET_PREFIX};
use afflux_deliver::Deliveries;
use afflux_engine::Engine;
use afflux_firehose::{Firehose, Options};
use hyper::http::request::Parts;

use super::Resource;
use super::kinesis::place;
use super::service::{Answer, Body, Call, Prepared, Refusal, Route, Service};
use super::target::{error, is_named, refused, routed};
use crate::config::{Config, Table};

/// The service behind the seam.
pub(super) struct Adapter(Firehose);

/// Opens the service over the engine and its delivery streams.
///
/// # Errors
/// `Invalid` for tables that records cannot be converted to.
pub(super) fn open(
    config: &Config,
    engine: &Engine,
    deliveries: &Deliveries,
) -> afflux_types::Result<Adapter> {
    let tables = config.tables.iter().map(Table::settings);
    let options = Options {
        place: place(config, Options::default().place),
        tables: tables.collect::<afflux_types::Result<_>>()?,
        ..Options::default()
    };
    let service = Firehose::new(engine.clone(), deliveries.clone(), options);
    Ok(Adapter(service))
}

impl Adapter {
    fn understand(&self, call: Call<'_>) -> Result<Prepared, Error> {
        let format = call.format;
        let operation = Operation::from_name(call.operation)
            .ok_or_else(|| Error::bare(Code::UnknownOperation))?;
        let Body::Whole(body) = call.body else {
            return Err(Error::bare(Code::Serialization));
        };
        let request = Request::decode(operation, &body)?;
        // Who may do everything is not asked for a policy.
        let arn = match call.caller.is_bound() {
            true => self.0.resource_of(&request)?,
            false => None,
        };
        let resource = arn.map(|arn| Resource {
            stream: arn.name.to_string(),
            arn: Box::new(arn),
            policy: None,
        });
        let firehose = self.0.clone();
        let run = async move {
            match firehose.call(request).await {
                Ok(body) => Answer::ok(format, body),
                Err(said) => error(&said, format),
            }
        };
        Ok(Prepared {
            resource,
            run: Box::pin(run),
        })
    }
}

impl Service for Adapter {
    fn name(&self) -> &'static str {
        "firehose"
    }

    fn takes(&self, head: &Parts) -> bool {
        is_named(head, TARGET_PREFIX)
    }

    fn route(&self, head: &Parts, body: &Body) -> Result<Route, Answer> {
        routed(head, body, Operation::name)
    }

    fn prepare(&self, call: Call<'_>) -> Result<Prepared, Answer> {
        let format = call.format;
        self.understand(call).map_err(|said| error(&said, format))
    }

    fn refuse(&self, refusal: Refusal, format: Format) -> Answer {
        refused(refusal, format, Code::ServiceUnavailable)
    }
}
