use proptest::prelude::*;

use super::*;

/// A client's and a server's end of one shard, with a wire in between that a test may cut.
struct Pair {
    sender: Sender<u64>,
    receiver: Receiver,
    /// What the shard took: the producer's number and the position of each entry.
    log: Vec<u64>,
    to_server: VecDeque<u64>,
    to_client: VecDeque<Acks>,
    acked: Vec<(u64, Ack)>,
}

const LEN: usize = 10;
const WINDOW: usize = 35;

impl Pair {
    fn new() -> Self {
        let mut pair = Self {
            sender: Sender::default(),
            receiver: Receiver::new(WINDOW),
            log: Vec::new(),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            acked: Vec::new(),
        };
        pair.open();
        pair
    }

    fn open(&mut self) {
        self.to_server.clear();
        self.to_client.clear();
        self.receiver = Receiver::new(WINDOW);
        self.sender.handle_lost();
        self.sender.handle_opened(&ProduceOpened {
            unacked_bytes_max: WINDOW as u64,
            ..ProduceOpened::default()
        });
    }

    fn send(&mut self) {
        while let Some(entry) = self.sender.poll_transmit() {
            self.to_server.push_back(*entry);
        }
    }

    /// The server takes one entry; a number that it has is a duplicate.
    fn take(&mut self) {
        let Some(number) = self.to_server.pop_front() else {
            return;
        };
        self.receiver.handle_entry(LEN);
        let found = self.log.iter().position(|taken| *taken == number);
        let index = found.unwrap_or_else(|| {
            self.log.push(number);
            self.log.len() - 1
        });
        let position = u64::try_from(index).unwrap();
        let ack = Ack {
            position,
            record_count: 1,
            arrival_ms: 0,
            duplicate: found.is_some(),
        };
        self.receiver
            .handle_taken(ack, Position::new(position + 1), LEN);
    }

    fn make_durable(&mut self, count: u64) {
        self.receiver.handle_durable(Position::new(count));
        while let Some(acks) = self.receiver.poll_acks() {
            self.to_client.push_back(acks);
        }
    }

    fn receive(&mut self) {
        for acks in self.to_client.drain(..) {
            for ack in acks.acks {
                let entry = self.sender.handle_ack(&ack).unwrap();
                self.acked.push((entry, ack));
            }
        }
    }
}

#[test]
fn acknowledgements_wait_for_durability_and_keep_their_order() {
    let mut pair = Pair::new();
    for number in 0..3 {
        pair.sender.push(number, LEN, 1);
    }
    pair.send();
    (0..3).for_each(|_| pair.take());
    pair.make_durable(0);
    assert!(pair.to_client.is_empty());
    assert_eq!(pair.receiver.waits_for(), Some(Position::new(1)));
    assert_eq!(pair.receiver.waits_for_last(), Some(Position::new(3)));
    pair.make_durable(2);
    pair.receive();
    let numbers: Vec<u64> = pair.acked.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [0, 1]);
    assert_eq!(pair.receiver.unacked_bytes(), LEN);
}

#[test]
fn the_window_holds_both_sides_and_lets_one_large_entry_through() {
    let mut pair = Pair::new();
    for number in 0..5 {
        pair.sender.push(number, LEN, 1);
    }
    pair.send();
    assert_eq!(pair.to_server.len(), 3);
    assert_eq!(pair.sender.unsent(), 2);
    (0..3).for_each(|_| pair.take());
    assert!(!pair.receiver.is_full());

    let mut sender = Sender::default();
    sender.handle_opened(&ProduceOpened {
        unacked_bytes_max: 1,
        ..ProduceOpened::default()
    });
    sender.push("large", 1_000, 1);
    sender.push("next", 1, 1);
    assert_eq!(sender.poll_transmit(), Some(&"large"));
    assert_eq!(sender.poll_transmit(), None);
    let mut receiver = Receiver::new(1);
    receiver.handle_entry(1_000);
    assert!(receiver.is_full());
}

#[test]
fn acknowledgements_that_fit_nothing_are_refused() {
    let mut sender = Sender::default();
    sender.push("a", 1, 2);
    let ack = |record_count| Ack {
        record_count,
        ..Ack::default()
    };
    let unsent = WireError::Acknowledgement {
        found: 2,
        expected: 0,
    };
    assert_eq!(sender.handle_ack(&ack(2)), Err(unsent));
    sender.handle_opened(&ProduceOpened::default());
    sender.poll_transmit();
    let other = WireError::Acknowledgement {
        found: 3,
        expected: 2,
    };
    assert_eq!(sender.handle_ack(&ack(3)), Err(other));
    assert_eq!(sender.handle_ack(&ack(2)), Ok("a"));
    assert!(sender.is_empty());
}

proptest! {
    /// Whatever happens in whatever order, every entry is stored once and acknowledged once, in
    /// order, at the position where it is.
    #[test]
    fn every_entry_is_stored_and_acknowledged_once(steps in prop::collection::vec(0_u8..8, 0..200)) {
        let mut pair = Pair::new();
        let mut pushed = 0;
        let mut durable = 0;
        for step in steps.into_iter().chain([7, 1].into_iter().cycle().take(2)) {
            match step {
                0 | 1 => {
                    pair.sender.push(pushed, LEN, 1);
                    pushed += 1;
                }
                2 => pair.send(),
                3 | 4 => pair.take(),
                5 => {
                    durable = u64::try_from(pair.log.len()).unwrap();
                    pair.make_durable(durable);
                }
                6 => pair.receive(),
                _ => {
                    pair.open();
                    pair.make_durable(durable);
                }
            }
        }
        let rounds = pushed;
        for _ in 0..rounds {
            pair.send();
            while !pair.to_server.is_empty() {
                pair.take();
            }
            pair.make_durable(u64::try_from(pair.log.len()).unwrap());
            pair.receive();
        }
        prop_assert!(pair.sender.is_empty(), "every round gets something through");
        let all: Vec<u64> = (0..pushed).collect();
        prop_assert_eq!(&pair.log, &all);
        for (number, ack) in &pair.acked {
            prop_assert_eq!(*number, ack.position);
        }
        let acked: Vec<u64> = pair.acked.iter().map(|(number, _)| *number).collect();
        prop_assert_eq!(acked, all);
    }
}
