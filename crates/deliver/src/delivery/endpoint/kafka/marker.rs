//! What a transaction leaves in the cluster along with its messages: which request they were.
//!
//! It is the offset of a consumer group that nobody is a member of, on partition 0 of the topic: the offset is the
//! number of the batch, and its metadata, with a space between two,
//!
//! - the batch's fingerprint, which no other server has that works with a copy of this one's data,
//! - the place of the request in the batch's intent,
//! - and, if there are some, the records that are *not* in the topic because it cannot take them: a bit for each, in
//!   base64. Those of the largest request take 1,668 characters of the 4,096 that a broker allows.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;

use super::BatchId;

/// The request that was committed last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) batch: BatchId,
    /// Its place in the intent.
    pub(super) object: usize,
    /// Records of it that are not in the topic, by their places in its file.
    pub(super) refused: BTreeSet<usize>,
}

/// How a request stands to a marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is not in the topic.
    Ahead,
    /// It is, but for these records.
    Committed(BTreeSet<usize>),
    /// The topic has this batch or a later one from a server that is not this one, or not any more.
    Foreign,
}

impl Marker {
    /// How a request stands to it, which has this place in the intent of its batch.
    pub(super) fn standing(&self, batch: BatchId, object: usize) -> Standing {
        if batch.number > self.batch.number {
            return Standing::Ahead;
        }
        if batch != self.batch {
            return Standing::Foreign;
        }
        match object.cmp(&self.object) {
            Ordering::Greater => Standing::Ahead,
            Ordering::Equal => Standing::Committed(self.refused.clone()),
            // Records of it that were refused are in an error object of the intent since before this marker.
            Ordering::Less => Standing::Committed(BTreeSet::new()),
        }
    }

    /// The offset.
    pub(super) fn offset(&self) -> i64 {
        i64::try_from(self.batch.number).unwrap_or(i64::MAX)
    }

    /// What stands beside the offset.
    pub(super) fn metadata(&self) -> String {
        let told = format!("{:016x} {}", self.batch.fingerprint, self.object);
        let Some(last) = self.refused.last() else {
            return told;
        };
        let mut bits = vec![0; last / 8 + 1];
        for ordinal in &self.refused {
            if let Some(byte) = bits.get_mut(ordinal / 8) {
                *byte |= 1_u8 << (ordinal % 8);
            }
        }
        format!("{told} {}", BASE64.encode(bits))
    }

    /// The marker that an offset and its metadata are; none if they are not.
    pub(super) fn read(offset: i64, metadata: &str) -> Option<Self> {
        let (fingerprint, told) = metadata.split_once(' ')?;
        let (object, bits) = match told.split_once(' ') {
            Some((object, bits)) => (object, BASE64.decode(bits).ok()?),
            None => (told, Vec::new()),
        };
        let bytes = bits.iter().enumerate();
        let refused = bytes.flat_map(|(index, byte)| {
            let bits = (0..8).filter(move |bit| byte >> bit & 1 == 1);
            bits.map(move |bit| index * 8 + bit)
        });
        Some(Self {
            batch: BatchId {
                number: u64::try_from(offset).ok()?,
                fingerprint: u64::from_str_radix(fingerprint, 16).ok()?,
            },
            object: object.parse().ok()?,
            refused: refused.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::RECORDS_MAX;
    use super::*;

    fn batch(number: u64) -> BatchId {
        BatchId {
            number,
            fingerprint: 0xab,
        }
    }

    fn marker(refused: impl IntoIterator<Item = usize>) -> Marker {
        Marker {
            batch: batch(5),
            object: 2,
            refused: refused.into_iter().collect(),
        }
    }

    #[test]
    fn a_marker_is_read_as_it_was_written() {
        let most = usize::try_from(RECORDS_MAX).unwrap();
        for refused in [vec![], vec![0], vec![7, 8, 300], (0..most).collect()] {
            let marker = marker(refused);
            let metadata = marker.metadata();
            assert!(metadata.len() < 2_000, "{}", metadata.len());
            assert_eq!(Marker::read(marker.offset(), &metadata), Some(marker));
        }
        assert_eq!(marker([]).metadata(), "00000000000000ab 2");
        assert_eq!(marker([1, 3]).metadata(), "00000000000000ab 2 Cg");
        for metadata in ["", "2", "x 2", "ab x", "ab 2 ?", "ab -1"] {
            assert_eq!(Marker::read(5, metadata), None, "{metadata}");
        }
        assert_eq!(Marker::read(-1, "ab 2"), None);
    }

    #[test]
    fn a_request_is_known_by_its_batch_and_its_place() {
        let marker = marker([3]);
        assert_eq!(marker.standing(batch(4), 9), Standing::Foreign);
        assert_eq!(marker.standing(batch(5), 1), Standing::Committed([].into()));
        assert_eq!(
            marker.standing(batch(5), 2),
            Standing::Committed([3].into())
        );
        assert_eq!(marker.standing(batch(5), 3), Standing::Ahead);
        assert_eq!(marker.standing(batch(6), 0), Standing::Ahead);
        let other = BatchId {
            fingerprint: 0xcd,
            ..batch(5)
        };
        for object in 1..=3 {
            assert_eq!(marker.standing(other, object), Standing::Foreign);
        }
    }
}
