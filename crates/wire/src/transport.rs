//! The numbers that tune QUIC, in one table for server and client.
//!
//! They are plain numbers here because this crate knows no transport; both sides build their
//! configuration from the same profile.

use std::time::Duration;

/// Two such packets with their headers fit into the 64 KiB of one call.
const LOOPBACK_MTU: u16 = 32_700;

/// How one side of a connection uses the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Bytes of the first UDP payloads. Every network must carry them.
    pub mtu_initial: u16,
    /// Bytes of UDP payload up to which larger packets are tried; zero tries none.
    pub mtu_discovered_max: u16,
    /// Bytes that the peer may send on one QUIC stream before they are read.
    pub stream_window_bytes: u32,
    /// Bytes that the peer may send on all QUIC streams before they are read.
    pub connection_window_bytes: u32,
    /// Bytes that may be sent and not be acknowledged by the peer's transport.
    pub send_window_bytes: u64,
    /// Bytes of the kernel's buffers of the UDP socket, each way.
    pub socket_buffer_bytes: usize,
    /// Bidirectional QUIC streams that the peer may have open.
    pub streams_max: u32,
    /// A connection without a sign of life for this long is lost.
    pub idle_timeout: Duration,
    /// A sign of life is sent after this long without other traffic.
    pub keep_alive: Duration,
}

impl Profile {
    /// For local networks and the internet: packets of an Ethernet, windows for long distances.
    pub const NETWORK: Self = Self {
        mtu_initial: 1_200,
        mtu_discovered_max: 1_452,
        stream_window_bytes: 8 << 20,
        connection_window_bytes: 16 << 20,
        send_window_bytes: 8 << 20,
        socket_buffer_bytes: 8 << 20,
        streams_max: 4_096,
        idle_timeout: Duration::from_secs(15),
        keep_alive: Duration::from_secs(4),
    };

    /// For one machine.
    pub const LOOPBACK: Self = Self::NETWORK.on_loopback();

    /// The same for a peer on this machine: packets get so large that two leave in one system call.
    #[must_use]
    pub const fn on_loopback(self) -> Self {
        Self {
            mtu_discovered_max: LOOPBACK_MTU,
            ..self
        }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::NETWORK
    }
}
