//! ISO base media file format, the part that every parser here shares: box headers, a bounded
//! walk over the boxes in a slice, and a big-endian reader that cannot run past its box.
//!
//! Containers are walked here, at a depth that the caller's code fixes. Typed boxes of `mp4-atom`
//! are used for leaves only: its containers decode any box inside any box, so that a hostile file
//! chooses the depth of the recursion.
//!
//! Source: ISO/IEC 14496-12, 4.2.

mod reader;
mod writer;

pub(crate) use reader::Reader;
pub(crate) use writer::Writer;

use std::fmt;

use crate::error::{Error, Result};

/// Bytes of a box header with a 32-bit size.
pub(crate) const HEADER_BYTES: u64 = 8;
/// Bytes of a box header with a 64-bit size.
pub(crate) const LARGE_HEADER_BYTES: u64 = 16;

/// The four characters that name a type of box, a codec or a handler.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FourCc(pub [u8; 4]);

impl fmt::Display for FourCc {
    /// Writes the four characters, with anything unprintable escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.escape_ascii())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! four_cc {
    ($($name:ident = $value:literal;)*) => {
        /// The types of box that the parsers here know.
        pub(crate) mod kind {
            use super::FourCc;
            $(pub(crate) const $name: FourCc = FourCc(*$value);)*
        }
    };
}

four_cc! {
    DINF = b"dinf"; EDTS = b"edts"; ELST = b"elst"; EMSG = b"emsg"; ESDS = b"esds";
    FREE = b"free"; FTYP = b"ftyp"; HDLR = b"hdlr"; HMHD = b"hmhd"; MDAT = b"mdat";
    MDHD = b"mdhd"; MDIA = b"mdia"; META = b"meta"; MFHD = b"mfhd"; MFRA = b"mfra";
    MINF = b"minf"; MOOF = b"moof"; MOOV = b"moov"; MVEX = b"mvex"; MVHD = b"mvhd";
    NMHD = b"nmhd"; PDIN = b"pdin"; PRFT = b"prft"; SAIO = b"saio"; SAIZ = b"saiz";
    SENC = b"senc"; SIDX = b"sidx"; SKIP = b"skip"; SMHD = b"smhd"; SSIX = b"ssix";
    STBL = b"stbl"; STHD = b"sthd"; STSD = b"stsd"; STSZ = b"stsz"; STTS = b"stts";
    STYP = b"styp"; STZ2 = b"stz2"; TFDT = b"tfdt"; TFHD = b"tfhd"; TKHD = b"tkhd";
    TRAF = b"traf"; TRAK = b"trak"; TREX = b"trex"; TRUN = b"trun"; UDTA = b"udta";
    UUID = b"uuid"; VMHD = b"vmhd"; WIDE = b"wide";
}

/// A box header as it stands in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BoxHeader {
    pub(crate) kind: FourCc,
    /// Bytes of the header itself, 8 or 16.
    pub(crate) header_bytes: u64,
    /// Bytes of the whole box, header included; at least `header_bytes`.
    pub(crate) bytes: u64,
}

impl BoxHeader {
    /// Reads a header from the front of `input`, or says that more bytes are needed.
    ///
    /// `offset` is where the box starts, for the error.
    pub(crate) fn read(input: &[u8], offset: u64) -> Result<Option<Self>> {
        let Some((size, rest)) = input.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let Some((name, rest)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let kind = FourCc(*name);
        let (header_bytes, bytes) = match u32::from_be_bytes(*size) {
            0 => return Err(Error::BoxWithoutSize { kind, offset }),
            1 => match rest.first_chunk::<8>() {
                Some(size) => (LARGE_HEADER_BYTES, u64::from_be_bytes(*size)),
                None => return Ok(None),
            },
            size => (HEADER_BYTES, u64::from(size)),
        };
        if bytes < header_bytes || offset.checked_add(bytes).is_none() {
            return Err(Error::BoxSize {
                kind,
                offset,
                bytes,
            });
        }
        Ok(Some(Self {
            kind,
            header_bytes,
            bytes,
        }))
    }

    /// Bytes after the header.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.bytes - self.header_bytes
    }
}

/// A box inside a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boxed<'a> {
    pub(crate) kind: FourCc,
    /// The box with its header.
    pub(crate) whole: &'a [u8],
    /// The box without its header.
    pub(crate) body: &'a [u8],
}

impl<'a> Boxed<'a> {
    /// A reader of the body.
    pub(crate) fn reader(&self) -> Reader<'a> {
        Reader::new(self.kind, self.body)
    }

    /// The boxes in the body.
    pub(crate) fn children(&self) -> Boxes<'a> {
        Boxes {
            parent: self.kind,
            rest: self.body,
            offset: 0,
        }
    }

    /// Decodes this leaf with one of `mp4-atom`'s types.
    pub(crate) fn decode<T: mp4_atom::Decode>(&self) -> Result<T> {
        let mut whole = self.whole;
        T::decode(&mut whole).map_err(|cause| Error::Malformed {
            kind: self.kind,
            reason: cause.to_string(),
        })
    }
}

/// The boxes of a slice, one after the other. Fewer than eight bytes at the end are padding.
#[derive(Clone, Debug)]
pub(crate) struct Boxes<'a> {
    parent: FourCc,
    rest: &'a [u8],
    offset: u64,
}

impl<'a> Boxes<'a> {
    /// The boxes in `bytes`, which belong to `parent`.
    pub(crate) fn new(parent: FourCc, bytes: &'a [u8]) -> Self {
        Self {
            parent,
            rest: bytes,
            offset: 0,
        }
    }

    fn read(&mut self) -> Result<Option<Boxed<'a>>> {
        let input = self.rest;
        // Whatever goes wrong, the walk is over.
        self.rest = &[];
        let overrun = || Error::Malformed {
            kind: self.parent,
            reason: "a box in it runs past its end".to_owned(),
        };
        let Some(header) = BoxHeader::read(input, self.offset)? else {
            return if input.len() < 8 {
                Ok(None)
            } else {
                Err(overrun())
            };
        };
        let length = usize::try_from(header.bytes).map_err(|_| overrun())?;
        let header_length = usize::try_from(header.header_bytes).map_err(|_| overrun())?;
        let (whole, rest) = input.split_at_checked(length).ok_or_else(overrun)?;
        let body = whole.get(header_length..).ok_or_else(overrun)?;
        self.rest = rest;
        self.offset += header.bytes;
        Ok(Some(Boxed {
            kind: header.kind,
            whole,
            body,
        }))
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = Result<Boxed<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
