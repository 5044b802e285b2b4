//! The pieces of a body, one after the other, when somebody has room for them.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use afflux_types::Result;
use bytes::Bytes;

/// What makes the pieces of a body.
pub trait Source: Send + 'static {
    /// The next piece; none at the end. After an error nothing is asked for: the body stays short, and
    /// its reader sees that.
    ///
    /// # Cancel safety
    /// Need not be: what was begun is finished or dropped together with the source.
    fn next(&mut self) -> impl Future<Output = Option<Result<Bytes>>> + Send;
}

/// The pieces of a body.
///
/// A piece is asked for when there is room for one. A slow reader costs its source a cursor that stands
/// still.
pub struct Pieces(Option<Next>);

type Next = Pin<Box<dyn Future<Output = Option<(Result<Bytes>, Pieces)>> + Send>>;

impl Pieces {
    /// Pieces that a source makes.
    #[must_use]
    pub fn new(source: impl Source) -> Self {
        Self(Some(Box::pin(next(source))))
    }

    /// Pieces that are there.
    #[must_use]
    pub fn whole<I>(pieces: I) -> Self
    where
        I: IntoIterator<Item = Bytes>,
        I::IntoIter: Send + 'static,
    {
        Self::new(Whole(pieces.into_iter()))
    }

    /// The next piece; none at the end, and after an error.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let Some(making) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let made = std::task::ready!(making.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(made.map(|(piece, rest)| {
            if piece.is_ok() {
                *self = rest;
            }
            piece
        }))
    }

    /// The next piece; none at the end, and after an error.
    ///
    /// # Cancel safety
    /// When the future is dropped, the piece comes with the next call.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }
}

async fn next<S: Source>(mut source: S) -> Option<(Result<Bytes>, Pieces)> {
    let piece = source.next().await?;
    Some((piece, Pieces::new(source)))
}

struct Whole<I>(I);

impl<I: Iterator<Item = Bytes> + Send + 'static> Source for Whole<I> {
    async fn next(&mut self) -> Option<Result<Bytes>> {
        self.0.next().map(Ok)
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pieces").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Falling(u8);

    impl Source for Falling {
        async fn next(&mut self) -> Option<Result<Bytes>> {
            tokio::task::yield_now().await;
            self.0 = self.0.checked_sub(1)?;
            Some(match self.0 {
                1 => Err(afflux_types::Error::unavailable("gone")),
                left => Ok(Bytes::copy_from_slice(&[left])),
            })
        }
    }

    #[tokio::test]
    async fn pieces_come_in_order_and_end() {
        let mut pieces = Pieces::whole(["a", "b"].map(Bytes::from));
        for expected in ["a", "b"] {
            assert_eq!(pieces.next().await.unwrap().unwrap(), expected);
        }
        assert!(pieces.next().await.is_none());
        assert!(pieces.next().await.is_none());
    }

    #[tokio::test]
    async fn nothing_comes_after_an_error() {
        let mut pieces = Pieces::new(Falling(4));
        for expected in [3, 2] {
            assert_eq!(pieces.next().await.unwrap().unwrap(), [expected].as_slice());
        }
        assert!(pieces.next().await.unwrap().is_err());
        assert!(pieces.next().await.is_none());
    }
}
