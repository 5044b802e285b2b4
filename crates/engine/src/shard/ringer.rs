//! One thread that wakes the readers of shards where many wait.
//!
//! A shard is in the queue at most once, so the queue is bounded by the number of shards.

use std::sync::Arc;
use std::thread::JoinHandle;

use afflux_types::Result;
use parking_lot::{Condvar, Mutex};

use super::signals::Signals;

/// The thread's queue.
#[derive(Debug, Default)]
pub(crate) struct Ringer {
    queue: Mutex<Queue>,
    wake: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Queue {
    shards: Vec<Arc<Signals>>,
    closed: bool,
}

impl Ringer {
    /// Starts the thread.
    pub(crate) fn start() -> Result<Arc<Self>> {
        let ringer = Arc::new(Self::default());
        let worker = Arc::clone(&ringer);
        let thread = afflux_log::vital::spawn("afflux-wake", move || worker.work())?;
        *ringer.thread.lock() = Some(thread);
        Ok(ringer)
    }

    /// Has a shard's readers woken.
    pub(super) fn hand_over(&self, shard: Arc<Signals>) {
        let mut queue = self.queue.lock();
        if queue.closed {
            drop(queue);
            shard.ring_readers();
            return;
        }
        queue.shards.push(shard);
        drop(queue);
        self.wake.notify_one();
    }

    /// Wakes who is to be woken and ends the thread.
    pub(crate) fn close(&self) {
        self.queue.lock().closed = true;
        self.wake.notify_one();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the wake thread panicked");
        }
    }

    fn work(&self) {
        while let Some(shards) = self.take() {
            for shard in shards {
                shard.ring_readers();
            }
        }
    }

    fn take(&self) -> Option<Vec<Arc<Signals>>> {
        let mut queue = self.queue.lock();
        while queue.shards.is_empty() {
            if queue.closed {
                return None;
            }
            self.wake.wait(&mut queue);
        }
        Some(std::mem::take(&mut queue.shards))
    }
}
