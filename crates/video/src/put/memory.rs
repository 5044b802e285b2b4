//! What was brought to a stream of late, so that a fragment that comes again is recognised.
//!
//! A producer whose connection broke sends again what was not acknowledged, in a new session, cut into
//! the same Clusters. A fragment is the same as one before if it starts at the same time of the
//! producer, and its tracks hold the same samples, byte by byte. The time finds the candidate here, and
//! the bytes are compared with the log.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use afflux_engine::Shard;
use afflux_entry::Kind;
use afflux_media::{StoredFragment, StoredTrack, TrackMeta};
use afflux_types::{ErrorKind, FragmentNumber, Position, ProducerTime, Result, StreamName};
use bytes::Bytes;
use parking_lot::Mutex;

use crate::library::{Prepared, entries};
use crate::limits::{REMEMBERED_MAX, REMEMBERED_SCAN, REMEMBERED_STREAMS};

/// Bytes of the log that are looked through at once.
const READ_BYTES: usize = 1 << 20;

/// What was brought to all streams.
#[derive(Debug, Default)]
pub(super) struct Memories(Mutex<BTreeMap<StreamName, Arc<Memory>>>);

/// What was brought to one stream.
#[derive(Debug, Default)]
pub(super) struct Memory {
    seen: tokio::sync::Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Everything before was looked at.
    end: Position,
    /// In the order of the log.
    fragments: VecDeque<Fragment>,
}

/// A fragment that is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fragment {
    mark: Mark,
    number: FragmentNumber,
}

/// By what two fragments are told apart without looking at their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    producer_time: ProducerTime,
    samples: u64,
}

impl Mark {
    pub(super) fn new<'a>(
        producer_time: ProducerTime,
        tracks: impl Iterator<Item = &'a TrackMeta>,
    ) -> Self {
        Self {
            producer_time,
            samples: tracks.map(|track| u64::from(track.samples)).sum(),
        }
    }
}

impl Memories {
    /// The memory of one stream, made if there is none.
    pub(super) fn of(&self, stream: &StreamName) -> Arc<Memory> {
        let mut memories = self.0.lock();
        if !memories.contains_key(stream) && memories.len() >= REMEMBERED_STREAMS {
            // Any one will do: it costs a second look at the log.
            memories.pop_first();
        }
        Arc::clone(memories.entry(stream.clone()).or_default())
    }

    /// Forgets a stream that was deleted.
    pub(super) fn forget(&self, stream: &StreamName) {
        self.0.lock().remove(stream);
    }
}

impl Memory {
    /// Looks at what was appended since the last look: also what others brought.
    pub(super) async fn recall(&self, shard: &Shard) -> Result<()> {
        let mut seen = self.seen.lock().await;
        let marks = shard.watermarks();
        // A producer whose connection broke a moment ago may have brought what is not durable yet.
        shard.wait_durable(marks.appended).await?;
        if seen.end > marks.appended {
            // Another stream has got the name.
            *seen = Seen::default();
        }
        let near = Position::new(marks.appended.get().saturating_sub(REMEMBERED_SCAN));
        let mut position = seen.end.max(near).max(marks.trim_horizon);
        while position < marks.appended {
            let slice = match shard.read(position, READ_BYTES).await {
                Ok(slice) if slice.end > position => slice,
                Ok(_) => break,
                // Retention has taken it.
                Err(error) if error.kind() == ErrorKind::Expired => break,
                Err(error) => return Err(error),
            };
            for entry in entries(slice.bytes) {
                let entry = entry?;
                if let (Kind::Fragment, Some(stamp)) = (entry.header.kind, entry.header.stamp) {
                    let meta = StoredFragment::peek(&entry.body())?;
                    seen.push(Fragment {
                        mark: Mark::new(meta.producer_time, meta.tracks.iter()),
                        number: FragmentNumber::new(stamp.position, stamp.arrival),
                    });
                }
            }
            position = slice.end;
        }
        seen.end = seen.end.max(marks.appended);
        Ok(())
    }

    /// The number that a fragment got when it came before, if it did.
    pub(super) async fn find(
        &self,
        shard: &Shard,
        mark: Mark,
        prepared: &Prepared,
    ) -> Result<Option<FragmentNumber>> {
        let alike: Vec<FragmentNumber> = {
            let seen = self.seen.lock().await;
            let alike = seen.fragments.iter().filter(|one| one.mark == mark);
            alike.map(|one| one.number).collect()
        };
        for number in alike {
            if holds_same(shard, number.position(), prepared).await? {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// Remembers a fragment that was appended.
    pub(super) async fn note(&self, mark: Mark, number: FragmentNumber) {
        let mut seen = self.seen.lock().await;
        seen.push(Fragment { mark, number });
        if seen.end == number.position() {
            seen.end = number.position().advance(1);
        }
    }
}

impl Seen {
    fn push(&mut self, fragment: Fragment) {
        let is_new = |last: &Fragment| last.number.position() < fragment.number.position();
        if self.fragments.back().is_none_or(is_new) {
            if self.fragments.len() >= REMEMBERED_MAX {
                self.fragments.pop_front();
            }
            self.fragments.push_back(fragment);
        }
    }
}

/// Whether the samples of the fragment at `position` are those of `prepared`, byte by byte.
async fn holds_same(shard: &Shard, position: Position, prepared: &Prepared) -> Result<bool> {
    shard.wait_durable(position.advance(1)).await?;
    let slice = match shard.read(position, 1).await {
        Ok(slice) => slice,
        Err(error) if error.kind() == ErrorKind::Expired => return Ok(false),
        Err(error) => return Err(error),
    };
    for entry in entries(slice.bytes) {
        let entry = entry?;
        let is_it = entry.header.stamp.is_some_and(|at| at.position == position);
        if entry.header.kind == Kind::Fragment && is_it {
            let stored = StoredFragment::decode(entry.body())?;
            let sent = StoredFragment::decode(Bytes::from(prepared.body().concat()))?;
            let samples = |track: StoredTrack| (track.meta().track_id, track.meta().samples);
            let same = |(a, b): (StoredTrack, StoredTrack)| {
                a.data() == b.data() && samples(a) == samples(b)
            };
            let count = stored.meta().tracks.len() == sent.meta().tracks.len();
            return Ok(count && stored.tracks().zip(sent.tracks()).all(same));
        }
    }
    Ok(false)
}
