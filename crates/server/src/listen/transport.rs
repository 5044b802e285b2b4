//! Turns the protocol's transport profile into quinn's configuration and a tuned UDP socket.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use afflux_types::{Error, Result};
use afflux_wire::transport::Profile;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    ConnectionId, ConnectionIdGenerator, EndpointConfig, IdleTimeout, MtuDiscoveryConfig,
    ServerConfig, TransportConfig, VarInt,
};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Config;
use crate::tls::ResetSecret;

use super::quic::streams_at_first;

/// The server's two configurations: a connection gets the one for where it comes from.
#[derive(Debug)]
pub(crate) struct Transports {
    pub(crate) network: Arc<ServerConfig>,
    pub(crate) loopback: Arc<ServerConfig>,
}

impl Transports {
    pub(crate) fn new(config: &Config, tls: rustls::ServerConfig) -> Result<Self> {
        let tls = QuicServerConfig::try_from(tls)
            .map_err(|error| Error::internal("prepare TLS for QUIC").with_source(error))?;
        let tls = Arc::new(tls);
        let build = |profile: Profile| {
            let mut server = ServerConfig::with_crypto(Arc::clone(&tls) as _);
            // A camera that changes its network keeps its session.
            server.migration(true);
            server.transport_config(Arc::new(transport(&profile)?));
            Ok::<_, Error>(Arc::new(server))
        };
        let network = profile(config, Profile::NETWORK);
        let mtu_discovered_max = u16::try_from(config.quic.mtu_max)
            .map_err(|error| Error::internal("quic.mtu_max is checked").with_source(error))?;
        Ok(Self {
            network: build(Profile {
                mtu_discovered_max,
                ..network
            })?,
            loopback: build(profile(config, Profile::LOOPBACK))?,
        })
    }
}

/// A profile with what the configuration changes.
fn profile(config: &Config, base: Profile) -> Profile {
    // The limits of the configuration keep these far inside 32 bits.
    let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let window = narrow(config.quic.window_bytes);
    let idle_timeout = Duration::from_secs(config.limits.idle_seconds);
    Profile {
        stream_window_bytes: window,
        connection_window_bytes: window.saturating_mul(2),
        send_window_bytes: u64::from(window) * 2,
        streams_max: narrow(streams_at_first(config.limits.connection_streams)),
        idle_timeout,
        ..base
    }
}

fn transport(profile: &Profile) -> Result<TransportConfig> {
    let mut transport = TransportConfig::default();
    let idle = IdleTimeout::try_from(profile.idle_timeout)
        .map_err(|error| Error::internal("limits.idle_seconds is checked").with_source(error))?;
    let discovery = (profile.mtu_discovered_max > profile.mtu_initial).then(|| {
        let mut discovery = MtuDiscoveryConfig::default();
        discovery.upper_bound(profile.mtu_discovered_max);
        discovery
    });
    transport
        .initial_mtu(profile.mtu_initial)
        .mtu_discovery_config(discovery)
        .enable_segmentation_offload(profile.segmentation_offload)
        .stream_receive_window(profile.stream_window_bytes.into())
        .receive_window(profile.connection_window_bytes.into())
        .send_window(profile.send_window_bytes)
        .max_concurrent_bidi_streams(profile.streams_max.into())
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(idle));
    Ok(transport)
}

/// Receives packets of any size: the peer's path discovery decides, not this end.
///
/// With the same secret in each run, the clients of a run that was killed are told at their next
/// packet that their connection is gone (RFC 9000, 10.3). Otherwise they would learn it only when
/// their idle time-out has passed.
pub(crate) fn endpoint_config(secret: &ResetSecret) -> Result<EndpointConfig> {
    let reset_key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut config = EndpointConfig::new(Arc::new(reset_key));
    config.cid_generator(|| Box::new(RandomIds(SystemRandom::new())));
    config
        .max_udp_payload_size(65_527)
        .map_err(|error| Error::internal("set the largest UDP payload").with_source(error))?;
    Ok(config)
}

/// Connection ids of random bytes.
///
/// The transport's own are signed with a key of the run, so that those of an earlier run would be
/// dropped unanswered.
#[derive(Debug)]
struct RandomIds(SystemRandom);

const ID_BYTES: usize = 8;

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; ID_BYTES];
        self.0.fill(&mut id).expect("the system has random bytes");
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// Opens the UDP socket with buffers as large as the kernel gives.
pub(crate) fn bind(address: SocketAddr, buffer_bytes: u64) -> Result<UdpSocket> {
    let open = || {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        socket.bind(&address.into())?;
        Ok::<_, std::io::Error>(socket)
    };
    let socket = open().map_err(|error| {
        Error::unavailable(format!("listen on the UDP address {address}")).with_source(error)
    })?;
    let wanted = usize::try_from(buffer_bytes).unwrap_or(usize::MAX);
    let sizes = [
        (
            "net.core.rmem_max",
            socket.set_recv_buffer_size(wanted),
            socket.recv_buffer_size(),
        ),
        (
            "net.core.wmem_max",
            socket.set_send_buffer_size(wanted),
            socket.send_buffer_size(),
        ),
    ];
    for (sysctl, set, size) in sizes {
        let size = size.unwrap_or(0);
        // The kernel reports twice what it was asked for, as its own bookkeeping counts.
        if set.is_err() || size / 2 < wanted {
            tracing::warn!(
                wanted_bytes = wanted,
                bytes = size / 2,
                sysctl,
                "the kernel limits the UDP socket's buffer; raise the sysctl or packets get lost under load"
            );
        }
    }
    Ok(socket.into())
}
