//! The minimum throughput that the account is committed to pay for.
//!
//! Nobody pays here, but streams on demand may be warmed up and have more consumers in an account
//! that is committed. A commitment lasts a day at least: one that is ended earlier goes on until then.

use std::time::Duration;

use afflux_aws::kinesis::Error;
use afflux_aws::kinesis::input::UpdateAccountSettingsInput;
use afflux_aws::kinesis::output::{
    DescribeAccountSettingsOutput, MinimumThroughputBillingCommitment, UpdateAccountSettingsOutput,
};
use afflux_aws::kinesis::values::{CommitmentRequest, CommitmentStatus};
use afflux_types::ServerTime;

use crate::attributes::{Account, Commitment};
use crate::context::Context;

const DAY: Duration = Duration::from_secs(86_400);

/// `DescribeAccountSettings`.
pub(crate) fn describe_settings(to: &Context) -> DescribeAccountSettingsOutput {
    let account = to.book.account();
    DescribeAccountSettingsOutput {
        minimum_throughput_billing_commitment: Some(account.describe(to.now())),
    }
}

/// `UpdateAccountSettings`.
pub(crate) async fn update_settings(
    to: &Context,
    input: UpdateAccountSettingsInput,
) -> Result<UpdateAccountSettingsOutput, Error> {
    let (now, wanted) = (to.now(), input.minimum_throughput_billing_commitment.status);
    let changed = to.book.change_account(|account| {
        account.update(wanted, now);
        Ok(account.describe(now))
    });
    Ok(UpdateAccountSettingsOutput {
        minimum_throughput_billing_commitment: Some(changed.await?),
    })
}

impl Account {
    /// Whether the commitment has begun and not ended.
    pub(crate) fn is_committed(&self, now: ServerTime) -> bool {
        let lasts = |commitment: Commitment| commitment.ended.is_none_or(|ended| ended > now);
        self.commitment.is_some_and(lasts)
    }

    fn update(&mut self, wanted: CommitmentRequest, now: ServerTime) {
        let current = self.commitment.filter(|_| self.is_committed(now));
        match (wanted, current) {
            (CommitmentRequest::Enabled, current) => {
                self.commitment = Some(Commitment {
                    started: current.map_or(now, |commitment| commitment.started),
                    ended: None,
                });
            }
            (CommitmentRequest::Disabled, Some(current)) => {
                let ended = current.started.plus(DAY).max(now);
                self.commitment = Some(Commitment {
                    started: current.started,
                    // What was to end already ends when it was to.
                    ended: current.ended.or(Some(ended)),
                });
            }
            (CommitmentRequest::Disabled, None) => {}
        }
    }

    fn describe(&self, now: ServerTime) -> MinimumThroughputBillingCommitment {
        let committed = self.is_committed(now);
        let ended = self.commitment.and_then(|commitment| commitment.ended);
        let started = self.commitment.map(|commitment| commitment.started);
        MinimumThroughputBillingCommitment {
            status: match (committed, ended) {
                (false, _) => CommitmentStatus::Disabled,
                (true, None) => CommitmentStatus::Enabled,
                (true, Some(_)) => CommitmentStatus::EnabledUntilEarliestAllowedEnd,
            },
            started_at: started,
            ended_at: ended.filter(|_| !committed),
            earliest_allowed_end_at: started.filter(|_| committed).map(|s| s.plus(DAY)),
        }
    }
}
