//! Why a document is refused, with the place in it.

use super::POLICY_BYTES_MAX;
use crate::document;

/// What is wrong with a document. `at` is an element, with the number of its statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is too long.
    #[error("the policy has {bytes} bytes; at most {POLICY_BYTES_MAX} are allowed")]
    Length {
        /// Its bytes.
        bytes: usize,
    },
    /// It cannot be read.
    #[error("the policy is no JSON: {0}")]
    Json(#[from] document::Error),
    /// An element is not there.
    #[error("{at} is missing")]
    Missing {
        /// The element.
        at: String,
    },
    /// An element has the wrong type or a value that it cannot have.
    #[error("{at} must be {wanted}")]
    Value {
        /// The element.
        at: String,
        /// What it can be.
        wanted: &'static str,
    },
    /// There is no such element.
    #[error("{at} is not an element of policies here")]
    Unknown {
        /// The element.
        at: String,
    },
    /// Two elements contradict each other.
    #[error("{at} stands beside its opposite")]
    Twice {
        /// The second of them.
        at: String,
    },
    /// An element that is not evaluated here.
    #[error("{at} is not supported: {why}")]
    Unsupported {
        /// The element.
        at: String,
        /// Why, and what to write in its place.
        why: &'static str,
    },
    /// Something that names no principal.
    #[error(
        "{at}: {text:?} is not a principal: an account, the ARN of an account, user or role \
         without wildcards, or \"*\""
    )]
    Principal {
        /// The element.
        at: String,
        /// What stands there.
        text: String,
    },
    /// An action that policies of this kind of resource cannot share.
    #[error("{at}: {text:?} names none of the actions that can be shared: {actions}")]
    Action {
        /// The element.
        at: String,
        /// What stands there.
        text: String,
        /// Those that can.
        actions: String,
    },
    /// A statement about something else.
    #[error("{at} does not hold for {resource}, which carries the policy")]
    Resource {
        /// The element.
        at: String,
        /// The ARN of what carries the policy.
        resource: String,
    },
    /// A variable, which would be replaced elsewhere.
    #[error("{at}: the variable in {text:?} is not supported")]
    Variable {
        /// The element.
        at: String,
        /// What stands there.
        text: String,
    },
    /// A condition that is not evaluated here.
    #[error("{at}: {operator} of {key} is not supported; supported are {supported}")]
    Condition {
        /// The element.
        at: String,
        /// The operator.
        operator: String,
        /// The key.
        key: String,
        /// What is.
        supported: &'static str,
    },
    /// A value that its condition cannot be compared with.
    #[error("{at}: {text:?} is not {wanted}")]
    Operand {
        /// The element.
        at: String,
        /// What stands there.
        text: String,
        /// What it must be.
        wanted: &'static str,
    },
}
