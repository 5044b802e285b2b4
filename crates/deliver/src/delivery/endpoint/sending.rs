//! Sends the requests of a batch until each is taken or given up.

use std::sync::Arc;
use std::time::Duration;

use afflux_types::{Clock, Error, Result};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::refusal::{Outcome, Refusal};
use super::request::{Framed, GivenUp, Request};
use super::{Endpoints, Waits};
use crate::blocking::blocking;
use crate::delivery::follow::ended;
use crate::delivery::publish::read;
use crate::delivery::spool::{Intent, Planned, Spool};
use crate::delivery::status::Status;
use crate::follow::wait;

/// Requests that are sent at a time: each has all of its records in memory.
const REQUESTS: usize = 2;

/// Sends the requests of a delivery stream.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) endpoints: Endpoints,
    /// The ARN of the delivery stream.
    pub(crate) source: String,
    pub(crate) clock: Clock,
    pub(crate) status: Arc<Status>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// Records that are sent together.
struct Part {
    records: Vec<Framed>,
    /// How often they were sent.
    attempts: u32,
}

/// For how long a request is sent again, with all the parts that it is sent in.
struct Tries {
    window: Duration,
    waits: Waits,
    /// By the clock's elapsed time.
    first_failure: Option<Duration>,
}

impl Sender {
    /// Sends the requests of a complete batch, which then has error objects instead of those that nobody took.
    ///
    /// # Errors
    /// `Unavailable` if the delivery stream is stopped before; `NotFound` if an endpoint is not allowed any
    /// more.
    pub(crate) async fn deliver_all(&self, spool: &Spool, mut intent: Intent) -> Result<Intent> {
        let requests = intent.objects.iter().cloned().enumerate();
        let requests = requests
            .filter_map(|(index, mut object)| Some((index, object.request.take()?, object)));
        let mut requests = requests.collect::<Vec<_>>().into_iter();
        let mut sending = JoinSet::new();
        loop {
            while sending.len() < REQUESTS
                && let Some((index, request, object)) = requests.next()
            {
                let (sender, spool) = (self.clone(), spool.clone());
                let form = (request.compression, request.object_id);
                sending.spawn(async move {
                    let given_up = sender.deliver(spool, object, request).await?;
                    Ok(given_up.map(|given_up| (index, form, given_up)))
                });
            }
            let Some(sent) = sending.join_next().await else {
                return Ok(intent);
            };
            if let Some((index, form, (lines, count))) = ended(sent)? {
                let spool = spool.clone();
                intent = blocking("give up a request", move || {
                    let totals = &mut intent.totals;
                    totals.failed = totals.failed.saturating_add(count);
                    totals.objects = totals.objects.saturating_add(1);
                    spool.give_up(&mut intent, index, form, &lines)?;
                    Ok(intent)
                })
                .await?;
            }
        }
    }

    /// Sends a request with the records of its file; gives the lines of its error object, and how many they
    /// are, if some are given up.
    async fn deliver(
        &self,
        spool: Spool,
        object: Planned,
        request: Request,
    ) -> Result<Option<(Vec<u8>, u64)>> {
        let sorted = blocking("read a request", move || {
            let frames = read(&spool, &object)?;
            let (records, given_up) = request.sort(frames.into());
            Ok((Arc::new(request), records, given_up))
        });
        let (request, records, mut given_up) = sorted.await?;
        if !records.is_empty() {
            self.send(&request, records, &mut given_up).await?;
        }
        if given_up.is_empty() {
            return Ok(None);
        }
        let now = self.clock.wall();
        let lines = blocking("give up a request", move || {
            given_up.sort_by_key(|one| one.record.ordinal);
            let count = u64::try_from(given_up.len()).unwrap_or(u64::MAX);
            Ok((request.lines(&given_up, now), count))
        });
        lines.await.map(Some)
    }

