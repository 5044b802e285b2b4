//! Media from a place on, as it comes.

use std::collections::VecDeque;

use afflux_engine::{Event, Subscription};
use afflux_entry::Kind;
use afflux_types::{Error, Position, Result};
use bytes::Bytes;

use super::readers::Reading;
use super::reel::Reel;
use crate::library::{Entry, entries};
use crate::limits::MEDIA_READ_BYTES;
use crate::pieces::Source;

/// A reader of the live end of a stream.
#[derive(Debug)]
pub(super) struct Live {
    reel: Reel,
    subscription: Subscription,
    /// Earlier fragments are not sent, though a slice may begin with them.
    from: Position,
    entries: VecDeque<Entry>,
    pieces: VecDeque<Bytes>,
    /// Whether a fragment was sent: tags need a file to stand in.
    has_begun: bool,
    is_ended: bool,
    _reading: Reading,
}

impl Live {
    pub(super) fn new(reel: Reel, subscription: Subscription, reading: Reading) -> Self {
        Self {
            reel,
            from: subscription.position(),
            subscription,
            entries: VecDeque::new(),
            pieces: VecDeque::new(),
            has_begun: false,
            is_ended: false,
            _reading: reading,
        }
    }

    /// Goes on by a slice of the log, or by one fragment of it.
    async fn advance(&mut self) -> Result<()> {
        if let Some(entry) = self.entries.pop_front() {
            self.pieces = self.reel.play(&entry).await?;
            self.has_begun = true;
            return Ok(());
        }
        match self.subscription.next(MEDIA_READ_BYTES).await? {
            Event::Slice(slice) => {
                for entry in entries(slice.bytes) {
                    let entry = entry?;
                    let is_due = |entry: &Entry| {
                        let stamp = entry.header.stamp;
                        stamp.is_some_and(|stamp| stamp.position >= self.from)
                    };
                    if entry.header.kind == Kind::Fragment && is_due(&entry) {
                        self.entries.push_back(entry);
                    }
                }
            }
            // Retention was faster: the reader goes on with what is left.
            Event::Lagged { .. } => {}
            Event::ShardEnd { .. } => self.is_ended = true,
        }
        Ok(())
    }

    fn end(&mut self, error: &Error) {
        let stream = self.reel.shard().stream_name();
        tracing::debug!(%stream, error = %error.chain(), "media ends");
        self.is_ended = true;
        if self.has_begun {
            self.pieces.push_back(self.reel.fault(error));
        }
    }
}

impl Source for Live {
    async fn next(&mut self) -> Option<Result<Bytes>> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Some(Ok(piece));
            }
            if self.is_ended {
                return None;
            }
            if let Err(error) = self.advance().await {
                self.end(&error);
            }
        }
    }
}
