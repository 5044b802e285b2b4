//! The program as a user types it: each command once well and once badly.
//!
//! Exit codes: 0 it worked, 1 the request failed, 2 it was typed wrongly. Data goes to the standard
//! output, everything else to the standard error.

mod bench;
mod check;
mod deliveries;
mod help;
mod records;
mod serve;
mod streams;
mod video;
