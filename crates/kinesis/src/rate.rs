//! How often operations may be called, as the service limits them.
//!
//! A bucket holds one second's worth. It is kept as the time at which it will be full again.

use std::collections::BTreeMap;
use std::time::Duration;

use afflux_aws::kinesis::{Code, Error, Operation};
use parking_lot::Mutex;

/// Buckets that are kept; those that are full again make room.
const BUCKETS_MAX: usize = 4_096;
const SECOND: Duration = Duration::from_secs(1);

/// Whose calls are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Account,
    Stream,
}

/// Buckets of calls.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<BTreeMap<(Operation, String), Duration>>);

impl Rates {
    /// Counts a call about `stream` at the time `now`.
    ///
    /// # Errors
    /// `LimitExceededException` above the rate of the operation.
    pub(crate) fn take(
        &self,
        operation: Operation,
        stream: Option<&str>,
        account: &str,
        now: Duration,
    ) -> Result<(), Error> {
        let Some((per_second, scope)) = rate(operation) else {
            return Ok(());
        };
        let whose = match scope {
            Scope::Account => "",
            Scope::Stream => stream.unwrap_or_default(),
        };
        let mut buckets = self.0.lock();
        if buckets.len() >= BUCKETS_MAX {
            buckets.retain(|_, full_at| *full_at > now);
        }
        let full_at = buckets.entry((operation, whose.to_owned())).or_default();
        let after = (*full_at).max(now) + SECOND / per_second;
        if after > now + SECOND {
            return Err(Error::new(
                Code::LimitExceeded,
                exceeded(operation, stream, account),
            ));
        }
        *full_at = after;
        Ok(())
    }
}

fn exceeded(operation: Operation, stream: Option<&str>, account: &str) -> String {
    match stream {
        Some(stream) => format!("Rate exceeded for stream {stream} under account {account}."),
        None => format!("Rate exceeded for {operation} under account {account}."),
    }
}

/// Calls per second.
fn rate(operation: Operation) -> Option<(u32, Scope)> {
    use Operation as O;
    Some(match operation {
        O::ListShards => (1_000, Scope::Stream),
        O::DescribeStreamSummary => (20, Scope::Account),
        O::DescribeStreamConsumer => (20, Scope::Stream),
        O::DescribeStream | O::UpdateShardCount => (10, Scope::Account),
        O::DescribeLimits => (1, Scope::Account),
        O::DeregisterStreamConsumer | O::ListStreamConsumers => (5, Scope::Stream),
        O::AddTagsToStream
        | O::RemoveTagsFromStream
        | O::ListTagsForStream
        | O::CreateStream
        | O::RegisterStreamConsumer
        | O::DeleteStream
        | O::ListStreams
        | O::MergeShards
        | O::SplitShard
        | O::DescribeAccountSettings
        | O::UpdateAccountSettings
        | O::UpdateStreamWarmThroughput => (5, Scope::Account),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_calls_passes_and_then_the_rate() {
        let rates = Rates::default();
        let mut now = Duration::from_secs(7);
        let take = |now| rates.take(Operation::CreateStream, Some("a"), "1", now);
        for _ in 0..5 {
            take(now).unwrap();
        }
        let error = take(now).unwrap_err();
        assert_eq!(error.code(), Code::LimitExceeded);
        assert_eq!(
            error.message(),
            Some("Rate exceeded for stream a under account 1.")
        );
        now += Duration::from_millis(200);
        take(now).unwrap();
        take(now).unwrap_err();
    }

    #[test]
    fn streams_are_counted_apart_and_forgotten_when_they_rest() {
        let rates = Rates::default();
        let operation = Operation::DeregisterStreamConsumer;
        for number in 0..2 * BUCKETS_MAX {
            let now = SECOND * u32::try_from(number).unwrap();
            let stream = number.to_string();
            for _ in 0..5 {
                rates.take(operation, Some(&stream), "1", now).unwrap();
            }
            rates.take(operation, Some(&stream), "1", now).unwrap_err();
        }
        assert!(rates.0.lock().len() <= BUCKETS_MAX);
    }
}
