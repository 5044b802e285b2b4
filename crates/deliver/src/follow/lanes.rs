//! Brings work on files to blocking threads, one job at a time for each lane.

use std::sync::Arc;

use afflux_types::{Error, Result, ShardId};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::fault;
use crate::fs::FileSystem;
use crate::write::{Lane, LaneOptions};

/// The lanes of one archive.
#[derive(Debug)]
pub(super) struct Lanes(Vec<Gate>);

#[derive(Debug)]
struct Gate {
    lane: Arc<Mutex<Lane>>,
    /// Keeps waiting jobs in async code, in order, instead of on threads.
    turn: Semaphore,
}

impl Lanes {
    pub(super) fn new(fs: &Arc<dyn FileSystem>, options: &LaneOptions, threads: usize) -> Self {
        let threads = threads.max(1);
        let options = LaneOptions {
            open_max: options.open_max.div_ceil(threads).max(1),
            ..options.clone()
        };
        let gate = |_| Gate {
            lane: Arc::new(Mutex::new(Lane::new(Arc::clone(fs), options.clone()))),
            turn: Semaphore::new(1),
        };
        Self((0..threads).map(gate).collect())
    }

    /// Runs `work` on a blocking thread with the lane of `shard`.
    pub(super) async fn on<T: Send + 'static>(
        &self,
        shard: ShardId,
        work: impl FnOnce(&mut Lane) -> fault::Result<T> + Send + 'static,
    ) -> Result<T> {
        let count = u32::try_from(self.0.len()).unwrap_or(u32::MAX).max(1);
        let index = usize::try_from(shard.get() % count).unwrap_or(0);
        let gate = self
            .0
            .get(index)
            .ok_or_else(|| Error::internal("an archive has no lane"))?;
        let turn = gate.turn.acquire().await;
        let _turn = turn.map_err(|_| Error::internal("an archive's lane is closed"))?;
        let lane = Arc::clone(&gate.lane);
        let job = tokio::task::spawn_blocking(move || work(&mut lane.lock()));
        match job.await {
            Ok(worked) => Ok(worked?),
            Err(error) => {
                // A panic may have left the shard's writer in between; it is not to be used again.
                let lane = Arc::clone(&gate.lane);
                let forget = tokio::task::spawn_blocking(move || lane.lock().forget(shard));
                let _ = forget.await;
                Err(Error::internal(format!("write the archive of {shard}")).with_source(error))
            }
        }
    }
}
