//! Tags: what a producer says about a fragment, as names with values.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::layout::{self, TAG_HEADER_BYTES};

/// Tags on one fragment, as in Kinesis Video Streams.
pub const TAGS_MAX: usize = 10;
/// Bytes of a tag's name, as in Kinesis Video Streams; at least one.
pub const TAG_NAME_BYTES_MAX: usize = 128;
/// Bytes of a tag's value, as in Kinesis Video Streams.
pub const TAG_VALUE_BYTES_MAX: usize = 256;

/// A name and a value that a producer gave to a fragment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    name: String,
    value: String,
}

impl Tag {
    /// A tag of at most [`TAG_NAME_BYTES_MAX`] and [`TAG_VALUE_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// If the name is empty or either is too long.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Result<Self> {
        let (name, value) = (name.into(), value.into());
        if name.is_empty() {
            return Err(Error::TagWithoutName);
        }
        for (what, text, limit) in [
            ("name", &name, TAG_NAME_BYTES_MAX),
            ("value", &value, TAG_VALUE_BYTES_MAX),
        ] {
            if text.len() > limit {
                return Err(Error::TagTooLong {
                    what,
                    bytes: text.len(),
                    limit,
                });
            }
        }
        Ok(Self { name, value })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value, which may be empty.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// Appends the stored form of `tags`.
pub(super) fn encode(tags: &[Tag], out: &mut Vec<u8>) -> Result<()> {
    if tags.len() > TAGS_MAX {
        return Err(Error::TooManyTags {
            tags: tags.len(),
            limit: TAGS_MAX,
        });
    }
    for tag in tags {
        for text in [&tag.name, &tag.value] {
            // Both lengths were checked by `Tag::new`.
            out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
        }
        out.extend_from_slice(tag.name.as_bytes());
        out.extend_from_slice(tag.value.as_bytes());
    }
    Ok(())
}

/// Reads `count` tags, which must fill `bytes`.
pub(super) fn decode(bytes: &Bytes, count: u8) -> Result<Vec<Tag>> {
    if usize::from(count) > TAGS_MAX {
        return Err(Error::TooManyTags {
            tags: usize::from(count),
            limit: TAGS_MAX,
        });
    }
    let mut tags = Vec::with_capacity(usize::from(count));
    let mut rest: &[u8] = bytes;
    for _ in 0..count {
        let name_bytes = usize::from(u16::from_le_bytes(layout::get(rest, 0)?));
        let value_bytes = usize::from(u16::from_le_bytes(layout::get(rest, 2)?));
        let needed = TAG_HEADER_BYTES + name_bytes + value_bytes;
        let cut = || Error::StoredCut {
            needed,
            actual: rest.len(),
        };
        let (tag, after) = rest.split_at_checked(needed).ok_or_else(cut)?;
        let text = tag.get(TAG_HEADER_BYTES..).ok_or_else(cut)?;
        let (name, value) = text.split_at_checked(name_bytes).ok_or_else(cut)?;
        let utf8 = |text: &[u8]| {
            std::str::from_utf8(text)
                .map(str::to_owned)
                .map_err(|_| Error::TagNotText)
        };
        tags.push(Tag::new(utf8(name)?, utf8(value)?)?);
        rest = after;
    }
    if rest.is_empty() {
        Ok(tags)
    } else {
        Err(Error::StoredLength {
            what: "tags",
            declared: crate::rope::length(bytes),
            actual: crate::rope::length(bytes) - crate::rope::length(rest),
        })
    }
}
