//! What the server needs while cameras send: memory beside what they have sent of open fragments.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::tape::Tape;
use crate::bench::raw::process;

/// How often memory is looked at.
const EVERY: Duration = Duration::from_millis(100);

/// Looks at a server's memory again and again.
#[derive(Debug)]
pub(super) struct Meter(JoinHandle<()>, tokio::sync::watch::Receiver<Memory>);

/// The most memory that was seen, in bytes beyond what the server had at first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    /// All of its anonymous memory.
    pub(super) grown: u64,
    /// Without the bytes of fragments that were not durable, one for each camera.
    pub(super) beyond: u64,
}

impl Meter {
    /// Starts to look at the process `pid`, which has `before` bytes of anonymous memory without
    /// cameras.
    pub(super) fn start(pid: u32, before: u64, tapes: Vec<Arc<Tape>>) -> Self {
        let (most, seen) = tokio::sync::watch::channel(Memory::default());
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            loop {
                ticks.tick().await;
                let Ok(memory) = process::anonymous_memory(pid) else {
                    return;
                };
                let grown = memory.saturating_sub(before);
                let open: u64 = tapes.iter().map(|tape| tape.open_bytes()).sum();
                most.send_modify(|most| most.add(grown, open));
            }
        });
        Self(task, seen)
    }

    /// Ends it.
    pub(super) fn stop(self) -> Memory {
        self.0.abort();
        *self.1.borrow()
    }
}

impl Memory {
    fn add(&mut self, grown: u64, open: u64) {
        self.grown = self.grown.max(grown);
        self.beyond = self.beyond.max(grown.saturating_sub(open));
    }
}
