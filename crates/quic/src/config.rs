//! A transport profile as quinn takes it.

use afflux_types::{Error, Result};
use afflux_wire::transport::Profile;
use quinn::{IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};

/// Which end of a connection a configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Opens QUIC streams and keeps the connection alive; the peer opens none.
    Client,
    /// Takes as many QUIC streams as the profile allows.
    Server,
}

/// The settings of the connections of one side.
///
/// # Errors
/// `Invalid` if the idle time-out is longer than QUIC can express.
pub fn transport_config(profile: &Profile, side: Side) -> Result<TransportConfig> {
    let idle = IdleTimeout::try_from(profile.idle_timeout).map_err(|error| {
        let message = format!("an idle time-out of {:?} is too long", profile.idle_timeout);
        Error::invalid(message).with_source(error)
    })?;
    let discovery = (profile.mtu_discovered_max > profile.mtu_initial).then(|| {
        let mut discovery = MtuDiscoveryConfig::default();
        discovery.upper_bound(profile.mtu_discovered_max);
        discovery
    });
    let (streams_max, keep_alive) = match side {
        Side::Client => (0, Some(profile.keep_alive)),
        Side::Server => (profile.streams_max, None),
    };
    let mut config = TransportConfig::default();
    config
        .initial_mtu(profile.mtu_initial)
        .mtu_discovery_config(discovery)
        .stream_receive_window(VarInt::from_u32(profile.stream_window_bytes))
        .receive_window(VarInt::from_u32(profile.connection_window_bytes))
        .send_window(profile.send_window_bytes)
        .max_concurrent_bidi_streams(VarInt::from_u32(streams_max))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(keep_alive);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn both_sides_take_both_profiles() {
        for profile in [Profile::NETWORK, Profile::LOOPBACK] {
            for side in [Side::Client, Side::Server] {
                transport_config(&profile, side).unwrap();
            }
        }
    }

    #[test]
    fn an_idle_timeout_beyond_quic_is_refused() {
        let profile = Profile {
            idle_timeout: Duration::MAX,
            ..Profile::NETWORK
        };
        let error = transport_config(&profile, Side::Client).unwrap_err();
        assert_eq!(error.kind(), afflux_types::ErrorKind::Invalid);
    }
}
