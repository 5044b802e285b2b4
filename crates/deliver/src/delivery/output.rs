//! Files of the spool while they are written: counted, and digested if somebody asks for that.

use std::io::{self, BufWriter, Write};

use sha2::{Digest as _, Sha256};

use crate::fs::OutFile;

/// Bytes that are written at once.
const CHUNK_BYTES: usize = 256 << 10;

/// A file of the spool that is being written.
pub(super) type Output = BufWriter<Counted>;

/// A file as it is written; its bytes are digested if `digests`.
pub(super) fn output(file: Box<dyn OutFile>, digests: bool) -> Output {
    let counted = Counted {
        file,
        bytes: 0,
        digest: digests.then(Sha256::new),
    };
    BufWriter::with_capacity(CHUNK_BYTES, counted)
}

/// Makes a file durable; gives its bytes and their digest in hexadecimal.
pub(super) fn complete(output: Output) -> io::Result<(u64, Option<String>)> {
    let counted = output.into_inner();
    let mut counted = counted.map_err(io::IntoInnerError::into_error)?;
    counted.file.sync()?;
    let digest = counted.digest.map(|digest| hex(&digest.finalize()));
    Ok((counted.bytes, digest))
}

/// Bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Counts what is written, and digests it if asked to.
pub(super) struct Counted {
    file: Box<dyn OutFile>,
    bytes: u64,
    digest: Option<Sha256>,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        if let Some(digest) = &mut self.digest {
            digest.update(bytes.get(..written).unwrap_or_default());
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
