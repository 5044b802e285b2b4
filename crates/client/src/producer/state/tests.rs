use super::*;

/// Bytes of a record with the key `key` and one byte of data.
const RECORD: usize = 8 + 3 + 1;

fn shard(id: u32) -> ShardId {
    ShardId::new(id)
}

fn state(batch_bytes: usize) -> State {
    let options = ProducerOptions {
        batch_bytes,
        buffer_bytes_max: 100 * RECORD,
        ..ProducerOptions::default()
    };
    let full = [(shard(0), HashKeyRange::FULL)];
    let mut state = State::new(&options, 1_000, &full).unwrap();
    open(&mut state, 0);
    state
}

fn open(state: &mut State, lane: usize) {
    let opened = ProduceOpened {
        unacked_bytes_max: 10_000,
        ..ProduceOpened::default()
    };
    state.handle_opened(lane, &opened);
}

fn put(state: &mut State, data: u8) -> Option<Nudge> {
    state.put(b"key", None, &[data], None).unwrap()
}

/// Frames and writes what is ready; returns the records of each batch that was written.
fn write(state: &mut State, lane: usize, linger: Linger) -> Vec<Vec<u8>> {
    let mut written = Vec::new();
    loop {
        match state.step(lane, linger) {
            Step::Frame(batch) => {
                let head = Bytes::from_static(&[0; 72]);
                state.push_framed(lane, Framed { head, batch });
            }
            Step::Write([_, body]) => written.push(data(&body)),
            Step::Wait { .. } => return written,
        }
    }
}

fn data(body: &Bytes) -> Vec<u8> {
    let count = u32::try_from(body.len() / RECORD).unwrap();
    let records = Batch::new(body, count);
    records.map(|record| record.unwrap().data[0]).collect()
}

fn ack(state: &mut State, lane: usize, position: u64, record_count: u32) -> Vec<AckedBatch> {
    let ack = Ack {
        position,
        record_count,
        ..Ack::default()
    };
    let acks = Acks { acks: vec![ack] };
    state.handle_acks(lane, &acks).unwrap().0
}

#[test]
fn a_batch_leaves_at_once_while_nothing_is_in_flight() {
    let mut state = state(100);
    assert!(matches!(put(&mut state, 1), Some(Nudge::Start(0))));
    assert!(put(&mut state, 2).is_none(), "the writer is on its way");
    assert_eq!(write(&mut state, 0, Linger::Running), [[1, 2]]);
}

#[test]
fn a_small_batch_waits_for_more_while_another_is_in_flight() {
    let mut state = state(100);
    put(&mut state, 1);
    assert_eq!(write(&mut state, 0, Linger::Running), [[1]]);
    assert!(
        matches!(put(&mut state, 2), Some(Nudge::Wake(_))),
        "the writer has to start its timer"
    );
    assert!(write(&mut state, 0, Linger::Running).is_empty());
    let step = state.step(0, Linger::Running);
    assert!(matches!(step, Step::Wait { linger: true }));
    assert!(put(&mut state, 3).is_none(), "the timer runs");
    assert_eq!(write(&mut state, 0, Linger::Over), [[2, 3]]);
    put(&mut state, 4);
    write(&mut state, 0, Linger::Running);
    ack(&mut state, 0, 0, 1);
    ack(&mut state, 0, 1, 2);
    assert_eq!(write(&mut state, 0, Linger::Running), [[4]]);
}

#[test]
fn a_full_batch_leaves_although_others_are_in_flight() {
    let mut state = state(2 * RECORD);
    put(&mut state, 1);
    write(&mut state, 0, Linger::Running);
    for data in 2..=4 {
        put(&mut state, data);
    }
    assert_eq!(write(&mut state, 0, Linger::Running), [[2, 3]]);
}

#[test]
fn what_is_not_acknowledged_is_held_and_written_again() {
    let mut state = state(2 * RECORD);
    (1..=4).for_each(|data| drop(put(&mut state, data)));
    assert_eq!(write(&mut state, 0, Linger::Over), [[1, 2], [3, 4]]);
    let acked = ack(&mut state, 0, 7, 2);
    assert_eq!(acked[0].position.unwrap().get(), 7);
    assert_eq!(state.held(), 2 * RECORD);
    state.handle_lost(0);
    assert!(write(&mut state, 0, Linger::Over).is_empty());
    open(&mut state, 0);
    assert_eq!(write(&mut state, 0, Linger::Over), [[3, 4]]);
}

#[test]
fn the_buffer_has_a_limit() {
    let mut state = state(10 * RECORD);
    for data in 0..100 {
        put(&mut state, data);
    }
    let full = state.put(b"key", None, b"x", None);
    assert!(matches!(
        full,
        Err(PutError::Full {
            held: 1_200,
            max: 1_200
        })
    ));
    write(&mut state, 0, Linger::Over);
    ack(&mut state, 0, 0, 10);
    put(&mut state, 100);
}

#[test]
fn acknowledgements_that_fit_nothing_are_refused() {
    let mut state = state(100);
    let acks = Acks {
        acks: vec![Ack::default()],
    };
    assert!(state.handle_acks(0, &acks).is_err());
    put(&mut state, 1);
    write(&mut state, 0, Linger::Over);
    assert!(state.handle_acks(0, &acks).is_err());
}

#[test]
fn a_flush_covers_what_was_put_before_it_also_when_it_moves() {
    let mut state = state(2 * RECORD);
    (1..=3).for_each(|data| drop(put(&mut state, data)));
    let (id, _) = state.seal_all();
    put(&mut state, 4);
    assert!(!state.acked_below(id));
    write(&mut state, 0, Linger::Running);

    let child = [(shard(1), HashKeyRange::FULL)];
    let (acked, nudges) = state.reroute(0, 1, &child).unwrap();
    assert_eq!(acked.len(), 1, "the first batch was taken");
    assert_eq!(acked[0].position, None);
    assert!(matches!(nudges[..], [Nudge::Start(1)]));
    assert!(!state.acked_below(id));
    open(&mut state, 1);
    assert_eq!(write(&mut state, 1, Linger::Over), [[3, 4]]);
    ack(&mut state, 1, 0, 2);
    assert!(state.acked_below(id));
    assert_eq!(state.held(), 0);
}

#[test]
fn tickets_move_with_their_records() {
    let mut state = state(4 * RECORD);
    let (ticket, mut receipt) = oneshot::channel();
    put(&mut state, 1);
    state.put(b"key", None, &[2], Some(ticket)).unwrap();
    write(&mut state, 0, Linger::Over);
    let child = [(shard(9), HashKeyRange::FULL)];
    state.reroute(0, 0, &child).unwrap();
    open(&mut state, 1);
    assert_eq!(write(&mut state, 1, Linger::Over), [[1, 2]]);
    ack(&mut state, 1, 40, 2);
    let receipt = receipt.try_recv().unwrap();
    assert_eq!(receipt.shard, shard(9));
    assert_eq!(receipt.position.unwrap().get(), 41);
}

#[test]
fn a_stopped_producer_tells_everyone_and_holds_nothing() {
    let mut state = state(100);
    let (ticket, mut receipt) = oneshot::channel();
    state.put(b"key", None, b"x", Some(ticket)).unwrap();
    state.stop(Error::not_found("stream \"s\" does not exist"));
    assert_eq!(state.held(), 0);
    assert!(receipt.try_recv().is_err());
    let stopped = state.put(b"key", None, b"x", None);
    assert!(matches!(stopped, Err(PutError::Stopped(_))));
}
