//! Compresses what goes into one object.
//!
//! # Shape
//! `Snappy` of Firehose is neither raw Snappy nor its framing format but the stream of the snappy-java library,
//! `HADOOP_SNAPPY` what Hadoop's `SnappyCodec` reads; `blocks` writes both. A ZIP archive has one entry.
//!
//! # Invariants
//! - The same bytes in give the same bytes out, whatever the calls of `write` were: no times, no names of files,
//!   and compressors get blocks of one size, because what they give depends on what they see at once.
//! - Nothing is held back but a block: memory does not grow with the object.

mod blocks;

use std::io::{self, Write};

use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use blocks::{Blocks, Framing};

/// What compressors get at once, and what a block of Snappy holds: as much as those of snappy-java do by default.
const BLOCK_BYTES: usize = 32 * 1024;

/// How objects are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// `GZIP`: one member.
    Gzip,
    /// `ZIP`: an archive with one entry.
    Zip,
    /// `Snappy`: blocks behind the header of snappy-java.
    Snappy,
    /// `HADOOP_SNAPPY`: blocks as Hadoop's codec has them.
    HadoopSnappy,
    /// Zstandard, which Firehose does not have.
    Zstd,
}

impl Compression {
    /// The ending that names of objects get, with its period.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zip => ".zip",
            Self::Snappy | Self::HadoopSnappy => ".snappy",
            Self::Zstd => ".zst",
        }
    }

    /// The `Content-Encoding` that Firehose gives such objects.
    #[must_use]
    pub fn content_encoding(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zip => Some("zip"),
            Self::Snappy => Some("snappy-java"),
            Self::HadoopSnappy => Some("hadoop-snappy"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// Compresses into a writer; [`finish`](Self::finish) gives the writer back.
pub struct Encoder<W: Write> {
    inner: Inner<W>,
    block: Vec<u8>,
}

enum Inner<W: Write> {
    Plain(W),
    Gzip(GzEncoder<W>),
    Zip(Box<ZipWriter<StreamWriter<W>>>),
    Blocks(Box<Blocks<W>>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> std::fmt::Debug for Encoder<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl<W: Write> Encoder<W> {
    /// Opens the compressed form of an object. Its id names the entry of a ZIP archive, and nothing else.
    ///
    /// # Errors
    /// If the writer does not take the header, or there is no memory for the compressor.
    pub fn new(compression: Compression, writer: W, id: [u8; 16]) -> io::Result<Self> {
        let inner = match compression {
            Compression::None => Inner::Plain(writer),
            Compression::Gzip => {
                Inner::Gzip(GzEncoder::new(writer, flate2::Compression::default()))
            }
            Compression::Zip => Inner::Zip(Box::new(archive(writer, id)?)),
            Compression::Snappy => Inner::Blocks(Box::new(Blocks::new(Framing::Xerial, writer)?)),
            Compression::HadoopSnappy => {
                Inner::Blocks(Box::new(Blocks::new(Framing::Hadoop, writer)?))
            }
            Compression::Zstd => Inner::Zstd(zstd::Encoder::new(writer, 0)?),
        };
        Ok(Self {
            inner,
            block: Vec::with_capacity(BLOCK_BYTES),
        })
    }

    /// Writes what is left and returns the writer.
    ///
    /// # Errors
    /// If the writer does not take it.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_block()?;
        match self.inner {
            Inner::Plain(writer) => Ok(writer),
            Inner::Gzip(encoder) => encoder.finish(),
            Inner::Zip(archive) => Ok(archive.finish().map_err(io::Error::from)?.into_inner()),
            Inner::Blocks(blocks) => Ok(blocks.finish()),
            Inner::Zstd(encoder) => encoder.finish(),
        }
    }

    fn write_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        match &mut self.inner {
            Inner::Plain(_) => {}
            Inner::Gzip(encoder) => encoder.write_all(&self.block)?,
            Inner::Zip(archive) => archive.write_all(&self.block)?,
            Inner::Blocks(blocks) => blocks.write_block(&self.block)?,
            Inner::Zstd(encoder) => encoder.write_all(&self.block)?,
        }
        self.block.clear();
        Ok(())
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Inner::Plain(writer) = &mut self.inner {
            return writer.write(bytes);
        }
        let room = BLOCK_BYTES - self.block.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.block.extend_from_slice(taken);
        if self.block.len() == BLOCK_BYTES {
            self.write_block()?;
        }
        Ok(taken.len())
    }

    /// Does nothing: what is held back is written by [`finish`](Self::finish), because compressing it sooner would
    /// change the bytes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn archive<W: Write>(writer: W, id: [u8; 16]) -> io::Result<ZipWriter<StreamWriter<W>>> {
    let mut archive = ZipWriter::new_stream(writer);
    let options = SimpleFileOptions::DEFAULT
        .compression_method(CompressionMethod::Deflated)
        .large_file(false);
    archive.start_file(Uuid::from_bytes(id).to_string(), options)?;
    Ok(archive)
}

#[cfg(test)]
mod tests;
