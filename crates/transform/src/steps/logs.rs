//! Messages of `CloudWatch` Logs: what a subscription filter sends.
//!
//! # Shape
//! A message is a JSON object. Those with the type `DATA_MESSAGE` have log events, each with a line of text.
//! Others are control messages, sent to see whether somebody listens; they have no lines.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Deserializer;

use super::Failure;
use crate::ErrorOutput;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    #[serde(borrow)]
    message_type: Cow<'a, str>,
    #[serde(default)]
    log_events: Vec<Event<'a>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// The lines in a payload, each with a line feed; `None` if it has control messages only.
///
/// # Errors
/// If it is not what `CloudWatch` Logs sends.
pub(super) fn messages(data: &[u8]) -> Result<Option<Bytes>, Failure> {
    let mut lines = Vec::new();
    let mut has_data = false;
    for message in Deserializer::from_slice(data).into_iter::<Message<'_>>() {
        let message = message.map_err(|error| failure(&error.to_string()))?;
        if message.message_type != "DATA_MESSAGE" {
            continue;
        }
        has_data = true;
        for event in message.log_events {
            lines.extend_from_slice(event.message.as_bytes());
            if !event.message.ends_with('\n') {
                lines.push(b'\n');
            }
        }
    }
    if data.trim_ascii().is_empty() {
        return Err(failure("it is empty"));
    }
    Ok(has_data.then(|| lines.into()))
}

fn failure(reason: &str) -> Failure {
    Failure {
        output: ErrorOutput::Processing,
        code: "CloudWatchLogProcessing.Failed",
        message: format!("The record is not a message of CloudWatch Logs: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: &str = r#"{"messageType":"DATA_MESSAGE","owner":"111111111111",
        "logGroup":"CloudTrail/logs","logStream":"111111111111_CloudTrail/logs_us-east-1",
        "subscriptionFilters":["Destination"],"logEvents":[
        {"id":"31953106606966983378809025079804211143289615424298221568","timestamp":1432826855000,
         "message":"{\"eventVersion\":\"1.03\",\"userIdentity\":{\"type\":\"Root\"}"},
        {"id":"31953106606966983378809025079804211143289615424298221569","timestamp":1432826855000,
         "message":"two\n"}]}"#;

    const CONTROL: &str = r#"{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"",
        "logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1510109208016,
        "message":"CWL CONTROL MESSAGE: Checking health of destination Firehose."}]}"#;

    #[test]
    fn lines_are_taken_out_of_their_envelope() {
        let lines = messages(DATA.as_bytes()).unwrap().unwrap();
        let expected = "{\"eventVersion\":\"1.03\",\"userIdentity\":{\"type\":\"Root\"}\ntwo\n";
        assert_eq!(lines, expected);
    }

    #[test]
    fn control_messages_are_dropped() {
        assert_eq!(messages(CONTROL.as_bytes()).unwrap(), None);
        let both = format!("{CONTROL}\n{DATA}");
        assert!(messages(both.as_bytes()).unwrap().is_some());
    }

    #[test]
    fn anything_else_fails() {
        for bad in [
            "",
            "\n",
            "text",
            "{}",
            "[]",
            r#"{"messageType":"DATA_MESSAGE","logEvents":[{}]}"#,
        ] {
            let failure = messages(bad.as_bytes()).unwrap_err();
            assert_eq!(failure.output, ErrorOutput::Processing, "{bad:?}");
        }
        let cut = &DATA.as_bytes()[..DATA.len() - 1];
        assert!(messages(cut).is_err());
    }
}
