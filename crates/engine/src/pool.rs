//! A few threads for what may wait for the disk, so that no async thread does.
//!
//! Opening a log, finding a position by time, and reading what is no longer in memory may block for
//! as long as a disk takes. Work queues for a bounded time and place: at most [`JOBS_MAX`] jobs wait,
//! and a caller beyond them waits for its turn. A job that panics fails its caller and no one else.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread::JoinHandle;

use afflux_types::{Error, Result};
use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::fault::stopping;

/// Jobs that may wait: enough that threads never idle, few enough that none waits long.
const JOBS_MAX: usize = 256;

type Job = (Box<dyn FnOnce() + Send>, OwnedSemaphorePermit);

/// Threads that run jobs in the order of their arrival.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
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

impl Pool {
    /// Starts the threads.
    pub(crate) fn start(threads: usize) -> Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                jobs: VecDeque::new(),
                open: true,
            }),
            wake: Condvar::new(),
            slots: Arc::new(Semaphore::new(JOBS_MAX)),
        });
        let threads = (0..threads.max(1))
            .map(|i| {
                let worker = Arc::clone(&shared);
                std::thread::Builder::new()
                    .name(format!("afflux-read-{i}"))
                    .spawn(move || worker.work())
                    .map_err(|error| Error::unavailable("start a read thread").with_source(error))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            shared,
            threads: Mutex::new(threads),
        })
    }

    /// Runs `work` on one of the threads. It runs to its end also when the future is dropped.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.shared.slots)
            .acquire_owned()
            .await
            .map_err(|_| stopping())?;
        let (done, result) = oneshot::channel();
        let job = Box::new(move || {
            // The caller may be gone.
            let _gone = done.send(work());
        });
        {
            let mut queue = self.shared.queue.lock();
            if !queue.open {
                return Err(stopping());
            }
            queue.jobs.push_back((job, permit));
        }
        self.shared.wake.notify_one();
        // A job that was queued is run, so only a panic keeps it from answering.
        result
            .await
            .map_err(|_| Error::internal("a job that may wait for the disk panicked"))
    }

    /// Finishes what waits and ends the threads.
    pub(crate) fn close(&self) {
        self.shared.slots.close();
        self.shared.queue.lock().open = false;
        self.shared.wake.notify_all();
        let current = std::thread::current().id();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            // The last handle of an engine may be dropped by a job.
            if thread.thread().id() != current && thread.join().is_err() {
                tracing::error!("a read thread panicked");
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn work(&self) {
        while let Some((job, _permit)) = self.take() {
            // What a job shares with others stands behind locks that it holds for single steps.
            if std::panic::catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a job of the engine panicked");
            }
        }
    }

    fn take(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if !queue.open {
                return None;
            }
            self.wake.wait(&mut queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use afflux_types::ErrorKind;

    use super::*;

    /// A panic used to take its thread with it, and after the last one every read waited forever.
    #[tokio::test]
    async fn a_job_that_panics_fails_its_caller_and_leaves_the_threads() {
        let pool = Pool::start(1).unwrap();
        for _ in 0..3 {
            let failed = pool.run(|| panic!("a job's bug")).await;
            assert_eq!(failed.map(|()| 0).unwrap_err().kind(), ErrorKind::Internal);
        }
        assert_eq!(pool.run(|| 7).await.unwrap(), 7);
    }
}
