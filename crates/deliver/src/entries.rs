//! Whole stamped entries, one after the other, as the stream hands them out.

use afflux_entry::{HEADER_LEN, Header, Stamp};
use afflux_types::{Position, ShardId};
use bytes::Bytes;

use crate::fault::{Fault, Result};

/// An entry whose checksum is right.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) header: Header,
    pub(crate) stamp: Stamp,
    pub(crate) body: Bytes,
}

impl Entry {
    /// Takes the first entry of `rest`, which stands at or before `next`.
    pub(crate) fn take(rest: &mut Bytes, shard: ShardId, next: Position) -> Result<Self> {
        let header = Header::decode(rest).map_err(|error| unreadable(shard, next, &error))?;
        let stamp = header
            .stamp
            .ok_or_else(|| unreadable(shard, next, &"it has no stamp"))?;
        if rest.len() < header.entry_len() {
            let reason = format!("it has {} of {} bytes", rest.len(), header.entry_len());
            return Err(unreadable(shard, stamp.position, &reason));
        }
        let body = rest.split_to(header.entry_len()).slice(HEADER_LEN..);
        header
            .verify(&[&body])
            .map_err(|error| unreadable(shard, stamp.position, &error))?;
        Ok(Self {
            header,
            stamp,
            body,
        })
    }

    /// Lets go of the records before `position`, which stands where `rest` of the body begins.
    pub(crate) fn skip_to(&mut self, position: Position, rest: &[u8]) {
        let left = self.header.end().get().saturating_sub(position.get());
        self.header.record_count = u32::try_from(left).unwrap_or(u32::MAX);
        self.stamp.position = position;
        self.header.stamp = Some(self.stamp);
        self.body = self.body.slice_ref(rest);
    }
}

pub(crate) fn unreadable(
    shard: ShardId,
    position: Position,
    reason: &dyn std::fmt::Display,
) -> Fault {
    Fault::Entry {
        shard,
        position,
        reason: reason.to_string(),
    }
}
