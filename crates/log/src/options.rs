//! Settings of a volume.

/// Numbers that shape a [`Volume`](crate::Volume).
///
/// Change one with struct update syntax: `VolumeOptions { segment_bytes_max: 1 << 20, ..Default::default() }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeOptions {
    /// Bytes reserved for the first segment of a shard, and the least for any.
    ///
    /// An idle shard costs this much disk. Default 256 KiB, at least 64 KiB; rounded up to 4 KiB.
    pub segment_bytes_min: u64,
    /// Bytes reserved for a segment of a busy shard. Default 64 MiB, at least `segment_bytes_min`.
    ///
    /// Retention deletes whole segments, so this is also its grain. With more than 256 shards the largest
    /// size shrinks in proportion: 4,096 shards reserve at most 4 MiB at a time each.
    pub segment_bytes_max: u64,
    /// Bytes that all shards together may have accepted and not yet made durable.
    ///
    /// Above it appends are [`Busy`](crate::AppendError::Busy). Default 256 MiB. One shard may hold a
    /// quarter of it. An entry that is larger is accepted when nothing else waits.
    pub queue_bytes_max: u64,
    /// Bytes of each of the [`JOURNALS`](crate::JOURNALS) journal files. Default 64 MiB, at least 1 MiB.
    ///
    /// The journals are made when a commit round first finds many shards to sync, so a volume with
    /// few shards has none. They bound what recovery must replay.
    pub journal_bytes: u64,
    /// Segments that may be mapped for readers at a time. Default 8,192; Linux allows a process
    /// 65,530 maps. Slices that readers hold keep theirs beyond that.
    pub maps_max: usize,
    /// Segment files that may be open at a time. Default 16,384; keep it below `ulimit -n`.
    pub files_max: usize,
}

impl Default for VolumeOptions {
    fn default() -> Self {
        Self {
            segment_bytes_min: 256 << 10,
            segment_bytes_max: 64 << 20,
            queue_bytes_max: 256 << 20,
            journal_bytes: 64 << 20,
            maps_max: 8_192,
            files_max: 16_384,
        }
    }
}
