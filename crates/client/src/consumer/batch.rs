//! What a consumer hands out: entries as they stand in the log.

use afflux_entry::{Header, Kind, aggregate};
use afflux_types::{Error, Position, Record, Result, SequenceNumber, ServerTime, ShardId};
use afflux_wire::EntryRope;
use bytes::Bytes;

/// One entry of one shard, verified against its producer's checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    shard: ShardId,
    entry: EntryRope,
    skip: u32,
}

/// A record and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Its shard.
    pub shard: ShardId,
    /// Its position.
    pub position: Position,
    /// Its place inside the aggregated record that stands at this position, if [`Delivered::parts`] took
    /// it out of one.
    pub sub_sequence: Option<u64>,
    /// When it arrived.
    pub arrival: ServerTime,
    /// The record.
    pub record: Record,
}

impl Delivered {
    /// The record's number as the API shows it; all parts of an aggregated record have the same.
    #[must_use]
    pub fn sequence_number(&self) -> SequenceNumber {
        SequenceNumber::new(self.shard, self.position)
    }

    /// The records that the Kinesis Producer Library put together into this one, in order; just this one
    /// if it is none of the library's, or damaged.
    ///
    /// Each is made when it is asked for and shares the memory of this one. A consumer that stops in the
    /// middle gets all of them again: places in a stream are those of whole records. After a split or
    /// merge the library may send a part to a shard whose range has no room for its hash key, and then
    /// again to the right one; nothing is left out here.
    pub fn parts(self) -> impl Iterator<Item = Self> + use<> {
        let parts = aggregate::split(&self.record.data);
        let (shard, position, arrival) = (self.shard, self.position, self.arrival);
        let whole = parts.is_none().then_some(self);
        let parts = (0..).zip(parts.into_iter().flatten());
        whole
            .into_iter()
            .chain(parts.map(move |(index, record)| Self {
                shard,
                position,
                sub_sequence: Some(index),
                arrival,
                record,
            }))
    }
}

impl Batch {
    pub(crate) fn new(shard: ShardId, entry: EntryRope, skip: u32) -> Self {
        Self { shard, entry, skip }
    }

    /// The shard that it comes from.
    #[must_use]
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// The entry's header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.entry.header
    }

    /// What the body holds.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.entry.header.kind
    }

    /// The position of the first record that was asked for.
    #[must_use]
    pub fn position(&self) -> Position {
        self.first().advance(u64::from(self.skip))
    }

    /// The position after the last record: where to go on after this batch.
    #[must_use]
    pub fn end(&self) -> Position {
        self.first()
            .advance(u64::from(self.entry.header.record_count))
    }

    /// When the entry arrived.
    #[must_use]
    pub fn arrival(&self) -> ServerTime {
        let stamp = self.entry.header.stamp;
        stamp.map_or_else(ServerTime::default, |stamp| stamp.arrival)
    }

    /// Records that were asked for.
    #[must_use]
    pub fn record_count(&self) -> u32 {
        self.entry.header.record_count.saturating_sub(self.skip)
    }

    /// The body as it came, in pieces that were not copied. It may begin with records before
    /// [`Batch::position`].
    #[must_use]
    pub fn pieces(&self) -> &[Bytes] {
        &self.entry.body
    }

    /// The whole body in one piece; copied if it came in several.
    #[must_use]
    pub fn body(&self) -> Bytes {
        self.entry.contiguous()
    }

    /// Bytes of the entry.
    #[must_use]
    pub fn entry_len(&self) -> usize {
        self.entry.entry_len()
    }

    /// The records that were asked for; they share the memory of one copy of the body. Empty for
    /// video. One error ends the iteration. Aggregated records come whole: see [`Delivered::parts`].
    pub fn records(&self) -> impl Iterator<Item = Result<Delivered>> + use<> {
        let count = match self.kind() {
            Kind::Batch => self.entry.header.record_count,
            Kind::Fragment | Kind::Init | Kind::Marker => 0,
        };
        let body = if count == 0 {
            Bytes::new()
        } else {
            self.body()
        };
        let records = afflux_entry::Batch::records(&body, count);
        let (shard, first, arrival) = (self.shard, self.first(), self.arrival());
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX);
        let numbered = (0_u64..).zip(records).skip(skip);
        numbered.map(move |(index, record)| {
            let record = record.map_err(Error::from)?;
            Ok(Delivered {
                shard,
                position: first.advance(index),
                sub_sequence: None,
                arrival,
                record,
            })
        })
    }

    fn first(&self) -> Position {
        let stamp = self.entry.header.stamp;
        stamp.map_or(Position::ZERO, |stamp| stamp.position)
    }
}

#[cfg(test)]
mod tests {
    use afflux_entry::{BatchBuilder, Stamp};
    use afflux_types::PartitionKey;

    use super::*;

    #[test]
    fn records_before_the_wanted_position_are_left_out() {
        let mut builder = BatchBuilder::default();
        for data in [b"a", b"b", b"c"] {
            builder.push(b"key", None, data);
        }
        let (body, count) = builder.take();
        let mut header = Header::for_body(Kind::Batch, count, None, None, &[&body]);
        header.stamp = Some(Stamp {
            position: Position::new(10),
            arrival: ServerTime::from_millis(7),
            unsynced: 0,
        });
        let entry = EntryRope {
            header,
            body: vec![body.slice(..5), body.slice(5..)],
        };
        let batch = Batch::new(ShardId::new(4), entry, 1);
        assert_eq!((batch.position().get(), batch.end().get()), (11, 13));
        assert_eq!(batch.record_count(), 2);
        let records: Vec<(u64, Bytes)> = batch
            .records()
            .map(|record| {
                let record = record.unwrap();
                (record.position.get(), record.record.data)
            })
            .collect();
        assert_eq!(
            records,
            [
                (11, Bytes::from_static(b"b")),
                (12, Bytes::from_static(b"c"))
            ]
        );
    }

    #[test]
    fn an_aggregated_record_has_parts_and_any_other_is_its_only_one() {
        let record = |key: &str, data: &'static [u8]| {
            Record::new(PartitionKey::new(key).unwrap(), Bytes::from_static(data))
        };
        let delivered = |data: Bytes| Delivered {
            shard: ShardId::new(4),
            position: Position::new(10),
            sub_sequence: None,
            arrival: ServerTime::from_millis(7),
            record: Record::new(PartitionKey::new("a").unwrap(), data),
        };
        let inside = [record("one", b"1"), record("two", b"2")];
        let whole = delivered(aggregate::join(&inside));
        let expected = (0..).zip(inside).map(|(index, record)| Delivered {
            sub_sequence: Some(index),
            record,
            ..whole.clone()
        });
        assert!(whole.clone().parts().eq(expected));
        let mut damaged = whole.record.data.to_vec();
        damaged[5] ^= 1;
        for data in [Bytes::from_static(b"ordinary"), damaged.into()] {
            let ordinary = delivered(data);
            assert!(ordinary.clone().parts().eq([ordinary]));
        }
    }
}
