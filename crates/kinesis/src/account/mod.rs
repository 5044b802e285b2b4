//! The account: its limits, and what it is committed to.

mod limits;
mod settings;

pub(crate) use limits::{check_on_demand_limit, check_shard_limit, describe_limits, shard_room};
pub(crate) use settings::{describe_settings, update_settings};
