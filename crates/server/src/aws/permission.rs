//! Whether a caller may do what it asks, by the actions of its credential and the policy of the resource.
//!
//! Within the account of the server either of them is enough; a credential of another account needs
//! both. What the policy denies is denied, whoever allows it. A caller who needs to prove nothing may do
//! everything.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use afflux_aws::policy::{Decision, Policy, Request};
use afflux_types::ServerTime;

use super::Caller;
use crate::auth::{Key, Origin};

/// What an operation touches.
pub(crate) struct Resource {
    /// The stream, or the stream of the consumer: what credentials name.
    pub(crate) stream: String,
    /// Its ARN, which is written only in refusals.
    pub(crate) arn: Box<dyn fmt::Display + Send + Sync>,
    /// What it says itself of the operation; none if it has no policy for that.
    pub(crate) policy: Option<Arc<Policy>>,
}

/// How a request came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) peer: SocketAddr,
    pub(crate) encrypted: bool,
    /// The port that it came to.
    pub(crate) port: u16,
}

/// What leave is asked for.
pub(super) struct Asked<'a> {
    pub(super) service: &'static str,
    pub(super) operation: &'static str,
    pub(super) resource: Option<&'a Resource>,
    pub(super) way: Way,
    pub(super) now: ServerTime,
}

/// Gives leave or refuses it.
///
/// # Errors
/// Why not, in the words of AWS.
pub(super) fn check(caller: &Caller, asked: &Asked<'_>) -> Result<(), String> {
    let Some(key) = caller.key() else {
        return Ok(());
    };
    let policy = asked
        .resource
        .and_then(|resource| resource.policy.as_ref())
        .map_or(Decision::Silent, |policy| decide(policy, key, asked));
    let action = format!("{}:{}", asked.service, asked.operation);
    let stream = asked.resource.map(|resource| resource.stream.as_str());
    let why = match refusal(policy, key.allows(&action, stream), key.origin()) {
        None => return Ok(()),
        Some(Refusal::Denied) => "with an explicit deny in a resource-based policy".to_owned(),
        Some(Refusal::Identity) => {
            format!("because no identity-based policy allows the {action} action")
        }
        Some(Refusal::Resource) => {
            format!("because no resource-based policy allows the {action} action")
        }
    };
    let arn: &dyn fmt::Display = match asked.resource {
        Some(resource) => &resource.arn,
        None => &"*",
    };
    let user = key.principal().arn();
    Err(format!(
        "User: {user} is not authorized to perform: {action} on resource: {arn} {why}"
    ))
}

/// Who refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Denied,
    Identity,
    Resource,
}

/// What the policy of the resource and the actions of the credential, which allow it or do not, say
/// together.
fn refusal(policy: Decision, identity: bool, origin: Origin) -> Option<Refusal> {
    match (policy, identity, origin) {
        (Decision::Denied, ..) => Some(Refusal::Denied),
        (Decision::Allowed, _, Origin::Home) | (_, true, Origin::Home) => None,
        (_, false, _) => Some(Refusal::Identity),
        (Decision::Silent, true, Origin::Elsewhere) => Some(Refusal::Resource),
        (_, true, Origin::Elsewhere) => None,
    }
}

fn decide(policy: &Policy, key: &Key, asked: &Asked<'_>) -> Decision {
    let request = Request {
        principal: key.principal(),
        address: asked.way.peer.ip(),
        encrypted: asked.way.encrypted,
        now: asked.now,
    };
    policy.decide(asked.operation, &request)
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.arn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_is_enough_at_home_and_both_are_needed_from_elsewhere() {
        use Decision::{Allowed, Delegated, Denied, Silent};
        use Refusal::{Identity, Resource};
        let denied = Some(Refusal::Denied);
        for (policy, identity, at_home, from_elsewhere) in [
            (Silent, false, Some(Identity), Some(Identity)),
            (Silent, true, None, Some(Resource)),
            (Delegated, false, Some(Identity), Some(Identity)),
            (Delegated, true, None, None),
            (Allowed, false, None, Some(Identity)),
            (Allowed, true, None, None),
            (Denied, false, denied, denied),
            (Denied, true, denied, denied),
        ] {
            let case = format!("{policy:?}, {identity}");
            assert_eq!(refusal(policy, identity, Origin::Home), at_home, "{case}");
            let found = refusal(policy, identity, Origin::Elsewhere);
            assert_eq!(found, from_elsewhere, "{case}");
        }
    }
}
