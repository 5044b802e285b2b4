//! The entry header: what the producer writes and what the server stamps.

use afflux_types::limits::{
    BATCH_BODY_BYTES_MAX, ENTRY_BODY_BYTES_MAX, ENTRY_RECORDS_MAX, INIT_BYTES_MAX,
};
use afflux_types::{Position, ProducerTime, ServerTime};

use crate::checksum::{Checksum, crc32c};
use crate::error::EntryError;
use crate::sealed::SEALED_OVERHEAD;

/// Bytes of a header.
pub const HEADER_LEN: usize = 72;

const MAGIC: [u8; 4] = *b"AFXE";
const VERSION: u8 = 1;
const FLAG_KEY_FRAME: u16 = 0x0001;
const FLAG_SEALED: u16 = 0x0002;
const PRODUCER_TIME_NONE: i64 = i64::MIN;

const AT_VERSION: usize = 4;
const AT_KIND: usize = 5;
const AT_FLAGS: usize = 6;
const AT_BODY_LEN: usize = 8;
const AT_RECORD_COUNT: usize = 12;
const AT_PRODUCER_ID: usize = 16;
const AT_PRODUCER_SEQUENCE: usize = 24;
const AT_PRODUCER_TIME: usize = 32;
const AT_CHECKSUM: usize = 40;
const AT_UNSYNCED: usize = 44;
const AT_POSITION: usize = 48;
const AT_ARRIVAL_TIME: usize = 56;
const AT_HEADER_CHECKSUM: usize = 68;

/// What an entry's body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Records, one after the other.
    Batch = 1,
    /// One video fragment.
    Fragment = 2,
    /// The codec initialisation that the fragments after it need.
    Init = 3,
    /// The engine's own note; consumers skip it.
    Marker = 4,
}

impl Kind {
    /// The kind in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Batch => "record batch",
            Self::Fragment => "video fragment",
            Self::Init => "codec initialisation",
            Self::Marker => "shard marker",
        }
    }

    /// The largest body of this kind.
    #[must_use]
    pub fn body_bytes_max(self) -> usize {
        match self {
            Self::Batch => BATCH_BODY_BYTES_MAX,
            Self::Fragment => ENTRY_BODY_BYTES_MAX,
            Self::Init => INIT_BYTES_MAX + 4_096,
            Self::Marker => 16 << 20,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Batch, Self::Fragment, Self::Init, Self::Marker]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }

    fn allows_count(self, count: u32) -> bool {
        match self {
            Self::Batch => count >= 1 && count as usize <= ENTRY_RECORDS_MAX,
            Self::Fragment => count == 1,
            Self::Init | Self::Marker => count == 0,
        }
    }
}

/// Who sent an entry, so that a retry is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Producer {
    /// Never zero.
    pub id: u64,
    /// Counts this producer's entries to one shard, from 1.
    pub sequence: u64,
}

/// What the server adds to an entry when it takes it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Of the first record.
    pub position: Position,
    /// Never decreases within a shard.
    pub arrival: ServerTime,
    /// Bytes of the segment before this entry that were not known to be durable, saturating.
    pub unsynced: u32,
}

/// A decoded header.
///
/// The fields above `checksum` are covered by it together with the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the body holds.
    pub kind: Kind,
    /// Whether a fragment starts with a key frame.
    pub key_frame: bool,
    /// Whether the body is encrypted, which only the server's own disk sees.
    pub sealed: bool,
    /// Bytes of the body as it stands here.
    pub body_len: u32,
    /// Positions that the entry takes.
    pub record_count: u32,
    /// Who sent it, if retries are to be recognised.
    pub producer: Option<Producer>,
    /// The producer's own time for the entry.
    pub producer_time: Option<ProducerTime>,
    /// CRC-32C of the producer's part of the header and of the body.
    pub checksum: u32,
    /// `None` until the server has taken the entry in.
    pub stamp: Option<Stamp>,
}

