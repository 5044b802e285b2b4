//! Streams as a whole: making and deleting them, describing them, changing their settings.

mod change;
mod create;
mod describe;
mod mode;
mod monitoring;
mod retention;

pub(crate) use change::{
    start_encryption, stop_encryption, update_distribution, update_max_record_size,
};
pub(crate) use create::{SHARDS_DEFAULT, create, delete};
pub(crate) use describe::{count, describe, list, page_size, summary};
pub(crate) use mode::{shards_for, update_mode, update_warm_throughput};
pub(crate) use monitoring::{disable_monitoring, enable_monitoring};
pub(crate) use retention::{decrease_retention, increase_retention};
