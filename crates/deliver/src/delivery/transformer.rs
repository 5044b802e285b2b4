//! Asks the transformer of a delivery stream, one call after the other, in the order of the records.
//!
//! A call has the records of one piece of one slice of the log, [`TransformerSettings::buffer_bytes`] of
//! payload at most. Nobody waits longer for more: `buffer_seconds` is an upper bound, which calls that go
//! out at once keep.
//!
//! What was changed and is not in an intent when the server ends is changed again when it starts, so a
//! function may see records twice. What is in an intent it never sees again.

use std::sync::Arc;
use std::time::Duration;

use afflux_engine::random;
use afflux_transform::{
    Answer, Call, Caller, Failed, Processor, Record, TransformerError, TransformerSettings,
};
use afflux_types::{Error, Result};
use tokio::sync::watch;

use super::functions::{Function, Functions, NoAnswer};
use super::settings::{DeliverySettings, DeliverySource};
use super::status::Status;
use super::taken::Taken;
use super::work::Plan;
use crate::blocking::blocking;
use crate::waiting::{BackOff, wait};

/// How long to wait after the first failed attempt, and twice as long after each other: a program that starts
/// anew must not cost records.
const BACK_OFF: Duration = Duration::from_secs(1);

/// Whose the delivery streams are, as their ARNs have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Such as `aws`.
    pub partition: String,
    /// Such as `us-east-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

impl Default for Owner {
    /// The server's defaults.
    fn default() -> Self {
        Self {
            partition: "aws".to_owned(),
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
        }
    }
}

/// The transformer of a delivery stream.
#[derive(Debug)]
pub(crate) struct Transformer {
    function: Arc<Function>,
    settings: TransformerSettings,
    caller: Caller,
    /// The delivery stream's name.
    delivery: String,
    status: Arc<Status>,
    stop: watch::Receiver<bool>,
}

/// What came of an attempt: an answer, or why there is none and what else is known of that.
type Attempt = Result<Answer, NoAnswer>;

/// The transformer that processors name.
pub(crate) fn settings(settings: &DeliverySettings) -> Option<&TransformerSettings> {
    let mut processors = settings.processors.iter();
    processors.find_map(|processor| match processor {
        Processor::Transformer(settings) => Some(settings),
        _ => None,
    })
}

impl Owner {
    fn arn(&self, service: &str, resource: &str) -> String {
        let Self {
            partition,
            region,
            account,
        } = self;
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }

    /// What calls say of a delivery stream.
    pub(crate) fn caller(&self, delivery: &str, source: &DeliverySource) -> Caller {
        Caller {
            delivery_stream_arn: self.arn("firehose", &format!("deliverystream/{delivery}")),
            source_kinesis_stream_arn: match source {
                DeliverySource::Direct => None,
                DeliverySource::Stream { name, .. } => {
                    Some(self.arn("kinesis", &format!("stream/{name}")))
                }
            },
            region: self.region.clone(),
        }
    }
}

impl Transformer {
    /// The transformer of a delivery stream; none if it has none.
    ///
    /// # Errors
    /// As [`Functions::find`] reports.
    pub(crate) fn open(
        functions: &Functions,
        owner: &Owner,
        plan: &Plan,
        (status, stop): (&Arc<Status>, &watch::Receiver<bool>),
    ) -> Result<Option<Self>> {
        let Some(settings) = settings(&plan.settings) else {
            return Ok(None);
        };
        Ok(Some(Self {
            function: functions.find(&settings.arn)?,
            settings: settings.clone(),
            caller: owner.caller(&plan.name, &plan.settings.source),
            delivery: plan.name.clone(),
            status: Arc::clone(status),
            stop: stop.clone(),
        }))
    }

    /// Has all records of a piece changed.
    ///
    /// # Errors
    /// `Unavailable` if the delivery stream is stopped meanwhile.
    pub(crate) async fn change(&self, mut taken: Taken) -> Result<Taken> {
        let mut records = std::mem::take(&mut taken.records).into_iter().peekable();
        while let Some(call) = Call::next(&mut records, self.settings.buffer_bytes) {
            let (changed, failed) = self.make(call).await?;
            taken.records.extend(changed);
            taken.failed.extend(failed);
        }
        Ok(taken)
    }

    /// Makes a call, as often as the settings say.
    async fn make(&self, mut call: Call) -> Result<(Vec<Record>, Vec<Failed>)> {
        let (mut back_off, mut stop) = (BackOff::starting(BACK_OFF), self.stop.clone());
        let mut attempts = 0;
        loop {
            let (again, outcome) = self.attempt(call).await?;
            call = again;
            attempts += 1;
            let outcome = outcome.map_err(|failure| {
                self.note(attempts, failure.cause, failure.error);
                failure.error
            });
            let is_over = match &outcome {
                Ok(_) | Err(TransformerError::RequestTooLarge) => true,
                Err(_) => attempts > self.settings.retries,
            };
            if is_over {
                return Ok(call.settle(outcome, attempts, &self.settings));
            }
            if wait(back_off.next(), &mut stop).await {
                return Err(Error::unavailable("the delivery stream is stopping"));
            }
        }
    }

    async fn attempt(&self, call: Call) -> Result<(Call, Attempt)> {
        let mut invocation = [0; 16];
        random(&mut invocation)?;
        let caller = self.caller.clone();
        // Megabytes of JSON are no work for a thread that serves sockets.
        let (call, request) = blocking("write a request", move || {
            let request = call.request(&caller, invocation);
            Ok((call, request))
        })
        .await?;
        let request = match request {
            Ok(request) => request,
            Err(error) => return Ok((call, Err(error.into()))),
        };
        let body = match self.function.call(request).await {
            Ok(body) => body,
            Err(failure) => return Ok((call, Err(failure))),
        };
        blocking("read an answer", move || {
            let answer = call.answer(&body).map_err(NoAnswer::from);
            Ok((call, answer))
        })
        .await
    }

    fn note(&self, attempts: u32, cause: Option<reqwest::Error>, error: TransformerError) {
        let message = format!("function {}: {error}", self.function.name());
        let error = match cause {
            Some(cause) => Error::unavailable(message).with_source(cause),
            None => Error::unavailable(message),
        };
        self.status.failed(&error);
        tracing::warn!(
            delivery = %self.delivery, attempts, error = %error.chain(),
            "a call of the transformer failed"
        );
    }
}
