//! Kinesis Data Streams as one of the services.

use afflux_aws::kinesis::arn::Place;
use afflux_aws::kinesis::http::{Head, route};
use afflux_aws::kinesis::{Code, Error, Operation, Request, TARGET_PREFIX, event_stream};
use afflux_engine::Engine;
use afflux_kinesis::{Kinesis, Options};
use afflux_types::{Clock, Result};

use super::Resource;
use super::service::{Answer, Call, Prepared, Route, Service, frames};
use crate::config::Config;

/// The service behind the seam.
pub(super) struct Adapter(Kinesis);

/// Opens the service over the engine.
///
/// # Errors
/// As the service reports them.
pub(super) async fn open(config: &Config, engine: &Engine, clock: &Clock) -> Result<Adapter> {
    let options = Options {
        place: Place {
            region: config.aws.region.clone(),
            account: config.aws.account.clone(),
            ..Options::default().place
        },
        throttled: config.kinesis.throttled,
        shards_max: u32::try_from(config.kinesis.shards_max).unwrap_or(u32::MAX),
    };
    let kinesis = Kinesis::open(engine.clone(), clock.clone(), options).await?;
    Ok(Adapter(kinesis))
}

impl Service for Adapter {
    fn name(&self) -> &'static str {
        "kinesis"
    }

    fn target_prefix(&self) -> &'static str {
        TARGET_PREFIX
    }

    fn route(&self, head: &Head<'_>) -> Result<Route, Answer> {
        let found = route(head)?;
        Ok(Route {
            operation: found.operation.name(),
            format: found.format,
        })
    }

    fn prepare(&self, call: Call) -> Result<Prepared, Error> {
        let format = call.format;
        let operation = Operation::from_name(call.operation)
            .ok_or_else(|| Error::bare(Code::UnknownOperation))?;
        let request = Request::decode(operation, format, &call.body)?;
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
                Err(error) => Answer::error(&error, format),
            }
        };
        Ok(Prepared {
            resource,
            run: Box::pin(run),
        })
    }
}
