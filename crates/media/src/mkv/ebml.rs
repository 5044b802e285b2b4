//! EBML, the part that reading and writing Matroska share: numbers of variable length, element
//! headers, a bounded walk over the elements in a slice, and the elements that are written here.
//!
//! Source: RFC 8794 (EBML), RFC 9559 (Matroska).

use std::fmt;

use super::error::Error;

/// The size that says "until something ends it", in one byte.
pub(crate) const UNKNOWN_SIZE: u8 = 0xff;
/// Bytes of the longest element header: an id of four and a size of eight.
pub(crate) const HEADER_BYTES_MAX: usize = 12;

/// An element id, with its length marker, as the specification writes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u32);

macro_rules! ids {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        /// The elements that are read or written here.
        #[allow(missing_docs, reason = "they are named as in RFC 9559")]
        impl Id {
            $(pub(crate) const $name: Self = Self($value);)*

            fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

ids! {
    EBML = 0x1A45_DFA3, "EBML";
    EBML_VERSION = 0x4286, "EBMLVersion";
    EBML_READ_VERSION = 0x42F7, "EBMLReadVersion";
    MAX_ID_LENGTH = 0x42F2, "EBMLMaxIDLength";
    MAX_SIZE_LENGTH = 0x42F3, "EBMLMaxSizeLength";
    DOC_TYPE = 0x4282, "DocType";
    DOC_TYPE_VERSION = 0x4287, "DocTypeVersion";
    DOC_TYPE_READ_VERSION = 0x4285, "DocTypeReadVersion";
    VOID = 0xEC, "Void";
    CRC_32 = 0xBF, "CRC-32";
    SEGMENT = 0x1853_8067, "Segment";
    SEEK_HEAD = 0x114D_9B74, "SeekHead";
    CUES = 0x1C53_BB6B, "Cues";
    CHAPTERS = 0x1043_A770, "Chapters";
    ATTACHMENTS = 0x1941_A469, "Attachments";
    INFO = 0x1549_A966, "Info";
    TIMESTAMP_SCALE = 0x2A_D7B1, "TimestampScale";
    SEGMENT_UID = 0x73A4, "SegmentUID";
    MUXING_APP = 0x4D80, "MuxingApp";
    WRITING_APP = 0x5741, "WritingApp";
    TRACKS = 0x1654_AE6B, "Tracks";
    TRACK_ENTRY = 0xAE, "TrackEntry";
    TRACK_NUMBER = 0xD7, "TrackNumber";
    TRACK_UID = 0x73C5, "TrackUID";
    TRACK_TYPE = 0x83, "TrackType";
    DEFAULT_DURATION = 0x23_E383, "DefaultDuration";
    NAME = 0x536E, "Name";
    LANGUAGE = 0x22_B59C, "Language";
    CODEC_ID = 0x86, "CodecID";
    CODEC_PRIVATE = 0x63A2, "CodecPrivate";
    CODEC_DELAY = 0x56AA, "CodecDelay";
    SEEK_PRE_ROLL = 0x56BB, "SeekPreRoll";
    CONTENT_ENCODINGS = 0x6D80, "ContentEncodings";
    CONTENT_ENCODING = 0x6240, "ContentEncoding";
    VIDEO = 0xE0, "Video";
    PIXEL_WIDTH = 0xB0, "PixelWidth";
    PIXEL_HEIGHT = 0xBA, "PixelHeight";
    AUDIO = 0xE1, "Audio";
    SAMPLING_FREQUENCY = 0xB5, "SamplingFrequency";
    CHANNELS = 0x9F, "Channels";
    BIT_DEPTH = 0x6264, "BitDepth";
    CLUSTER = 0x1F43_B675, "Cluster";
    TIMESTAMP = 0xE7, "Timestamp";
    SIMPLE_BLOCK = 0xA3, "SimpleBlock";
    BLOCK_GROUP = 0xA0, "BlockGroup";
    BLOCK = 0xA1, "Block";
    BLOCK_DURATION = 0x9B, "BlockDuration";
    REFERENCE_BLOCK = 0xFB, "ReferenceBlock";
    ENCRYPTED_BLOCK = 0xAF, "EncryptedBlock";
    TAGS = 0x1254_C367, "Tags";
    TAG = 0x7373, "Tag";
    TARGETS = 0x63C0, "Targets";
    TAG_TRACK_UID = 0x63C5, "TagTrackUID";
    TAG_EDITION_UID = 0x63C9, "TagEditionUID";
    TAG_CHAPTER_UID = 0x63C4, "TagChapterUID";
    TAG_ATTACHMENT_UID = 0x63C6, "TagAttachmentUID";
    SIMPLE_TAG = 0x67C8, "SimpleTag";
    TAG_NAME = 0x45A3, "TagName";
    TAG_STRING = 0x4487, "TagString";
}

impl fmt::Display for Id {
    /// Writes the element's name, or its number in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "element {:#x}", self.0),
        }
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Id {
    /// Whether an element of a Segment has this id, so that it ends a Cluster of unknown size.
    pub(crate) fn is_in_segment(self) -> bool {
        matches!(
            self,
            Self::CLUSTER
                | Self::TAGS
                | Self::CUES
                | Self::SEEK_HEAD
                | Self::INFO
                | Self::TRACKS
                | Self::CHAPTERS
                | Self::ATTACHMENTS
        )
    }
}

/// The header of an element as it stands in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ElementHeader {
    pub(crate) id: Id,
    /// Bytes of the content; `None` if the size is unknown.
    pub(crate) bytes: Option<u64>,
    /// Bytes of the header.
    pub(crate) header_bytes: usize,
}

impl ElementHeader {
    /// Reads a header from the front of `input`, or says that more bytes are needed.
    ///
    /// `offset` is where the element starts, for the error.
    pub(crate) fn read(input: &[u8], offset: u64) -> Result<Option<Self>, Error> {
        let Some(first) = input.first() else {
            return Ok(None);
        };
        let id_bytes = usize::try_from(first.leading_zeros()).unwrap_or(usize::MAX) + 1;
        if id_bytes > 4 {
            return Err(Error::ElementId {
                byte: *first,
                offset,
            });
        }
        let Some((id, rest)) = input.split_at_checked(id_bytes) else {
            return Ok(None);
        };
        let id = Id(id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte)));
        let Some(first) = rest.first() else {
            return Ok(None);
        };
        if *first == 0 {
            return Err(Error::ElementSize { id, offset });
        }
        Ok(number(rest).map(|number| Self {
            id,
            bytes: (!number.is_all_ones).then_some(number.value),
            header_bytes: id_bytes + number.length,
        }))
    }
}

