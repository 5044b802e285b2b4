//! The server's settings of QUIC: a transport profile for each kind of peer, and stateless resets that
//! survive a restart.

use std::sync::Arc;
use std::time::Duration;

use afflux_quic::{Side, transport_config};
use afflux_types::{Error, Result};
use afflux_wire::transport::Profile;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig, ServerConfig};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};

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
            server.transport_config(Arc::new(transport_config(&profile, Side::Server)?));
            Ok::<_, Error>(Arc::new(server))
        };
        let profile = profile(config)?;
        Ok(Self {
            network: build(profile)?,
            loopback: build(profile.on_loopback())?,
        })
    }
}

/// The profile with what the configuration changes.
fn profile(config: &Config) -> Result<Profile> {
    // The limits of the configuration keep these far inside 32 bits.
    let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let window = narrow(config.quic.window_bytes);
    let mtu_discovered_max = u16::try_from(config.quic.mtu_max)
        .map_err(|error| Error::internal("quic.mtu_max is checked").with_source(error))?;
    Ok(Profile {
        mtu_discovered_max,
        stream_window_bytes: window,
        connection_window_bytes: window.saturating_mul(2),
        send_window_bytes: config.quic.window_bytes,
        streams_max: narrow(streams_at_first(config.limits.connection_streams)),
        idle_timeout: Duration::from_secs(config.limits.idle_seconds),
        ..Profile::NETWORK
    })
}

/// How the endpoint answers packets that belong to no connection.
///
/// With the same secret in each run, the clients of a run that was killed are told at their next
/// packet that their connection is gone (RFC 9000, 10.3). Otherwise they would learn it only when
/// their idle time-out has passed.
pub(crate) fn endpoint_config(secret: &ResetSecret) -> EndpointConfig {
    let reset_key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut config = EndpointConfig::new(Arc::new(reset_key));
    config.cid_generator(|| Box::new(RandomIds(SystemRandom::new())));
    config
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
