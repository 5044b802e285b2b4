//! A policy as its resource carries it: as it was put, and as it is asked.

use std::sync::{Arc, OnceLock};

use afflux_aws::kinesis::arn::ResourceArn;
use afflux_aws::policy::{Fault, Policy, Subject};

/// A policy; a cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Kept(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    document: String,
    /// Read when it is put, or when it is asked for the first time after a start.
    policy: OnceLock<Arc<Policy>>,
}

impl Kept {
    /// The policy that somebody puts on a resource.
    pub(crate) fn read(document: String, arn: &ResourceArn) -> Result<Self, Fault> {
        let policy = OnceLock::from(Arc::new(parse(&document, arn)?));
        Ok(Self(Arc::new(Inner { document, policy })))
    }

    /// The policy that was put earlier.
    pub(crate) fn stored(document: String) -> Self {
        let policy = OnceLock::new();
        Self(Arc::new(Inner { document, policy }))
    }

    /// In JSON.
    pub(crate) fn document(&self) -> &str {
        &self.0.document
    }

    /// What it says, for the resource that carries it.
    ///
    /// A document that cannot be read, because it is older than what is checked or the account has
    /// another number now, may have denied something: it denies everything until it is replaced.
    pub(crate) fn policy(&self, arn: &ResourceArn) -> Arc<Policy> {
        let read = || match parse(&self.0.document, arn) {
            Ok(policy) => Arc::new(policy),
            Err(fault) => {
                tracing::error!(%arn, %fault, "a policy cannot be read; it denies everything now");
                Arc::new(Policy::closed(arn.shares()))
            }
        };
        Arc::clone(self.0.policy.get_or_init(read))
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.0.document == other.0.document
    }
}

impl Eq for Kept {}

fn parse(document: &str, arn: &ResourceArn) -> Result<Policy, Fault> {
    let subject = Subject {
        service: "kinesis",
        resource: &arn.to_string(),
        actions: arn.shares(),
    };
    Policy::parse(document, &subject)
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr};

    use afflux_aws::policy::{Decision, Principal, Request};
    use afflux_types::ServerTime;

    use super::*;

    const ALLOWS: &str = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"kinesis:*",
        "Resource":"arn:aws:kinesis:us-east-1:000000000000:stream/s"}}"#;

    fn decide(kept: &Kept, arn: &str) -> Decision {
        let principal = Principal::user("000000000000", "u");
        let request = Request {
            principal: &principal,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            encrypted: false,
            now: ServerTime::from_millis(0),
        };
        kept.policy(&arn.parse().unwrap())
            .decide("PutRecord", &request)
    }

    #[test]
    fn a_stored_policy_says_what_it_said_when_it_was_put() {
        let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
        let put = Kept::read(ALLOWS.to_owned(), &arn.parse().unwrap()).unwrap();
        let stored = Kept::stored(put.document().to_owned());
        assert_eq!(put, stored);
        for kept in [put, stored] {
            assert_eq!(decide(&kept, arn), Decision::Allowed);
        }
    }

    #[test]
    fn a_stored_policy_that_cannot_be_read_denies_everything() {
        let arn = "arn:aws:kinesis:us-east-1:111122223333:stream/s";
        for document in [ALLOWS, "{}", ""] {
            let kept = Kept::stored(document.to_owned());
            assert_eq!(decide(&kept, arn), Decision::Denied, "{document}");
        }
    }
}
