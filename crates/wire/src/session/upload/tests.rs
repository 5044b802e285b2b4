use super::*;
use crate::message::{FragmentEnd, UploadInit};

fn opened(next_fragment: u64) -> UploadOpened {
    UploadOpened {
        next_fragment,
        fragment_bytes_max: 10,
    }
}

fn init() -> Frame {
    UploadInit {
        init: Bytes::from_static(b"init"),
    }
    .into()
}

fn start(number: u64) -> Frame {
    FragmentStart {
        number,
        ..FragmentStart::default()
    }
    .into()
}

fn data(bytes: &'static [u8]) -> Frame {
    Frame::FragmentData(Bytes::from_static(bytes))
}

fn end(number: u64) -> Frame {
    FragmentEnd { number }.into()
}

fn ack(number: u64, state: FragmentState) -> FragmentAck {
    FragmentAck {
        number,
        state: state.into(),
        ..FragmentAck::default()
    }
}

#[test]
fn fragments_come_in_their_order() {
    let mut receiver = Receiver::new(&opened(7));
    for frame in [
        init(),
        start(7),
        data(b"moof"),
        data(b"mdat"),
        end(7),
        init(),
    ] {
        receiver.handle_frame(frame).unwrap();
    }
    assert_eq!(receiver.number(), 8);
    let event = receiver.handle_frame(start(8)).unwrap();
    assert!(matches!(event, Event::Start(start) if start.number == 8));
}

#[test]
fn every_frame_out_of_order_is_refused() {
    let paths: [&[Frame]; 3] = [&[], &[init()], &[init(), start(0)]];
    let allowed: [&[usize]; 3] = [&[0], &[0, 1], &[2, 3]];
    for (path, allowed) in paths.into_iter().zip(allowed) {
        for (index, next) in [init(), start(0), data(b"x"), end(0)]
            .into_iter()
            .enumerate()
        {
            let mut receiver = Receiver::new(&opened(0));
            for frame in path {
                receiver.handle_frame(frame.clone()).unwrap();
            }
            let taken = receiver.handle_frame(next.clone()).is_ok();
            assert_eq!(taken, allowed.contains(&index), "{next:?} after {path:?}");
        }
    }
}

#[test]
fn numbers_and_sizes_are_checked() {
    let mut receiver = Receiver::new(&opened(3));
    receiver.handle_frame(init()).unwrap();
    let wrong = WireError::FragmentNumber {
        found: 2,
        expected: 3,
    };
    assert_eq!(receiver.handle_frame(start(2)), Err(wrong));
    receiver.handle_frame(start(3)).unwrap();
    receiver.handle_frame(data(b"123456789")).unwrap();
    let long = WireError::FragmentTooLong { number: 3, max: 10 };
    assert_eq!(receiver.handle_frame(data(b"01")), Err(long));
}

#[test]
fn states_only_go_forwards_and_fragments_become_durable_in_order() {
    let mut sender = Sender::new(0);
    assert_eq!((sender.begin(), sender.begin()), (0, 1));
    let received = ack(0, FragmentState::Received);
    assert_eq!(
        sender.handle_ack(&received),
        Ok(Some(FragmentState::Received))
    );
    let late = ack(0, FragmentState::Buffering);
    assert_eq!(sender.handle_ack(&late), Ok(None));
    assert_eq!(sender.state(0), FragmentState::Received);
    assert!(
        sender
            .handle_ack(&ack(1, FragmentState::Persisted))
            .is_err()
    );
    assert!(
        sender
            .handle_ack(&ack(2, FragmentState::Buffering))
            .is_err()
    );
    let persisted = ack(0, FragmentState::Persisted);
    assert_eq!(
        sender.handle_ack(&persisted),
        Ok(Some(FragmentState::Persisted))
    );
    assert_eq!(sender.handle_ack(&persisted), Ok(None));
    assert_eq!((sender.persisted(), sender.next()), (1, 2));
    assert_eq!(sender.state(0), FragmentState::Persisted);
}

#[test]
fn a_new_stream_starts_at_what_the_server_lacks() {
    let mut sender = Sender::new(0);
    assert_eq!((0..4).map(|_| sender.begin()).last(), Some(3));
    sender.handle_ack(&ack(0, FragmentState::Received)).unwrap();
    assert_eq!(sender.handle_opened(&opened(2)), Ok(2));
    assert_eq!((sender.persisted(), sender.next()), (2, 4));
    assert_eq!(sender.state(2), FragmentState::Unspecified);
    assert!(
        sender.handle_opened(&opened(1)).is_err(),
        "it lost fragment 1"
    );
    assert!(
        sender.handle_opened(&opened(5)).is_err(),
        "it invented fragment 4"
    );
}
