//! Writes boxes whose sizes are known only when their content is written.

use super::FourCc;
use crate::error::{Error, Result};

/// A growing buffer of boxes.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// The version and the flags that open a full box.
    pub(crate) fn version_and_flags(&mut self, version: u8, flags: u32) {
        let [_, a, b, c] = flags.to_be_bytes();
        self.bytes(&[version, a, b, c]);
    }

    /// A box whose body `write` appends.
    pub(crate) fn nested<R>(
        &mut self,
        kind: FourCc,
        write: impl FnOnce(&mut Self) -> Result<R>,
    ) -> Result<R> {
        let start = self.bytes.len();
        self.u32(0);
        self.bytes(&kind.0);
        let result = write(self)?;
        let length = self.bytes.len() - start;
        let size = u32::try_from(length).map_err(|_| Error::BoxTooLarge {
            kind,
            offset: u64::try_from(start).unwrap_or(u64::MAX),
            bytes: u64::try_from(length).unwrap_or(u64::MAX),
            limit: u64::from(u32::MAX),
        })?;
        if let Some(field) = self
            .bytes
            .get_mut(start..)
            .and_then(<[u8]>::first_chunk_mut)
        {
            *field = size.to_be_bytes();
        }
        Ok(result)
    }

    /// One of `mp4-atom`'s boxes.
    pub(crate) fn atom<T: mp4_atom::Atom>(&mut self, atom: &T) -> Result<()> {
        mp4_atom::Encode::encode(atom, &mut self.bytes).map_err(|cause| Error::Malformed {
            kind: FourCc(T::KIND.into()),
            reason: cause.to_string(),
        })
    }
}
