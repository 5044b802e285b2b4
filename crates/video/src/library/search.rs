//! Reads through runs of the log for fragments and initialisations.
//!
//! The engine reads what is not in memory on threads of its own, so looking at a slice never waits.

use std::collections::VecDeque;

use afflux_engine::Shard;
use afflux_entry::Kind;
use afflux_media::{InitId, Meta, StoredFragment};
use afflux_types::{ErrorKind, Position, Result};
use bytes::Bytes;

use super::index::{Index, init_id};
use super::selector::TimeAxis;
use super::{Entry, READ_BYTES, Selector, entries};

/// A fragment that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its entry in the log.
    pub entry: Entry,
    /// What its header says.
    pub meta: Meta,
}

/// A search that goes on as far as somebody asks.
#[derive(Debug)]
pub struct Search {
    shard: Shard,
    selector: Selector,
    /// What is still to be read, as `first..end`.
    runs: VecDeque<(Position, Position)>,
    found: VecDeque<Found>,
}

impl Search {
    pub(super) fn new(
        shard: Shard,
        selector: Selector,
        runs: VecDeque<(Position, Position)>,
    ) -> Self {
        Self {
            shard,
            selector,
            runs,
            found: VecDeque::new(),
        }
    }

    /// The next fragment.
    ///
    /// # Errors
    /// What the log cannot read: `DataLoss` for damaged bytes, `NotFound` after the stream was deleted.
    pub async fn next(&mut self) -> Result<Option<Found>> {
        while self.found.is_empty() {
            if !self.read().await? {
                return Ok(None);
            }
        }
        Ok(self.found.pop_front())
    }

    /// Reads on; false at the end.
    async fn read(&mut self) -> Result<bool> {
        let Some((first, end)) = self.runs.front_mut() else {
            return Ok(false);
        };
        *first = (*first).max(self.shard.watermarks().trim_horizon);
        if *first >= *end {
            self.runs.pop_front();
            return Ok(true);
        }
        let (from, to) = (*first, *end);
        let slice = match self.shard.read(from, READ_BYTES).await {
            Ok(slice) if !slice.is_empty() => slice,
            Ok(_) => {
                self.runs.pop_front();
                return Ok(true);
            }
            // Retention is at work: go on at the new horizon.
            Err(error) if error.kind() == ErrorKind::Expired => return Ok(true),
            Err(error) => return Err(error),
        };
        *first = slice.end.max(from.advance(1));
        let selector = self.selector;
        let (found, past) = select(slice.bytes, &selector, from, to)?;
        self.found.extend(found);
        if past {
            self.runs.clear();
        }
        Ok(true)
    }
}

/// The selected fragments of a slice; also says whether all that follow are too late.
fn select(
    slice: Bytes,
    selector: &Selector,
    from: Position,
    to: Position,
) -> Result<(Vec<Found>, bool)> {
    let mut found = Vec::new();
    for entry in entries(slice) {
        let entry = entry?;
        let Some(stamp) = entry.header.stamp else {
            continue;
        };
        if entry.header.kind != Kind::Fragment || stamp.position < from {
            continue;
        }
        let late = selector.axis == TimeAxis::Server && stamp.arrival.as_millis() >= selector.to;
        if stamp.position >= to || late {
            return Ok((found, late));
        }
        let meta = StoredFragment::peek(&entry.body())?;
        if selector.takes(&meta, stamp.arrival) {
            found.push(Found { entry, meta });
        }
    }
    Ok((found, false))
}

/// Brings an index up to what is durable.
pub(super) async fn extend(index: &mut Index, shard: &Shard) -> Result<()> {
    loop {
        let marks = shard.watermarks();
        if index.scanned() > marks.durable {
            // Another stream has got the name.
            *index = Index::default();
        }
        index.trim(marks.trim_horizon);
        if index.scanned() >= marks.durable {
            return Ok(());
        }
        let slice = match shard.read(index.scanned(), READ_BYTES).await {
            Ok(slice) => slice,
            Err(error) if error.kind() == ErrorKind::Expired => continue,
            Err(error) => return Err(error),
        };
        if slice.is_empty() || slice.end <= index.scanned() {
            return Ok(());
        }
        for entry in entries(slice.bytes) {
            index.note(&entry?)?;
        }
    }
}

/// The fragment at a position; none if something else is there, or nothing.
///
/// # Errors
/// As [`Shard::read`].
pub async fn fragment_at(shard: &Shard, position: Position) -> Result<Option<Entry>> {
    // The least that a slice holds is the entry at its position and those that stand before it without
    // a position of their own. More would be opened in vain where the stream is encrypted.
    let slice = shard.read(position, 1).await?;
    for entry in entries(slice.bytes) {
        let entry = entry?;
        let stamp = entry.header.stamp.map(|stamp| stamp.position);
        if entry.header.kind == Kind::Fragment && stamp == Some(position) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// Looks for an initialisation between two positions, the last included.
pub(super) async fn find_init(
    shard: &Shard,
    id: InitId,
    from: Position,
    last: Position,
) -> Result<Option<Bytes>> {
    let mut position = from;
    loop {
        let slice = match shard.read(position, READ_BYTES).await {
            Ok(slice) => slice,
            Err(error) if error.kind() == ErrorKind::Expired => return Ok(None),
            Err(error) => return Err(error),
        };
        let end = slice.end;
        if slice.is_empty() {
            return Ok(None);
        }
        let bytes = slice.bytes;
        let found = find_in(bytes, id, last)?;
        if found.is_some() || end > last || end <= position {
            return Ok(found);
        }
        position = end;
    }
}

fn find_in(slice: Bytes, id: InitId, last: Position) -> Result<Option<Bytes>> {
    for entry in entries(slice) {
        let entry = entry?;
        if entry.header.stamp.is_none_or(|stamp| stamp.position > last) {
            return Ok(None);
        }
        if entry.header.kind == Kind::Init && init_id(&entry.body()) == Some(id) {
            return Ok(Some(entry.body()));
        }
    }
    Ok(None)
}
