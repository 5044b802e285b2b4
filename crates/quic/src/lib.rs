//! QUIC as client and server both need it: quinn configured from a transport profile, on a socket that
//! sends as many packets per system call as the kernel takes.
//!
//! [`transport_config`] turns a [`Profile`](afflux_wire::transport::Profile) into the settings of one
//! side's connections, [`bind`] opens an endpoint, [`rebind`] moves one to a new socket. What stands
//! above QUIC, its frames and streams, is not known here.
#![forbid(unsafe_code)]

mod buffers;
mod config;
mod endpoint;
mod socket;

pub use config::{Side, transport_config};
pub use endpoint::{bind, local_address, rebind};
