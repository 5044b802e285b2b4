//! Snappy in blocks, in the two framings that Java programs read.
//!
//! # Shape
//! Integers have four bytes, big end first.
//!
//! | framing | header | each block |
//! |---|---|---|
//! | snappy-java | `82 "SNAPPY" 00`, version 1, compatible with version 1 | length, compressed bytes |
//! | Hadoop | none | length of the plain bytes, length, compressed bytes |
//!
//! Readers take blocks of any size.

use std::io::{self, Write};

use snap::raw::Encoder;

const HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";

/// How blocks are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// As `SnappyOutputStream` of snappy-java does, by Xerial.
    Xerial,
    /// As Hadoop's `SnappyCodec` does.
    Hadoop,
}

/// Writes blocks compressed.
pub(super) struct Blocks<W> {
    framing: Framing,
    writer: W,
    encoder: Encoder,
}

impl<W: Write> Blocks<W> {
    pub(super) fn new(framing: Framing, mut writer: W) -> io::Result<Self> {
        if framing == Framing::Xerial {
            writer.write_all(&HEADER)?;
        }
        Ok(Self {
            framing,
            writer,
            encoder: Encoder::new(),
        })
    }

    pub(super) fn finish(self) -> W {
        self.writer
    }

    pub(super) fn write_block(&mut self, block: &[u8]) -> io::Result<()> {
        let compressed = self.encoder.compress_vec(block)?;
        if self.framing == Framing::Hadoop {
            self.write_length(block.len())?;
        }
        self.write_length(compressed.len())?;
        self.writer.write_all(&compressed)
    }

    fn write_length(&mut self, length: usize) -> io::Result<()> {
        let length = u32::try_from(length).map_err(io::Error::other)?;
        self.writer.write_all(&length.to_be_bytes())
    }
}
