//! What a consumer hands out: entries as they stand in the log.

use afflux_entry::{Header, Kind};
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
    /// When it arrived.
    pub arrival: ServerTime,
    /// The record.
    pub record: Record,
}

impl Delivered {
    /// The record's number as the API shows it.
    #[must_use]
    pub fn sequence_number(&self) -> SequenceNumber {
        SequenceNumber::new(self.shard, self.position)
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
    /// video. One error ends the iteration.
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
}
