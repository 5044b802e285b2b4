//! Where a reader starts: the five kinds of place that iterators and subscriptions name.

use afflux_aws::kinesis::values::ShardIteratorType as Kind;
use afflux_aws::kinesis::{Code, Error, Origin, SequenceNumber};
use afflux_engine::{From, Shard};
use afflux_types::{Position, ServerTime, StreamName};

use crate::context::Context;

/// A place that a request names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start<'a> {
    /// The operation, in messages.
    pub(super) operation: &'static str,
    pub(super) kind: Kind,
    pub(super) number: Option<&'a str>,
    pub(super) timestamp: Option<ServerTime>,
}

impl Start<'_> {
    /// The place as a position of the shard: what is there already stays before or behind it, whatever
    /// happens later.
    pub(super) async fn resolve(
        self,
        to: &Context,
        shard: &Shard,
        origin: Origin,
    ) -> Result<Position, Error> {
        let failed = |error| to.stream_error(&error, shard.stream_name().as_str());
        match self.kind {
            Kind::AtSequenceNumber | Kind::AfterSequenceNumber => {
                let number = self
                    .number
                    .ok_or_else(|| self.mismatch("no StartingSequenceNumber"))?;
                let number = self.check_number(to, shard.stream_name(), origin, number)?;
                let position = match self.kind {
                    Kind::AtSequenceNumber => number.at(),
                    _ => number.after(),
                };
                let marks = shard.watermarks();
                Ok(position.min(marks.appended).max(marks.trim_horizon))
            }
            _ if self.number.is_some() => Err(self.mismatch("also a StartingSequenceNumber")),
            Kind::AtTimestamp => {
                let timestamp = self
                    .timestamp
                    .ok_or_else(|| self.mismatch("no Timestamp"))?;
                check_timestamp(timestamp, to.clock.wall())?;
                shard.resolve(From::At(timestamp)).await.map_err(failed)
            }
            _ if self.timestamp.is_some() => Err(self.mismatch("also a Timestamp")),
            Kind::TrimHorizon => shard.resolve(From::TrimHorizon).await.map_err(failed),
            Kind::Latest => {
                let end = shard.resolve(From::Latest).await.map_err(failed)?;
                // A crash may take what is not durable, and others would stand below this position.
                shard.wait_durable(end).await.map_err(failed)?;
                Ok(end)
            }
        }
    }

    fn check_number(
        self,
        to: &Context,
        stream: &StreamName,
        origin: Origin,
        text: &str,
    ) -> Result<SequenceNumber, Error> {
        let shard = origin.start().shard();
        let account = to.account();
        let used = || {
            format!(
                "StartingSequenceNumber {text} used in {} on shard {shard} in stream {stream} under \
                 account {account} is invalid",
                self.operation
            )
        };
        let invalid = |message: String| Error::new(Code::InvalidArgument, message);
        let number: SequenceNumber = text.parse().map_err(|_| invalid(format!("{}.", used())))?;
        if number.shard() != shard {
            return Err(invalid(format!(
                "Invalid StartingSequenceNumber. It encodes {}, while it was used in a call to a shard \
                 with {shard}",
                number.shard()
            )));
        }
        if !number.belongs_to(origin) {
            let used = used();
            return Err(invalid(format!(
                "{used} because it did not come from this stream."
            )));
        }
        Ok(number)
    }

    /// The kind and the other members do not go together.
    fn mismatch(self, what: &str) -> Error {
        Error::new(
            Code::InvalidArgument,
            format!(
                "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and \
                 StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber or \
                 (3) AT_TIMESTAMP and Timestamp. Request specified {} and {what}.",
                self.kind.as_str()
            ),
        )
    }
}

fn check_timestamp(timestamp: ServerTime, now: ServerTime) -> Result<(), Error> {
    if timestamp <= now {
        return Ok(());
    }
    Err(Error::new(
        Code::InvalidArgument,
        format!(
            "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. \
             timestampInMillis: {}, currentTimestampInMillis: {}",
            timestamp.as_millis(),
            now.as_millis()
        ),
    ))
}
