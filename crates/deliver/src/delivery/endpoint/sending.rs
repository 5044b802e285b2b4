//! Sends the requests of a batch until each is taken or given up.

use std::sync::Arc;
use std::time::Duration;

use afflux_types::{Clock, Error, Result};
use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::kafka::{BatchId, KafkaSettings, Producer, Transaction};
use super::receiver::Receiver;
use super::refusal::{Outcome, Refusal};
use super::request::{GivenUp, Request, pick};
use super::{Endpoints, Waits};
use crate::blocking::{blocking, ended};
use crate::delivery::publish::read;
use crate::delivery::room::{Reserved, Room};
use crate::delivery::spool::{Intent, Planned, Spool};
use crate::delivery::status::Status;
use crate::waiting::{stopped, wait};

/// A request in memory is so many times as large as its records: they, their body, and its compressed form.
const COPIES: u64 = 3;
/// So long a delivery stream that is to stop waits for a connection to Kafka, to deliver what it has taken.
const STOP_WAIT: Duration = Duration::from_secs(1);

/// Sends the requests of a delivery stream.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) endpoints: Endpoints,
    pub(crate) kafka: Producer,
    /// The ARN of the delivery stream.
    pub(crate) source: String,
    pub(crate) room: Room,
    pub(crate) clock: Clock,
    pub(crate) status: Arc<Status>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// A request whose records are in a file of the spool; between two attempts none of them is in memory.
#[derive(Clone)]
struct Job {
    spool: Spool,
    object: Arc<Planned>,
    request: Arc<Request>,
    batch: BatchId,
    /// Its place in the batch's intent.
    index: usize,
}

/// Records that are sent together.
struct Part {
    /// Their places in the file, in their order.
    ordinals: Vec<usize>,
    /// How often they were sent.
    attempts: u32,
    /// The body of the first attempt, which is made while the file is read anyway, and its room.
    body: Option<(Body, Reserved)>,
}

