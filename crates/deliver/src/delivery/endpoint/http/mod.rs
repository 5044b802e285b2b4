//! HTTP endpoints as Firehose knows them: what requests look like, and which answers take them.

mod reply;
mod settings;

use std::io::Write as _;

use afflux_transform::{Compression, Encoder};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::RequestBuilder;

pub use settings::{ContentEncoding, EndpointSettings};

use super::refusal::{Outcome, Refusal};
use super::request::{Framed, Request};

/// What the codes of errors begin with.
const SERVICE: &str = "HttpEndpoint";

/// The body of a request with these records.
pub(super) fn body(
    request: &Request,
    endpoint: &EndpointSettings,
    records: &[Framed],
) -> std::io::Result<Vec<u8>> {
    let bytes: usize = records.iter().map(|record| record.data.len()).sum();
    let mut body = Vec::with_capacity(bytes / 3 * 4 + bytes / 16);
    write!(
        body,
        "{{\"requestId\":\"{}\",\"timestamp\":{},\"records\":[",
        request.id, request.timestamp
    )?;
    for (index, record) in records.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(
            body,
            "{comma}{{\"data\":\"{}\"}}",
            BASE64_STANDARD.encode(&record.data)
        )?;
    }
    body.extend_from_slice(b"]}");
    match endpoint.encoding {
        ContentEncoding::Identity => Ok(body),
        ContentEncoding::Gzip => {
            let mut encoder = Encoder::new(Compression::Gzip, Vec::new(), [0; 16])?;
            encoder.write_all(&body)?;
            encoder.finish()
        }
    }
}

/// The headers of a request of the delivery stream with the ARN `source`, beside those of HTTP itself.
pub(super) fn headers(
    request: &Request,
    endpoint: &EndpointSettings,
    source: &str,
) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("x-amz-firehose-protocol-version", "1.0".to_owned()),
        ("x-amz-firehose-request-id", request.id.clone()),
        ("x-amz-firehose-source-arn", source.to_owned()),
    ];
    if !endpoint.access_key.is_empty() {
        headers.push(("x-amz-firehose-access-key", endpoint.access_key.clone()));
    }
    if !endpoint.attributes.is_empty() {
        let pairs = endpoint.attributes.iter();
        let attributes: serde_json::Map<String, serde_json::Value> = pairs
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect();
        let attributes = serde_json::json!({ "commonAttributes": attributes });
        headers.push(("x-amz-firehose-common-attributes", attributes.to_string()));
    }
    if endpoint.encoding == ContentEncoding::Gzip {
        headers.push(("content-encoding", "gzip".to_owned()));
    }
    headers
}

/// Sends a request of this id once, which has its headers and its body.
pub(super) async fn send(request: RequestBuilder, id: &str) -> Outcome {
    let taken = match request.send().await {
        Ok(response) => reply::check(response, id).await,
        Err(error) => Err(Refusal::of_connection(SERVICE, &error)),
    };
    taken.map_or_else(Outcome::Refused, |()| Outcome::Taken)
}