impl Header {
    /// An unstamped header for `body`, given in pieces; computes length and checksum.
    ///
    /// # Panics
    /// If the body is longer than 4 GiB.
    #[must_use]
    pub fn for_body(
        kind: Kind,
        record_count: u32,
        producer: Option<Producer>,
        producer_time: Option<ProducerTime>,
        body: &[impl AsRef<[u8]>],
    ) -> Self {
        let body_len = body.iter().map(|piece| piece.as_ref().len()).sum::<usize>();
        let mut header = Self {
            kind,
            key_frame: false,
            sealed: false,
            body_len: u32::try_from(body_len).expect("a body is bounded far below 4 GiB"),
            record_count,
            producer,
            producer_time,
            checksum: 0,
            stamp: None,
        };
        header.cover(body);
        header
    }

    /// The same header marked as starting with a key frame, with its checksum computed anew.
    #[must_use]
    pub fn with_key_frame(mut self, key_frame: bool, body: &[impl AsRef<[u8]>]) -> Self {
        self.key_frame = key_frame;
        self.cover(body);
        self
    }

    /// The header of the same entry around another form of its body, sealed or plain; computes length
    /// and checksum anew and keeps the stamp.
    ///
    /// # Panics
    /// If the body is longer than 4 GiB.
    #[must_use]
    pub fn with_body(mut self, sealed: bool, body: &[u8]) -> Self {
        self.sealed = sealed;
        self.body_len = u32::try_from(body.len()).expect("a body is bounded far below 4 GiB");
        self.cover(&[body]);
        self
    }

    fn cover(&mut self, body: &[impl AsRef<[u8]>]) {
        let mut checksum = self.checksum_start();
        for piece in body {
            checksum.update(piece.as_ref());
        }
        self.checksum = checksum.finish();
    }

    /// The checksum over the producer's part of the header; feed it the body and compare its end
    /// with [`Header::checksum`].
    #[must_use]
    pub fn checksum_start(&self) -> Checksum {
        let bytes = self.encode();
        let mut checksum = Checksum::new();
        checksum.update(&bytes[..AT_CHECKSUM]);
        checksum
    }

    /// Compares the producer's checksum with the header and `body`.
    ///
    /// # Errors
    /// `Checksum` if they differ.
    pub fn verify(&self, body: &[impl AsRef<[u8]>]) -> Result<(), EntryError> {
        let mut checksum = self.checksum_start();
        for piece in body {
            checksum.update(piece.as_ref());
        }
        self.verify_finished(&checksum)
    }

    /// Compares the producer's checksum with one that has seen the whole body.
    ///
    /// # Errors
    /// `Checksum` if they differ.
    pub fn verify_finished(&self, checksum: &Checksum) -> Result<(), EntryError> {
        let computed = checksum.finish();
        if computed != self.checksum {
            return Err(EntryError::Checksum {
                found: self.checksum,
                computed,
            });
        }
        Ok(())
    }

    /// Bytes of header and body together.
    #[must_use]
    pub fn entry_len(&self) -> usize {
        HEADER_LEN + self.body_len as usize
    }

    /// The position after the entry's last record.
    ///
    /// # Panics
    /// If the header is not stamped.
    #[must_use]
    pub fn end(&self) -> Position {
        let stamp = self.stamp.expect("only a stamped entry has positions");
        stamp.position.advance(u64::from(self.record_count))
    }

