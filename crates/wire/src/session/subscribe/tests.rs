use afflux_entry::Stamp;
use afflux_types::ServerTime;
use proptest::prelude::*;

use super::*;

const BODY: usize = 28;
/// Bytes of one entry with its header.
const ENTRY: usize = 100;

fn entry(kind: Kind, position: u64, record_count: u32) -> Header {
    let mut header = Header::for_body(kind, record_count, None, None, &[[0; BODY]]);
    header.stamp = Some(Stamp {
        position: Position::new(position),
        arrival: ServerTime::from_millis(0),
        unsynced: 0,
    });
    header
}

fn batch(position: u64, record_count: u32) -> Header {
    entry(Kind::Batch, position, record_count)
}

fn opened(position: u64, trim_horizon: u64) -> SubscribeOpened {
    SubscribeOpened {
        position,
        trim_horizon,
        durable: 1_000,
    }
}

fn receiver(position: u64) -> Receiver {
    let mut receiver = Receiver::new(1_000);
    receiver.open();
    receiver.handle_opened(&opened(position, 0)).unwrap();
    receiver
}

#[test]
fn records_before_the_wanted_position_are_skipped_once() {
    let mut receiver = receiver(12);
    assert_eq!(receiver.handle_entry(&batch(0, 10)), Ok(Delivery::Drop));
    assert_eq!(
        receiver.handle_entry(&batch(10, 5)),
        Ok(Delivery::Deliver { skip: 2 })
    );
    assert_eq!(
        receiver.handle_entry(&batch(15, 5)),
        Ok(Delivery::Deliver { skip: 0 })
    );
    let again = WireError::Position {
        found: 15,
        expected: 20,
    };
    assert_eq!(receiver.handle_entry(&batch(15, 5)), Err(again));
}

#[test]
fn a_gap_is_an_error() {
    let mut receiver = receiver(0);
    let gap = WireError::Position {
        found: 1,
        expected: 0,
    };
    assert_eq!(receiver.handle_entry(&batch(1, 1)), Err(gap));
}

#[test]
fn entries_without_positions_pass_between_records() {
    let mut receiver = receiver(5);
    let init = entry(Kind::Init, 3, 0);
    let deliver = Ok(Delivery::Deliver { skip: 0 });
    assert_eq!(
        receiver.handle_entry(&init),
        deliver,
        "fragment 5 may need it"
    );
    assert_eq!(receiver.handle_entry(&batch(5, 1)), deliver);
    assert_eq!(receiver.handle_entry(&entry(Kind::Marker, 6, 0)), deliver);
    assert_eq!(receiver.handle_entry(&batch(6, 1)), deliver);
}

#[test]
fn what_the_server_says_is_checked_against_what_came() {
    let mut receiver = receiver(5);
    receiver.open();
    assert!(receiver.handle_opened(&opened(4, 0)).is_err());
    assert!(receiver.handle_opened(&opened(6, 0)).is_err());
    assert!(
        receiver.handle_opened(&opened(6, 6)).is_ok(),
        "it was trimmed"
    );
    assert!(receiver.handle_lagged(Lagged { position: 5 }).is_err());
    let lost = (Position::new(6), Position::new(9));
    assert_eq!(receiver.handle_lagged(Lagged { position: 9 }), Ok(lost));
    let end = |position| ShardEnd {
        position,
        children: Vec::new(),
    };
    assert!(receiver.handle_shard_end(&end(10)).is_err());
    assert!(receiver.handle_shard_end(&end(9)).is_ok());
}

#[test]
fn an_entry_larger_than_the_credit_gets_through() {
    let mut credit = Credit::new(10);
    credit.handle_sent(ENTRY);
    assert_eq!(credit.available(), 0);
    let mut receiver = Receiver::new(10);
    assert_eq!(receiver.open(), 10);
    receiver.handle_opened(&opened(0, 0)).unwrap();
    receiver.handle_entry(&batch(0, 1)).unwrap();
    assert_eq!(receiver.poll_grant(), None);
    receiver.handle_consumed(ENTRY);
    credit.handle_grant(receiver.poll_grant().unwrap());
    assert_eq!(credit.available(), 10);
}

#[test]
fn credit_has_a_limit() {
    let mut credit = Credit::new(u64::MAX);
    let most = usize::try_from(SUBSCRIPTION_CREDIT_BYTES_MAX).unwrap();
    assert_eq!(credit.available(), most);
    credit.handle_grant(Grant { bytes: u64::MAX });
    assert_eq!(credit.available(), most);
}

proptest! {
    /// Whatever happens in whatever order, the credit is kept, nothing is lost or repeated, and the
    /// subscription never stands still for good.
    #[test]
    fn a_subscription_keeps_its_credit_and_its_place(steps in prop::collection::vec(0_u8..5, 0..300), credit_bytes in 1_u64..500) {
        let total = 60_u64;
        let mut receiver = Receiver::new(credit_bytes);
        let (mut held, mut next_sent, mut delivered) = (0_usize, 0_u64, 0_u64);
        let mut credit = Credit::new(receiver.open());
        receiver.handle_opened(&opened(0, 0)).unwrap();
        let rest = [0, 1, 2, 3].into_iter().cycle().take(4 * 70);
        for step in steps.into_iter().chain(rest) {
            match step {
                0 | 1 if credit.available() > 0 && next_sent < total => {
                    credit.handle_sent(ENTRY);
                    let first = next_sent == delivered;
                    let delivery = receiver.handle_entry(&batch(next_sent, 1)).unwrap();
                    held += ENTRY;
                    if delivery == (Delivery::Deliver { skip: 0 }) {
                        prop_assert!(first);
                        delivered += 1;
                    }
                    next_sent += 1;
                    let most = usize::try_from(credit_bytes).unwrap() + ENTRY;
                    prop_assert!(held < most + ENTRY, "{held} bytes are held");
                }
                2 => {
                    receiver.handle_consumed(held);
                    held = 0;
                }
                3 => {
                    if let Some(grant) = receiver.poll_grant() {
                        credit.handle_grant(grant);
                    }
                }
                4 => {
                    credit = Credit::new(receiver.open());
                    next_sent = receiver.next().unwrap().get();
                    receiver.handle_opened(&opened(next_sent, 0)).unwrap();
                }
                _ => {}
            }
        }
        prop_assert_eq!(delivered, total);
    }
}
