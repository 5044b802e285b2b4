//! Which operation a request means by its `X-Amz-Target`, and what a service answers to one that means
//! none.
//!
//! # Source
//! The order of the checks and the bodies are those of Kinesis Data Streams: it answers in XML as long
//! as it has not recognized a format. The other services of this kind stand behind the same framework.

use bytes::Bytes;

use crate::document::Format;
use crate::error::{Codes, Error, InBody};

/// The operations of a service that are named by `X-Amz-Target`.
pub trait Target: Copy {
    /// The codes of the service's errors.
    type Code: InBody;
    /// The format of answers to requests that name none.
    const FALLBACK: Format;
    /// The formats that the service speaks.
    const FORMATS: &'static [Format];

    /// The operation that a value of `X-Amz-Target` names.
    fn from_target(target: &str) -> Option<Self>;
}

/// What of a request decides its operation.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a str,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `X-Amz-Target`.
    pub target: Option<&'a str>,
    /// Whether there is no body.
    pub body_is_empty: bool,
}

/// An operation and the format of its body and answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route<O> {
    /// The operation.
    pub operation: O,
    /// The format.
    pub format: Format,
}

/// An answer to a request that means no operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The media type, if the answer has one.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: Bytes,
}

impl Refusal {
    /// An error in the format of the request.
    #[must_use]
    pub fn of<C: InBody>(error: &Error<C>, format: Format) -> Self {
        Self {
            status: error.status(),
            content_type: Some(format.content_type()),
            body: error.to_bytes(format),
        }
    }

    /// An error in XML, as the service sends it while it knows no format.
    #[must_use]
    pub fn xml<C: Codes>(error: &Error<C>) -> Self {
        let name = error.code().name();
        let body = error.message().map_or_else(
            || format!("<{name}/>\n"),
            |message| {
                let message = escaped(message);
                format!("<{name}>\n  <Message>{message}</Message>\n</{name}>\n")
            },
        );
        let status = match error.code() == C::UNKNOWN_OPERATION {
            true => 404,
            false => 403,
        };
        Self {
            status,
            content_type: None,
            body: body.into(),
        }
    }

    /// What `application/json`, which the service recognizes and does not serve, gets.
    fn plain_json() -> Self {
        let body = r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#;
        Self {
            status: 404,
            content_type: Some("application/json"),
            body: Bytes::from_static(body.as_bytes()),
        }
    }
}

/// Finds the operation of a request.
///
/// # Errors
/// The answer to send.
pub fn route<O: Target>(head: &Head<'_>) -> Result<Route<O>, Refusal> {
    let unknown = || Error::bare(O::Code::UNKNOWN_OPERATION);
    let undetermined = || {
        Refusal::xml(&Error::new(
            O::Code::ACCESS_DENIED,
            "Unable to determine service/operation name to be authorized",
        ))
    };
    if head.method != "POST" {
        return Err(undetermined());
    }
    let content_type = head.content_type.unwrap_or_default();
    let format = Format::from_content_type(content_type);
    let format = format.filter(|format| O::FORMATS.contains(format));
    let operation = head.target.and_then(O::from_target);
    if head.body_is_empty {
        let error = match operation {
            Some(_) => Error::bare(O::Code::SERIALIZATION),
            None => unknown(),
        };
        return Err(Refusal::of(&error, format.unwrap_or(O::FALLBACK)));
    }
    let Some(format) = format else {
        if is_plain_json(content_type) {
            return Err(Refusal::plain_json());
        }
        let named = head.target.is_some_and(names_something);
        return Err(match named {
            true => Refusal::xml(&unknown()),
            false => undetermined(),
        });
    };
    match operation {
        Some(operation) => Ok(Route { operation, format }),
        None => Err(Refusal::of(&unknown(), format)),
    }
}

fn is_plain_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

/// Whether a target has both of its parts, whatever they are.
fn names_something(target: &str) -> bool {
    target
        .split_once('.')
        .is_some_and(|(service, name)| !service.is_empty() && !name.is_empty())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
