//! The UDP socket and quinn's configuration, from a transport profile.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use afflux_types::{Error, Result};
use afflux_wire::transport::Profile;
use quinn::{EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TokioRuntime, VarInt};
use socket2::{Domain, Protocol, Socket, Type};

/// The largest payload of a UDP datagram.
const UDP_PAYLOAD_MAX: u16 = 65_527;

/// An endpoint on a new socket of the same address family as `peer`.
pub(super) fn bind(peer: SocketAddr, profile: &Profile) -> Result<quinn::Endpoint> {
    let failed = |error| Error::unavailable("open a UDP socket").with_source(error);
    let socket = socket(peer, profile).map_err(failed)?;
    let mut config = EndpointConfig::default();
    config
        .max_udp_payload_size(UDP_PAYLOAD_MAX)
        .map_err(|error| Error::internal("configure QUIC").with_source(error))?;
    quinn::Endpoint::new(config, None, socket.into(), Arc::new(TokioRuntime)).map_err(failed)
}

/// A socket on any free port.
pub(super) fn socket(peer: SocketAddr, profile: &Profile) -> io::Result<Socket> {
    let any: SocketAddr = match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = Socket::new(Domain::for_address(any), Type::DGRAM, Some(Protocol::UDP))?;
    // The kernel cuts what is above its own limit; smaller buffers only cost throughput.
    for set in [Socket::set_recv_buffer_size, Socket::set_send_buffer_size] {
        if let Err(error) = set(&socket, profile.socket_buffer_bytes) {
            tracing::debug!(%error, "socket buffers keep their size");
        }
    }
    socket.bind(&any.into())?;
    Ok(socket)
}

/// The profile as quinn takes it.
pub(super) fn transport_config(profile: &Profile) -> Result<quinn::TransportConfig> {
    let mut config = quinn::TransportConfig::default();
    let idle = IdleTimeout::try_from(profile.idle_timeout)
        .map_err(|error| Error::invalid("idle time-out is too long").with_source(error))?;
    let discovery = (profile.mtu_discovered_max > 0).then(|| {
        let mut discovery = MtuDiscoveryConfig::default();
        discovery.upper_bound(profile.mtu_discovered_max);
        discovery
    });
    config
        .initial_mtu(profile.mtu_initial)
        .mtu_discovery_config(discovery)
        .enable_segmentation_offload(profile.segmentation_offload)
        .stream_receive_window(VarInt::from_u32(profile.stream_window_bytes))
        .receive_window(VarInt::from_u32(profile.connection_window_bytes))
        .send_window(profile.send_window_bytes)
        // The server opens no QUIC streams towards us.
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(profile.keep_alive));
    Ok(config)
}
