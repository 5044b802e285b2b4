//! Subscribing: credit goes one way, entries come back.
//!
//! The receiver counts positions: an entry that leaves a gap or comes twice is an error, and after a
//! broken connection the next subscription starts exactly where the last one stopped. The server
//! sends whole entries from its log, so the first one may begin before the wanted position.

use afflux_entry::{Header, Kind};
use afflux_types::Position;
use afflux_types::limits::SUBSCRIPTION_CREDIT_BYTES_MAX;

use crate::error::WireError;
use crate::message::{Grant, Lagged, ShardEnd, SubscribeOpened};

/// The credit of one subscription, on the server.
///
/// The server may send whenever [`Credit::available`] is not zero. One entry may exceed the credit,
/// so that an entry larger than all of it still gets through; what is over is taken from the next
/// grants.
#[derive(Clone, Copy, Debug)]
pub struct Credit {
    granted: u64,
    sent: u64,
}

impl Credit {
    /// The credit that the subscription starts with.
    #[must_use]
    pub fn new(credit_bytes: u64) -> Self {
        let mut credit = Self {
            granted: 0,
            sent: 0,
        };
        credit.handle_grant(Grant {
            bytes: credit_bytes,
        });
        credit
    }

    /// The consumer gave more; above the limit for a subscription nothing is added.
    pub fn handle_grant(&mut self, grant: Grant) {
        let most = self.sent.saturating_add(SUBSCRIPTION_CREDIT_BYTES_MAX);
        self.granted = self.granted.saturating_add(grant.bytes).min(most);
    }

    /// `bytes` of entries were written.
    pub fn handle_sent(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.sent = self.sent.saturating_add(bytes);
    }

    /// Bytes that may be sent now.
    #[must_use]
    pub fn available(&self) -> usize {
        usize::try_from(self.granted.saturating_sub(self.sent)).unwrap_or(usize::MAX)
    }
}

/// What a consumer is to do with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Hand it on, without its first `skip` records.
    Deliver {
        /// Records that lie before the wanted position.
        skip: u32,
    },
    /// Drop it: all of it lies before the wanted position.
    Drop,
}

/// The position and the credit of one subscription, on the client. It outlives QUIC streams.
///
/// Open a QUIC stream with [`Receiver::open`] bytes of credit and pass the answer to
/// [`Receiver::handle_opened`]. Each entry goes through [`Receiver::handle_entry`]; once it has been
/// dealt with, [`Receiver::handle_consumed`]; then [`Receiver::poll_grant`].
///
/// Invariant: what the server may still send and what the application holds are together at most
/// the credit, except for one entry that is larger than it.
#[derive(Clone, Debug)]
pub struct Receiver {
    credit: i64,
    /// Bytes that the server may still send; negative after an entry above the credit.
    allowed: i64,
    /// Bytes that came and were not consumed.
    held: i64,
    next: Option<Position>,
    /// No entry came yet on this QUIC stream: the next may begin before `next`.
    fresh: bool,
}

impl Receiver {
    /// A subscription that keeps at most `credit_bytes` in flight.
    #[must_use]
    pub fn new(credit_bytes: u64) -> Self {
        let credit = credit_bytes.clamp(1, SUBSCRIPTION_CREDIT_BYTES_MAX);
        Self {
            credit: i64::try_from(credit).unwrap_or(i64::MAX),
            allowed: 0,
            held: 0,
            next: None,
            fresh: true,
        }
    }

    /// Starts a new QUIC stream; returns the credit to open it with. What earlier ones brought and
    /// the application still holds is not available.
    pub fn open(&mut self) -> u64 {
        self.allowed = (self.credit - self.held).max(0);
        self.fresh = true;
        self.allowed.unsigned_abs()
    }

    /// The next position, once it is known: where a new QUIC stream has to start.
    #[must_use]
    pub fn next(&self) -> Option<Position> {
        self.next
    }

    /// The server accepted the QUIC stream.
    ///
    /// # Errors
    /// `Position` if it does not start where it was asked to, unless that was trimmed.
    pub fn handle_opened(&mut self, opened: &SubscribeOpened) -> Result<(), WireError> {
        let position = Position::new(opened.position);
        let trimmed = position == Position::new(opened.trim_horizon);
        if let Some(next) = self.next
            && position != next
            && !(trimmed && position > next)
        {
            return Err(WireError::Position {
                found: position.get(),
                expected: next.get(),
            });
        }
        self.next = Some(position);
        Ok(())
    }

    /// Decides what to do with an entry, and moves on behind it.
    ///
    /// # Errors
    /// `Position` if records are missing before it, or if it comes again.
    pub fn handle_entry(&mut self, header: &Header) -> Result<Delivery, WireError> {
        let (Some(stamp), Some(next)) = (header.stamp, self.next) else {
            return Err(WireError::Unexpected {
                frame: "an entry",
                state: "before SubscribeOpened",
            });
        };
        let len = i64::try_from(header.entry_len()).unwrap_or(i64::MAX);
        self.allowed = self.allowed.saturating_sub(len);
        self.held = self.held.saturating_add(len);
        let start = stamp.position;
        let end = start.advance(u64::from(header.record_count));
        if start > next || (start < next && !self.fresh) {
            return Err(WireError::Position {
                found: start.get(),
                expected: next.get(),
            });
        }
        if start == next {
            self.fresh = false;
            self.next = Some(end);
            return Ok(Delivery::Deliver { skip: 0 });
        }
        if end <= next {
            // An initialisation before the wanted position is what later fragments need.
            return Ok(match header.kind {
                Kind::Init => Delivery::Deliver { skip: 0 },
                _ => Delivery::Drop,
            });
        }
        let skip = u32::try_from(next.get() - start.get()).unwrap_or(u32::MAX);
        self.fresh = false;
        self.next = Some(end);
        Ok(Delivery::Deliver { skip })
    }

    /// Retention overtook the subscription; returns the positions that are lost, as `from..to`.
    ///
    /// # Errors
    /// `Position` if it goes backwards.
    pub fn handle_lagged(&mut self, lagged: Lagged) -> Result<(Position, Position), WireError> {
        let next = self.next.unwrap_or(Position::ZERO);
        let position = Position::new(lagged.position);
        if position < next {
            return Err(WireError::Position {
                found: position.get(),
                expected: next.get(),
            });
        }
        self.next = Some(position);
        self.fresh = true;
        Ok((next, position))
    }

    /// The shard ended.
    ///
    /// # Errors
    /// `Position` if the shard has records that did not come.
    pub fn handle_shard_end(&mut self, end: &ShardEnd) -> Result<(), WireError> {
        match self.next {
            Some(next) if next.get() < end.position => Err(WireError::Position {
                found: end.position,
                expected: next.get(),
            }),
            _ => Ok(()),
        }
    }

    /// The application took `bytes` of entries, or they were dropped.
    pub fn handle_consumed(&mut self, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.held = self.held.saturating_sub(bytes).max(0);
    }

    /// The grant to send: one whenever half of the credit is free.
    pub fn poll_grant(&mut self) -> Option<Grant> {
        let free = self
            .credit
            .saturating_sub(self.held)
            .saturating_sub(self.allowed);
        if free < (self.credit + 1) / 2 {
            return None;
        }
        self.allowed = self.allowed.saturating_add(free);
        Some(Grant {
            bytes: free.unsigned_abs(),
        })
    }
}

#[cfg(test)]
mod tests;
