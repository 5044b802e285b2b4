//! The answer of a connection: what is said about its fragments, in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use afflux_engine::Shard;
use afflux_types::{Clock, FragmentNumber, Result};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::ack::{self, State};
use super::fault::Fault;
use super::session::{Ended, Session, Told};
use super::upload::{Link, Said};
use crate::limits::{CONNECTION_MAX, FRAGMENT_DURATION_MAX, IDLE_EVERY, IDLE_TIMES, PENDING_MAX};

/// The answer of a connection, line by line. Dropping it ends the connection.
#[derive(Debug)]
pub struct Acks {
    clock: Clock,
    shard: Shard,
    is_acked: bool,
    heard: mpsc::Receiver<Said>,
    link: Arc<Link>,
    lines: VecDeque<Bytes>,
    pending: VecDeque<Pending>,
    idle: Idle,
    started: Duration,
    /// What is said last.
    last: Option<Bytes>,
    is_ended: bool,
}

/// A fragment that is not durable yet.
#[derive(Debug)]
struct Pending {
    timecodes: Vec<u64>,
    number: FragmentNumber,
}

/// Whether anything comes.
#[derive(Debug)]
struct Idle {
    ticks: Interval,
    pushes: u64,
    times: u32,
}

enum Wake {
    Durable(Result<()>),
    Said(Option<Said>),
    Tick,
}

impl Acks {
    pub(super) fn new(
        session: &Session,
        shard: Shard,
        heard: mpsc::Receiver<Said>,
        link: Arc<Link>,
    ) -> Self {
        let mut ticks = tokio::time::interval_at(Instant::now() + IDLE_EVERY, IDLE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            clock: session.clock(),
            shard,
            is_acked: session.is_acked(),
            heard,
            link,
            lines: VecDeque::new(),
            pending: VecDeque::new(),
            idle: Idle {
                ticks,
                pushes: 0,
                times: 0,
            },
            started: session.started(),
            last: None,
            is_ended: false,
        }
    }

    /// The next line; `None`: the answer ends, and the connection is to be closed.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            if self.is_ended && self.pending.is_empty() {
                self.link.is_over.store(true, Ordering::Release);
                return self.last.take();
            }
            match self.wait().await {
                Wake::Durable(Ok(())) => self.say_persisted(),
                Wake::Durable(Err(error)) => self.fail(&error),
                Wake::Said(Some(Said::Told(told))) => self.take(told),
                Wake::Said(Some(Said::Ended(ended))) => self.end(ended),
                Wake::Said(None) => self.is_ended = true,
                Wake::Tick => self.tick(),
            }
        }
    }

    async fn wait(&mut self) -> Wake {
        let oldest = self.pending.front().map(|oldest| oldest.number);
        tokio::select! {
            biased;
            durable = durable(&self.shard, oldest), if oldest.is_some() => Wake::Durable(durable),
            said = self.heard.recv(), if !self.is_ended && self.pending.len() < PENDING_MAX => {
                Wake::Said(said)
            }
            _ = self.idle.ticks.tick(), if !self.is_ended => Wake::Tick,
        }
    }

    fn take(&mut self, told: Told) {
        match told {
            Told::Line(line) if self.is_acked => self.lines.push_back(line),
            Told::Line(_) => {}
            Told::Stored { timecodes, number } => {
                self.pending.push_back(Pending { timecodes, number });
            }
        }
    }

    fn say_persisted(&mut self) {
        let durable = self.shard.watermarks().durable;
        let is_durable = |pending: &mut Pending| pending.number.position() < durable;
        while let Some(pending) = self.pending.pop_front_if(is_durable) {
            if self.is_acked {
                let number = Some(pending.number);
                let lines = pending.timecodes.iter();
                let lines =
                    lines.map(|timecode| ack::fragment(State::Persisted, *timecode, number));
                self.lines.extend(lines);
            }
        }
    }

    /// Says why nothing follows, after what is not durable yet.
    fn end(&mut self, ended: Ended) {
        self.is_ended = true;
        let fault = ended.fault;
        self.last = fault.map(|fault| ack::error(fault, ended.timecode, None));
    }

    /// What was appended will not be durable.
    fn fail(&mut self, error: &afflux_types::Error) {
        let stream = self.shard.stream_name();
        tracing::warn!(%stream, error = %error.chain(), "fragments were not made durable");
        let oldest = self.pending.front();
        let timecode = oldest.and_then(|oldest| oldest.timecodes.first().copied());
        let number = oldest.map(|oldest| oldest.number);
        self.pending.clear();
        self.is_ended = true;
        self.last = Some(ack::error(Fault::of_log(error), timecode, number));
    }

    fn tick(&mut self) {
        let age = self.clock.elapsed().saturating_sub(self.started);
        if age >= CONNECTION_MAX.saturating_add(FRAGMENT_DURATION_MAX) {
            return self.end(Ended {
                fault: Some(Fault::MaxConnectionDuration),
                timecode: None,
            });
        }
        let pushes = self.link.pushes.load(Ordering::Relaxed);
        if pushes != self.idle.pushes {
            self.idle.pushes = pushes;
            self.idle.times = 0;
            return;
        }
        self.idle.times += 1;
        self.lines.push_back(ack::idle());
        if self.idle.times >= IDLE_TIMES {
            self.is_ended = true;
        }
    }
}

/// Waits until a fragment is durable. Cancel safe.
async fn durable(shard: &Shard, number: Option<FragmentNumber>) -> Result<()> {
    match number {
        Some(number) => shard.wait_durable(number.position().advance(1)).await,
        None => Ok(()),
    }
}
