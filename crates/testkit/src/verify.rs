//! The judge: what was acknowledged, what was delivered, and whether that is what was promised.
//!
//! Producers write records that say who wrote them, as which of their records, and what the rest of
//! the record must be. The history is told of every acknowledgement and every delivery. It says
//! whether
//!
//! - nothing acknowledged was lost,
//! - no record was delivered twice to one reader,
//! - the records of one partition key were delivered in the order in which they were sent,
//! - every record arrived as it was sent,
//! - no position of a shard was ever given to two records.
//!
//! A record that was sent and not acknowledged may be delivered or not: its outcome is unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use afflux_entry::crc32c;
use parking_lot::Mutex;

/// Which record: the `counter`-th of a producer, counted from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// The producer.
    pub producer: u32,
    /// The place among the producer's records.
    pub counter: u64,
}

/// Where a record is: a shard and a position in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The shard.
    pub shard: u32,
    /// The record's position.
    pub position: u64,
}

/// Partition keys that each producer uses in turn.
pub const KEYS_PER_PRODUCER: u64 = 8;

impl Id {
    /// The partition key of the record.
    #[must_use]
    pub fn key(self) -> String {
        format!("p{}-k{}", self.producer, self.counter % KEYS_PER_PRODUCER)
    }

    /// The data of the record: one line of text with about `len` bytes, never less than 40.
    #[must_use]
    pub fn data(self, len: usize) -> String {
        let mut filler = String::with_capacity(len + 16);
        let mut state = u64::from(self.producer) << 40 ^ self.counter;
        while filler.len() + 40 < len {
            // SplitMix64: every record has bytes of its own, and the same ones each time.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let _ = write!(filler, "{mixed:016x}");
        }
        let rest = format!("{} {} {filler}", self.producer, self.counter);
        format!("{:08x} {rest}", crc32c(rest.as_bytes()))
    }

    /// Reads the id out of a record and checks the record against it.
    ///
    /// # Errors
    /// A sentence on what is wrong.
    pub fn read(key: &str, data: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(data).map_err(|_| "the data is not text".to_owned())?;
        let wrong = || {
            format!(
                "the data is not what a test producer writes: {:?}",
                start(text)
            )
        };
        let (checksum, rest) = text.split_once(' ').ok_or_else(wrong)?;
        let checksum = u32::from_str_radix(checksum, 16).map_err(|_| wrong())?;
        if checksum != crc32c(rest.as_bytes()) {
            return Err(format!("the checksum does not match: {:?}", start(text)));
        }
        let mut fields = rest.splitn(3, ' ');
        let mut number = || fields.next().and_then(|field| field.parse::<u64>().ok());
        let (Some(producer), Some(counter)) = (number(), number()) else {
            return Err(wrong());
        };
        let producer = u32::try_from(producer).map_err(|_| wrong())?;
        let id = Self { producer, counter };
        if id.key() != key {
            return Err(format!("{id:?} came with the partition key {key:?}"));
        }
        Ok(id)
    }
}

/// What happened, told by all threads of a test. A clone is the same history.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<Facts>>);

#[derive(Debug, Default)]
struct Facts {
    acked: BTreeMap<Id, Option<Place>>,
    /// Who was seen at a place, by an acknowledgement or any reader.
    places: BTreeMap<Place, Id>,
    readers: BTreeMap<String, Reader>,
    violations: Vec<String>,
}

#[derive(Debug, Default)]
struct Reader {
    seen: BTreeSet<Id>,
    /// The last counter of each producer and key.
    last: BTreeMap<(u32, u64), u64>,
}

/// What a good history amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Records that were acknowledged.
    pub acked: usize,
    /// Records that the reader got.
    pub delivered: usize,
}

impl History {
    /// An empty history.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A record was acknowledged, at `place` if the producer was told.
    pub fn acked(&self, id: Id, place: Option<Place>) {
        let mut facts = self.0.lock();
        if facts.acked.insert(id, place).is_some() {
            facts
                .violations
                .push(format!("{id:?} was acknowledged twice"));
        }
        if let Some(place) = place {
            facts.at(place, id, "acknowledged");
        }
    }

    /// A reader got a record. The order of these calls for one reader is the order of delivery.
    ///
    /// A reader is whoever keeps its place: a consumer that resumes keeps its name.
    pub fn delivered(&self, reader: &str, place: Option<Place>, key: &str, data: &[u8]) {
        let mut facts = self.0.lock();
        let id = match Id::read(key, data) {
            Ok(id) => id,
            Err(reason) => {
                facts.violations.push(format!(
                    "{reader} got a damaged record at {place:?}: {reason}"
                ));
                return;
            }
        };
        if let Some(place) = place {
            facts.at(place, id, reader);
        }
        let state = facts.readers.entry(reader.to_owned()).or_default();
        let mut wrong = Vec::new();
        if !state.seen.insert(id) {
            wrong.push(format!("{reader} got {id:?} twice, now at {place:?}"));
        }
        let key = (id.producer, id.counter % KEYS_PER_PRODUCER);
        if let Some(last) = state.last.insert(key, id.counter)
            && last > id.counter
        {
            wrong.push(format!(
                "{reader} got {id:?} after record {last} of the same key"
            ));
        }
        facts.violations.append(&mut wrong);
    }

