//! A UDP socket for quinn that sends more packets per system call.
//!
//! quinn hands out at most ten packets at a time and does not know that the kernel takes at most 64 KiB
//! at once with segmentation offload. With packets of an Ethernet that leaves four fifths of a call
//! unused; with packets above 6,550 bytes every call fails, silently, and the connection crawls. This
//! socket gathers full transmits with the same destination and packet size until the kernel's limit or
//! until the runtime has nothing else to do, and splits what is too large for one call.
//!
//! Invariants: the packets of one connection leave in the order in which they were handed over; at most one
//! call's worth of packets, or one transmit if that is larger, is held.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use quinn::udp::{EcnCodepoint, RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::sync::Notify;
use tokio::task::yield_now;

/// The most bytes of one call: an IP packet's 65,535 less the headers of IPv6 and UDP.
const CALL_BYTES_MAX: usize = 65_535 - 48;
/// quinn's own limit on the packets of one transmit: one with so many probably has more behind it.
const TRANSMIT_PACKETS_MAX: usize = 10;
/// The kernel merges received packets up to the size of one IP packet.
const MERGED_BYTES_MAX: usize = 1 << 16;

/// The socket; see the module.
pub(crate) struct GatherSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    held: Mutex<Held>,
    wake: Arc<Notify>,
    receive_segments: usize,
}

/// Packets that wait for more.
#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    route: Option<Route>,
}

/// What all packets of one call have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Route {
    destination: SocketAddr,
    source: Option<IpAddr>,
    ecn: Option<EcnCodepoint>,
    packet_bytes: usize,
}

impl Held {
    /// Whether packets of this route may follow. After a short packet none may: the kernel cuts at
    /// multiples of the packet size.
    fn takes_more(&self, route: &Route) -> bool {
        self.route.as_ref() == Some(route) && self.bytes.len().is_multiple_of(route.packet_bytes)
    }

    fn push(&mut self, route: Route, packets: &[u8]) {
        self.route = Some(route);
        self.bytes.extend_from_slice(packets);
    }
}

impl GatherSocket {
    /// Wraps `inner` and starts a task on the current tokio runtime that sends what is held.
    ///
    /// `payload_bytes_max` is the largest UDP payload that the endpoint receives. From it follows how much
    /// memory quinn sets aside to receive into: it would reserve 64 payloads for each of 32 buffers, of
    /// which the kernel never fills more than 64 KiB.
    pub(crate) fn new(inner: Arc<dyn AsyncUdpSocket>, payload_bytes_max: u16) -> Arc<Self> {
        let merged = MERGED_BYTES_MAX.div_ceil(usize::from(payload_bytes_max.max(1)));
        let receive_segments = inner.max_receive_segments().min(merged);
        let wake = Arc::new(Notify::new());
        let this = Arc::new(Self {
            inner,
            held: Mutex::default(),
            wake: Arc::clone(&wake),
            receive_segments,
        });
        tokio::spawn(send_held(Arc::downgrade(&this), wake));
        this
    }

    /// Sends what is held. Its only error is `WouldBlock`: the rest stays held.
    ///
    /// Packets that fail otherwise are lost, which QUIC repairs like any loss. The error must not reach
    /// the caller, because the packets may be another connection's.
    fn flush(&self, held: &mut Held) -> io::Result<()> {
        let Some(route) = held.route else {
            return Ok(());
        };
        let (sent, result) = self.send_now(&route, &held.bytes);
        if would_block(&result) {
            held.bytes.drain(..sent);
            return result;
        }
        held.bytes.clear();
        held.route = None;
        Ok(())
    }

    /// Takes what the kernel has no room for now; it leaves when the socket is writable.
    ///
    /// If other packets wait already, the whole transmit is refused: quinn sends again what has left.
    fn hold_rest(&self, route: Route, packets: &[u8]) -> io::Result<()> {
        let mut held = self.held.lock();
        if held.route.is_some() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        held.push(route, packets);
        self.wake.notify_one();
        Ok(())
    }

    /// Sends packets in as many calls as they need; returns the bytes of the calls that succeeded.
    fn send_now(&self, route: &Route, packets: &[u8]) -> (usize, io::Result<()>) {
        let mut rest = packets;
        while !rest.is_empty() {
            // Asked for each call: a failed one may have ended segmentation.
            let (call, after) = rest.split_at(rest.len().min(self.call_bytes(route)));
            if let Err(error) = self.inner.try_send(&route.transmit(call)) {
                return (packets.len() - rest.len(), Err(error));
            }
            rest = after;
        }
        (packets.len(), Ok(()))
    }

    /// The most bytes of one call: whole packets, and a single one where the kernel cannot segment.
    fn call_bytes(&self, route: &Route) -> usize {
        let packets = (CALL_BYTES_MAX / route.packet_bytes).min(self.inner.max_transmit_segments());
        packets.max(1) * route.packet_bytes
    }
}

impl Drop for GatherSocket {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

impl AsyncUdpSocket for GatherSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.inner).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let route = Route::of(transmit);
        let packets = transmit.contents;
        let call_bytes = self.call_bytes(&route);
        let more_follows = packets.len() == route.packet_bytes * TRANSMIT_PACKETS_MAX;
        let mut held = self.held.lock();
        let joins = held.takes_more(&route) && held.bytes.len() + packets.len() <= call_bytes;
        if !joins {
            self.flush(&mut held)?;
        }
        let has_room = held.bytes.len() + packets.len() * 2 <= call_bytes;
        if more_follows && has_room {
            held.push(route, packets);
            self.wake.notify_one();
            return Ok(());
        }
        if joins {
            held.push(route, packets);
            let result = self.flush(&mut held);
            if would_block(&result) {
                self.wake.notify_one();
                return Ok(());
            }
            return result;
        }
        // Connections of other threads send at the same time.
        drop(held);
        let (sent, result) = self.send_now(&route, packets);
        if would_block(&result) && sent > 0 {
            return self.hold_rest(route, packets.get(sent..).unwrap_or_default());
        }
        result
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_recv(cx, bufs, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.receive_segments
    }
}

impl fmt::Debug for GatherSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatherSocket")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl Route {
    fn of(transmit: &Transmit<'_>) -> Self {
        Self {
            destination: transmit.destination,
            source: transmit.src_ip,
            ecn: transmit.ecn,
            packet_bytes: transmit
                .segment_size
                .unwrap_or(transmit.contents.len())
                .max(1),
        }
    }

    fn transmit<'a>(&self, contents: &'a [u8]) -> Transmit<'a> {
        Transmit {
            destination: self.destination,
            ecn: self.ecn,
            contents,
            segment_size: (contents.len() > self.packet_bytes).then_some(self.packet_bytes),
            src_ip: self.source,
        }
    }
}

/// Sends what is held once everything else that is ready on the runtime has had its turn; ends with
/// the socket.
async fn send_held(socket: Weak<GatherSocket>, wake: Arc<Notify>) {
    loop {
        wake.notified().await;
        yield_now().await;
        let Some(socket) = socket.upgrade() else {
            return;
        };
        let mut poller = Arc::clone(&socket.inner).create_io_poller();
        while would_block(&flush_locked(&socket)) {
            if poll_fn(|cx| poller.as_mut().poll_writable(cx))
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

/// A function of its own, so that no lock is held while the task waits.
fn flush_locked(socket: &GatherSocket) -> io::Result<()> {
    socket.flush(&mut socket.held.lock())
}

fn would_block(result: &io::Result<()>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests;
