use super::*;

/// Takes as many calls as it has room for and keeps what it took.
#[derive(Debug)]
struct Wire {
    room: Mutex<usize>,
    calls: Mutex<Vec<Vec<u8>>>,
    segments: usize,
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
            segments,
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
        self.calls.lock().push(transmit.contents.to_vec());
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
        self.segments
    }
}

fn transmit(contents: &[u8], packet_bytes: usize) -> Transmit<'_> {
    Transmit {
        destination: ([127, 0, 0, 1], 9).into(),
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
async fn a_blocked_socket_holds_no_more_than_one_call() {
    let socket = GatherSocket::new(Wire::new(0, 64), 1_452);
    let taken = (0..100)
        .filter(|_| socket.try_send(&transmit(&[0; 14_520], 1_452)).is_ok())
        .count();
    assert_eq!(taken, 4);
}
