//! Sockets and connections: who may connect, how many, and for how long.

pub(crate) mod http;
pub(crate) mod quic;
pub(crate) mod transport;
