//! How those who wait on a shard hear of it, without a queue and without polling.
//!
//! Three bells: `acks` rings first, for producers that wait for durability; `readers` for
//! subscriptions; `ready` for appends that were turned away. A waiter is a node in its own future, so
//! a waiting subscription costs no memory here. Waking ten thousand readers takes milliseconds, which
//! the commit thread does not have: when many wait, the [`Ringer`] rings for them.
//!
//! A shard also has one end, told to everyone who waits and everyone who comes later.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use afflux_log::{Observer, Watermarks};
use afflux_types::Error;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::ringer::Ringer;
use crate::fault::{again, stopping};
use crate::retention::{Due, Ticker};

/// Readers that a commit thread wakes itself: a few microseconds, less than handing them over.
const READERS_FEW: usize = 32;

/// Why a shard does not go on.
#[derive(Debug)]
pub(crate) enum End {
    /// A write or a sync failed; what is durable can still be read.
    Failed(Error),
    /// Its stream was deleted.
    Deleted(Error),
    /// Everything in it had expired after it was closed.
    Expired,
    /// The engine is shutting down.
    Stopping,
}

/// The bells of one shard.
#[derive(Debug)]
pub(crate) struct Signals {
    acks: Notify,
    readers: Notify,
    ready: Notify,
    end: OnceLock<End>,
    /// Readers that wait; decides only who rings.
    waiting: AtomicUsize,
    /// Whether the ringer has been asked and has not begun.
    handed_over: AtomicBool,
    helpers: Helpers,
    due: Due,
    me: Weak<Self>,
}

/// Threads that do for a shard's commit thread what takes longer.
#[derive(Clone, Debug)]
pub(crate) struct Helpers {
    pub(crate) ringer: Arc<Ringer>,
    pub(crate) ticker: Arc<Ticker>,
}

/// A reader counts as waiting while it holds this.
pub(crate) struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Signals {
    pub(crate) fn new(helpers: Helpers, due: Due) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            acks: Notify::new(),
            readers: Notify::new(),
            ready: Notify::new(),
            end: OnceLock::new(),
            waiting: AtomicUsize::new(0),
            handed_over: AtomicBool::new(false),
            helpers,
            due,
            me: Weak::clone(me),
        })
    }

    /// Hears every advance of durability after this call, also before it is polled.
    pub(crate) fn acks(&self) -> Notified<'_> {
        self.acks.notified()
    }

    /// As [`Signals::acks`], for readers.
    pub(crate) fn readers(&self) -> Notified<'_> {
        self.readers.notified()
    }

    /// Hears every ring after this call, also before it is polled.
    pub(crate) fn ready(&self) -> Notified<'_> {
        self.ready.notified()
    }

    pub(crate) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.waiting)
    }

    /// Rings all bells: the shard's state has changed.
    pub(crate) fn ring(&self) {
        self.acks.notify_waiters();
        self.ready.notify_waiters();
        self.readers.notify_waiters();
    }

    /// Wakes the readers, on the ringer's thread.
    pub(super) fn ring_readers(&self) {
        // Before ringing: an advance from here on must ring again. A swap, because it also sees what
        // whoever handed over has published, and with it so does everyone who waits after the ring.
        self.handed_over.swap(false, Ordering::SeqCst);
        self.readers.notify_waiters();
    }

    /// Ends the shard, unless it has ended before.
    pub(crate) fn finish(&self, end: End) {
        let _first_end_stays = self.end.set(end);
        self.ring();
    }

    /// How the shard ended, if it has.
    pub(crate) fn end(&self) -> Option<&End> {
        self.end.get()
    }
}

impl End {
    /// The error for whoever wants to write, or to wait for what was written.
    pub(crate) fn error(&self) -> Error {
        match self {
            Self::Failed(error) | Self::Deleted(error) => again(error),
            Self::Expired => Error::not_found("the shard is closed and its entries have expired"),
            Self::Stopping => stopping(),
        }
    }
}

impl Observer for Signals {
    fn durable(&self, _: Watermarks) {
        self.acks.notify_waiters();
        if self.waiting.load(Ordering::Relaxed) <= READERS_FEW {
            self.readers.notify_waiters();
        } else if !self.handed_over.swap(true, Ordering::SeqCst)
            && let Some(me) = self.me.upgrade()
        {
            self.helpers.ringer.hand_over(me);
        }
    }

    fn ready(&self) {
        self.ready.notify_waiters();
    }

    fn sealed(&self) {
        self.helpers.ticker.nudge(&self.due);
    }

    fn stopped(&self, error: &Error) {
        tracing::error!(error = %error.chain(), "a shard has stopped");
        self.finish(End::Failed(again(error)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signals(ringer: &Arc<Ringer>) -> Arc<Signals> {
        let helpers = Helpers {
            ringer: Arc::clone(ringer),
            ticker: Arc::default(),
        };
        let due = Due {
            stream: "s".parse().unwrap(),
            shard: afflux_types::ShardId::new(0),
        };
        Signals::new(helpers, due)
    }

    /// Whoever takes a bell first and looks then cannot miss an advance, however many wait.
    #[tokio::test]
    async fn an_advance_between_the_look_and_the_wait_is_heard() {
        let ringer = Ringer::start().unwrap();
        for others in [0, READERS_FEW, READERS_FEW + 1] {
            let signals = signals(&ringer);
            let _others: Vec<_> = (0..others).map(|_| signals.wait()).collect();
            for _ in 0..100 {
                let (ack, read) = (signals.acks(), signals.readers());
                signals.durable(Watermarks::default());
                let _waiting = signals.wait();
                ack.await;
                read.await;
            }
        }
        ringer.close();
    }

    /// A ringer that has begun has the shard handed over again by the next advance.
    #[tokio::test]
    async fn an_advance_while_the_ringer_rings_is_heard() {
        let ringer = Ringer::start().unwrap();
        let signals = signals(&ringer);
        let _many: Vec<_> = (0..=READERS_FEW).map(|_| signals.wait()).collect();
        signals.ring_readers();
        let read = signals.readers();
        signals.durable(Watermarks::default());
        read.await;
        // A closed ringer leaves the ringing to whoever comes.
        ringer.close();
        let read = signals.readers();
        signals.durable(Watermarks::default());
        read.await;
    }

    #[tokio::test]
    async fn who_comes_after_the_end_learns_of_it() {
        let signals = signals(&Arc::default());
        let (ack, read, ready) = (signals.acks(), signals.readers(), signals.ready());
        signals.finish(End::Stopping);
        tokio::join!(ack, read, ready);
        signals.finish(End::Expired);
        assert!(matches!(signals.end(), Some(End::Stopping)));
    }
}
