//! Which operation a request means, and what the service answers to one that means none.
//!
//! # Source
//! The order of the checks and the bodies are those of the service: it answers in XML as long as it
//! has not recognized a format.

use bytes::Bytes;

use super::{Code, Error, Operation};
use crate::document::Format;

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
pub struct Route {
    /// The operation.
    pub operation: Operation,
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
    pub fn of(error: &Error, format: Format) -> Self {
        Self {
            status: error.status(),
            content_type: Some(format.content_type()),
            body: error.to_bytes(format),
        }
    }

    /// An error in XML, as the service sends it while it knows no format.
    #[must_use]
    pub fn xml(error: &Error) -> Self {
        let name = error.code().name();
        let body = error.message().map_or_else(
            || format!("<{name}/>\n"),
            |message| {
                let message = escaped(message);
                format!("<{name}>\n  <Message>{message}</Message>\n</{name}>\n")
            },
        );
        let status = match error.code() {
            Code::UnknownOperation => 404,
            _ => 403,
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
pub fn route(head: &Head<'_>) -> Result<Route, Refusal> {
    let undetermined = || {
        Refusal::xml(&Error::new(
            Code::AccessDenied,
            "Unable to determine service/operation name to be authorized",
        ))
    };
    if head.method != "POST" {
        return Err(undetermined());
    }
    let content_type = head.content_type.unwrap_or_default();
    let format = Format::from_content_type(content_type);
    let operation = head.target.and_then(Operation::from_target);
    if head.body_is_empty {
        let code = match operation {
            Some(_) => Code::Serialization,
            None => Code::UnknownOperation,
        };
        return Err(Refusal::of(
            &Error::bare(code),
            format.unwrap_or(Format::Cbor),
        ));
    }
    let Some(format) = format else {
        if is_plain_json(content_type) {
            return Err(Refusal::plain_json());
        }
        let named = head.target.is_some_and(names_something);
        return Err(match named {
            true => Refusal::xml(&Error::bare(Code::UnknownOperation)),
            false => undetermined(),
        });
    };
    match operation {
        Some(operation) => Ok(Route { operation, format }),
        None => Err(Refusal::of(&Error::bare(Code::UnknownOperation), format)),
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
