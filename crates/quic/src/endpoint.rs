//! Endpoints: a UDP socket with large buffers, gathered sends, and room for packets of any useful size.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use afflux_types::{Error, Result};
use quinn::{AsyncUdpSocket, Endpoint, EndpointConfig, Runtime as _, ServerConfig, TokioRuntime};

use crate::buffers;
use crate::socket::GatherSocket;

/// The largest UDP payload that is received. The peer's path discovery decides what is sent.
///
/// Half of what the kernel merges into one buffer, so that 32 buffers of 64 KiB are all that an
/// endpoint receives into: quinn reserves whole numbers of the largest payload.
const PAYLOAD_BYTES_MAX: u16 = 32_768;

/// An endpoint on `address`; it accepts connections if there is a server configuration.
///
/// `buffer_bytes` is the size of the socket's buffers, each way. They get it whatever the system's
/// limit is if the process may exceed that, and otherwise as much of it as the limit allows.
///
/// # Errors
/// `Unavailable` if the address is taken or the system has no socket left.
///
/// # Panics
/// Outside a Tokio runtime, which then drives the endpoint.
pub fn bind(
    address: SocketAddr,
    buffer_bytes: usize,
    mut config: EndpointConfig,
    server: Option<ServerConfig>,
) -> Result<Endpoint> {
    config
        .max_udp_payload_size(PAYLOAD_BYTES_MAX)
        .map_err(|error| Error::internal("set the largest UDP payload").with_source(error))?;
    let socket = gathering(address, buffer_bytes)?;
    Endpoint::new_with_abstract_socket(config, server, socket, Arc::new(TokioRuntime))
        .map_err(|error| Error::unavailable("start a QUIC endpoint").with_source(error))
}

/// Moves an endpoint with its connections to a new socket on `address`.
///
/// # Errors
/// `Unavailable` if the address is taken or the system has no socket left; the endpoint stays where it
/// was.
///
/// # Panics
/// Outside a Tokio runtime.
pub fn rebind(endpoint: &Endpoint, address: SocketAddr, buffer_bytes: usize) -> Result<()> {
    endpoint
        .rebind_abstract(gathering(address, buffer_bytes)?)
        .map_err(|error| Error::unavailable("move a QUIC endpoint").with_source(error))
}

/// Where a client listens that talks to `peer`: any address of the same family, any free port.
#[must_use]
pub fn local_address(peer: SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

fn gathering(address: SocketAddr, buffer_bytes: usize) -> Result<Arc<dyn AsyncUdpSocket>> {
    let socket = UdpSocket::bind(address).map_err(|error| {
        Error::unavailable(format!("open the UDP address {address}")).with_source(error)
    })?;
    buffers::enlarge(&socket, buffer_bytes);
    let socket = TokioRuntime
        .wrap_udp_socket(socket)
        .map_err(|error| Error::unavailable("register a UDP socket").with_source(error))?;
    Ok(GatherSocket::new(socket, PAYLOAD_BYTES_MAX))
}

#[cfg(test)]
mod tests;
