use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};

use quinn::{Runtime as _, TokioRuntime};

use super::*;

/// Takes as many calls as it has room for and keeps what it took.
#[derive(Debug)]
struct Wire {
    room: Mutex<usize>,
    calls: Mutex<Vec<Vec<u8>>>,
    /// Packets that one call may carry.
    segments: AtomicUsize,
    /// The call with this number fails, and segmentation is over.
    fails_at: Option<usize>,
}

#[derive(Debug)]
struct NeverWritable;

impl UdpPoller for NeverWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl Wire {
    fn new(room: usize, segments: usize) -> Arc<Self> {
        Arc::new(Self {
            room: Mutex::new(room),
            calls: Mutex::default(),
            segments: AtomicUsize::new(segments),
            fails_at: None,
        })
    }

    /// As a network card that turns out not to segment: quinn's socket swallows the error.
    fn without_offload_from(call: usize) -> Arc<Self> {
        Arc::new(Self {
            room: Mutex::new(usize::MAX),
            calls: Mutex::default(),
            segments: AtomicUsize::new(64),
            fails_at: Some(call),
        })
    }

    fn lengths(&self) -> Vec<usize> {
        self.calls.lock().iter().map(Vec::len).collect()
    }
}

impl AsyncUdpSocket for Wire {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(NeverWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let mut room = self.room.lock();
        *room = room.checked_sub(1).ok_or(io::ErrorKind::WouldBlock)?;
        let mut calls = self.calls.lock();
        let mut contents = transmit.contents.to_vec();
        if self.fails_at == Some(calls.len()) {
            self.segments.store(1, Ordering::Relaxed);
            contents.clear();
        }
        calls.push(contents);
        Ok(())
    }

    fn poll_recv(
        &self,
        _: &mut Context<'_>,
        _: &mut [IoSliceMut<'_>],
        _: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(([127, 0, 0, 1], 1).into())
    }

    fn max_transmit_segments(&self) -> usize {
        self.segments.load(Ordering::Relaxed)
    }
}

fn transmit(contents: &[u8], packet_bytes: usize) -> Transmit<'_> {
    transmit_to(([127, 0, 0, 1], 9).into(), contents, packet_bytes)
}

fn transmit_to(destination: SocketAddr, contents: &[u8], packet_bytes: usize) -> Transmit<'_> {
    Transmit {
        destination,
        ecn: None,
        contents,
        segment_size: Some(packet_bytes),
        src_ip: None,
    }
}

#[tokio::test]
async fn full_transmits_leave_together_up_to_the_kernels_limit() {
    let wire = Wire::new(100, 64);
    let socket = GatherSocket::new(wire.clone(), 1_452);
    for _ in 0..5 {
        socket.try_send(&transmit(&[0; 14_520], 1_452)).unwrap();
    }
    assert_eq!(wire.lengths(), [4 * 14_520]);
    while wire.lengths().len() < 2 {
        yield_now().await;
    }
    assert_eq!(wire.lengths(), [4 * 14_520, 14_520]);
}

#[tokio::test]
async fn a_transmit_above_the_kernels_limit_is_split_between_packets() {
    let wire = Wire::new(100, 64);
    let socket = GatherSocket::new(wire.clone(), 9_000);
    socket.try_send(&transmit(&[0; 90_000], 9_000)).unwrap();
    assert_eq!(wire.lengths(), [63_000, 27_000]);
}

#[tokio::test]
async fn without_segmentation_every_call_is_one_packet() {
    let wire = Wire::new(100, 1);
    let socket = GatherSocket::new(wire.clone(), 1_452);
    socket.try_send(&transmit(&[0; 3_000], 1_000)).unwrap();
    assert_eq!(wire.lengths(), [1_000; 3]);
}

#[tokio::test]
async fn packets_keep_their_order_however_the_socket_blocks() {
    for room in 0..12 {
        let wire = Wire::new(room, 64);
        let socket = GatherSocket::new(wire.clone(), 9_000);
        let mut expected = Vec::new();
        for (number, length) in [14_520, 100, 14_520, 90_000, 14_520, 7_000, 90_000]
            .into_iter()
            .enumerate()
        {
            let contents = vec![u8::try_from(number).unwrap(); length];
            let packet_bytes = length.div_ceil(10);
            if socket.try_send(&transmit(&contents, packet_bytes)).is_ok() {
                expected.extend(contents);
            }
        }
        *wire.room.lock() = 100;
        flush_locked(&socket).unwrap();
        assert!(
            wire.calls.lock().concat() == expected,
            "with room for {room} calls"
        );
    }
}

