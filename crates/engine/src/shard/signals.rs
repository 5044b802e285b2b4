//! How those who wait on a shard hear of it, without a queue and without polling.
//!
//! Two bells: `durable` rings for subscriptions and for producers that wait for an acknowledgement,
//! `ready` for appends that were turned away. A waiter is a node in its own future, so a waiting
//! subscription costs no memory here. A shard also has one end, told to everyone who waits and
//! everyone who comes later.

use std::sync::OnceLock;

use afflux_log::{Observer, Watermarks};
use afflux_types::Error;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::fault::{again, stopping};

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
#[derive(Debug, Default)]
pub(crate) struct Signals {
    durable: Notify,
    ready: Notify,
    end: OnceLock<End>,
}

impl Signals {
    /// Hears every ring after this call, also before it is polled.
    pub(crate) fn durable(&self) -> Notified<'_> {
        self.durable.notified()
    }

    /// Hears every ring after this call, also before it is polled.
    pub(crate) fn ready(&self) -> Notified<'_> {
        self.ready.notified()
    }

    /// Rings both bells: the shard's state has changed.
    pub(crate) fn ring(&self) {
        self.durable.notify_waiters();
        self.ready.notify_waiters();
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
        self.durable.notify_waiters();
    }

    fn ready(&self) {
        self.ready.notify_waiters();
    }

    fn stopped(&self, error: &Error) {
        tracing::error!(error = %error.chain(), "a shard has stopped");
        self.finish(End::Failed(again(error)));
    }
}