    /// The 72 bytes of the header, stamped if `stamp` is given.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &MAGIC);
        put(AT_VERSION, &[VERSION]);
        put(AT_KIND, &[self.kind as u8]);
        let key_frame = if self.key_frame { FLAG_KEY_FRAME } else { 0 };
        let sealed = if self.sealed { FLAG_SEALED } else { 0 };
        put(AT_FLAGS, &(key_frame | sealed).to_le_bytes());
        put(AT_BODY_LEN, &self.body_len.to_le_bytes());
        put(AT_RECORD_COUNT, &self.record_count.to_le_bytes());
        if let Some(producer) = self.producer {
            put(AT_PRODUCER_ID, &producer.id.to_le_bytes());
            put(AT_PRODUCER_SEQUENCE, &producer.sequence.to_le_bytes());
        }
        let time = self
            .producer_time
            .map_or(PRODUCER_TIME_NONE, ProducerTime::as_millis);
        put(AT_PRODUCER_TIME, &time.to_le_bytes());
        put(AT_CHECKSUM, &self.checksum.to_le_bytes());
        if let Some(stamp) = self.stamp {
            put(AT_UNSYNCED, &stamp.unsynced.to_le_bytes());
            put(AT_POSITION, &stamp.position.get().to_le_bytes());
            put(AT_ARRIVAL_TIME, &stamp.arrival.as_millis().to_le_bytes());
            let crc = crc32c(&bytes[..AT_HEADER_CHECKSUM]);
            bytes[AT_HEADER_CHECKSUM..].copy_from_slice(&crc.to_le_bytes());
        }
        bytes
    }

    /// Reads the producer's part of a header and ignores the server's.
    ///
    /// # Errors
    /// Any [`EntryError`] but the checksums: magic, version, kind, flags, lengths and counts are
    /// checked here. A sealed entry has an unknown flag: a producer cannot send one.
    pub fn decode_unstamped(bytes: &[u8]) -> Result<Self, EntryError> {
        Self::parse(bytes, FLAG_KEY_FRAME)
    }

    fn parse(bytes: &[u8], known_flags: u16) -> Result<Self, EntryError> {
        let short = || EntryError::Short {
            len: bytes.len(),
            needed: HEADER_LEN,
        };
        let bytes: &[u8; HEADER_LEN] = bytes
            .get(..HEADER_LEN)
            .and_then(|head| head.try_into().ok())
            .ok_or_else(short)?;
        let magic = array(bytes, 0);
        if magic != MAGIC {
            return Err(EntryError::Magic(magic));
        }
        if bytes[AT_VERSION] != VERSION {
            return Err(EntryError::Version(bytes[AT_VERSION]));
        }
        let kind = Kind::from_byte(bytes[AT_KIND]).ok_or(EntryError::Kind(bytes[AT_KIND]))?;
        let flags = u16::from_le_bytes(array(bytes, AT_FLAGS));
        let sealed = flags & FLAG_SEALED != 0;
        // The engine's own notes are read without keys.
        if flags & !known_flags != 0 || (sealed && kind == Kind::Marker) {
            return Err(EntryError::Flags(flags));
        }
        let body_len = u32::from_le_bytes(array(bytes, AT_BODY_LEN));
        check_body_len(body_len as usize, kind, sealed)?;
        let record_count = u32::from_le_bytes(array(bytes, AT_RECORD_COUNT));
        if !kind.allows_count(record_count) {
            return Err(EntryError::RecordCount {
                kind: kind.name(),
                count: record_count,
            });
        }
        let producer_id = u64::from_le_bytes(array(bytes, AT_PRODUCER_ID));
        let producer_time = i64::from_le_bytes(array(bytes, AT_PRODUCER_TIME));
        Ok(Self {
            kind,
            key_frame: flags & FLAG_KEY_FRAME != 0,
            sealed,
            body_len,
            record_count,
            producer: (producer_id != 0).then(|| Producer {
                id: producer_id,
                sequence: u64::from_le_bytes(array(bytes, AT_PRODUCER_SEQUENCE)),
            }),
            producer_time: (producer_time != PRODUCER_TIME_NONE)
                .then(|| ProducerTime::from_millis(producer_time)),
            checksum: u32::from_le_bytes(array(bytes, AT_CHECKSUM)),
            stamp: None,
        })
    }

    /// Reads a stamped header as readers get it, and verifies its checksum.
    ///
    /// # Errors
    /// Any [`EntryError`] but `Checksum`, which needs the body. A sealed entry has an unknown flag: it
    /// leaves the engine only opened, and taking its body for a plain one would serve noise.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        Self::parse_stamped(bytes, FLAG_KEY_FRAME)
    }

    /// Reads a stamped header as it stands on disk, sealed or not, and verifies its checksum.
    ///
    /// # Errors
    /// Any [`EntryError`] but `Checksum`, which needs the body.
    pub fn decode_stored(bytes: &[u8]) -> Result<Self, EntryError> {
        Self::parse_stamped(bytes, FLAG_KEY_FRAME | FLAG_SEALED)
    }

    fn parse_stamped(bytes: &[u8], known_flags: u16) -> Result<Self, EntryError> {
        let mut header = Self::parse(bytes, known_flags)?;
        let found = u32::from_le_bytes(array(bytes, AT_HEADER_CHECKSUM));
        let computed = crc32c(&bytes[..AT_HEADER_CHECKSUM]);
        if found != computed {
            return Err(EntryError::HeaderChecksum { found, computed });
        }
        header.stamp = Some(Stamp {
            position: Position::new(u64::from_le_bytes(array(bytes, AT_POSITION))),
            arrival: ServerTime::from_millis(i64::from_le_bytes(array(bytes, AT_ARRIVAL_TIME))),
            unsynced: u32::from_le_bytes(array(bytes, AT_UNSYNCED)),
        });
        Ok(header)
    }
}