#[tokio::test]
async fn nothing_joins_a_short_packet() {
    let wire = Wire::new(0, 64);
    let socket = GatherSocket::new(wire.clone(), 1_452);
    socket.try_send(&transmit(&[0; 14_520], 1_452)).unwrap();
    // The call is due, and blocks: both transmits stay held.
    socket.try_send(&transmit(&[0; 1_000], 1_452)).unwrap();
    assert!(would_block(&socket.try_send(&transmit(&[0; 10], 1_452))));
    *wire.room.lock() = 2;
    socket.try_send(&transmit(&[0; 10], 1_452)).unwrap();
    assert_eq!(wire.lengths(), [15_520, 10]);
}

#[tokio::test]
async fn a_blocked_socket_holds_no_more_than_one_call() {
    let socket = GatherSocket::new(Wire::new(0, 64), 1_452);
    let taken = (0..100)
        .filter(|_| socket.try_send(&transmit(&[0; 14_520], 1_452)).is_ok())
        .count();
    assert_eq!(taken, 4);
}

#[tokio::test]
async fn another_destination_or_packet_size_ends_a_call() {
    let wire = Wire::new(100, 64);
    let socket = GatherSocket::new(wire.clone(), 1_452);
    let (near, far) = (([127, 0, 0, 1], 9).into(), ([127, 0, 0, 1], 10).into());
    for (destination, packet_bytes) in [(near, 1_452), (far, 1_452), (far, 1_200), (near, 1_200)] {
        let packets = vec![0; packet_bytes * 10];
        socket
            .try_send(&transmit_to(destination, &packets, packet_bytes))
            .unwrap();
    }
    assert_eq!(wire.lengths(), [14_520, 14_520, 12_000]);
    while wire.lengths().len() < 4 {
        yield_now().await;
    }
}

#[tokio::test]
async fn a_socket_that_stops_to_segment_gets_single_packets_at_once() {
    let wire = Wire::without_offload_from(1);
    let socket = GatherSocket::new(wire.clone(), 32_700);
    socket.try_send(&transmit(&[0; 196_200], 32_700)).unwrap();
    assert_eq!(wire.lengths(), [65_400, 0, 32_700, 32_700]);
}

/// What a plain socket on this machine receives of packets that are sent in transmits.
async fn through_the_kernel(packet_bytes: usize, transmits: &[usize]) -> Vec<Vec<u8>> {
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    crate::buffers::enlarge(&receiver, 8 << 20);
    let to = receiver.local_addr().unwrap();
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    crate::buffers::enlarge(&sender, 8 << 20);
    let socket = GatherSocket::new(TokioRuntime.wrap_udp_socket(sender).unwrap(), 32_700);
    let mut poller = Arc::clone(&socket).create_io_poller();
    let mut number = 0_u8;
    let mut expected = 0;
    for bytes in transmits {
        let packets: Vec<u8> = vec![0; *bytes]
            .chunks(packet_bytes)
            .flat_map(|packet| {
                number = number.wrapping_add(1);
                expected += 1;
                vec![number; packet.len()]
            })
            .collect();
        while would_block(&socket.try_send(&transmit_to(to, &packets, packet_bytes))) {
            poll_fn(|cx| poller.as_mut().poll_writable(cx))
                .await
                .unwrap();
        }
    }
    receiver.set_nonblocking(true).unwrap();
    let receiver = tokio::net::UdpSocket::from_std(receiver).unwrap();
    let mut buffer = vec![0; 65_536];
    let mut received = Vec::new();
    for _ in 0..expected {
        let len = receiver.recv(&mut buffer).await.unwrap();
        received.push(buffer[..len].to_vec());
    }
    received
}

#[tokio::test]
async fn the_kernel_delivers_every_packet_whole_and_in_order() {
    // Around what fits a call: 45 packets of 1,452 bytes, 10 of 6,548, 2 of 32,743.
    for packet_bytes in [
        1_200, 1_452, 6_548, 6_549, 16_371, 32_700, 32_743, 32_744, 65_000,
    ] {
        let ten = packet_bytes * 10;
        let transmits = [
            ten,
            ten,
            ten,
            packet_bytes,
            ten - 1,
            1,
            ten,
            packet_bytes * 3 + 7,
        ];
        let received = through_the_kernel(packet_bytes, &transmits).await;
        let mut number = 0_u8;
        let mut received = received.into_iter();
        for bytes in transmits {
            for packet in vec![0_u8; bytes].chunks(packet_bytes) {
                number = number.wrapping_add(1);
                let arrived = received.next().unwrap();
                assert!(
                    arrived == vec![number; packet.len()],
                    "packet {number} of {packet_bytes} bytes has {} bytes of {:?}",
                    arrived.len(),
                    arrived.first()
                );
            }
        }
    }
}
