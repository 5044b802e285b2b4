//! Delivery streams: made, described, changed and deleted.

mod create;
mod describe;
mod encryption;
mod update;

pub(crate) use create::{create, delete};
pub(crate) use describe::{describe, list};
pub(crate) use encryption::{start as start_encryption, stop as stop_encryption};
pub(crate) use update::update;

/// The id of the only destination of a delivery stream.
const DESTINATION_ID: &str = "destinationId-000000000001";
