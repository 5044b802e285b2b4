//! The records of a request in the spool, and the body and headers that they are sent in.
//!
//! ```text
//! arrival  8 bytes  milliseconds since 1970-01-01 UTC, signed
//! length   4 bytes
//! payload
//! ```
//! One record after the other, numbers with their highest byte first: the same file gives the same body
//! whenever it is sent, and error objects if it is never taken.

use std::io::Write as _;

use afflux_transform::{Compression, Encoder, ErrorOutput, Failed, Origin, Record, failed_line};
use afflux_types::{Position, ServerTime, ShardId};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Buf as _, BufMut as _, Bytes};
use serde::{Deserialize, Serialize};

use super::settings::{ContentEncoding, EndpointSettings};

/// Records of a request.
pub(crate) const RECORDS_MAX: u32 = 10_000;
/// Bytes in the spool of a request before its last record: with one of 10 MiB behind it, and in base64, that
/// are 62 MiB of the 64 that a body may have.
pub(crate) const FRAMES_BYTES_MAX: u64 = 36 << 20;

/// A request that is to be sent until it is taken or given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The same in every attempt.
    pub(crate) id: String,
    /// In milliseconds since 1970-01-01 UTC, the same in every attempt.
    pub(crate) timestamp: i64,
    pub(crate) endpoint: EndpointSettings,
    /// Of the error object.
    pub(crate) compression: Compression,
    /// Of the error object too.
    pub(crate) object_id: [u8; 16],
}

/// Why an endpoint does not have a request, as its error object says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// Trying again does not help.
    pub(crate) is_final: bool,
}

/// Writes a record into the spool.
pub(crate) fn frame(arrival: ServerTime, data: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(12 + data.len());
    frame.put_i64(arrival.as_millis());
    frame.put_u32(u32::try_from(data.len()).unwrap_or(u32::MAX));
    frame.put_slice(data);
    frame
}

/// The records of a file; none from where it is not one any more.
fn records(mut frames: Bytes) -> impl Iterator<Item = (ServerTime, Bytes)> {
    std::iter::from_fn(move || {
        let arrival = frames.try_get_i64().ok()?;
        let len = usize::try_from(frames.try_get_u32().ok()?).ok()?;
        let data = (len <= frames.len()).then(|| frames.split_to(len))?;
        Some((ServerTime::from_millis(arrival), data))
    })
}

impl Request {
    pub(crate) fn new(
        object_id: [u8; 16],
        made: ServerTime,
        endpoint: EndpointSettings,
        compression: Compression,
    ) -> Self {
        let id = u128::from_be_bytes(object_id);
        Self {
            id: format!(
                "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
                id >> 96,
                id >> 80 & 0xffff,
                id >> 64 & 0xffff,
                id >> 48 & 0xffff,
                id & 0xffff_ffff_ffff
            ),
            timestamp: made.as_millis(),
            endpoint,
            compression,
            object_id,
        }
    }

    /// The body.
    pub(crate) fn body(&self, frames: &Bytes) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::with_capacity(frames.len() / 3 * 4 + frames.len() / 16);
        write!(
            body,
            "{{\"requestId\":\"{}\",\"timestamp\":{},\"records\":[",
            self.id, self.timestamp
        )?;
        for (index, (_, data)) in records(frames.clone()).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(
                body,
                "{comma}{{\"data\":\"{}\"}}",
                BASE64_STANDARD.encode(&data)
            )?;
        }
        body.extend_from_slice(b"]}");
        match self.endpoint.encoding {
            ContentEncoding::Identity => Ok(body),
            ContentEncoding::Gzip => {
                let mut encoder = Encoder::new(Compression::Gzip, Vec::new(), [0; 16])?;
                encoder.write_all(&body)?;
                encoder.finish()
            }
        }
    }

    /// The headers of a request of the delivery stream with the ARN `source`, beside those of HTTP itself.
    pub(super) fn headers(&self, source: &str) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("x-amz-firehose-protocol-version", "1.0".to_owned()),
            ("x-amz-firehose-request-id", self.id.clone()),
            ("x-amz-firehose-source-arn", source.to_owned()),
        ];
        if !self.endpoint.access_key.is_empty() {
            headers.push((
                "x-amz-firehose-access-key",
                self.endpoint.access_key.clone(),
            ));
        }
        if !self.endpoint.attributes.is_empty() {
            let pairs = self.endpoint.attributes.iter();
            let attributes: serde_json::Map<String, serde_json::Value> = pairs
                .map(|(name, value)| (name.clone(), value.clone().into()))
                .collect();
            let attributes = serde_json::json!({ "commonAttributes": attributes });
            headers.push(("x-amz-firehose-common-attributes", attributes.to_string()));
        }
        if self.endpoint.encoding == ContentEncoding::Gzip {
            headers.push(("content-encoding", "gzip".to_owned()));
        }
        headers
    }

    /// The lines of the error object and their number, for a request that was given up at `now`.
    pub(crate) fn lines(
        frames: Bytes,
        refusal: &Refusal,
        attempts: u32,
        now: ServerTime,
    ) -> (Vec<u8>, u64) {
        let (mut lines, mut count) = (Vec::new(), 0);
        // Where a record stood in its stream is not said of one that failed here.
        let origin = Origin {
            shard: ShardId::new(0),
            position: Position::ZERO,
            sub_sequence: None,
        };
        for (arrival, data) in records(frames) {
            let failed = Failed {
                record: Record::new(data, arrival, origin, None),
                output: ErrorOutput::HttpEndpoint,
                code: refusal.code.into(),
                message: refusal.message.clone(),
                attempts,
                transformer: None,
                document: None,
            };
            failed_line(&failed, now, &mut lines);
            count += 1;
        }
        (lines, count)
    }
}
