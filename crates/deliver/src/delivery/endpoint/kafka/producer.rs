//! The thread of a delivery stream that speaks with Kafka: librdkafka waits where it is called.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use afflux_types::{Clock, Error, Result};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::super::refusal::{Outcome, Refusal};
use super::client::{Client, Ended, Findings, Patience};
use super::connection::Batching;
use super::{KafkaCluster, KafkaClusters, KafkaSettings, Transaction};

/// How often librdkafka may tell of its connections while nothing is sent: nobody else empties its queue.
const IDLE: Duration = Duration::from_secs(1);

/// What a delivery stream sends its records to Kafka with; a cheap handle.
///
/// Its thread begins with the first request, and ends when the last handle is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Producer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    delivery: u64,
    clusters: KafkaClusters,
    clock: Clock,
    thread: Mutex<Option<SyncSender<Command>>>,
}

/// What the thread is to do, and who waits for that.
struct Command {
    target: Target,
    /// Nothing, or only to connect.
    transaction: Option<Transaction>,
    reply: oneshot::Sender<Outcome>,
}

/// A topic and its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) cluster: KafkaCluster,
    pub(super) settings: KafkaSettings,
}

impl Producer {
    /// That of a delivery stream.
    pub(crate) fn new(delivery: u64, clusters: KafkaClusters, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            delivery,
            clusters,
            clock,
            thread: Mutex::default(),
        }))
    }

    /// Connects to a topic, unless it is connected; says why if that is not possible now.
    ///
    /// # Errors
    /// `NotFound` if the cluster is not among those of the server.
    ///
    /// # Cancel safety
    /// The thread leaves off soon after the future is dropped.
    pub(in super::super) async fn open(&self, settings: &KafkaSettings) -> Result<Option<Refusal>> {
        Ok(match self.order(settings.clone(), None).await? {
            Outcome::Refused(refusal) => Some(refusal),
            _ => None,
        })
    }

    /// Has a transaction committed, or says of each of its records why not.
    ///
    /// # Errors
    /// As [`Producer::open`].
    pub(in super::super) async fn deliver(&self, transaction: Transaction) -> Result<Outcome> {
        let settings = transaction.settings.clone();
        self.order(settings, Some(transaction)).await
    }

    async fn order(
        &self,
        settings: KafkaSettings,
        transaction: Option<Transaction>,
    ) -> Result<Outcome> {
        let cluster = self.0.clusters.find(&settings.cluster)?.clone();
        let (reply, answer) = oneshot::channel();
        let command = Command {
            target: Target { cluster, settings },
            transaction,
            reply,
        };
        self.0.tell(command)?;
        answer.await.map_err(|gone| {
            self.0.thread.lock().take();
            Error::internal("the thread of a Kafka producer").with_source(gone)
        })
    }
}

impl Inner {
    fn tell(&self, command: Command) -> Result<()> {
        let mut thread = self.thread.lock();
        let commands = match &*thread {
            Some(commands) => commands,
            None => thread.insert(self.start()?),
        };
        // Only what was asked for and is not waited for any more can be before it.
        let told = commands.try_send(command);
        told.map_err(|_| Error::unavailable("Kafka is still busy with what was given up"))
    }

    fn start(&self) -> Result<SyncSender<Command>> {
        let (tell, hear) = sync_channel(1);
        let worker = Worker {
            delivery: self.delivery,
            clock: self.clock.clone(),
            client: None,
        };
        std::thread::Builder::new()
            .name(format!("kafka-{:08x}", self.delivery >> 32))
            .spawn(move || worker.run(&hear))
            .map_err(|error| Error::unavailable("start a thread for Kafka").with_source(error))?;
        Ok(tell)
    }
}

/// What the thread has.
struct Worker {
    delivery: u64,
    clock: Clock,
    /// Of the topic that was asked for last; none after a failure.
    client: Option<Client>,
}

impl Worker {
    fn run(mut self, commands: &Receiver<Command>) {
        loop {
            match commands.recv_timeout(IDLE) {
                Ok(command) => {
                    let outcome = self.obey(&command);
                    // Who does not wait any more asks again.
                    let _ = command.reply.send(outcome);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(client) = &self.client {
                        client.serve();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn obey(&mut self, command: &Command) -> Outcome {
        let (clock, is_wanted) = (self.clock.clone(), || !command.reply.is_closed());
        let patience = Patience::new(&clock, command.target.cluster.timeout, &is_wanted);
        let outcome = match &command.transaction {
            None => {
                let client = self.client(&command.target, Batching::Together, patience);
                client.map(|_| Outcome::Taken)
            }
            Some(transaction) => self.deliver(&command.target, transaction, patience),
        };
        outcome.unwrap_or_else(|refusal| {
            self.client = None;
            Outcome::Refused(refusal)
        })
    }

    /// The client of a topic.
    fn client(
        &mut self,
        target: &Target,
        batching: Batching,
        patience: Patience<'_>,
    ) -> Result<&mut Client, Refusal> {
        let fits = |client: &Client| client.target == *target && client.batching == batching;
        let client = match self.client.take().filter(fits) {
            Some(client) => client,
            None => Client::open(target, self.delivery, batching, patience)?,
        };
        Ok(self.client.insert(client))
    }

    /// Sends a transaction, again with what was found out, until it is committed.
    fn deliver(
        &mut self,
        target: &Target,
        transaction: &Transaction,
        patience: Patience<'_>,
    ) -> Result<Outcome, Refusal> {
        let mut findings = Findings::new();
        loop {
            // Each attempt finds out something that is not found out again.
            let patience = patience.anew();
            let client = self.client(target, findings.batching, patience)?;
            match client.deliver(transaction, &mut findings, patience)? {
                Ended::Committed => break,
                Ended::Wiser => self.client = None,
            }
        }
        let mut refused = findings.refused;
        if refused.is_empty() {
            return Ok(Outcome::Taken);
        }
        let of = |ordinal| refused.remove(ordinal);
        Ok(Outcome::Each(transaction.ordinals.iter().map(of).collect()))
    }
}
