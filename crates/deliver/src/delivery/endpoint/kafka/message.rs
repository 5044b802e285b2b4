//! A record on its way to Kafka, with what its message says besides the payload.
//!
//! ```text
//! shard         4 bytes
//! position      8 bytes
//! sub-sequence  8 bytes  the place inside an aggregated record
//! key length    2 bytes  zero for a record without a key, which comes from no stream that has shards
//! key
//! payload
//! ```
//! That is the payload of a frame of the spool ([`frames`](crate::delivery::frames)); numbers have their highest
//! byte first.

use afflux_transform::Record;
use afflux_types::{Position, SequenceNumber, ShardId};
use bytes::{Buf as _, BufMut as _, Bytes};

const HEAD_BYTES: usize = 22;

/// A record on its way to Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Where the record stands in its stream, and its partition key, if it has one.
    pub(crate) origin: Option<(SequenceNumber, Bytes)>,
    pub(crate) payload: Bytes,
}

impl Message {
    /// What is kept of a record whose message says `payload`.
    pub(crate) fn keep(record: &Record, payload: &[u8]) -> Vec<u8> {
        let origin = record.origin;
        let key = record.partition_key.as_ref();
        let key = key.map_or(&[][..], |key| key.as_bytes());
        let mut kept = Vec::with_capacity(HEAD_BYTES + key.len() + payload.len());
        kept.put_u32(origin.shard.get());
        kept.put_u64(origin.position.get());
        kept.put_u64(origin.sub_sequence.unwrap_or_default());
        // A key has at most 256 characters.
        kept.put_u16(u16::try_from(key.len()).unwrap_or_default());
        kept.put_slice(key);
        kept.put_slice(payload);
        kept
    }

    /// The message of what was kept; none if it is not of this form.
    pub(crate) fn read(mut kept: Bytes) -> Option<Self> {
        let shard = ShardId::new(kept.try_get_u32().ok()?);
        let position = Position::new(kept.try_get_u64().ok()?);
        let sub_sequence = kept.try_get_u64().ok()?;
        let key = usize::from(kept.try_get_u16().ok()?);
        let key = (key <= kept.len()).then(|| kept.split_to(key))?;
        let number = SequenceNumber::new(shard, position).with_sub_sequence(sub_sequence);
        Some(Self {
            origin: (!key.is_empty()).then_some((number, key)),
            payload: kept,
        })
    }
}

#[cfg(test)]
mod tests {
    use afflux_transform::Origin;
    use afflux_types::{PartitionKey, ServerTime};

    use super::*;

    fn kept(key: Option<&str>) -> Bytes {
        let origin = Origin {
            shard: ShardId::new(3),
            position: Position::new(7),
            sub_sequence: Some(2),
        };
        let key = key.map(|key| PartitionKey::new(key).unwrap());
        let data = Bytes::from_static(b"payload");
        let record = Record::new(data, ServerTime::from_millis(0), origin, key);
        Message::keep(&record, &record.data).into()
    }

    #[test]
    fn a_message_is_read_as_it_was_kept() {
        let number = SequenceNumber::new(ShardId::new(3), Position::new(7)).with_sub_sequence(2);
        let longest = "\u{1f980}".repeat(256);
        for key in [Some("k"), Some(&*longest), None] {
            let message = Message::read(kept(key)).unwrap();
            assert_eq!(message.payload, "payload");
            let key = key.map(|key| (number, Bytes::copy_from_slice(key.as_bytes())));
            assert_eq!(message.origin, key);
        }
    }

    #[test]
    fn what_is_cut_within_its_head_is_no_message() {
        let kept = kept(Some("k"));
        for end in 0..=HEAD_BYTES {
            assert_eq!(Message::read(kept.slice(..end)), None);
        }
    }
}
