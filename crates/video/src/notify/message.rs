//! What is told of a fragment, in the service's own form.

use std::collections::BTreeMap;

use afflux_media::Tag;
use serde::Serialize;

use super::Notice;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Message<'a> {
    #[serde(rename = "StreamArn")]
    arn: &'a str,
    fragment_number: String,
    fragment_start_producer_timestamp: i64,
    fragment_start_server_timestamp: i64,
    notification_type: &'static str,
    notification_payload: BTreeMap<&'a str, &'a str>,
}

/// The message about a fragment, as JSON. Times are in milliseconds.
pub(super) fn text(arn: &str, notice: &Notice) -> String {
    let payload = notice.own_tags().map(|tag: &Tag| (tag.name(), tag.value()));
    let message = Message {
        arn,
        fragment_number: notice.number.to_string(),
        fragment_start_producer_timestamp: notice.producer_time.as_millis(),
        fragment_start_server_timestamp: notice.number.server_time().as_millis(),
        notification_type: "PERSISTED",
        notification_payload: payload.collect(),
    };
    // Texts and numbers only: writing them as JSON cannot fail.
    serde_json::to_string(&message).unwrap_or_default()
}
