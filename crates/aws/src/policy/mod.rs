//! Resource policies: who else may use a stream or a consumer, in the JSON language of AWS.
//!
//! # Shape
//! [`Policy::parse`] reads a document once, when it is put on a resource: actions become a set of the
//! operations that such a resource can share, patterns of resources are compared with the one that
//! carries them, and both are gone. [`Policy::decide`] then asks the statements that name an operation
//! whether they mean the caller and whether their conditions hold. It allocates nothing, and what it
//! costs is bounded by [`POLICY_BYTES_MAX`].
//!
//! # Invariants
//! - Nothing in a document is passed over: what is not evaluated here is refused when it is put.
//! - A decision is the strongest of all statements: one that denies beats all that allow.
//!
//! # Source
//! The IAM user's guide, "JSON policy elements" and "Policy evaluation logic"; the Kinesis Data Streams
//! developer guide, "Share your data stream with another account".

mod condition;
mod fault;
mod parse;
mod principal;
mod wildcard;

pub use fault::Fault;
pub use principal::Principal;
pub use wildcard::matches;

use core::net::IpAddr;

use afflux_types::ServerTime;

use condition::Condition;
use principal::{Match, Who};

/// Bytes of a document.
pub const POLICY_BYTES_MAX: usize = 20_480;

/// A document that was understood.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What of the service the resource can share; decisions are about nothing else.
    actions: &'static [&'static str],
    statements: Vec<Statement>,
}

/// What carries a policy.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What stands before the colon in actions: `kinesis`.
    pub service: &'a str,
    /// The ARN of the resource.
    pub resource: &'a str,
    /// The operations that can be shared, such as `PutRecord`; at most 64.
    pub actions: &'static [&'static str],
}

/// What statements are asked about.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who signed it.
    pub principal: &'a Principal,
    /// Where it came from.
    pub address: IpAddr,
    /// Whether it came through TLS.
    pub encrypted: bool,
    /// When it came.
    pub now: ServerTime,
}

/// What a policy says of a request; the later ones are the stronger ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// Nothing.
    Silent,
    /// It trusts the caller's account, whose own policies decide.
    Delegated,
    /// It allows the request to its caller.
    Allowed,
    /// It denies the request, whatever else allows it.
    Denied,
}

#[derive(Clone, Debug)]
struct Statement {
    effect: Effect,
    who: Who,
    /// A bit for each of the policy's actions.
    actions: u64,
    /// All must hold.
    conditions: Vec<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

impl Policy {
    /// Reads the document that `subject` is to carry.
    ///
    /// # Errors
    /// If it is too long, is no policy, says something that is not evaluated here, or has a statement
    /// about something else.
    pub fn parse(document: &str, subject: &Subject<'_>) -> Result<Self, Fault> {
        Ok(Self {
            actions: subject.actions,
            statements: parse::read(document, subject)?,
        })
    }

    /// A policy that denies all of `actions`, in place of one that was kept and cannot be read.
    #[must_use]
    pub fn closed(actions: &'static [&'static str]) -> Self {
        let everything = Statement {
            effect: Effect::Deny,
            who: Who::Anybody,
            actions: u64::MAX,
            conditions: Vec::new(),
        };
        Self {
            actions,
            statements: vec![everything],
        }
    }

    /// What the policy says of a request for `operation`, such as `PutRecord`.
    #[must_use]
    pub fn decide(&self, operation: &str, request: &Request<'_>) -> Decision {
        let known = self.actions.iter().position(|action| *action == operation);
        let action = known.map_or(0, bit);
        let statements = self.statements.iter();
        statements
            .filter(|statement| statement.actions & action != 0)
            .map(|statement| statement.decide(request))
            .max()
            .unwrap_or(Decision::Silent)
    }
}

impl Statement {
    fn decide(&self, request: &Request<'_>) -> Decision {
        let Some(named) = self.who.find(request.principal) else {
            return Decision::Silent;
        };
        if !self.conditions.iter().all(|one| one.holds(request)) {
            return Decision::Silent;
        }
        match (self.effect, named) {
            (Effect::Deny, _) => Decision::Denied,
            (Effect::Allow, Match::Caller) => Decision::Allowed,
            (Effect::Allow, Match::Account) => Decision::Delegated,
        }
    }
}

/// The bit of the action at `index`; none behind the 64th.
fn bit(index: usize) -> u64 {
    let shift = u32::try_from(index).unwrap_or(u32::MAX);
    1_u64.checked_shl(shift).unwrap_or(0)
}

#[cfg(test)]
mod tests;