    /// Records acknowledged so far.
    #[must_use]
    pub fn acked_count(&self) -> usize {
        self.0.lock().acked.len()
    }

    /// Whether `reader` has got everything that was acknowledged so far.
    #[must_use]
    pub fn has_all(&self, reader: &str) -> bool {
        let facts = self.0.lock();
        let Some(reader) = facts.readers.get(reader) else {
            return facts.acked.is_empty();
        };
        facts.acked.keys().all(|id| reader.seen.contains(id))
    }

    /// Whether a promise has been broken for good, whatever is still to come.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        !self.0.lock().violations.is_empty()
    }

    /// Judges what `reader` got, and all that happened before.
    ///
    /// # Errors
    /// Every broken promise, one sentence each.
    pub fn judge(&self, reader: &str) -> Result<Verdict, Vec<String>> {
        let facts = self.0.lock();
        let mut wrong = facts.violations.clone();
        let empty = Reader::default();
        let state = facts.readers.get(reader).unwrap_or(&empty);
        for (id, place) in &facts.acked {
            if !state.seen.contains(id) {
                wrong.push(format!(
                    "{id:?} was acknowledged at {place:?} and {reader} never got it"
                ));
            }
        }
        if wrong.is_empty() {
            Ok(Verdict {
                acked: facts.acked.len(),
                delivered: state.seen.len(),
            })
        } else {
            Err(wrong)
        }
    }

    /// Judges as [`History::judge`] does.
    ///
    /// # Panics
    /// If a promise was broken, with the first twenty sentences.
    pub fn assert_kept(&self, reader: &str) -> Verdict {
        self.judge(reader).unwrap_or_else(|wrong| {
            let shown: Vec<String> = wrong.iter().take(20).cloned().collect();
            panic!("{} promises broken:\n{}", wrong.len(), shown.join("\n"))
        })
    }
}

impl Facts {
    fn at(&mut self, place: Place, id: Id, by: &str) {
        if let Some(before) = self.places.insert(place, id)
            && before != id
        {
            self.violations
                .push(format!("{place:?} holds {id:?} ({by}) and held {before:?}"));
        }
    }
}

fn start(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(counter: u64) -> Id {
        Id {
            producer: 3,
            counter,
        }
    }

    fn place(position: u64) -> Option<Place> {
        Some(Place { shard: 0, position })
    }

    fn deliver(history: &History, counter: u64, position: u64) {
        let id = id(counter);
        history.delivered(
            "reader",
            place(position),
            &id.key(),
            id.data(100).as_bytes(),
        );
    }

    fn wrong(history: &History) -> String {
        history.judge("reader").unwrap_err().join("; ")
    }

    #[test]
    fn a_faultless_history_is_accepted() {
        let history = History::new();
        for n in 0..20 {
            history.acked(id(n), place(n));
            deliver(&history, n, n);
        }
        // Sent, outcome unknown, and stored after all.
        deliver(&history, 20, 20);
        assert!(history.has_all("reader"));
        assert_eq!(
            history.assert_kept("reader"),
            Verdict {
                acked: 20,
                delivered: 21
            }
        );
    }

    #[test]
    fn a_lost_record_is_named() {
        let history = History::new();
        history.acked(id(7), place(1));
        assert!(!history.has_all("reader"));
        assert!(
            wrong(&history).contains("never got it"),
            "{}",
            wrong(&history)
        );
    }

    #[test]
    fn a_record_delivered_twice_is_named() {
        let history = History::new();
        deliver(&history, 1, 1);
        deliver(&history, 1, 2);
        assert!(wrong(&history).contains("twice"));
    }

    #[test]
    fn a_key_out_of_order_is_named() {
        let history = History::new();
        deliver(&history, KEYS_PER_PRODUCER, 1);
        deliver(&history, 1, 2);
        assert!(
            history.judge("reader").is_ok(),
            "different keys have no order"
        );
        deliver(&history, 0, 3);
        assert!(wrong(&history).contains("of the same key"));
    }

    #[test]
    fn a_position_given_twice_is_named() {
        let history = History::new();
        history.acked(id(1), place(5));
        deliver(&history, 1, 5);
        deliver(&history, 2, 5);
        assert!(wrong(&history).contains("and held"));
    }

    #[test]
    fn a_damaged_record_is_named() {
        let history = History::new();
        let data = id(1).data(100).replace('a', "b");
        history.delivered("reader", None, &id(1).key(), data.as_bytes());
        assert!(wrong(&history).contains("checksum"));
        let history = History::new();
        history.delivered("reader", None, "p3-k5", id(1).data(100).as_bytes());
        assert!(wrong(&history).contains("partition key"));
    }
}
