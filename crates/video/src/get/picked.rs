//! The fragments of a list, in its order.

use std::collections::VecDeque;

use afflux_types::{Error, FragmentNumber, Result};
use bytes::Bytes;

use super::reel::Reel;
use crate::library::{Entry, fragment_at};
use crate::pieces::Source;

/// A reader of listed fragments.
#[derive(Debug)]
pub(super) struct Picked {
    reel: Reel,
    numbers: VecDeque<FragmentNumber>,
    pieces: VecDeque<Bytes>,
    has_begun: bool,
}

impl Picked {
    pub(super) fn new(reel: Reel, numbers: Vec<FragmentNumber>) -> Self {
        Self {
            reel,
            numbers: numbers.into(),
            pieces: VecDeque::new(),
            has_begun: false,
        }
    }

    async fn play(&mut self, number: FragmentNumber) -> Result<()> {
        let entry = self.find(number).await?;
        self.pieces = self.reel.play(&entry).await?;
        self.has_begun = true;
        Ok(())
    }

    async fn find(&self, number: FragmentNumber) -> Result<Entry> {
        let entry = fragment_at(self.reel.shard(), number.position()).await?;
        let arrived = |entry: &Entry| entry.header.stamp.map(|stamp| stamp.arrival);
        entry
            .filter(|entry| arrived(entry) == Some(number.server_time()))
            .ok_or_else(|| Error::not_found(format!("fragment {number} is not found")))
    }
}

impl Source for Picked {
    async fn next(&mut self) -> Option<Result<Bytes>> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Some(Ok(piece));
            }
            let number = self.numbers.pop_front()?;
            if let Err(error) = self.play(number).await {
                let stream = self.reel.shard().stream_name();
                tracing::debug!(%stream, %number, error = %error.chain(), "a list of fragments ends");
                self.numbers.clear();
                if !self.has_begun {
                    return Some(Err(error));
                }
                self.pieces.push_back(self.reel.fault(&error));
            }
        }
    }
}
