//! Work on files, away from async threads.

use afflux_types::{Error, Result};

use tokio::task::JoinError;

use crate::fault;

/// Runs `work`, which `what` names if it panics, on a thread that may block.
///
/// # Cancel safety
/// When the future is dropped, the work goes on to its end.
pub(crate) async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> fault::Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(worked) => Ok(worked?),
        Err(error) => Err(Error::internal(what).with_source(error)),
    }
}

/// What a task came to.
pub(crate) fn ended<T>(task: Result<Result<T>, JoinError>) -> Result<T> {
    task.unwrap_or_else(|error| Err(Error::internal("a delivery's task").with_source(error)))
}
