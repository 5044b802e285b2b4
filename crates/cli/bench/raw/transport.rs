//! The settings of a QUIC endpoint as plain values, and an endpoint made from them.
//!
//! The product passes its own settings in here, so that the bare transport and the product differ in nothing but
//! what the product adds.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use quinn::congestion::{BbrConfig, CubicConfig, NewRenoConfig};
use quinn::{
    AckFrequencyConfig, Endpoint, EndpointConfig, MtuDiscoveryConfig, Runtime, ServerConfig,
    TokioRuntime, TransportConfig, VarInt,
};
use rustix::net::sockopt::{set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force};
use serde::{Deserialize, Serialize};
use socket2::SockRef;

use super::socket::GatherSocket;

/// Everything about a connection's transport that changes its speed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TransportProfile {
    /// The largest UDP payload that MTU discovery tries.
    pub(crate) mtu_upper_bound: u16,
    /// The UDP payload before discovery has found anything.
    pub(crate) mtu_initial: u16,
    /// What a peer may send on one stream ahead of the reader, in bytes.
    pub(crate) stream_window_bytes: u32,
    /// What a peer may send on one connection ahead of the readers, in bytes.
    pub(crate) connection_window_bytes: u32,
    /// What one connection may hold unacknowledged, in bytes.
    pub(crate) send_window_bytes: u64,
    /// The kernel's buffer of the socket, each way, in bytes.
    pub(crate) socket_buffer_bytes: usize,
    /// Whether one system call may carry several packets.
    pub(crate) segmentation_offload: bool,
    /// Whether packets are gathered to the kernel's limit instead of quinn's; see [`GatherSocket`].
    pub(crate) gather: bool,
    /// The congestion controller.
    pub(crate) congestion: Congestion,
    /// The congestion window at the start, in bytes; the controller's own if absent.
    pub(crate) congestion_window_initial_bytes: Option<u64>,
    /// How seldom the peer is asked to acknowledge; the protocol's own rule if absent.
    pub(crate) ack_frequency: Option<AckFrequency>,
}

/// A congestion controller of quinn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Congestion {
    /// CUBIC, quinn's default.
    Cubic,
    /// `NewReno`.
    NewReno,
    /// BBR, experimental in quinn.
    Bbr,
}

/// A request to the peer to acknowledge less often than every second packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AckFrequency {
    /// Packets that may stay unacknowledged.
    pub(crate) packets: u32,
    /// How long an acknowledgement may wait, in microseconds; the peer's own limit if absent.
    pub(crate) delay_max_us: Option<u64>,
    /// Packets out of order that may stay unacknowledged.
    pub(crate) reordering: u32,
}

impl Default for TransportProfile {
    /// quinn's own way, with windows and buffers that do not hold it back.
    fn default() -> Self {
        Self {
            mtu_upper_bound: 1_452,
            mtu_initial: 1_200,
            stream_window_bytes: 8 << 20,
            connection_window_bytes: 16 << 20,
            send_window_bytes: 16 << 20,
            socket_buffer_bytes: 8 << 20,
            segmentation_offload: true,
            gather: false,
            congestion: Congestion::Cubic,
            congestion_window_initial_bytes: None,
            ack_frequency: None,
        }
    }
}

impl TransportProfile {
    /// The settings of a connection.
    ///
    /// # Errors
    /// If a value is outside what QUIC can express.
    pub(crate) fn config(&self) -> Result<TransportConfig> {
        let mut discovery = MtuDiscoveryConfig::default();
        discovery.upper_bound(self.mtu_upper_bound);
        let mut config = TransportConfig::default();
        config
            .initial_mtu(self.mtu_initial)
            .mtu_discovery_config(Some(discovery))
            .stream_receive_window(VarInt::from_u32(self.stream_window_bytes))
            .receive_window(VarInt::from_u32(self.connection_window_bytes))
            .send_window(self.send_window_bytes)
            .enable_segmentation_offload(self.segmentation_offload)
            .max_concurrent_bidi_streams(VarInt::from_u32(1_024));
        self.set_congestion(&mut config);
        if let Some(ack) = self.ack_frequency {
            let mut frequency = AckFrequencyConfig::default();
            frequency
                .ack_eliciting_threshold(VarInt::from_u32(ack.packets))
                .max_ack_delay(ack.delay_max_us.map(Duration::from_micros))
                .reordering_threshold(VarInt::from_u32(ack.reordering));
            config.ack_frequency_config(Some(frequency));
        }
        Ok(config)
    }

    /// An endpoint on `address`; it accepts connections if there is a server configuration.
    ///
    /// Must be called within the runtime that is to drive it.
    ///
    /// # Errors
    /// If the address is taken or the socket refuses its settings.
    pub(crate) fn endpoint(
        &self,
        address: SocketAddr,
        server: Option<ServerConfig>,
    ) -> Result<Endpoint> {
        let socket = self.socket(address)?;
        let payload_bytes_max = self.mtu_upper_bound.max(self.mtu_initial).max(1_472);
        let mut config = EndpointConfig::default();
        config
            .max_udp_payload_size(payload_bytes_max)
            .context("largest UDP payload")?;
        let runtime = Arc::new(TokioRuntime);
        let mut socket = runtime
            .wrap_udp_socket(socket)
            .context("register the socket")?;
        if self.gather {
            socket = GatherSocket::new(socket, payload_bytes_max);
        }
        Endpoint::new_with_abstract_socket(config, server, socket, runtime)
            .context("start an endpoint")
    }

    fn socket(&self, address: SocketAddr) -> Result<UdpSocket> {
        let socket = UdpSocket::bind(address).with_context(|| format!("bind {address}"))?;
        socket
            .set_nonblocking(true)
            .context("make the socket non-blocking")?;
        let bytes = self.socket_buffer_bytes;
        if bytes > 0 {
            let options = SockRef::from(&socket);
            // Only a privileged process may go past the system's limit; others get as much as the limit allows.
            if set_socket_recv_buffer_size_force(&socket, bytes).is_err() {
                options
                    .set_recv_buffer_size(bytes)
                    .context("size the receive buffer")?;
            }
            if set_socket_send_buffer_size_force(&socket, bytes).is_err() {
                options
                    .set_send_buffer_size(bytes)
                    .context("size the send buffer")?;
            }
        }
        Ok(socket)
    }

    fn set_congestion(&self, config: &mut TransportConfig) {
        let initial = self.congestion_window_initial_bytes;
        match self.congestion {
            Congestion::Cubic => {
                let mut cubic = CubicConfig::default();
                if let Some(bytes) = initial {
                    cubic.initial_window(bytes);
                }
                config.congestion_controller_factory(Arc::new(cubic));
            }
            Congestion::NewReno => {
                let mut reno = NewRenoConfig::default();
                if let Some(bytes) = initial {
                    reno.initial_window(bytes);
                }
                config.congestion_controller_factory(Arc::new(reno));
            }
            Congestion::Bbr => {
                let mut bbr = BbrConfig::default();
                if let Some(bytes) = initial {
                    bbr.initial_window(bytes);
                }
                config.congestion_controller_factory(Arc::new(bbr));
            }
        }
    }
}
