//! Frames of an event stream, put together from what arrives.

use std::time::Duration;

use afflux_aws::kinesis::event_stream;
use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use serde::Deserialize;

/// Puts frames together.
#[derive(Debug, Default)]
pub(super) struct Frames {
    buffer: BytesMut,
    /// When the first byte of `buffer` came.
    begun: Duration,
    /// When its last byte came.
    ended: Duration,
}

/// A frame, and when its first byte came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    pub(super) begun: Duration,
}

impl Frames {
    /// Takes what came at the time `now`. All frames must have been taken out before.
    pub(super) fn push(&mut self, bytes: &[u8], now: Duration) {
        if self.buffer.is_empty() {
            self.begun = now;
        }
        self.ended = now;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, if it is there as a whole.
    pub(super) fn next(&mut self) -> Result<Option<Frame>> {
        let Some(frame) = event_stream::decode(&self.buffer).context("read a frame")? else {
            return Ok(None);
        };
        let len = frame.len;
        let frame = Frame {
            bytes: self.buffer.split_to(len).freeze(),
            begun: self.begun,
        };
        // What is left came with the end of this frame.
        self.begun = self.ended;
        Ok(Some(frame))
    }
}

/// A push as JSON, as far as a bench reads it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    data: String,
}

/// The data of a frame's records, in base64; nothing if the frame is no push.
pub(super) fn records(frame: &[u8]) -> Result<Vec<String>> {
    let frame = event_stream::decode(frame)?.context("a frame is not whole")?;
    let header = |name| frame.headers.iter().find(|(key, _)| *key == name);
    ensure!(
        header(":message-type") == Some(&(":message-type", "event")),
        "a subscription failed: {}",
        String::from_utf8_lossy(frame.payload)
    );
    if header(":event-type") != Some(&(":event-type", "SubscribeToShardEvent")) {
        return Ok(Vec::new());
    }
    let event: Event = serde_json::from_slice(frame.payload).context("read a push")?;
    Ok(event.records.into_iter().map(|r| r.data).collect())
}

#[cfg(test)]
mod tests {
    use afflux_aws::kinesis::SequenceNumber;
    use afflux_aws::kinesis::output::{Record, SubscribeToShardEvent};

    use super::*;

    fn push(data: &[u8]) -> Bytes {
        let number: SequenceNumber = "49590338271490256608559692538361571095921575989136588898"
            .parse()
            .unwrap();
        event_stream::event(&SubscribeToShardEvent {
            records: vec![Record {
                sequence_number: number,
                approximate_arrival_timestamp: None,
                data,
                partition_key: Some("k"),
                encryption_type: None,
            }],
            continuation_sequence_number: Some(number),
            millis_behind_latest: 0,
            child_shards: None,
        })
    }

    #[test]
    fn frames_are_put_together_and_have_the_time_of_their_first_byte() {
        let all = [event_stream::initial_response(), push(b"one"), push(b"two")].concat();
        let mut frames = Frames::default();
        let mut found = Vec::new();
        for (number, piece) in all.chunks(7).enumerate() {
            frames.push(piece, Duration::from_secs(number.try_into().unwrap()));
            while let Some(frame) = frames.next().unwrap() {
                found.push(frame);
            }
        }
        let mut starts = 0;
        for frame in &found {
            assert_eq!(frame.begun.as_secs(), starts / 7);
            starts += u64::try_from(frame.bytes.len()).unwrap();
        }
        let data: Vec<String> = found
            .iter()
            .flat_map(|frame| records(&frame.bytes).unwrap())
            .collect();
        assert_eq!(data, ["b25l", "dHdv"]);
    }

    #[test]
    fn an_exception_in_a_subscription_is_an_error() {
        let error = afflux_aws::kinesis::Error::bare(afflux_aws::kinesis::Code::ResourceInUse);
        let error = records(&event_stream::exception(&error)).unwrap_err();
        assert!(
            error.to_string().contains("a subscription failed"),
            "{error}"
        );
    }
}