fn check_body_len(len: usize, kind: Kind, sealed: bool) -> Result<(), EntryError> {
    let overhead = if sealed { SEALED_OVERHEAD } else { 0 };
    if len < overhead {
        return Err(EntryError::SealedTooShort { len });
    }
    let max = kind.body_bytes_max() + overhead;
    if len > max {
        return Err(EntryError::BodyTooLong { len, max });
    }
    Ok(())
}

/// `N` bytes at `at`, which the caller has checked to exist.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> impl Strategy<Value = Header> {
        let producer = proptest::option::of((1_u64.., any::<u64>()));
        let time = proptest::option::of((i64::MIN + 1)..);
        let stamp = proptest::option::of((any::<u64>(), any::<i64>(), any::<u32>()));
        (
            1_u32..1_000,
            any::<bool>(),
            producer,
            time,
            stamp,
            proptest::collection::vec(any::<u8>(), 0..64),
        )
            .prop_map(|(count, key_frame, producer, time, stamp, body)| {
                let producer = producer.map(|(id, sequence)| Producer { id, sequence });
                let time = time.map(ProducerTime::from_millis);
                let mut header = Header::for_body(Kind::Batch, count, producer, time, &[&body])
                    .with_key_frame(key_frame, &[&body]);
                header.stamp = stamp.map(|(position, arrival, unsynced)| Stamp {
                    position: Position::new(position),
                    arrival: ServerTime::from_millis(arrival),
                    unsynced,
                });
                header
            })
    }

    proptest! {
        #[test]
        fn header_reads_what_it_writes(header in header()) {
            let bytes = header.encode();
            match header.stamp {
                Some(_) => prop_assert_eq!(Header::decode(&bytes).unwrap(), header),
                None => prop_assert_eq!(Header::decode_unstamped(&bytes).unwrap(), header),
            }
        }

        #[test]
        fn every_flipped_bit_of_a_stamped_header_is_noticed(header in header(), bit in 0..HEADER_LEN * 8) {
            prop_assume!(header.stamp.is_some());
            let mut bytes = header.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Header::decode_stored(&bytes).is_err());
        }

        #[test]
        fn a_sealed_header_is_read_only_as_stored(header in header(), body in proptest::collection::vec(any::<u8>(), SEALED_OVERHEAD..100)) {
            let plain = header.clone();
            let sealed = header.with_body(true, &body);
            let bytes = sealed.encode();
            prop_assert!(matches!(Header::decode_unstamped(&bytes), Err(EntryError::Flags(flags)) if flags & FLAG_SEALED != 0));
            prop_assert!(matches!(Header::decode(&bytes), Err(EntryError::Flags(_))));
            if sealed.stamp.is_some() {
                prop_assert_eq!(&Header::decode_stored(&bytes).unwrap(), &sealed);
                prop_assert_eq!(&Header::decode_stored(&plain.encode()).unwrap(), &plain);
            }
            prop_assert!(sealed.verify(&[&body]).is_ok());
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Header::decode(&bytes);
            let _ = Header::decode_stored(&bytes);
        }
    }

    #[test]
    fn body_is_covered_by_the_checksum() {
        let header = Header::for_body(Kind::Batch, 1, None, None, &[b"abc"]);
        assert!(header.verify(&[b"ab".as_slice(), b"c"]).is_ok());
        assert!(matches!(
            header.verify(&[b"abd"]),
            Err(EntryError::Checksum { .. })
        ));
    }

    #[test]
    fn lying_lengths_and_counts_are_refused() {
        let mut bytes = Header::for_body(Kind::Batch, 1, None, None, &[b"abc"]).encode();
        bytes[AT_BODY_LEN..AT_BODY_LEN + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(
            Header::decode_unstamped(&bytes),
            Err(EntryError::BodyTooLong { .. })
        ));
        let bytes = Header::for_body(Kind::Fragment, 2, None, None, &[b"abc"]).encode();
        assert!(matches!(
            Header::decode_unstamped(&bytes),
            Err(EntryError::RecordCount { count: 2, .. })
        ));
    }

    #[test]
    fn a_sealed_body_may_be_longer_by_its_overhead_and_is_never_shorter() {
        let mut header = Header::for_body(Kind::Batch, 1, None, None, &[b"abc"]);
        header.sealed = true;
        header.stamp = Some(Stamp {
            position: Position::ZERO,
            arrival: ServerTime::from_millis(0),
            unsynced: 0,
        });
        for (len, fits) in [
            (SEALED_OVERHEAD - 1, false),
            (SEALED_OVERHEAD, true),
            (BATCH_BODY_BYTES_MAX + SEALED_OVERHEAD, true),
            (BATCH_BODY_BYTES_MAX + SEALED_OVERHEAD + 1, false),
        ] {
            header.body_len = u32::try_from(len).unwrap();
            assert_eq!(
                Header::decode_stored(&header.encode()).is_ok(),
                fits,
                "{len}"
            );
        }
        header.kind = Kind::Marker;
        header.record_count = 0;
        header.body_len = 100;
        assert!(matches!(
            Header::decode_stored(&header.encode()),
            Err(EntryError::Flags(2))
        ));
    }

    #[test]
    fn offsets_are_the_documented_ones() {
        let documented: Vec<(usize, &str)> = include_str!("../ENTRY.md")
            .lines()
            .skip_while(|line| !line.starts_with("| 0 |"))
            .take_while(|line| line.starts_with('|'))
            .map(|line| {
                let cells: Vec<&str> = line.split('|').map(str::trim).collect();
                (cells[1].parse().unwrap(), cells[3].trim_matches('`'))
            })
            .collect();
        assert_eq!(
            documented,
            [
                (0, "magic"),
                (AT_VERSION, "version"),
                (AT_KIND, "kind"),
                (AT_FLAGS, "flags"),
                (AT_BODY_LEN, "body_len"),
                (AT_RECORD_COUNT, "record_count"),
                (AT_PRODUCER_ID, "producer_id"),
                (AT_PRODUCER_SEQUENCE, "producer_sequence"),
                (AT_PRODUCER_TIME, "producer_time"),
                (AT_CHECKSUM, "checksum"),
                (AT_UNSYNCED, "unsynced"),
                (AT_POSITION, "position"),
                (AT_ARRIVAL_TIME, "arrival_time"),
                (64, "reserved"),
                (AT_HEADER_CHECKSUM, "header_checksum"),
            ]
        );
    }
}
