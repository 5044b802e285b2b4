//! A bad network: a UDP proxy between client and server that loses, delays, reorders and cuts.
//!
//! One thread owns all sockets. Toward the server each client has a socket of its own, so that the
//! server sees as many addresses as there are clients; [`LossyProxy::change_address`] gives every
//! client a new one, which is what a camera that moves to another network looks like to a server.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use afflux_types::Clock;
use rand::Rng as _;
use rand::rngs::StdRng;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How bad the network is, the same in both directions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Datagrams of a thousand that are lost.
    pub lost_per_mille: u32,
    /// Datagrams of a thousand that are delayed by `late` on top, and so overtaken by others.
    pub late_per_mille: u32,
    /// How late a late datagram is.
    pub late: Duration,
    /// How long every datagram takes.
    pub delay: Duration,
}

/// A UDP proxy in a thread of its own, which ends when this is dropped.
#[derive(Debug)]
pub struct LossyProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    weather: Weather,
    blackout: AtomicBool,
    move_clients: AtomicBool,
    stop: AtomicBool,
    forwarded: AtomicU64,
    lost: AtomicU64,
}

impl LossyProxy {
    /// A proxy in front of `server` whose chance comes from `rng`.
    ///
    /// # Panics
    /// If no socket can be made.
    #[must_use]
    pub fn start(server: SocketAddr, weather: Weather, rng: StdRng) -> Self {
        let front = bind();
        let address = front.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            weather,
            blackout: AtomicBool::new(false),
            move_clients: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            forwarded: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        });
        let relay = Relay {
            server,
            front,
            backs: BTreeMap::new(),
            flights: BinaryHeap::new(),
            sent: 0,
            rng,
            clock: Clock::system(),
            shared: Arc::clone(&shared),
        };
        let thread = thread::Builder::new()
            .name("lossy-proxy".into())
            .spawn(move || relay.run())
            .expect("a thread can be started");
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// Where clients find the proxy.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets nothing through, in both directions, until [`LossyProxy::restore`].
    pub fn black_out(&self) {
        self.shared.blackout.store(true, Ordering::SeqCst);
    }

    /// Ends a blackout.
    pub fn restore(&self) {
        self.shared.blackout.store(false, Ordering::SeqCst);
    }

    /// Gives every client a new address toward the server.
    pub fn change_address(&self) {
        self.shared.move_clients.store(true, Ordering::SeqCst);
    }

    /// Datagrams that went through.
    #[must_use]
    pub fn forwarded(&self) -> u64 {
        self.shared.forwarded.load(Ordering::SeqCst)
    }

    /// Datagrams that were lost, in blackouts too.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::SeqCst)
    }
}

impl Drop for LossyProxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Datagrams that may be under way at once; more are lost, as in a router's queue.
const FLIGHTS_MAX: usize = 8_192;
/// How long the thread may sleep before it looks at its orders again.
const LOOK: Duration = Duration::from_millis(10);

struct Relay {
    server: SocketAddr,
    front: UdpSocket,
    backs: BTreeMap<SocketAddr, UdpSocket>,
    flights: BinaryHeap<Reverse<Flight>>,
    sent: u64,
    rng: StdRng,
    clock: Clock,
    shared: Arc<Shared>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    ToServer,
    ToClient,
}

/// A datagram under way; ordered by when it arrives, then by when it was sent.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    due: Duration,
    number: u64,
    direction: Direction,
    client: SocketAddr,
    bytes: Vec<u8>,
}

impl Relay {
    fn run(mut self) {
        let mut buffer = vec![0; 65_536];
        while !self.shared.stop.load(Ordering::SeqCst) {
            if self.shared.move_clients.swap(false, Ordering::SeqCst) {
                let server = self.server;
                self.backs
                    .values_mut()
                    .for_each(|back| *back = connect(server));
            }
            self.wait_for_something();
            self.receive(&mut buffer);
            self.deliver();
        }
    }

    fn wait_for_something(&self) {
        let due = self.flights.peek().map_or(LOOK, |Reverse(flight)| {
            flight.due.saturating_sub(self.clock.elapsed()).min(LOOK)
        });
        let timeout = Timespec::try_from(due).ok();
        let sockets = std::iter::once(&self.front).chain(self.backs.values());
        let mut fds: Vec<PollFd<'_>> = sockets
            .map(|socket| PollFd::new(socket, PollFlags::IN))
            .collect();
        let _ = poll(&mut fds, timeout.as_ref());
    }

