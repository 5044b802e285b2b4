//! Streams and films for tests.

pub(crate) mod film;
pub(crate) mod script;
pub(crate) mod stream;
