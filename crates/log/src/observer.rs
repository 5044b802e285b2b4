//! Who hears of a shard's progress.

use afflux_types::Error;

use crate::Watermarks;

/// Told by the volume's threads what happened to one shard.
///
/// Every method must be quick and must not block: a commit thread calls it between two rounds. It may
/// call back into the [`ShardLog`](crate::ShardLog).
pub trait Observer: Send + Sync {
    /// `durable` or `durable_serial` has advanced.
    fn durable(&self, watermarks: Watermarks);

    /// An append that was refused as busy, or because the disk was full, may be tried again.
    fn ready(&self);

    /// A full segment was sealed: retention may delete it from now on.
    fn sealed(&self) {}

    /// A write or a sync failed. Nothing that is not durable yet will ever be.
    fn stopped(&self, error: &Error);
}

/// Hears nothing.
impl Observer for () {
    fn durable(&self, _: Watermarks) {}
    fn ready(&self) {}
    fn stopped(&self, _: &Error) {}
}
