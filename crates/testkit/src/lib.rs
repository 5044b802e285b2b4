//! What the black-box tests stand on: a real server process, bad networks, small disks, and a judge.
//!
//! Nothing here is part of the product. Failures panic with a sentence, because their reader is a
//! person in front of a failed test; waits are on conditions and end with the name of the condition
//! that never came true.
//!
//! Start reading at [`process::Server`] and [`verify::History`].
#![forbid(unsafe_code)]
#![expect(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking; every helper here panics when its promise cannot be kept"
)]

pub mod command;
pub mod disk;
pub mod net;
pub mod peer;
pub mod process;
pub mod seed;
pub mod verify;
pub mod video;
pub mod wait;
