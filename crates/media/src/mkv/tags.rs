//! Tags: names and values beside the media.
//!
//! Kinesis Video Streams keeps a fragment's metadata in them. Tags that name a track or a chapter
//! describe the file, as ffmpeg's do, and are no metadata of a fragment.

use bytes::Bytes;

use super::ebml::{self, Element, Elements, Id};
use super::error::Error;

/// Bytes of one Tags element; the most that ten tags of Kinesis Video Streams take is 4 KiB.
pub(super) const TAGS_BYTES_MAX: u64 = 1 << 18;
/// Names with values in one Tags element.
const TAGS_MAX: usize = 1_024;

/// With this tag a producer says that the fragment is complete.
pub const END_OF_FRAGMENT: &str = "AWS_KINESISVIDEO_END_OF_FRAGMENT";

/// A Tags element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags {
    bytes: Bytes,
    tags: Vec<Tag>,
}

/// A name with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The name, of any length.
    pub name: String,
    /// The value; empty if there is none or it is not text.
    pub value: String,
    /// What it describes.
    pub scope: Scope,
}

/// What a tag describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The fragment: nothing else is named, as the producer SDKs write it.
    Fragment,
    /// The file: targets are given and name no part of it, as ffmpeg and mkvmerge write it.
    File,
    /// A track, an edition, a chapter or an attachment.
    Part,
}

impl Tags {
    /// Reads a whole element.
    pub(super) fn read(bytes: Bytes) -> Result<Self, Error> {
        let mut tags = Vec::new();
        for element in Elements::new(Id::SEGMENT, &bytes) {
            for tag in element?.children() {
                let tag = tag?;
                if tag.id == Id::TAG {
                    read_tag(&tag, &mut tags)?;
                }
            }
        }
        Ok(Self { bytes, tags })
    }

    /// The element as it was received.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What it says, in order.
    #[must_use]
    pub fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// Whether it says that the fragment is complete.
    #[must_use]
    pub fn ends_fragment(&self) -> bool {
        self.tags.iter().any(|tag| tag.name == END_OF_FRAGMENT)
    }
}

fn read_tag(tag: &Element<'_>, tags: &mut Vec<Tag>) -> Result<(), Error> {
    let mut scope = Scope::Fragment;
    for child in tag.children() {
        let child = child?;
        if child.id == Id::TARGETS && scope != Scope::Part {
            scope = read_targets(&child)?;
        }
    }
    for child in tag.children() {
        let child = child?;
        if child.id != Id::SIMPLE_TAG {
            continue;
        }
        if tags.len() >= TAGS_MAX {
            return Err(Error::TooManyTags { limit: TAGS_MAX });
        }
        let (mut name, mut value) = (None, "");
        for field in child.children() {
            let field = field?;
            match field.id {
                Id::TAG_NAME => name = Some(field.text()?),
                Id::TAG_STRING => value = field.text()?,
                _ => {}
            }
        }
        tags.push(Tag {
            name: name.unwrap_or_default().to_owned(),
            value: value.to_owned(),
            scope,
        });
    }
    Ok(())
}

fn read_targets(targets: &Element<'_>) -> Result<Scope, Error> {
    for target in targets.children() {
        let target = target?;
        let names_part = matches!(
            target.id,
            Id::TAG_TRACK_UID | Id::TAG_EDITION_UID | Id::TAG_CHAPTER_UID | Id::TAG_ATTACHMENT_UID
        );
        if names_part && target.unsigned()? != 0 {
            return Ok(Scope::Part);
        }
    }
    Ok(Scope::File)
}

/// One Tags element with one Tag, the form in which Kinesis Video Streams writes its own; nothing
/// if there are no tags.
pub fn tags<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Bytes {
    let mut body = Vec::new();
    for (name, value) in tags {
        ebml::put_nested(Id::SIMPLE_TAG, &mut body, |tag| {
            ebml::put(Id::TAG_NAME, name.as_bytes(), tag);
            ebml::put(Id::TAG_STRING, value.as_bytes(), tag);
        });
    }
    if body.is_empty() {
        return Bytes::new();
    }
    let mut out = Vec::with_capacity(body.len() + 16);
    ebml::put_nested(Id::TAGS, &mut out, |tags| ebml::put(Id::TAG, &body, tags));
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_tags_read_back() {
        let bytes = tags([("camera", "north"), (END_OF_FRAGMENT, "")]);
        let read = Tags::read(bytes.clone()).unwrap();
        assert_eq!(read.bytes(), &bytes);
        assert_eq!(
            (&*read.tags()[0].name, &*read.tags()[0].value),
            ("camera", "north")
        );
        assert!(read.ends_fragment());
        assert_eq!(read.tags()[0].scope, Scope::Fragment);
        assert!(tags([]).is_empty());
    }

    #[test]
    fn targets_say_what_a_tag_describes() {
        let simple = [0x67, 0xc8, 0x85, 0x45, 0xa3, 0x82, b'x', 0];
        for (targets, scope) in [
            (&[0x63, 0xc0, 0x84, 0x63, 0xc5, 0x81, 1][..], Scope::Part),
            (&[0x63, 0xc0, 0x84, 0x68, 0xca, 0x81, 50], Scope::File),
            (&[0x63, 0xc0, 0x84, 0x63, 0xc5, 0x81, 0], Scope::File),
            (&[0x63, 0xc0, 0x80], Scope::File),
            (&[], Scope::Fragment),
        ] {
            let mut out = Vec::new();
            ebml::put_nested(Id::TAGS, &mut out, |out| {
                ebml::put(Id::TAG, &[targets, &simple].concat(), out);
            });
            let read = Tags::read(out.into()).unwrap();
            assert_eq!((&*read.tags()[0].name, read.tags()[0].scope), ("x", scope));
        }
    }
}
