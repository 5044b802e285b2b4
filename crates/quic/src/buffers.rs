//! The kernel's buffers of a UDP socket.
//!
//! Linux gives a socket 208 KiB each way, which a sender fills within a tenth of a millisecond; what
//! does not fit is lost and sent again. A privileged process may take what it wants, another one as
//! much as `net.core.rmem_max` and `net.core.wmem_max` allow.

use std::net::UdpSocket;
use std::sync::Once;

use rustix::io::Result;
use rustix::net::sockopt;

/// Below this, load loses packets that larger buffers would keep.
const SENSIBLE_BYTES: usize = 1 << 20;

/// Makes both buffers `wanted` bytes large, or as large as the kernel allows.
///
/// A buffer that stays too small for load is a warning, once in a process, and never an error.
pub(crate) fn enlarge(socket: &UdpSocket, wanted: usize) {
    static WARN: Once = Once::new();
    let receive = Direction {
        force: sockopt::set_socket_recv_buffer_size_force,
        set: sockopt::set_socket_recv_buffer_size,
        get: sockopt::socket_recv_buffer_size,
    };
    let send = Direction {
        force: sockopt::set_socket_send_buffer_size_force,
        set: sockopt::set_socket_send_buffer_size,
        get: sockopt::socket_send_buffer_size,
    };
    let receive_bytes = receive.enlarge(socket, wanted);
    let send_bytes = send.enlarge(socket, wanted);
    tracing::debug!(wanted, receive_bytes, send_bytes, "UDP socket's buffers");
    if receive_bytes.min(send_bytes) < wanted.min(SENSIBLE_BYTES) {
        WARN.call_once(|| {
            tracing::warn!(
                wanted_bytes = wanted,
                receive_bytes,
                send_bytes,
                "the kernel limits the UDP socket's buffers; raise net.core.rmem_max and \
                 net.core.wmem_max or packets get lost under load"
            );
        });
    }
}

/// The options of one of the two buffers.
struct Direction<'a> {
    force: fn(&'a UdpSocket, usize) -> Result<()>,
    set: fn(&'a UdpSocket, usize) -> Result<()>,
    get: fn(&'a UdpSocket) -> Result<usize>,
}

impl<'a> Direction<'a> {
    /// Returns the bytes that the buffer has afterwards.
    fn enlarge(&self, socket: &'a UdpSocket, wanted: usize) -> usize {
        let changed = (self.force)(socket, wanted).or_else(|_| (self.set)(socket, wanted));
        if let Err(error) = changed {
            tracing::debug!(%error, "a UDP socket's buffer keeps its size");
        }
        // The kernel reports twice what it was asked for, as its own bookkeeping counts.
        (self.get)(socket).unwrap_or(0) / 2
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn buffers_grow_to_what_the_kernel_allows() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let sizes = || {
            [
                sockopt::socket_recv_buffer_size(&socket).unwrap(),
                sockopt::socket_send_buffer_size(&socket).unwrap(),
            ]
        };
        enlarge(&socket, 32 << 10);
        let small = sizes();
        enlarge(&socket, 64 << 10);
        assert_eq!(small, [64 << 10; 2]);
        assert_eq!(sizes(), [128 << 10; 2]);
    }
}
