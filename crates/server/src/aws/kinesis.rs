//! Kinesis Data Streams as one of the services.

use afflux_aws::arn::Place;
use afflux_aws::document::Format;
use afflux_aws::kinesis::{Code, Error, Operation, Request, TARGET_PREFIX, event_stream};
use afflux_engine::Engine;
use afflux_kinesis::{Kinesis, Options};
use afflux_types::{Clock, Result};
use hyper::http::request::Parts;

use super::Resource;
use super::service::{Answer, Body, Call, Prepared, Refusal, Route, Service, frames};
use super::target::{error, is_named, refused, routed};
use crate::config::Config;

/// The service behind the seam.
pub(super) struct Adapter(Kinesis);

/// Opens the service over the engine.
///
/// # Errors
/// As the service reports them.
pub(super) async fn open(config: &Config, engine: &Engine, clock: &Clock) -> Result<Adapter> {
    let options = Options {
        place: place(config, Options::default().place),
        throttled: config.kinesis.throttled,
        shards_max: u32::try_from(config.kinesis.shards_max).unwrap_or(u32::MAX),
    };
    let kinesis = Kinesis::open(engine.clone(), clock.clone(), options).await?;
    Ok(Adapter(kinesis))
}

/// Where resources are, as the operator says.
pub(super) fn place(config: &Config, default: Place) -> Place {
    Place {
        region: config.aws.region.clone(),
        account: config.aws.account.clone(),
        ..default
    }
}

impl Adapter {
    fn understand(&self, call: Call<'_>) -> Result<Prepared, Error> {
        let format = call.format;
        let operation = Operation::from_name(call.operation)
            .ok_or_else(|| Error::bare(Code::UnknownOperation))?;
        let Body::Whole(body) = call.body else {
            return Err(Error::bare(Code::Serialization));
        };
        let request = Request::decode(operation, format, &body)?;
        // Who may do everything is not asked for a policy.
        let arn = match call.caller.is_bound() {
            true => self.0.resource_of(&request)?,
            false => None,
        };
        let resource = arn.map(|arn| Resource {
            stream: arn.stream().stream.to_string(),
            policy: self.0.policy_of(&arn, operation),
            arn: Box::new(arn),
        });
        let kinesis = self.0.clone();
        let run = async move {
            match kinesis.call(request, format).await {
                Ok(afflux_kinesis::Answer::Body(body)) => Answer::ok(format, body),
                Ok(afflux_kinesis::Answer::Events(events)) => {
                    let next = |mut events: Box<afflux_kinesis::Events>| async move {
                        let frame = events.next().await?;
                        Some((frame, events))
                    };
                    Answer::frames(event_stream::CONTENT_TYPE, frames(events, next))
                }
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
        "kinesis"
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
