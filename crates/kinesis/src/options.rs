//! What an operator decides about the API.

use afflux_aws::kinesis::arn::Place;

/// How the API presents itself.
#[derive(Clone, Debug)]
pub struct Options {
    /// Region and account that resource names carry. Requests may name any other: there is only one.
    pub place: Place,
    /// Whether AWS's limits hold: shards of streams that are made here take 1 MiB and 1,000 records a
    /// second in, and reads of 2 MiB and five calls a second; a consumer subscribes to a shard once in
    /// five seconds, also if its last subscription has ended; operations have their rates; streams
    /// are scaled ten times a day and have 20 consumers. If not, only what the engine can do limits.
    pub throttled: bool,
    /// Open shards of the account; holds always.
    pub shards_max: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            place: Place::default(),
            throttled: true,
            shards_max: 20_000,
        }
    }
}
