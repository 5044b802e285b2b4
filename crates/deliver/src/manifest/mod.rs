//! The manifest of a shard: the only record of what is archived.
//!
//! A manifest is JSON Lines, only ever appended to: a start, then files, gaps, and the shard's end,
//! each beginning where the one before ended. Every line carries a checksum of itself and the sums
//! of all lines up to it, so that a reader of the last line knows the state.

mod journal;
mod line;

pub(crate) use journal::{Identity, Journal};
pub(crate) use line::{Closed, FileLine, Gap, Line, VERSION, VideoLine, What, seal, unseal};
pub use line::{GapReason, Totals};
