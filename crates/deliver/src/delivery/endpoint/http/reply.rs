//! What an endpoint says: taken only by an answer that has everything that Firehose asks for.

use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use super::SERVICE;
use crate::delivery::endpoint::refusal::{Refusal, shown};
use crate::delivery::http;

/// Bytes of an answer.
const REPLY_BYTES_MAX: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    request_id: String,
    /// Milliseconds, as a number.
    timestamp: serde_json::Number,
}

/// Nothing, if the answer takes the request of this id.
pub(super) async fn check(response: Response, id: &str) -> Result<(), Refusal> {
    let status = response.status();
    let headers = response.headers();
    let is_plain = headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(CONTENT_ENCODING);
    let body = http::read(response, REPLY_BYTES_MAX).await;
    let body = body.map_err(|error| Refusal::of_connection(SERVICE, &error))?;
    let Some(body) = body else {
        return Err(refusal(
            "HttpEndpoint.ResponseTooLarge",
            "The response received from the endpoint is too large. Contact the owner of the endpoint to \
             resolve this issue.",
        ));
    };
    if status != StatusCode::OK {
        let message = format!(
            "The following response was received from the endpoint destination. {}: {}",
            status.as_u16(),
            shown(&body)
        );
        return Err(Refusal {
            is_final: status == StatusCode::PAYLOAD_TOO_LARGE,
            ..refusal("HttpEndpoint.DestinationException", &message)
        });
    }
    match serde_json::from_slice::<Reply>(&body) {
        Ok(reply) if is_plain && reply.request_id == id && reply.timestamp.is_u64() => Ok(()),
        _ => Err(refusal(
            "HttpEndpoint.InvalidResponseFromDestination",
            "The response received from the specified endpoint is invalid. Contact the owner of the \
             endpoint to resolve the issue.",
        )),
    }
}

fn refusal(code: &'static str, message: &str) -> Refusal {
    Refusal {
        code: code.into(),
        message: message.to_owned(),
        is_final: false,
    }
}
