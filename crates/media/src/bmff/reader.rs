//! A big-endian reader of one box's body.

use super::FourCc;
use crate::error::{Error, Result};

/// Reads fields from the front of a box's body; running out is an error that names the box.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    kind: FourCc,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(kind: FourCc, body: &'a [u8]) -> Self {
        Self { kind, rest: body }
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.short())?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.short())?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn skip(&mut self, count: usize) -> Result<()> {
        self.bytes(count).map(drop)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// The version and the flags that open a full box; a version above `newest` is an error.
    pub(crate) fn version_and_flags(&mut self, newest: u8) -> Result<(u8, u32)> {
        let [version, flags @ ..] = self.array::<4>()?;
        if version > newest {
            return Err(Error::UnknownVersion {
                kind: self.kind,
                version,
                newest,
            });
        }
        let [a, b, c] = flags;
        Ok((version, u32::from_be_bytes([0, a, b, c])))
    }

    fn short(&self) -> Error {
        Error::Malformed {
            kind: self.kind,
            reason: "it ends inside a field".to_owned(),
        }
    }
}
