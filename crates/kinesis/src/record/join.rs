//! Several futures at once, on the task that waits for them.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Runs `futures` together and returns their outputs in order.
///
/// Each wake-up polls everything that is not done; meant for futures that rarely wait at all.
pub(super) async fn join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut all_done = true;
        for (future, output) in running.iter_mut().zip(&mut outputs) {
            if output.is_some() {
                continue;
            }
            match future.as_mut().poll(context) {
                Poll::Ready(done) => *output = Some(done),
                Poll::Pending => all_done = false,
            }
        }
        if all_done {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn outputs_stand_in_order_though_the_first_is_done_last() {
        let bell = tokio::sync::Notify::new();
        let futures = (0..2).map(|number| {
            let bell = &bell;
            async move {
                match number {
                    0 => bell.notified().await,
                    _ => bell.notify_one(),
                }
                number
            }
        });
        assert_eq!(join(futures.collect()).await, [0, 1]);
        let none: Vec<std::future::Ready<u8>> = Vec::new();
        assert!(join(none).await.is_empty());
    }
}
