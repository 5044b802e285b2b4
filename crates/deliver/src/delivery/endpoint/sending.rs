//! Sends the requests of a batch until each is taken or given up.

use std::sync::Arc;
use std::time::Duration;

use afflux_types::{Clock, Error, Result};
use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::request::{Refusal, Request};
use super::{Endpoints, Waits};
use crate::blocking::blocking;
use crate::delivery::follow::ended;
use crate::delivery::publish::read;
use crate::delivery::room::{Reserved, Room};
use crate::delivery::spool::{Intent, Planned, Spool};
use crate::delivery::status::Status;
use crate::follow::wait;

/// Requests that are sent at a time.
const REQUESTS: usize = 2;
/// A request in memory is so many times as large as its records: they, their body, and its compressed form.
const COPIES: u64 = 3;

/// Sends the requests of a delivery stream.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) endpoints: Endpoints,
    /// The ARN of the delivery stream.
    pub(crate) source: String,
    pub(crate) room: Room,
    pub(crate) clock: Clock,
    pub(crate) status: Arc<Status>,
    pub(crate) stop: watch::Receiver<bool>,
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
                    let given_up = sender.deliver(&spool, &object, &request).await?;
                    Ok(given_up.map(|given_up| (index, form, given_up)))
                });
            }
            let Some(sent) = sending.join_next().await else {
                return Ok(intent);
            };
            if let Some((index, form, (lines, count, _room))) = ended(sent)? {
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
    /// are, if it is given up.
    async fn deliver(
        &self,
        spool: &Spool,
        object: &Planned,
        request: &Request,
    ) -> Result<Option<(Vec<u8>, u64, Reserved)>> {
        let Some((refusal, attempts)) = self.send(spool, object, request).await? else {
            return Ok(None);
        };
        let room = self.room.take(object.bytes.saturating_mul(COPIES)).await;
        let (spool, object, now) = (spool.clone(), object.clone(), self.clock.wall());
        blocking("give up a request", move || {
            let frames = read(&spool, &object)?.into();
            let (lines, count) = Request::lines(frames, &refusal, attempts, now);
            Ok(Some((lines, count, room)))
        })
        .await
    }

    /// Sends a request once; it is in memory for so long.
    async fn attempt(
        &self,
        spool: &Spool,
        object: &Planned,
        request: &Request,
    ) -> Result<Result<(), Refusal>> {
        let _room = self.room.take(object.bytes.saturating_mul(COPIES)).await;
        let (spool, object, making) = (spool.clone(), object.clone(), request.clone());
        let body = blocking("write a request", move || {
            Ok(making.body(&Bytes::from(read(&spool, &object)?)))
        });
        let body = body.await?;
        let body = body.map_err(|error| Error::internal("write a request").with_source(error))?;
        self.endpoints
            .send(request, &self.source, body.into())
            .await
    }

    /// Sends a request, again and again; gives why it was not taken, and after how many attempts.
    async fn send(
        &self,
        spool: &Spool,
        object: &Planned,
        request: &Request,
    ) -> Result<Option<(Refusal, u32)>> {
        let window = Duration::from_secs(request.endpoint.retry_seconds);
        let (mut waits, mut stop) = (Waits::new(), self.stop.clone());
        let mut attempts = 0;
        let mut first_failure = None;
        loop {
            attempts += 1;
            let Err(refusal) = self.attempt(spool, object, request).await? else {
                return Ok(None);
            };
            let error =
                Error::unavailable(format!("{}: {}", request.endpoint.url, refusal.message));
            self.status.failed(&error);
            tracing::warn!(
                source = %self.source, request = %request.id, attempts, error = %error.chain(),
                "a request was not taken"
            );
            let now = self.clock.elapsed();
            let waited = now.saturating_sub(*first_failure.get_or_insert(now));
            let left = window.saturating_sub(waited);
            if refusal.is_final || left.is_zero() {
                return Ok(Some((refusal, attempts)));
            }
            if wait(waits.next()?.min(left), &mut stop).await {
                return Err(error);
            }
        }
    }
}
