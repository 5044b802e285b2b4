//! A record as two lines of a body.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// Where a record goes in a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The name of the index.
    #[serde(rename = "_index")]
    pub index: String,
    /// The type of the document, if it is to have one.
    #[serde(rename = "_type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// The id, if it is not the cluster that gives it.
    #[serde(rename = "_id", skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// Why a record is no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record is not one JSON object")]
pub struct NotADocument;

#[derive(Serialize)]
struct Action<'a> {
    index: &'a Document,
}

impl Document {
    /// Whether a record can be a document.
    ///
    /// # Errors
    /// If it is anything but one JSON object with white space around it. Its members may be what they like: what
    /// they may be in an index, the cluster knows.
    pub fn check(record: &[u8]) -> Result<(), NotADocument> {
        let text = std::str::from_utf8(record).map_err(|_| NotADocument)?;
        let is_object = text.trim_start().starts_with('{');
        let read = serde_json::from_str::<IgnoredAny>(text);
        match read {
            Ok(_) if is_object => Ok(()),
            _ => Err(NotADocument),
        }
    }

    /// Appends the two lines of a record that [is a document](Self::check).
    pub fn write(&self, record: &[u8], out: &mut Vec<u8>) {
        Action { index: self }.write(out);
        // In a JSON text line breaks are white space: within strings they are escaped.
        let record = record.trim_ascii();
        let blank = |byte: &u8| match byte {
            b'\n' | b'\r' => b' ',
            byte => *byte,
        };
        out.extend(record.iter().map(blank));
        out.push(b'\n');
    }
}

impl Action<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(&mut *out, self).expect("text has a JSON form");
        out.push(b'\n');
    }
}
