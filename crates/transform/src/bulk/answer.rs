//! What a cluster says of the documents of a request.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};

/// Documents of a request, at most: no more items of an answer are kept.
pub const BULK_DOCUMENTS_MAX: usize = 10_000;
/// Characters of a sentence of the cluster's that are kept.
const REASON_CHARS_MAX: usize = 512;

/// What a cluster says, document by document, in the order in which they were sent.
#[derive(Debug, PartialEq, Eq)]
pub struct BulkAnswer {
    /// One for each document.
    pub items: Vec<Indexed>,
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Indexed {
    /// It is in the index.
    Taken,
    /// It is not, and may be sent again: the cluster had no room or no time.
    Busy(BulkError),
    /// It is not, and never will be.
    Refused(BulkError),
}

/// Why a document is not in the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkError {
    /// The HTTP status that the cluster gives it.
    pub status: u16,
    /// The kind of the error and a sentence, as far as the cluster says them.
    pub message: String,
}

/// Why an answer is not understood.
#[derive(Debug, thiserror::Error)]
pub enum BulkAnswerError {
    /// It has another form.
    #[error("the answer is not one of the bulk API: {0}")]
    Form(#[from] serde_json::Error),
    /// It is about other documents.
    #[error("the answer is about {found} of {sent} documents")]
    Count {
        /// The number of its items.
        found: usize,
        /// The number of documents.
        sent: usize,
    },
}

#[derive(Deserialize)]
struct Answer {
    errors: bool,
    items: Items,
}

/// At most [`BULK_DOCUMENTS_MAX`].
struct Items(Vec<Item>);

/// An object with one member, whose name is what was done: to old clusters, giving an id is another thing.
#[derive(Deserialize)]
struct Item {
    #[serde(alias = "create")]
    index: Done,
}

#[derive(Deserialize)]
struct Done {
    #[serde(default)]
    status: u16,
    #[serde(default)]
    error: Option<Reason>,
}

/// As clusters say it now, and as they did once.
#[derive(Deserialize)]
#[serde(untagged)]
enum Reason {
    Known {
        #[serde(rename = "type", default)]
        kind: Option<String>,
        #[serde(default)]
        reason: Option<String>,
    },
    Text(String),
    Other(IgnoredAny),
}

impl BulkAnswer {
    /// Understands the answer to a request with so many documents.
    ///
    /// # Errors
    /// If it has another form, or does not have one item for each document.
    pub fn read(body: &[u8], sent: usize) -> Result<Self, BulkAnswerError> {
        let Answer { errors, items } = serde_json::from_slice(body)?;
        let found = items.0.len();
        if found != sent {
            return Err(BulkAnswerError::Count { found, sent });
        }
        let items = items.0.into_iter().map(|item| match errors {
            true => item.index.indexed(),
            false => Indexed::Taken,
        });
        Ok(Self {
            items: items.collect(),
        })
    }
}

impl Done {
    fn indexed(self) -> Indexed {
        let status = self.status;
        if (200..=299).contains(&status) {
            return Indexed::Taken;
        }
        let message = self.error.map(Reason::sentence).unwrap_or_default();
        let error = BulkError { status, message };
        match status {
            400..=428 | 430..=499 => Indexed::Refused(error),
            // 429 and 500 to 599; what is no status says nothing against another attempt.
            _ => Indexed::Busy(error),
        }
    }
}

impl Reason {
    fn sentence(self) -> String {
        let sentence = match self {
            Self::Known {
                kind: Some(kind),
                reason: Some(reason),
            } => format!("{kind}: {reason}"),
            Self::Known { kind, reason } => kind.or(reason).unwrap_or_default(),
            Self::Text(text) => text,
            Self::Other(_) => String::new(),
        };
        sentence.chars().take(REASON_CHARS_MAX).collect()
    }
}

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(Each)
    }
}

/// Takes items one by one, so that a list of more is found before it is in memory.
struct Each;

impl<'de> Visitor<'de> for Each {
    type Value = Items;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {BULK_DOCUMENTS_MAX} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Items, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element()? {
            if found.len() == BULK_DOCUMENTS_MAX {
                return Err(A::Error::invalid_length(BULK_DOCUMENTS_MAX + 1, &self));
            }
            found.push(item);
        }
        Ok(Items(found))
    }
}
