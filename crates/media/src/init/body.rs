//! The body of a stored codec initialisation; FRAGMENT.md, "Codec initialisation".

use bytes::Bytes;

use super::{Init, InitId};
use crate::error::{Error, Result};
use crate::layout::{self, INIT_HEADER_BYTES, VERSION, init};
use crate::limits::Limits;
use crate::rope::length;

impl Init {
    /// The body of the log entry that stores this init: a header and the init's bytes, which are
    /// not copied.
    #[must_use]
    pub fn encode(&self) -> Vec<Bytes> {
        let mut head = vec![0; INIT_HEADER_BYTES];
        layout::put(&mut head, init::VERSION, &[VERSION]);
        // `Limits::init_bytes` was checked when the init was parsed.
        let bytes = u32::try_from(self.bytes().len()).unwrap_or(u32::MAX);
        layout::put(&mut head, init::LENGTH, &bytes.to_le_bytes());
        layout::put(&mut head, init::ID, &self.id().get().to_le_bytes());
        vec![head.into(), self.bytes().clone()]
    }

    /// Reads an init from the body of a log entry, without copying its bytes.
    ///
    /// # Errors
    /// If the body is cut, of an unknown version, or does not hold the init that it names.
    pub fn decode(body: &Bytes, limits: &Limits) -> Result<Self> {
        let [version] = layout::get::<1>(body, init::VERSION)?;
        if version != VERSION {
            return Err(Error::StoredVersion {
                version,
                newest: VERSION,
            });
        }
        let declared = u32::from_le_bytes(layout::get(body, init::LENGTH)?);
        let id = InitId::new(u64::from_le_bytes(layout::get(body, init::ID)?));
        let bytes = body.slice(INIT_HEADER_BYTES.min(body.len())..);
        if usize::try_from(declared) != Ok(bytes.len()) {
            return Err(Error::StoredLength {
                what: "codec initialisation",
                declared: u64::from(declared),
                actual: length(&bytes),
            });
        }
        let parsed = Self::parse(bytes, limits)?;
        if parsed.id() != id {
            return Err(Error::StoredInitId {
                declared: id,
                actual: parsed.id(),
            });
        }
        Ok(parsed)
    }
}
