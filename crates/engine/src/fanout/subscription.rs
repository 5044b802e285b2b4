//! A live push of one shard: a position that waits for the shard to move past it.
//!
//! There is no queue. A subscription that is not polled costs its own few words; one that is slow
//! reads further back in the log, and when retention overtakes it, it is told so and goes on at the
//! trim horizon.

use std::fmt;

use afflux_entry::Header;
use afflux_log::{ReadError, Slice};
use afflux_types::{Position, Result, ServerTime};

use super::{fetch, read_failed};
use crate::shard::Shard;
use crate::shard::signals::End;
use crate::stats::{add, sub};
use crate::stream::Child;

/// What happened at a subscription's position.
#[derive(Clone, Debug)]
pub enum Event {
    /// Entries to be passed on as they are. The first may start before the position that was asked
    /// for; consumers skip markers.
    Slice(Slice),
    /// The shard is closed and everything in it has been delivered; nothing follows.
    ShardEnd {
        /// Where the shard ended.
        position: Position,
        /// The shards that took over.
        children: Vec<Child>,
    },
    /// Retention deleted entries that were not delivered; the subscription goes on after them.
    Lagged {
        /// The first position that was not delivered.
        from: Position,
        /// Where it goes on.
        to: Position,
    },
}

/// A cursor in one shard that waits at the durable end.
pub struct Subscription {
    shard: Shard,
    position: Position,
    /// When the first entry of the last slice arrived.
    arrival: Option<ServerTime>,
}

impl Subscription {
    pub(crate) fn new(shard: Shard, position: Position) -> Self {
        add(&shard.stream.counters.subscriptions, 1);
        Self {
            shard,
            position,
            arrival: None,
        }
    }

    /// Waits for the next event: as many durable entries as fit into `bytes_max`, and at least one.
    ///
    /// # Shape
    /// Entries far behind the end come in slices of at most 1 MiB, or one larger entry.
    ///
    /// # Errors
    /// `NotFound` if the stream was deleted, `Unavailable` if the engine stops; `DataLoss` or another
    /// kind if the shard has failed or its log cannot be read.
    ///
    /// # Cancel safety
    /// Cancel safe: the position moves on only when an event is returned.
    pub async fn next(&mut self, bytes_max: usize) -> Result<Event> {
        let event = loop {
            let rung = self.shard.live.signals.readers();
            if let Some(event) = self.look(bytes_max).await? {
                break event;
            }
            let _waiting = self.shard.live.signals.wait();
            rung.await;
        };
        self.pass(&event);
        Ok(event)
    }

    /// The first position that has not been delivered.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// How far the reader is behind, as the age of what it was last given; zero at the end.
    ///
    /// # Units
    /// Milliseconds by the server's clock.
    #[must_use]
    pub fn millis_behind(&self) -> u64 {
        if self.position >= self.shard.live.watermarks().durable {
            return 0;
        }
        let Some(arrival) = self.arrival else {
            return 0;
        };
        u64::try_from(self.shard.now().since(arrival).as_millis()).unwrap_or(u64::MAX)
    }

    /// The shard that is read.
    #[must_use]
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// What there is at the position now, if anything.
    async fn look(&self, bytes_max: usize) -> Result<Option<Event>> {
        let live = &self.shard.live;
        // Before the watermarks: a shard is closed once everything in it is durable, so the end that
        // is read after this is final.
        let closed = self.shard.cell.closed();
        let marks = live.watermarks();
        match live.signals.end() {
            Some(end @ (End::Deleted(_) | End::Stopping)) => return Err(end.error()),
            Some(End::Expired) => return Ok(self.expired()),
            Some(End::Failed(_)) | None => {}
        }
        if self.position < marks.durable {
            // Whether retention was faster is known best by the read.
            return match fetch(&self.shard, self.position, bytes_max).await? {
                Ok(slice) => Ok(Some(Event::Slice(slice))),
                Err(ReadError::Trimmed { horizon }) if horizon > self.position => {
                    Ok(Some(self.lagged(horizon)))
                }
                Err(error) => Err(read_failed(&self.shard, self.position, error)),
            };
        }
        if let Some(closed) = closed {
            return Ok(Some(Event::ShardEnd {
                position: self.position,
                children: closed.children.clone(),
            }));
        }
        live.signals.end().map_or(Ok(None), |end| Err(end.error()))
    }

    /// A closed shard is gone with everything that was in it.
    fn expired(&self) -> Option<Event> {
        let closed = self.shard.cell.closed()?;
        if self.position < closed.at {
            return Some(self.lagged(closed.at));
        }
        Some(Event::ShardEnd {
            position: self.position,
            children: closed.children.clone(),
        })
    }

    fn lagged(&self, to: Position) -> Event {
        Event::Lagged {
            from: self.position,
            to,
        }
    }

    /// Moves on past an event that is about to be returned.
    fn pass(&mut self, event: &Event) {
        match event {
            Event::Slice(slice) => {
                self.position = slice.end;
                self.arrival = Header::decode(&slice.bytes)
                    .ok()
                    .and_then(|header| Some(header.stamp?.arrival));
                self.shard.count_out(slice);
            }
            Event::Lagged { to, .. } => {
                self.position = *to;
                add(&self.shard.stream.counters.lagged, 1);
            }
            Event::ShardEnd { .. } => {}
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        sub(&self.shard.stream.counters.subscriptions, 1);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("shard", &self.shard)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
