//! A compressing writer that counts and digests what reaches the file, and that can be put aside.
//!
//! Gzip and zstd files may consist of several members one after the other, so an encoder can end a
//! member, close its file, and go on later with a new member: many files can grow slowly while few
//! are open.

use std::io::{self, BufWriter, Write};

use flate2::write::GzEncoder;
use md5::{Digest, Md5};

use crate::fs::OutFile;
use crate::settings::Compression;

/// Bytes collected before the file is written.
const BUFFER_BYTES: usize = 64 << 10;
/// Of 0 to 9: the gzip command's own default.
const GZIP_LEVEL: u32 = 6;
/// Of 1 to 22: the zstd command's own default.
const ZSTD_LEVEL: i32 = 3;

/// What has reached a file: enough to go on with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    pub(crate) bytes: u64,
    digest: Md5,
}

impl Written {
    /// The MD5 of the bytes, in hexadecimal.
    pub(crate) fn md5(&self) -> String {
        hex(&self.digest.clone().finalize())
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes one member to the end of a file.
pub(crate) enum Encoder {
    Plain(BufWriter<Counted>),
    Gzip(Box<GzEncoder<BufWriter<Counted>>>),
    Zstd(Box<zstd::Encoder<'static, BufWriter<Counted>>>),
}

impl Encoder {
    /// A writer to the end of `file`, of which `written` is already there.
    pub(crate) fn new(
        file: Box<dyn OutFile>,
        written: Written,
        compression: Compression,
    ) -> io::Result<Self> {
        let counted = BufWriter::with_capacity(BUFFER_BYTES, Counted { file, written });
        Ok(match compression {
            Compression::None => Self::Plain(counted),
            Compression::Gzip => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                Self::Gzip(Box::new(GzEncoder::new(counted, level)))
            }
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(counted, ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                Self::Zstd(Box::new(encoder))
            }
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(writer) => writer.write_all(bytes),
            Self::Gzip(writer) => writer.write_all(bytes),
            Self::Zstd(writer) => writer.write_all(bytes),
        }
    }

    /// Ends the member and closes the file, whose bytes need not be durable.
    pub(crate) fn end(self) -> io::Result<Written> {
        Ok(self.counted()?.written)
    }

    /// Ends the member and makes the file durable.
    pub(crate) fn finish(self) -> io::Result<Written> {
        let mut counted = self.counted()?;
        counted.file.sync()?;
        Ok(counted.written)
    }

    fn counted(self) -> io::Result<Counted> {
        let buffered = match self {
            Self::Plain(writer) => writer,
            Self::Gzip(writer) => writer.finish()?,
            Self::Zstd(writer) => writer.finish()?,
        };
        buffered
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encoder")
    }
}

/// A file that counts and digests what is written to it.
pub(crate) struct Counted {
    file: Box<dyn OutFile>,
    written: Written,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.written
            .digest
            .update(bytes.get(..count).unwrap_or_default());
        self.written.bytes += u64::try_from(count).unwrap_or(u64::MAX);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::path::Path;

    use super::*;
    use crate::fs::FileSystem;
    use crate::fs::sim::SimFs;

    fn unpack(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match compression {
            Compression::None => out.extend_from_slice(bytes),
            Compression::Gzip => {
                flate2::read::MultiGzDecoder::new(bytes)
                    .read_to_end(&mut out)
                    .unwrap();
            }
            Compression::Zstd => {
                zstd::Decoder::new(bytes)
                    .unwrap()
                    .read_to_end(&mut out)
                    .unwrap();
            }
        }
        out
    }

    #[test]
    fn a_file_that_was_put_aside_reads_as_one() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let fs = SimFs::new(Path::new("/a"));
            let path = Path::new("/a/f");
            let mut written = Written::default();
            for part in ["one ", "two ", "three"] {
                let file = fs.write_at(path, written.bytes).unwrap();
                let mut encoder = Encoder::new(file, written, compression).unwrap();
                encoder.write(part.as_bytes()).unwrap();
                written = encoder.end().unwrap();
            }
            let bytes = &fs.dump()[path];
            assert_eq!(unpack(compression, bytes), b"one two three");
            assert_eq!(written.bytes, bytes.len() as u64);
            assert_eq!(written.md5(), hex(&Md5::digest(bytes)));
        }
    }
}
