//! Video at the speed at which it plays: cuts a file into steps, each with its time.

use std::time::Duration;

use afflux_media::fmp4::{Event, Splitter};
use afflux_media::{Limits, Timeline};
use afflux_types::ProducerTime;
use anyhow::Result;
use bytes::Bytes;

/// A piece of the input and when it is made, counted from the first fragment.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) at: Duration,
    pub(crate) bytes: Bytes,
}

/// Tells when each piece of fragmented MP4 is due. An input that starts over goes on in time.
#[derive(Debug)]
pub(crate) struct Pacer {
    splitter: Splitter,
    timeline: Timeline,
    first: Option<ProducerTime>,
    at: Duration,
}

impl Pacer {
    pub(crate) fn new() -> Self {
        Self {
            splitter: Splitter::new(Limits::default()),
            timeline: Timeline::new(ProducerTime::from_millis(0)),
            first: None,
            at: Duration::ZERO,
        }
    }

    /// Takes the next bytes of the input and gives back the steps that are whole.
    pub(crate) fn push(&mut self, bytes: Bytes) -> Result<Vec<Step>> {
        self.splitter.push(bytes);
        let mut steps = Vec::new();
        while let Some(event) = self.splitter.poll()? {
            match event {
                Event::Init(init) => {
                    steps.push(Step {
                        at: self.at,
                        bytes: init.bytes().clone(),
                    });
                }
                Event::Started(started) => {
                    if let Some(reference) = started.reference() {
                        let time = self.timeline.place(&reference).producer_time;
                        self.at = time.since(*self.first.get_or_insert(time));
                    }
                }
                Event::Data(bytes) => steps.push(Step { at: self.at, bytes }),
                Event::Finished { .. } => {}
            }
        }
        Ok(steps)
    }
}
