//! One lane's task: a QUIC stream to one shard, made again when it breaks.
//!
//! Two loops share the QUIC stream: one writes what the state says is next, one reads
//! acknowledgements. Whichever meets trouble ends both.

use std::convert::Infallible;
use std::sync::Arc;

use afflux_entry::{Header, Kind, Producer};
use afflux_types::{Error, ErrorKind, HashKeyRange, ProducerTime, Result, ShardId};
use afflux_wire::message::{Activity, Child, Failure, Produce};
use afflux_wire::{EntryLimits, Frame, Item, WireError};
use bytes::Bytes;

use super::Shared;
use super::state::{Framed, Linger, Sealed, Step};
use crate::connect::{Backoff, Client, Reader, Stream, Trouble, Writer, Written};

/// Runs the lane until its producer is over, or the shard was closed and has handed on its records.
pub(super) async fn run(shared: Arc<Shared>, lane: usize) {
    let mut backoff = shared.client.backoff();
    loop {
        let result = session(&shared, lane, &mut backoff).await;
        shared.state.lock().handle_lost(lane);
        let outcome = match result {
            Ok(()) => return,
            Err(Trouble::Refused(failure)) if failure.error_kind() == ErrorKind::ShardMoved => {
                match follow(&shared, lane, &failure, &mut backoff).await {
                    Ok(()) => return,
                    Err(error) => Err(error),
                }
            }
            Err(trouble) => tokio::select! {
                outcome = Client::pause(&mut backoff, trouble) => outcome,
                () = shared.over() => return,
            },
        };
        if let Err(error) = outcome {
            shared.stop(error);
            return;
        }
    }
}

/// One QUIC stream, from opening to its end; ends well only when the producer is over.
async fn session(shared: &Arc<Shared>, lane: usize, backoff: &mut Backoff) -> Result<(), Trouble> {
    let shard = shared.state.lock().shard(lane);
    let produce = Produce {
        stream: shared.stream.as_str().to_owned(),
        shard: shard.get(),
        producer_id: shared.producer_id.unwrap_or(0),
    };
    let opening = shared
        .client
        .open(Activity::Produce(produce), EntryLimits::NONE);
    let Stream {
        mut writer,
        mut reader,
    } = tokio::select! {
        stream = opening => stream?,
        () = shared.over() => return Ok(()),
    };
    match reader.frame("instead of ProduceOpened").await? {
        Frame::ProduceOpened(opened) => shared.state.lock().handle_opened(lane, &opened),
        other => return Err(Trouble::unexpected(&other, "instead of ProduceOpened")),
    }
    tokio::select! {
        written = write(shared, lane, &mut writer) => match written? {},
        read = read(shared, lane, &mut reader, backoff) => match read? {},
        () = shared.over() => {}
    }
    writer.finish();
    Ok(())
}

async fn write(shared: &Shared, lane: usize, writer: &mut Writer) -> Result<Infallible, Trouble> {
    let wake = shared.state.lock().wake(lane);
    // The runtime's timer rounds up to whole milliseconds: no linger is no timer.
    let at_first = if shared.linger.is_zero() {
        Linger::Over
    } else {
        Linger::Running
    };
    let mut linger = at_first;
    loop {
        let step = shared.state.lock().step(lane, linger);
        linger = at_first;
        match step {
            Step::Write(mut pieces) => {
                if writer.pieces(&mut pieces).await? == Written::Stopped {
                    // The reader learns why.
                    std::future::pending::<()>().await;
                }
            }
            Step::Frame(batch) => {
                // The checksum of a batch is not computed under the lock.
                let framed = frame(shared, batch);
                shared.state.lock().push_framed(lane, framed);
            }
            Step::Wait { linger: false } => wake.notified().await,
            Step::Wait { linger: true } => tokio::select! {
                () = wake.notified() => {}
                () = tokio::time::sleep(shared.linger) => linger = Linger::Over,
            },
        }
    }
}

fn frame(shared: &Shared, batch: Sealed) -> Framed {
    let producer = shared.producer_id.map(|id| Producer {
        id,
        sequence: batch.sequence,
    });
    let now = shared.client.config().clock.wall().as_millis();
    let header = Header::for_body(
        Kind::Batch,
        batch.record_count,
        producer,
        Some(ProducerTime::from_millis(now)),
        &[&batch.body],
    );
    Framed {
        head: Bytes::copy_from_slice(&header.encode()),
        batch,
    }
}

async fn read(
    shared: &Arc<Shared>,
    lane: usize,
    reader: &mut Reader,
    backoff: &mut Backoff,
) -> Result<Infallible, Trouble> {
    loop {
        match reader.next().await? {
            Some(Item::Frame(Frame::Acks(acks))) => {
                backoff.reset();
                let (acked, nudge) = shared.state.lock().handle_acks(lane, &acks)?;
                shared.tell(&acked);
                shared.nudge(nudge);
            }
            Some(Item::Frame(other)) => return Err(Trouble::unexpected(&other, "among Acks")),
            Some(Item::Entry(_)) | None => {
                return Err(WireError::Cut {
                    what: "acknowledgements",
                }
                .into());
            }
        }
    }
}

/// The lane's shard was closed: hands what is left to the shards that follow it.
async fn follow(
    shared: &Arc<Shared>,
    lane: usize,
    failure: &Failure,
    backoff: &mut Backoff,
) -> Result<()> {
    let mut successors = ranges(&failure.children)?;
    while !shared.state.lock().is_covered(lane, &successors) {
        successors = shared.open_shards().await?;
        if !shared.state.lock().is_covered(lane, &successors) {
            let error = Error::unavailable("the shards that follow a closed one are not open yet");
            Client::pause(backoff, Trouble::Lost(error)).await?;
        }
    }
    let rerouted = shared
        .state
        .lock()
        .reroute(lane, failure.last_sequence, &successors);
    let (acked, nudges) = rerouted?;
    shared.tell(&acked);
    for nudge in nudges {
        shared.nudge(Some(nudge));
    }
    Ok(())
}

fn ranges(children: &[Child]) -> Result<Vec<(ShardId, HashKeyRange)>> {
    let mut ranges = Vec::with_capacity(children.len());
    for child in children {
        if let Some(range) = &child.range {
            ranges.push((ShardId::new(child.shard), range.to_range()?));
        }
    }
    Ok(ranges)
}