/// The body of an attempt, unless it could not be compressed.
type Body = std::io::Result<Vec<u8>>;

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
        let mut requests = requests.collect::<Vec<_>>().into_iter().peekable();
        let batch = BatchId::of(&intent);
        let mut sending = JoinSet::new();
        loop {
            while let Some((index, request, object)) =
                requests.next_if(|(_, request, _)| sending.len() < request.receiver.at_once())
            {
                let form = (request.compression, request.object_id);
                let sender = self.clone();
                let job = Job {
                    spool: spool.clone(),
                    object: Arc::new(object),
                    request: Arc::new(request),
                    batch,
                    index,
                };
                sending.spawn(async move {
                    let given_up = sender.deliver(&job).await?;
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

    /// Sends a request with the records of its file; gives the lines of its error object, how many they are, and
    /// their room, if some are given up.
    async fn deliver(&self, job: &Job) -> Result<Option<(Vec<u8>, u64, Reserved)>> {
        let (first, mut given_up) = self.first(job).await?;
        if let Some(first) = first {
            self.send(job, first, &mut given_up).await?;
        }
        if given_up.is_empty() {
            return Ok(None);
        }
        let now = self.clock.wall();
        given_up.sort_by_key(|one| one.ordinal);
        let count = u64::try_from(given_up.len()).unwrap_or(u64::MAX);
        let (lines, room) = self
            .with_records(job, move |request, frames| {
                request.lines(frames, &given_up, now)
            })
            .await?;
        Ok(Some((lines, count, room)))
    }

    /// The records of a request that can be sent, and those that cannot: its file is read once for both, and for the
    /// first attempt.
    async fn first(&self, job: &Job) -> Result<(Option<Part>, Vec<GivenUp>)> {
        let ((ordinals, given_up, body), room) = self
            .with_records(job, |request, frames| {
                let (ordinals, given_up) = request.sort(frames.clone());
                let has_body = !matches!(request.receiver, Receiver::Kafka(_));
                let body = has_body.then(|| request.body(&pick(frames, &ordinals)));
                (ordinals, given_up, body)
            })
            .await?;
        let first = (!ordinals.is_empty()).then_some(Part {
            ordinals,
            attempts: 0,
            body: body.map(|body| (body, room)),
        });
        Ok((first, given_up))
    }

    /// Makes something of the records of a request, with the room that it has then.
    async fn with_records<T: Send + 'static>(
        &self,
        job: &Job,
        make: impl FnOnce(&Request, Bytes) -> T + Send + 'static,
    ) -> Result<(T, Reserved)> {
        let room = self.room.take(job.object.bytes.saturating_mul(COPIES));
        let (room, job) = (room.await, job.clone());
        let made = blocking("read a request", move || {
            let frames = read(&job.spool, &job.object)?;
            Ok(make(&job.request, frames.into()))
        });
        Ok((made.await?, room))
    }

    /// Sends records, again and again, until each is taken or given up.
    async fn send(&self, job: &Job, first: Part, given_up: &mut Vec<GivenUp>) -> Result<()> {
        let request = &*job.request;
        let mut tries = Tries {
            window: request.receiver.retry(),
            waits: Waits::new(),
            first_failure: None,
        };
        let mut parts = vec![first];
        while let Some(part) = parts.pop() {
            let (outcome, part) = self.attempt(job, part).await?;
            let left = match outcome {
                Outcome::TooLarge(_) if part.ordinals.len() > 1 => {
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
                    let ordinals = again.into_iter().map(|one| one.ordinal).collect();
                    parts.push(Part {
                        ordinals,
                        attempts,
                        body: None,
                    });
                }
            }
        }
        Ok(())
    }

    /// Sends records once.
    async fn attempt(&self, job: &Job, mut part: Part) -> Result<(Outcome, Part)> {
        part.attempts = part.attempts.saturating_add(1);
        let first_body = part.body.take();
        if let Receiver::Kafka(settings) = &job.request.receiver {
            return Ok((self.produce(job, settings, &part.ordinals).await?, part));
        }
        let ((body, part), _room) = match first_body {
            Some((body, room)) => ((body, part), room),
            None => {
                self.with_records(job, move |request, frames| {
                    (request.body(&pick(frames, &part.ordinals)), part)
                })
                .await?
            }
        };
        let body = body.map_err(|error| Error::internal("write a request").with_source(error))?;
        let (endpoints, source) = (&self.endpoints, &self.source);
        let sent = endpoints.send(&job.request, source, body, part.ordinals.len());
        Ok((sent.await?, part))
    }

    /// Sends records to Kafka once. Who waits for a cluster that is down has no room meanwhile.
    async fn produce(
        &self,
        job: &Job,
        settings: &KafkaSettings,
        ordinals: &[usize],
    ) -> Result<Outcome> {
        let mut stop = self.stop.clone();
        let opened = tokio::select! {
            opened = self.kafka.open(settings) => opened?,
            () = async { stopped(&mut stop).await; tokio::time::sleep(STOP_WAIT).await } => {
                return Err(Error::unavailable("the delivery stream is stopping"));
            }
        };
        if let Some(refusal) = opened {
            return Ok(Outcome::Refused(refusal));
        }
        let (frames, _room) = self.with_records(job, |_, frames| frames).await?;
        let transaction = Transaction {
            settings: settings.clone(),
            batch: job.batch,
            object: job.index,
            frames,
            ordinals: ordinals.to_vec(),
        };
        self.kafka.deliver(transaction).await
    }

    /// Tells of records that were not taken, of which this is the first.
    fn report(&self, request: &Request, first: &GivenUp, records: usize) -> Error {
        let (receiver, Refusal { code, message, .. }) = (&request.receiver, &*first.refusal);
        let error = Error::unavailable(format!("{receiver}: {code}: {message}"));
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
        let second = Self {
            ordinals: self.ordinals.split_off(self.ordinals.len() / 2),
            attempts: self.attempts,
            body: None,
        };
        [second, self]
    }

    /// What was not taken.
    fn left(self, outcome: Outcome) -> Vec<GivenUp> {
        let attempts = self.attempts;
        let of = |(ordinal, refusal)| GivenUp {
            ordinal,
            refusal,
            attempts,
        };
        let ordinals = self.ordinals.into_iter();
        match outcome {
            Outcome::Taken => Vec::new(),
            Outcome::Refused(refusal) | Outcome::TooLarge(refusal) => {
                let refusal = Arc::new(refusal);
                let refused = ordinals.map(|ordinal| (ordinal, Arc::clone(&refusal)));
                refused.map(of).collect()
            }
            Outcome::Each(refusals) => {
                let refused = ordinals.zip(refusals);
                let refused =
                    refused.filter_map(|(ordinal, refusal)| Some((ordinal, Arc::new(refusal?))));
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use afflux_transform::Compression;
    use afflux_types::ServerTime;

    use super::*;
    use crate::delivery::endpoint::{AllowedEndpoint, EndpointSettings, KafkaClusters};
    use crate::delivery::frames::frame;
    use crate::delivery::settings::Place;
    use crate::delivery::state::{DeliveryTotals, Places};
    use crate::fs::sim::SimFs;

    const DATA: &str = "/data";
    /// Nobody listens there.
    const URL: &str = "http://127.0.0.1:1/";

    fn sender() -> Sender {
        let allowed = AllowedEndpoint {
            url: URL.into(),
            timeout: Duration::from_secs(10),
            login: None,
        };
        let clock = Clock::manual(ServerTime::from_millis(0));
        Sender {
            endpoints: Endpoints::new(&[allowed]).unwrap(),
            kafka: Producer::new(1, KafkaClusters::default(), clock.clone()),
            source: "arn".into(),
            // So little that what has it lets nothing else be read.
            room: Room::new(1),
            clock,
            status: Arc::default(),
            stop: watch::channel(false).1,
        }
    }

    #[tokio::test]
    async fn a_file_is_read_once_for_its_first_attempt_and_once_for_each_other() {
        let fs = SimFs::new(Path::new(DATA));
        let spool = Spool::new(Arc::new(fs.clone()), Path::new(DATA), 1);
        spool.open(Path::new(DATA), 0).unwrap();
        let records = frame(ServerTime::from_millis(0), b"record");
        let form = (Compression::None, [0; 16]);
        let written = spool.object((1, 1), form, (None, &records)).unwrap();
        let (file, bytes) = (written.file, written.bytes);
        let receiver = Receiver::Http(EndpointSettings::new(URL.into()));
        let request = Request::new([0; 16], ServerTime::default(), receiver, Compression::None);
        let object = Planned {
            file,
            ..Planned::plain(Place::Directory(DATA.into()), "key".into(), bytes)
        };
        let intent = Intent {
            batch: 1,
            places: Places::default(),
            totals: DeliveryTotals::default(),
            newest_arrival: 0,
            objects: Vec::new(),
            append: None,
        };
        let job = Job {
            spool,
            object: Arc::new(object),
            request: Arc::new(request),
            batch: BatchId::of(&intent),
            index: 0,
        };
        let (sender, before) = (sender(), fs.operations());
        let (first, given_up) = sender.first(&job).await.unwrap();
        assert_eq!(given_up, []);
        let (_, part) = sender.attempt(&job, first.unwrap()).await.unwrap();
        assert_eq!(fs.operations() - before, 1);
        sender.attempt(&job, part).await.unwrap();
        assert_eq!(fs.operations() - before, 2);
    }
}