/// A number of variable length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) value: u64,
    /// Bytes that it takes, 1 to 8.
    pub(crate) length: usize,
    /// Whether all its bits are set, which in a size means "unknown".
    pub(crate) is_all_ones: bool,
}

/// Reads a number from the front of `input`, if there is one and it is all there.
pub(crate) fn number(input: &[u8]) -> Option<Number> {
    let first = input.first()?;
    let length = usize::try_from(first.leading_zeros()).ok()? + 1;
    if length > 8 {
        return None;
    }
    let bytes = input.get(..length)?;
    let whole = bytes
        .iter()
        .fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let mask = (1_u64 << (7 * length)) - 1;
    Some(Number {
        value: whole & mask,
        length,
        is_all_ones: whole & mask == mask,
    })
}

/// An element inside a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) id: Id,
    pub(crate) body: &'a [u8],
}

impl<'a> Element<'a> {
    /// The elements in the body.
    pub(crate) fn children(&self) -> Elements<'a> {
        Elements {
            parent: self.id,
            rest: self.body,
        }
    }

    /// The content as an unsigned number of at most eight bytes; none is zero.
    pub(crate) fn unsigned(&self) -> Result<u64, Error> {
        if self.body.len() > 8 {
            return Err(self.malformed("a number has more than 8 bytes"));
        }
        Ok(self
            .body
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// The content as a floating-point number of 0, 4 or 8 bytes.
    pub(crate) fn float(&self) -> Result<f64, Error> {
        match self.body {
            [] => Ok(0.0),
            [a, b, c, d] => Ok(f64::from(f32::from_be_bytes([*a, *b, *c, *d]))),
            body => match body.try_into() {
                Ok(bytes) => Ok(f64::from_be_bytes(bytes)),
                Err(_) => Err(self.malformed("a floating-point number has not 4 or 8 bytes")),
            },
        }
    }

    /// The content as text, without the zeros that may fill it up.
    pub(crate) fn text(&self) -> Result<&'a str, Error> {
        let end = self.body.iter().position(|byte| *byte == 0);
        let text = self.body.get(..end.unwrap_or(self.body.len()));
        std::str::from_utf8(text.unwrap_or_default())
            .map_err(|_| self.malformed("it is not UTF-8 text"))
    }

    pub(crate) fn malformed(&self, reason: &'static str) -> Error {
        Error::Malformed {
            id: self.id,
            reason,
        }
    }
}

