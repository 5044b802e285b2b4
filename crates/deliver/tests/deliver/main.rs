//! Archives of a real engine's streams, on a real disk.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod archive;
mod kill;
mod video;