    /// Sends records, again and again, until each is taken or given up.
    async fn send(
        &self,
        request: &Arc<Request>,
        records: Vec<Framed>,
        given_up: &mut Vec<GivenUp>,
    ) -> Result<()> {
        let mut tries = Tries {
            window: request.receiver.retry(),
            waits: Waits::new(),
            first_failure: None,
        };
        let mut parts = vec![Part {
            records,
            attempts: 0,
        }];
        while let Some(part) = parts.pop() {
            let (outcome, part) = self.attempt(request, part).await?;
            let left = match outcome {
                Outcome::TooLarge(_) if part.records.len() > 1 => {
                    parts.extend(part.halves());
                    continue;
                }
                outcome => part.left(outcome),
            };
            let Some(first) = left.first() else { continue };
            let error = self.report(request, first, left.len());
            let (refused, again): (Vec<_>, Vec<_>) =
                left.into_iter().partition(|one| one.refusal.is_final);
            given_up.extend(refused);
            let Some(attempts) = again.first().map(|one| one.attempts) else {
                continue;
            };
            match tries.next(self.clock.elapsed())? {
                None => given_up.extend(again),
                Some(pause) => {
                    let mut stop = self.stop.clone();
                    if wait(pause, &mut stop).await {
                        return Err(error);
                    }
                    let records = again.into_iter().map(|one| one.record).collect();
                    parts.push(Part { records, attempts });
                }
            }
        }
        Ok(())
    }

    /// Sends records once.
    async fn attempt(&self, request: &Arc<Request>, mut part: Part) -> Result<(Outcome, Part)> {
        part.attempts = part.attempts.saturating_add(1);
        let written = {
            let request = Arc::clone(request);
            blocking("write a request", move || {
                Ok((request.body(&part.records), part))
            })
        };
        let (body, part) = written.await?;
        let body = body.map_err(|error| Error::internal("write a request").with_source(error))?;
        let (endpoints, source) = (&self.endpoints, &self.source);
        let sent = endpoints.send(request, source, body, part.records.len());
        Ok((sent.await?, part))
    }

    /// Tells of records that were not taken, of which this is the first.
    fn report(&self, request: &Request, first: &GivenUp, records: usize) -> Error {
        let (url, Refusal { code, message, .. }) = (request.receiver.url(), &*first.refusal);
        let error = Error::unavailable(format!("{url}: {code}: {message}"));
        self.status.failed(&error);
        tracing::warn!(
            source = %self.source, request = %request.id, attempts = first.attempts, records,
            error = %error.chain(), "records were not taken"
        );
        error
    }
}

impl Part {
    /// Both halves, of which the first is sent first.
    fn halves(mut self) -> [Self; 2] {
        let attempts = self.attempts;
        let records = self.records.split_off(self.records.len() / 2);
        [Self { records, attempts }, self]
    }

    /// What was not taken.
    fn left(self, outcome: Outcome) -> Vec<GivenUp> {
        let attempts = self.attempts;
        let of = |(record, refusal)| GivenUp {
            record,
            refusal,
            attempts,
        };
        let records = self.records.into_iter();
        match outcome {
            Outcome::Taken => Vec::new(),
            Outcome::Refused(refusal) | Outcome::TooLarge(refusal) => {
                let refusal = Arc::new(refusal);
                let refused = records.map(|record| (record, Arc::clone(&refusal)));
                refused.map(of).collect()
            }
            Outcome::Each(refusals) => {
                let refused = records.zip(refusals);
                let refused =
                    refused.filter_map(|(record, refusal)| Some((record, Arc::new(refusal?))));
                refused.map(of).collect()
            }
        }
    }
}

impl Tries {
    /// How long to wait before the next attempt; none if there is none.
    fn next(&mut self, now: Duration) -> Result<Option<Duration>> {
        let waited = now.saturating_sub(*self.first_failure.get_or_insert(now));
        let left = self.window.saturating_sub(waited);
        if left.is_zero() {
            return Ok(None);
        }
        Ok(Some(self.waits.next()?.min(left)))
    }
}
