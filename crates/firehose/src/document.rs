//! What only this API knows of a delivery stream: kept with it as JSON, and read by nobody else.
//!
//! A delivery stream that was made by another door has no document, or one without a destination.

use std::collections::BTreeMap;
use std::fmt;

use afflux_aws::Decode;
use afflux_aws::document::Format;
use afflux_aws::firehose::{Destination, encode};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What only this API knows.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Document {
    /// The destination as the API says it.
    destination: Option<Value>,
    /// The role that reads the data stream.
    pub(crate) source_role_arn: Option<String>,
    /// The rate of records that its maker expects.
    pub(crate) throughput_hint_in_mbs: Option<u32>,
    /// By their keys.
    pub(crate) tags: BTreeMap<String, Option<String>>,
}

impl Document {
    /// Understands what is kept; what is not of this API says nothing.
    pub(crate) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    pub(crate) fn write(&self) -> String {
        serde_json::to_string(self).expect("keys are strings")
    }

    /// The destination, if the API has set it.
    pub(crate) fn destination(&self) -> Option<Destination> {
        let body = Bytes::from(self.destination.as_ref()?.to_string());
        let read = Destination::decode(Format::Json, &body);
        read.inspect_err(|error| tracing::error!(%error, "a destination cannot be read"))
            .ok()
    }

    pub(crate) fn with_destination(self, destination: &Destination) -> Self {
        let written = serde_json::from_slice(&encode(destination));
        Self {
            destination: Some(written.expect("what is encoded as JSON is JSON")),
            ..self
        }
    }
}

impl fmt::Debug for Document {
    /// Leaves the destination out: it may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("source_role_arn", &self.source_role_arn)
            .field("throughput_hint_in_mbs", &self.throughput_hint_in_mbs)
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_what_is_not_of_this_api_says_nothing() {
        let mut document = Document {
            throughput_hint_in_mbs: Some(7),
            ..Document::default()
        };
        document.tags.insert("key".to_owned(), None);
        assert_eq!(Document::read(&document.write()), document);
        for foreign in ["", "{}", "made by hand", "7"] {
            assert_eq!(Document::read(foreign), Document::default(), "{foreign}");
        }
    }
}
