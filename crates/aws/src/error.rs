//! What every service's errors have in common: a code that clients match on, a sentence, and an HTTP
//! status.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use crate::document::{Encode, Encoder, Format};
use crate::{document, sigv4, validate};

/// The codes of a service, with those that stand for faults of every service.
pub trait Codes: Copy + fmt::Debug + Eq + Send + Sync + 'static {
    /// The body is broken or a member has the wrong type.
    const SERIALIZATION: Self;
    /// A constraint is broken.
    const VALIDATION: Self;
    /// A parameter is wrong in itself or beside another.
    const INVALID_ARGUMENT: Self;
    /// The request is not signed.
    const MISSING_TOKEN: Self;
    /// The signature lacks something.
    const INCOMPLETE_SIGNATURE: Self;
    /// The signature is wrong or stale.
    const INVALID_SIGNATURE: Self;
    /// There is no such access key.
    const UNRECOGNIZED_CLIENT: Self;
    /// The caller has no right to this.
    const ACCESS_DENIED: Self;
    /// There is no such operation.
    const UNKNOWN_OPERATION: Self;

    /// The name that clients match on.
    fn name(self) -> &'static str;

    /// The HTTP status of an answer.
    fn status(self) -> u16;
}

/// The codes of a service that says them in the body of its answers, under `__type`.
pub trait InBody: Codes {}

/// An error of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error<C> {
    code: C,
    message: Option<Cow<'static, str>>,
}

impl<C: Codes> Error<C> {
    /// An error with its sentence.
    #[must_use]
    pub fn new(code: C, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: Some(message.into()),
        }
    }

    /// An error of which the service says no more than its code.
    #[must_use]
    pub fn bare(code: C) -> Self {
        Self {
            code,
            message: None,
        }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> C {
        self.code
    }

    /// The sentence.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.code.status()
    }
}

impl<C: InBody> Error<C> {
    /// The body of the answer.
    #[must_use]
    pub fn to_bytes(&self, format: Format) -> Bytes {
        Encoder::to_bytes(format, 256, self)
    }
}

impl<C: InBody> Encode for Error<C> {
    fn encode(&self, to: &mut Encoder) {
        to.begin_map();
        to.member("__type", self.code.name());
        // The framework, which answers for broken bodies, spells it with a capital.
        let name = match self.code == C::SERIALIZATION {
            true => "Message",
            false => "message",
        };
        to.member(name, &self.message());
        to.end_map();
    }
}

impl<C: Codes> fmt::Display for Error<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.name())?;
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl<C: Codes> std::error::Error for Error<C> {}

impl<C: Codes> From<document::Error> for Error<C> {
    fn from(error: document::Error) -> Self {
        Self {
            code: C::SERIALIZATION,
            message: error.service_message().map(|text| text.to_owned().into()),
        }
    }
}

impl<C: Codes> From<validate::Error> for Error<C> {
    fn from(error: validate::Error) -> Self {
        match error {
            validate::Error::Document(error) => error.into(),
            validate::Error::Invalid(violations) => {
                Self::new(C::VALIDATION, violations.to_string())
            }
        }
    }
}

impl<C: Codes> From<sigv4::Error> for Error<C> {
    fn from(error: sigv4::Error) -> Self {
        let code = match error {
            sigv4::Error::Missing => C::MISSING_TOKEN,
            sigv4::Error::Incomplete(_) => C::INCOMPLETE_SIGNATURE,
            sigv4::Error::Invalid(_) => C::INVALID_SIGNATURE,
            sigv4::Error::Unrecognized => C::UNRECOGNIZED_CLIENT,
        };
        Self::new(code, error.to_string())
    }
}
