//! The native protocol from the outside: clients that break every rule, and many or slow ones.

mod credentials;
mod frames;
mod idle;
mod positions;
mod records;
mod slow;