/// The elements of a slice, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Elements<'a> {
    parent: Id,
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// The elements in `bytes`, which belong to `parent`.
    pub(crate) fn new(parent: Id, bytes: &'a [u8]) -> Self {
        Self {
            parent,
            rest: bytes,
        }
    }

    fn read(&mut self) -> Result<Option<Element<'a>>, Error> {
        let input = self.rest;
        // Whatever goes wrong, the walk is over.
        self.rest = &[];
        if input.is_empty() {
            return Ok(None);
        }
        let overrun = Error::Malformed {
            id: self.parent,
            reason: "an element in it runs past its end",
        };
        let Some(header) = ElementHeader::read(input, 0)? else {
            return Err(overrun);
        };
        let id = header.id;
        let bytes = header.bytes.ok_or(Error::Malformed {
            id,
            reason: "it has no known size",
        })?;
        let rest = input.get(header.header_bytes..).unwrap_or_default();
        let split = usize::try_from(bytes)
            .ok()
            .and_then(|bytes| rest.split_at_checked(bytes));
        let (body, rest) = split.ok_or(overrun)?;
        self.rest = rest;
        Ok(Some(Element { id, body }))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Appends an element id.
pub(crate) fn put_id(id: Id, out: &mut Vec<u8>) {
    let bytes = id.0.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    out.extend(bytes.iter().skip(zeros));
}

/// Appends a size, in as few bytes as it takes.
///
/// Sizes here are lengths in memory, far below the largest, 2^56 - 2.
pub(crate) fn put_size(size: u64, out: &mut Vec<u8>) {
    let length = size_bytes(size);
    let marked = size | 1 << (7 * length);
    out.extend(marked.to_be_bytes().iter().skip(8 - length));
}

/// Bytes that [`put_size`] takes, 1 to 8.
fn size_bytes(size: u64) -> usize {
    // All ones means "unknown", so the largest number of each length is not used.
    (1..8)
        .find(|length| size < (1 << (7 * length)) - 1)
        .unwrap_or(8)
}

/// Appends an element.
pub(crate) fn put(id: Id, body: &[u8], out: &mut Vec<u8>) {
    put_id(id, out);
    put_size(crate::rope::length(body), out);
    out.extend_from_slice(body);
}

/// Appends an element that holds an unsigned number, in as few bytes as it takes.
pub(crate) fn put_unsigned(id: Id, value: u64, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(7);
    put(id, bytes.get(zeros..).unwrap_or(&bytes), out);
}

/// Appends an element whose content `write` appends.
pub(crate) fn put_nested(id: Id, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::new();
    write(&mut body);
    put(id, &body, out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_take_as_few_bytes_as_they_can() {
        for (size, bytes) in [
            (0, &[0x80][..]),
            (126, &[0xfe]),
            (127, &[0x40, 127]),
            (16_382, &[0x7f, 0xfe]),
            (16_383, &[0x20, 0x3f, 0xff]),
        ] {
            let mut out = Vec::new();
            put_size(size, &mut out);
            assert_eq!(out, bytes, "{size}");
        }
    }

    #[test]
    fn an_unknown_size_has_all_bits_set() {
        for unknown in [&[0xff_u8][..], &[0x01, 255, 255, 255, 255, 255, 255, 255]] {
            let input = [&[0x1f, 0x43, 0xb6, 0x75], unknown].concat();
            let header = ElementHeader::read(&input, 0).unwrap().unwrap();
            assert_eq!((header.id, header.bytes), (Id::CLUSTER, None));
        }
    }

    proptest! {
        #[test]
        fn a_written_element_reads_back(size in 0_usize..40_000, id in 0_usize..4) {
            let id = [Id::TAG, Id::CLUSTER, Id::TIMESTAMP, Id::LANGUAGE][id];
            let mut out = Vec::new();
            put(id, &vec![7; size], &mut out);
            let read: Vec<_> = Elements::new(Id::SEGMENT, &out).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!((read[0].id, read[0].body.len()), (id, size));
        }
    }
}
