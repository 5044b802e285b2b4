//! Records in and out of the service, through [`afflux_kinesis::Kinesis::call`].
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod events;
mod get;
mod iterator;
mod put;
mod reshard;
mod seats;
mod support;
mod throttle;