    fn receive(&mut self, buffer: &mut [u8]) {
        while let Ok((len, client)) = self.front.recv_from(buffer) {
            let server = self.server;
            self.backs.entry(client).or_insert_with(|| connect(server));
            self.depart(Direction::ToServer, client, &buffer[..len]);
        }
        let clients: Vec<SocketAddr> = self.backs.keys().copied().collect();
        for client in clients {
            // A refused port, while the server is down, arrives here as an error and is no datagram.
            while let Ok(len) = self.backs[&client].recv(buffer) {
                self.depart(Direction::ToClient, client, &buffer[..len]);
            }
        }
    }

    fn depart(&mut self, direction: Direction, client: SocketAddr, bytes: &[u8]) {
        let weather = self.shared.weather;
        let blackout = self.shared.blackout.load(Ordering::SeqCst);
        let lost = self.rng.random_range(0..1_000) < weather.lost_per_mille;
        let late = self.rng.random_range(0..1_000) < weather.late_per_mille;
        if blackout || lost || self.flights.len() >= FLIGHTS_MAX {
            self.shared.lost.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let late = if late { weather.late } else { Duration::ZERO };
        self.sent += 1;
        self.flights.push(Reverse(Flight {
            due: self.clock.elapsed() + weather.delay + late,
            number: self.sent,
            direction,
            client,
            bytes: bytes.to_vec(),
        }));
    }

    fn deliver(&mut self) {
        let now = self.clock.elapsed();
        while self
            .flights
            .peek()
            .is_some_and(|Reverse(flight)| flight.due <= now)
        {
            let Some(Reverse(flight)) = self.flights.pop() else {
                return;
            };
            let _ = match flight.direction {
                Direction::ToServer => self.backs[&flight.client].send(&flight.bytes),
                Direction::ToClient => self.front.send_to(&flight.bytes, flight.client),
            };
            self.shared.forwarded.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn bind() -> UdpSocket {
    let make = || -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    make().unwrap_or_else(|error| panic!("bind a UDP socket on loopback: {error}"))
}

fn connect(server: SocketAddr) -> UdpSocket {
    let socket = bind();
    socket
        .connect(server)
        .unwrap_or_else(|error| panic!("connect to {server}: {error}"));
    socket
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    /// Answers every datagram with the address that it came from.
    fn echo() -> SocketAddr {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        thread::Builder::new()
            .spawn(move || {
                let mut buffer = [0; 2_048];
                while let Ok((_, from)) = socket.recv_from(&mut buffer) {
                    let _ = socket.send_to(from.to_string().as_bytes(), from);
                }
            })
            .unwrap();
        address
    }

    fn ask(client: &UdpSocket) -> Option<String> {
        let mut buffer = [0; 2_048];
        client.send(b"who am I").unwrap();
        let len = client.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..len].to_vec()).unwrap())
    }

    fn client(proxy: &LossyProxy) -> UdpSocket {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.connect(proxy.address()).unwrap();
        client
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        client
    }

    #[test]
    fn datagrams_go_through_and_come_back_until_the_blackout() {
        let proxy = LossyProxy::start(echo(), Weather::default(), StdRng::seed_from_u64(1));
        let client = client(&proxy);
        crate::wait::until("an answer comes", || ask(&client));
        proxy.black_out();
        // Answers that were under way may still come.
        crate::wait::until_true("nothing comes any more", || ask(&client).is_none());
        let lost = proxy.lost();
        assert!(lost > 0);
        proxy.restore();
        crate::wait::until("an answer comes", || ask(&client));
    }

    #[test]
    fn a_client_gets_a_new_address() {
        let proxy = LossyProxy::start(echo(), Weather::default(), StdRng::seed_from_u64(1));
        let client = client(&proxy);
        let before = crate::wait::until("an answer comes", || ask(&client));
        proxy.change_address();
        crate::wait::until_true("the address is another", || {
            ask(&client).is_some_and(|address| address != before)
        });
    }

    #[test]
    fn the_lost_share_is_about_what_was_asked_for() {
        let weather = Weather {
            lost_per_mille: 500,
            ..Weather::default()
        };
        let proxy = LossyProxy::start(echo(), weather, StdRng::seed_from_u64(1));
        let client = client(&proxy);
        // Few at a time: what overflows a socket's buffer is judged by nobody.
        crate::wait::until_true("enough have been judged", || {
            for _ in 0..20 {
                client.send(b"x").unwrap();
            }
            proxy.lost() + proxy.forwarded() >= 400
        });
        assert!(
            (100..500).contains(&proxy.lost()),
            "{} were lost",
            proxy.lost()
        );
    }
}
