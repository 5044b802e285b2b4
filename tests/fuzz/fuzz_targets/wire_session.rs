//! A peer that sends anything in any order: the machines refuse it or keep their promises.
#![no_main]

use afflux_entry::{Header, Kind, Stamp};
use afflux_types::{Position, ServerTime};
use afflux_wire::Frame;
use afflux_wire::message::{
    Ack, FragmentAck, FragmentEnd, FragmentStart, Lagged, ProduceOpened, ShardEnd,
    SubscribeOpened, UploadInit, UploadOpened,
};
use afflux_wire::session::{produce, subscribe, upload};
use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Step {
    Push(u8, u8),
    Transmit,
    Opened(u64),
    Lost,
    Ack(u8),
    SubscribeOpen(u64, u64),
    Entry(u64, u8, bool),
    Lagged(u64),
    End(u64),
    Consumed(u32),
    Grant,
    Init,
    Start(u64),
    Data(u8),
    FragmentEnd(u64),
    Begin,
    UploadOpened(u64),
    FragmentAck(u64, i32),
}

struct Machines {
    sender: produce::Sender<u64>,
    pushed: u64,
    acked: u64,
    receiver: subscribe::Receiver,
    upload_in: upload::Receiver,
    upload_out: upload::Sender,
}

impl Machines {
    fn produce(&mut self, step: &Step) {
        match step {
            Step::Push(len, count) => {
                self.sender.push(self.pushed, usize::from(*len), u32::from(*count).max(1));
                self.pushed += 1;
            }
            Step::Transmit => drop(self.sender.poll_transmit().copied()),
            Step::Opened(window) => self.sender.handle_opened(&ProduceOpened {
                unacked_bytes_max: *window,
                ..ProduceOpened::default()
            }),
            Step::Lost => self.sender.handle_lost(),
            Step::Ack(count) => {
                let ack = Ack {
                    record_count: u32::from(*count),
                    ..Ack::default()
                };
                if let Ok(entry) = self.sender.handle_ack(&ack) {
                    assert_eq!(entry, self.acked, "in order, each once");
                    self.acked += 1;
                }
            }
            _ => {}
        }
        assert_eq!(self.sender.len() as u64, self.pushed - self.acked);
    }

    fn subscribe(&mut self, step: &Step) {
        let before = self.receiver.next();
        match step {
            Step::SubscribeOpen(position, trim_horizon) => {
                self.receiver.open();
                let _ = self.receiver.handle_opened(&SubscribeOpened {
                    position: *position,
                    trim_horizon: *trim_horizon,
                    durable: 0,
                });
            }
            Step::Entry(position, count, init) => {
                let kind = if *init { Kind::Init } else { Kind::Batch };
                let count = if *init { 0 } else { u32::from(*count).max(1) };
                let mut header = Header::for_body(kind, count, None, None, &[b"body"]);
                header.stamp = Some(Stamp {
                    position: Position::new(*position),
                    arrival: ServerTime::from_millis(0),
                    unsynced: 0,
                });
                let _ = self.receiver.handle_entry(&header);
            }
            Step::Lagged(position) => {
                let _ = self.receiver.handle_lagged(Lagged { position: *position });
            }
            Step::End(position) => {
                let _ = self.receiver.handle_shard_end(&ShardEnd {
                    position: *position,
                    children: Vec::new(),
                });
            }
            Step::Consumed(bytes) => self.receiver.handle_consumed(*bytes as usize),
            Step::Grant => {
                if let Some(grant) = self.receiver.poll_grant() {
                    assert!(grant.bytes > 0);
                }
            }
            _ => {}
        }
        assert!(self.receiver.next() >= before, "never backwards");
    }

    fn upload(&mut self, step: &Step) {
        let frame: Option<Frame> = match step {
            Step::Init => Some(UploadInit { init: Bytes::from_static(b"init") }.into()),
            Step::Start(number) => Some(
                FragmentStart {
                    number: *number,
                    ..FragmentStart::default()
                }
                .into(),
            ),
            Step::Data(len) => Some(Frame::FragmentData(vec![0; usize::from(*len)].into())),
            Step::FragmentEnd(number) => Some(FragmentEnd { number: *number }.into()),
            _ => None,
        };
        let number = self.upload_in.number();
        if let Some(frame) = frame {
            let _ = self.upload_in.handle_frame(frame);
        }
        assert!(self.upload_in.number() - number <= 1);
        let persisted = self.upload_out.persisted();
        match step {
            Step::Begin => drop(Some(self.upload_out.begin())),
            Step::UploadOpened(next_fragment) => {
                let _ = self.upload_out.handle_opened(&UploadOpened {
                    next_fragment: *next_fragment,
                    fragment_bytes_max: 1,
                });
            }
            Step::FragmentAck(number, state) => {
                let _ = self.upload_out.handle_ack(&FragmentAck {
                    number: *number,
                    state: *state,
                    ..FragmentAck::default()
                });
            }
            _ => {}
        }
        assert!(self.upload_out.persisted() >= persisted);
        assert!(self.upload_out.next() >= self.upload_out.persisted());
    }
}

fuzz_target!(|steps: Vec<Step>| {
    let opened = UploadOpened {
        next_fragment: 0,
        fragment_bytes_max: 1_000,
    };
    let mut machines = Machines {
        sender: produce::Sender::default(),
        pushed: 0,
        acked: 0,
        receiver: subscribe::Receiver::new(1_000),
        upload_in: upload::Receiver::new(&opened),
        upload_out: upload::Sender::new(0),
    };
    for step in &steps {
        machines.produce(step);
        machines.subscribe(step);
        machines.upload(step);
    }
});
