//! Producing: entries go one way, acknowledgements in the same order come back.
//!
//! Invariants: acknowledgements leave in the order of the entries; every entry that was not
//! acknowledged is kept by the sender and sent again, first to last, on the next QUIC stream.

use std::collections::VecDeque;

use afflux_types::Position;

use crate::error::WireError;
use crate::message::{Ack, Acks, ProduceOpened};

/// Acknowledgements in one frame: a frame stays far below its limit.
const ACKS_PER_FRAME: usize = 4_096;

/// The receiving side of one produce stream: the server's.
///
/// Per entry, in order: [`Receiver::handle_entry`] when it arrived, [`Receiver::handle_taken`] when
/// the shard has given it a position. Then [`Receiver::handle_durable`] as the shard's watermark
/// moves, and [`Receiver::poll_acks`] until it returns `None`. Stop reading the QUIC stream while
/// [`Receiver::is_full`].
#[derive(Debug)]
pub struct Receiver {
    window: usize,
    unacked_bytes: usize,
    durable: Position,
    taken: VecDeque<Taken>,
}

#[derive(Debug)]
struct Taken {
    ack: Ack,
    end: Position,
    entry_len: usize,
}

impl Receiver {
    /// A session that holds at most `window` bytes of entries, or one entry if that is larger.
    #[must_use]
    pub fn new(window: usize) -> Self {
        Self {
            window,
            unacked_bytes: 0,
            durable: Position::ZERO,
            taken: VecDeque::new(),
        }
    }

    /// An entry of `entry_len` bytes arrived.
    pub fn handle_entry(&mut self, entry_len: usize) {
        self.unacked_bytes = self.unacked_bytes.saturating_add(entry_len);
    }

    /// The shard took the oldest entry that it had not taken yet; `ack` is to be sent once
    /// everything before `end` is durable.
    pub fn handle_taken(&mut self, ack: Ack, end: Position, entry_len: usize) {
        self.taken.push_back(Taken {
            ack,
            end,
            entry_len,
        });
    }

    /// Everything before `durable` is durable.
    pub fn handle_durable(&mut self, durable: Position) {
        self.durable = self.durable.max(durable);
    }

    /// The next acknowledgements to send.
    pub fn poll_acks(&mut self) -> Option<Acks> {
        let durable = self.durable;
        let ready = self
            .taken
            .iter()
            .take(ACKS_PER_FRAME)
            .take_while(|taken| taken.end <= durable)
            .count();
        if ready == 0 {
            return None;
        }
        let mut acks = Vec::with_capacity(ready);
        for taken in self.taken.drain(..ready) {
            self.unacked_bytes = self.unacked_bytes.saturating_sub(taken.entry_len);
            acks.push(taken.ack);
        }
        Some(Acks { acks })
    }

    /// The position that must become durable for the next acknowledgement.
    #[must_use]
    pub fn waits_for(&self) -> Option<Position> {
        self.taken.front().map(|taken| taken.end)
    }

    /// The position that must become durable for every acknowledgement that is owed so far.
    #[must_use]
    pub fn waits_for_last(&self) -> Option<Position> {
        self.taken.iter().map(|taken| taken.end).max()
    }

    /// Whether so much is unacknowledged that nothing more should be read.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.unacked_bytes >= self.window
    }

    /// Bytes of entries that arrived and are not acknowledged.
    #[must_use]
    pub fn unacked_bytes(&self) -> usize {
        self.unacked_bytes
    }
}

/// The sending side of one shard's entries: the client's. `E` is an entry as the caller keeps it.
///
/// It outlives QUIC streams: [`Sender::handle_opened`] after each new one, and
/// [`Sender::handle_lost`] when it breaks; then [`Sender::poll_transmit`] starts again at the oldest
/// unacknowledged entry.
#[derive(Debug)]
pub struct Sender<E> {
    window: usize,
    opened: bool,
    entries: VecDeque<Entry<E>>,
    /// How many of `entries`, from the front, are on the current QUIC stream.
    sent: usize,
    sent_bytes: usize,
}

#[derive(Debug)]
struct Entry<E> {
    entry: E,
    len: usize,
    record_count: u32,
}

impl<E> Default for Sender<E> {
    fn default() -> Self {
        Self {
            window: 0,
            opened: false,
            entries: VecDeque::new(),
            sent: 0,
            sent_bytes: 0,
        }
    }
}

impl<E> Sender<E> {
    /// Adds an entry of `len` bytes and `record_count` records behind all others.
    pub fn push(&mut self, entry: E, len: usize, record_count: u32) {
        self.entries.push_back(Entry {
            entry,
            len,
            record_count,
        });
    }

    /// The server accepted a new QUIC stream.
    pub fn handle_opened(&mut self, opened: &ProduceOpened) {
        self.handle_lost();
        self.opened = true;
        self.window = usize::try_from(opened.unacked_bytes_max).unwrap_or(usize::MAX);
    }

    /// The QUIC stream broke: everything unacknowledged is to be sent again.
    pub fn handle_lost(&mut self) {
        self.opened = false;
        self.sent = 0;
        self.sent_bytes = 0;
    }

    /// The next entry to write, if the window has room for it.
    pub fn poll_transmit(&mut self) -> Option<&E> {
        let next = self.entries.get(self.sent)?;
        let fits = self.sent == 0 || self.sent_bytes.saturating_add(next.len) <= self.window;
        if !self.opened || !fits {
            return None;
        }
        self.sent += 1;
        self.sent_bytes = self.sent_bytes.saturating_add(next.len);
        Some(&next.entry)
    }

    /// Matches an acknowledgement with the oldest entry, which the caller gets back.
    ///
    /// # Errors
    /// `Acknowledgement` if nothing was sent, or an entry with another number of records.
    pub fn handle_ack(&mut self, ack: &Ack) -> Result<E, WireError> {
        let expected = match self.entries.front() {
            Some(entry) if self.sent > 0 => entry.record_count,
            _ => 0,
        };
        if expected == 0 || expected != ack.record_count {
            return Err(WireError::Acknowledgement {
                found: ack.record_count,
                expected,
            });
        }
        let Some(entry) = self.entries.pop_front() else {
            return Err(WireError::Acknowledgement {
                found: ack.record_count,
                expected: 0,
            });
        };
        self.sent -= 1;
        self.sent_bytes = self.sent_bytes.saturating_sub(entry.len);
        Ok(entry.entry)
    }

    /// Removes every entry, oldest first: after the shard was closed, they go elsewhere.
    pub fn take_all(&mut self) -> impl Iterator<Item = E> + use<'_, E> {
        self.handle_lost();
        self.entries.drain(..).map(|entry| entry.entry)
    }

    /// Entries that are not acknowledged, sent or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether every entry is acknowledged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Entries that wait to be written.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.entries.len() - self.sent
    }
}

#[cfg(test)]
mod tests;
