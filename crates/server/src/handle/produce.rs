//! The way in: entries from one producer to one shard, acknowledged in order once durable.
//!
//! The bytes stay in the buffers that the transport filled; the log copies them, once. Invariants:
//! nothing is read while more than the window is unacknowledged; whatever ends the session, every
//! entry that the shard took before is acknowledged first, if the client is still there.

use afflux_engine::{Shard, StreamKind};
use afflux_types::Error;
use afflux_wire::message::{Ack, Produce, ProduceOpened};
use afflux_wire::session::produce::Receiver;
use afflux_wire::{EntryLimits, EntryRope, Item};

use crate::config::Right;
use crate::metrics::Activity;

use super::channel::Fill;
use super::{End, Exchange, Outcome, shard_id, stopped, stream_name};

/// What a produce stream works with.
struct Session<'a> {
    exchange: &'a mut Exchange,
    shard: Shard,
    receiver: Receiver,
}

/// Serves one produce stream.
pub(super) async fn run(exchange: &mut Exchange, request: Produce) -> Outcome {
    let stream = stream_name(&request.stream)?;
    exchange.identity.require_on(Right::Produce, &stream)?;
    let shard = exchange
        .state
        .engine
        .shard(&stream, shard_id(request.shard))
        .await?;
    if shard.kind() != StreamKind::Records {
        return Err(Error::invalid(format!("{stream} is a video stream; upload to it")).into());
    }
    let _active = exchange.state.metrics.begin(Activity::Produce);
    let window = exchange.state.config.limits.unacked_bytes;
    let opened = ProduceOpened {
        record_bytes_max: u64::try_from(shard.record_bytes_max()).unwrap_or(u64::MAX),
        unacked_bytes_max: window,
        last_sequence: shard.last_sequence(request.producer_id),
    };
    exchange.writer.frame(opened).await?;
    exchange.reader.take_entries(EntryLimits::batches());
    tracing::debug!("open");
    let mut session = Session {
        receiver: Receiver::new(usize::try_from(window).unwrap_or(usize::MAX)),
        exchange,
        shard,
    };
    let ended = session.receive().await;
    if matches!(ended, Err(End::Lost)) {
        return ended;
    }
    session.settle().await?;
    let last_sequence = session.shard.last_sequence(request.producer_id);
    exchange.last_sequence = last_sequence;
    ended
}

impl Session<'_> {
    /// Takes entries and acknowledges them until the client ends its direction.
    async fn receive(&mut self) -> Outcome {
        // A client need not wait for the answer: entries may have come together with its request.
        self.take_all().await?;
        loop {
            self.acknowledge().await?;
            let exchange = &mut *self.exchange;
            let waits_for = self.receiver.waits_for();
            tokio::select! {
                fill = exchange.reader.fill(), if !self.receiver.is_full() => {
                    if fill? == Fill::End {
                        return Ok(());
                    }
                    self.take_all().await?;
                }
                durable = durable(&self.shard, waits_for), if waits_for.is_some() => durable?,
                () = exchange.stopping.wait() => return Err(stopped()),
            }
        }
    }

    /// Hands every entry that has arrived to the shard.
    async fn take_all(&mut self) -> Outcome {
        while let Some(item) = self.exchange.reader.next()? {
            match item {
                Item::Entry(entry) => self.take(entry).await?,
                Item::Frame(frame) => {
                    return Err(frame.unexpected("on a produce stream").into());
                }
            }
        }
        Ok(())
    }

    async fn take(&mut self, entry: EntryRope) -> Outcome {
        let EntryRope { header, body } = entry;
        let (len, record_count) = (header.entry_len(), header.record_count);
        self.receiver.handle_entry(len);
        let accepted = self.shard.append(header, body).await?;
        let metrics = &self.exchange.state.metrics;
        if accepted.duplicate {
            metrics.duplicates_total.inc();
        } else {
            metrics.ingest.add(len, u64::from(record_count));
        }
        let ack = Ack {
            position: accepted.position.get(),
            record_count,
            arrival_ms: accepted.arrival.as_millis(),
            duplicate: accepted.duplicate,
        };
        self.receiver.handle_taken(ack, accepted.end, len);
        Ok(())
    }

    /// Writes the acknowledgements that are due.
    async fn acknowledge(&mut self) -> Outcome {
        self.receiver
            .handle_durable(self.shard.watermarks().durable);
        while let Some(acks) = self.receiver.poll_acks() {
            let count = u64::try_from(acks.acks.len()).unwrap_or(u64::MAX);
            self.exchange.state.metrics.acknowledged_total.inc_by(count);
            self.exchange.writer.frame(acks).await?;
        }
        Ok(())
    }

    /// Acknowledges everything that the shard took.
    async fn settle(&mut self) -> Outcome {
        if let Some(last) = self.receiver.waits_for_last() {
            self.shard.wait_durable(last).await?;
        }
        self.acknowledge().await
    }
}

/// Waits until the shard is durable up to `end`. Cancel safe.
async fn durable(shard: &Shard, end: Option<afflux_types::Position>) -> Outcome {
    if let Some(end) = end {
        shard.wait_durable(end).await?;
    }
    Ok(())
}
