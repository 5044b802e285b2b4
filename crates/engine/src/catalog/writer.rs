//! One thread that writes the catalog, and groups what waits into one transaction.
//!
//! A durable transaction costs a sync of the disk, so a thousand consumers that save a checkpoint
//! each second must share one. A [`Job`] brings its writes and what is to happen in memory once they
//! are durable. That follow-up runs on this thread, in the order of submission, also when the caller
//! has meanwhile been dropped: memory and disk cannot part.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;

use afflux_types::Result;
use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::store::{Store, Write};
use crate::fault::{again, stopping};

/// Jobs that may wait. Beyond them a caller waits for its turn; a job is a few hundred bytes.
const JOBS_MAX: usize = 1_024;
/// Jobs in one transaction, so that one large group does not delay the first by much.
const GROUP_JOBS_MAX: usize = 256;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Committed,
    Failed,
}

type Publish = Box<dyn FnOnce(Outcome) + Send>;

struct Job {
    writes: Vec<Write>,
    publish: Publish,
    done: oneshot::Sender<Result<()>>,
    _slot: OwnedSemaphorePermit,
}

/// The catalog's thread.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    slots: Arc<Semaphore>,
}

struct Queue {
    jobs: VecDeque<Job>,
    open: bool,
}

/// The right to submit one job without waiting.
pub(crate) struct Slot<'a> {
    shared: &'a Shared,
    permit: OwnedSemaphorePermit,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(store: Arc<dyn Store>) -> Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                jobs: VecDeque::new(),
                open: true,
            }),
            wake: Condvar::new(),
            slots: Arc::new(Semaphore::new(JOBS_MAX)),
        });
        let worker = Arc::clone(&shared);
        let thread = afflux_log::vital::spawn("afflux-catalog", move || worker.work(&*store))?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Waits until one more job may be submitted.
    pub(crate) async fn slot(&self) -> Result<Slot<'_>> {
        let permit = Arc::clone(&self.shared.slots)
            .acquire_owned()
            .await
            .map_err(|_| stopping())?;
        Ok(Slot {
            shared: &self.shared,
            permit,
        })
    }

    /// Commits what waits and ends the thread.
    pub(crate) fn close(&self) {
        self.shared.slots.close();
        self.shared.queue.lock().open = false;
        self.shared.wake.notify_all();
        let thread = self.thread.lock().take();
        // The last handle of an engine may be dropped by a follow-up on the thread itself.
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the catalog's thread panicked");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Slot<'_> {
    /// Queues writes; `publish` runs on the catalog's thread when their outcome is known. On a writer that
    /// is closed it runs when the result is asked for or dropped: the caller may hold now what it locks.
    pub(crate) fn submit(
        self,
        writes: Vec<Write>,
        publish: impl FnOnce(Outcome) + Send + 'static,
    ) -> Pending {
        let (done, pending) = oneshot::channel();
        let job = Job {
            writes,
            publish: Box::new(publish),
            done,
            _slot: self.permit,
        };
        let mut queue = self.shared.queue.lock();
        if queue.open {
            queue.jobs.push_back(job);
            drop(queue);
            self.shared.wake.notify_one();
            Pending {
                answer: pending,
                refused: None,
            }
        } else {
            Pending {
                answer: pending,
                refused: Some(job.publish),
            }
        }
    }
}

/// The outcome of a job, to come.
pub(crate) struct Pending {
    answer: oneshot::Receiver<Result<()>>,
    /// Of a job that came too late, until it has run.
    refused: Option<Publish>,
}

impl Pending {
    /// Waits for the transaction.
    pub(crate) async fn done(mut self) -> Result<()> {
        self.refuse();
        (&mut self.answer).await.map_err(|_| stopping())?
    }

    fn refuse(&mut self) {
        if let Some(publish) = self.refused.take() {
            publish(Outcome::Failed);
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.refuse();
    }
}

impl Shared {
    fn work(&self, store: &dyn Store) {
        while let Some(mut jobs) = self.take() {
            let writes: Vec<Write> = jobs
                .iter_mut()
                .flat_map(|job| std::mem::take(&mut job.writes))
                .collect();
            let result = store.commit(&writes);
            let outcome = match &result {
                Ok(()) => Outcome::Committed,
                Err(error) => {
                    tracing::error!(error = %error.chain(), "catalog transaction failed");
                    Outcome::Failed
                }
            };
            for job in jobs {
                (job.publish)(outcome);
                let answer = match &result {
                    Ok(()) => Ok(()),
                    Err(error) => Err(again(error)),
                };
                // The caller may be gone; what it asked for is done.
                let _gone = job.done.send(answer);
            }
        }
    }

    /// The next group; `None` once the writer is closed and everything is written.
    fn take(&self) -> Option<Vec<Job>> {
        let mut queue = self.queue.lock();
        while queue.jobs.is_empty() {
            if !queue.open {
                return None;
            }
            self.wake.wait(&mut queue);
        }
        let len = queue.jobs.len().min(GROUP_JOBS_MAX);
        Some(queue.jobs.drain(..len).collect())
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::catalog::store::{Row, Table};

    struct Nothing;

    impl Store for Nothing {
        fn get(&self, _: Table, _: &[u8]) -> Result<Option<Vec<u8>>> {
            Ok(None)
        }

        fn scan(&self, _: Table, _: &[u8], _: Option<&[u8]>, _: usize) -> Result<Vec<Row>> {
            Ok(Vec::new())
        }

        fn commit(&self, _: &[Write]) -> Result<()> {
            Ok(())
        }
    }

    /// A stream that was being created while the engine shut down locked up its thread: it submits under
    /// the registry's lock, and a closed writer ran the follow-up, which takes that lock, at once.
    #[tokio::test]
    async fn a_closed_writer_lets_the_submitter_release_its_locks_first() {
        let writer = Writer::start(Arc::new(Nothing)).unwrap();
        let registry = Arc::new(Mutex::new(None));
        let slot = writer.slot().await.unwrap();
        writer.close();
        let pending = {
            let _held = registry.lock();
            let registry = Arc::clone(&registry);
            slot.submit(Vec::new(), move |outcome| {
                let mut told = registry.try_lock().expect("the submitter has let go");
                *told = Some(outcome);
            })
        };
        assert!(pending.done().await.is_err());
        assert_eq!(*registry.lock(), Some(Outcome::Failed));
    }
}
