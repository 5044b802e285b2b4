//! What becomes of a request that was sent once.

use std::borrow::Cow;

/// Characters of an answer that an error object shows.
const SHOWN_CHARS_MAX: usize = 512;

/// Why a receiver does not have a request or a record, as an error object says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
    /// Trying again does not help.
    pub(crate) is_final: bool,
}

/// What became of a request that was sent once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Everything was taken.
    Taken,
    /// Nothing was.
    Refused(Refusal),
    /// It has more than the receiver takes at a time.
    TooLarge(Refusal),
    /// Of each record, in their order, why it was not taken, unless it was.
    Each(Vec<Option<Refusal>>),
}

impl Refusal {
    /// Of a request without an answer. The code begins with the name of the service.
    pub(super) fn of_connection(service: &str, error: &reqwest::Error) -> Self {
        let (code, message) = if error.is_timeout() {
            (
                "RequestTimeout",
                "The delivery timed out before a response was received and will be retried.",
            )
        } else if error.is_connect() {
            (
                "ConnectionFailed",
                "Unable to connect to the destination endpoint. Contact the owner of the endpoint to \
                 resolve this issue.",
            )
        } else {
            (
                "ConnectionReset",
                "Unable to maintain connection with the endpoint. Contact the owner of the endpoint to \
                 resolve this issue.",
            )
        };
        Self {
            code: format!("{service}.{code}").into(),
            message: message.to_owned(),
            is_final: false,
        }
    }
}

/// The beginning of an answer.
pub(super) fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.chars().take(SHOWN_CHARS_MAX).collect()
}
