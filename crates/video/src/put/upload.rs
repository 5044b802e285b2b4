//! The body of a connection: takes its bytes, and passes on what is to be said.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use afflux_engine::Shard;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::acks::Acks;
use super::fault::Fault;
use super::seats::Seat;
use super::session::{Ended, Session, Told};
use crate::limits::{ACKS_MAX, ACKS_UNREAD_MAX};

/// What both sides of a connection see.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// How many times bytes have come.
    pub(super) pushes: AtomicU64,
    /// The answer has ended: nothing more is taken.
    pub(super) is_over: AtomicBool,
}

/// What one side of a connection says to the other.
#[derive(Debug)]
pub(super) enum Said {
    /// Something of which more follows.
    Told(Told),
    /// Nothing follows.
    Ended(Ended),
}

/// The body of a connection.
///
/// Dropping it without [`Upload::finish`] says that the connection broke: what came of the open
/// fragment is forgotten.
#[derive(Debug)]
pub struct Upload {
    /// None once it has ended.
    session: Option<Session>,
    seat: Seat,
    link: Arc<Link>,
    said: mpsc::Sender<Said>,
}

/// Both sides of a connection.
pub(super) fn pair(session: Session, seat: Seat, shard: Shard) -> (Upload, Acks) {
    let (said, heard) = mpsc::channel(ACKS_MAX);
    let link = Arc::new(Link::default());
    let acks = Acks::new(&session, shard, heard, Arc::clone(&link));
    let upload = Upload {
        session: Some(session),
        seat,
        link,
        said,
    };
    (upload, acks)
}

impl Upload {
    /// Takes bytes of the body; waits while the log is busy, or the client does not read its
    /// acknowledgements. False: the session has ended, and the rest of the body is not to be read.
    pub async fn push(&mut self, bytes: Bytes) -> bool {
        self.link.pushes.fetch_add(1, Ordering::Relaxed);
        if let Some(session) = &mut self.session {
            session.push(bytes);
        }
        self.advance().await
    }

    /// The body has ended as it should.
    pub async fn finish(mut self) {
        if let Some(session) = &mut self.session {
            session.finish();
            self.advance().await;
        }
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }

    /// Goes on until more bytes are needed; false: the session has ended.
    async fn advance(&mut self) -> bool {
        let mut told = Vec::new();
        while let Some(session) = &mut self.session {
            if self.link.is_over.load(Ordering::Acquire) {
                break;
            }
            let advanced = session.next(&mut told).await;
            let (is_open, is_quiet) = (session.is_open(), session.is_quiet());
            for told in told.drain(..) {
                if !self.say(Said::Told(told)).await {
                    return false;
                }
            }
            let ended = match advanced {
                Ok(_) if is_open && self.seat.is_lost() => Ended {
                    fault: Some(Fault::StreamRead),
                    timecode: None,
                },
                Ok(true) => {
                    self.seat.set_quiet(is_quiet);
                    continue;
                }
                Ok(false) => return true,
                Err(ended) => ended,
            };
            self.say(Said::Ended(ended)).await;
            if let Some(session) = self.session.take() {
                // What follows an error is not to be taken, whoever brings it.
                session.close().await;
            }
        }
        false
    }

    /// Passes something on; false if nobody is there to hear it.
    async fn say(&self, said: Said) -> bool {
        let sent = tokio::time::timeout(ACKS_UNREAD_MAX, self.said.send(said)).await;
        matches!(sent, Ok(Ok(())))
    }
}

impl Drop for Upload {
    /// A connection that broke is over here; what the log needs is written by a task.
    fn drop(&mut self) {
        if let Some(session) = self.session.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(session.close());
        }
    }
}
