//! Uploading video: fragments go one way in pieces, what became of them comes back.
//!
//! ```text
//!          UploadInit            FragmentStart n          FragmentData
//! opened ──────────────► ready ────────────────► inside n ─────┐
//!                        ▲ │ UploadInit           │  ▲─────────┘
//!                        └─┘◄─────────────────────┘
//!                               FragmentEnd n
//! ```
//!
//! Invariants: fragments are numbered without gaps within a session; a fragment is never repeated
//! below the number that the server named when the stream was opened.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::error::WireError;
use crate::frame::Frame;
use crate::message::{FragmentAck, FragmentStart, FragmentState, UploadOpened};

/// What a frame means to the side that receives fragments.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The codec initialisation of the fragments that follow.
    Init(Bytes),
    /// A fragment begins.
    Start(FragmentStart),
    /// The next bytes of the current fragment.
    Data(Bytes),
    /// The current fragment is whole.
    End {
        /// Its number.
        number: u64,
    },
}

/// The receiving side of one upload stream: the server's.
#[derive(Debug)]
pub struct Receiver {
    fragment_bytes_max: u64,
    next: u64,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Opened,
    Ready,
    Inside { bytes: u64 },
}

impl Receiver {
    /// A stream that the server answered with `opened`.
    #[must_use]
    pub fn new(opened: &UploadOpened) -> Self {
        Self {
            fragment_bytes_max: opened.fragment_bytes_max,
            next: opened.next_fragment,
            state: State::Opened,
        }
    }

    /// The number of the current fragment, or of the next one between fragments.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.next
    }

    /// Checks a frame against what may come now.
    ///
    /// # Errors
    /// If it may not come now, has the wrong number, or makes the fragment too long.
    pub fn handle_frame(&mut self, frame: Frame) -> Result<Event, WireError> {
        match (frame, self.state) {
            (Frame::UploadInit(init), State::Opened | State::Ready) => {
                self.state = State::Ready;
                Ok(Event::Init(init.init))
            }
            (Frame::FragmentStart(start), State::Ready) => {
                self.expect(start.number)?;
                self.state = State::Inside { bytes: 0 };
                Ok(Event::Start(start))
            }
            (Frame::FragmentData(data), State::Inside { bytes }) => {
                let len = u64::try_from(data.len()).unwrap_or(u64::MAX);
                let bytes = bytes.saturating_add(len);
                if bytes > self.fragment_bytes_max {
                    return Err(WireError::FragmentTooLong {
                        number: self.next,
                        max: self.fragment_bytes_max,
                    });
                }
                self.state = State::Inside { bytes };
                Ok(Event::Data(data))
            }
            (Frame::FragmentEnd(end), State::Inside { .. }) => {
                self.expect(end.number)?;
                self.next = self.next.saturating_add(1);
                self.state = State::Ready;
                Ok(Event::End { number: end.number })
            }
            (frame, state) => Err(frame.unexpected(match state {
                State::Opened => "before UploadInit",
                State::Ready => "between fragments",
                State::Inside { .. } => "inside a fragment",
            })),
        }
    }

    fn expect(&self, number: u64) -> Result<(), WireError> {
        if number == self.next {
            Ok(())
        } else {
            Err(WireError::FragmentNumber {
                found: number,
                expected: self.next,
            })
        }
    }
}

/// What became of the fragments of a session: the client's side. It outlives QUIC streams.
#[derive(Debug, Default)]
pub struct Sender {
    /// Fragments below this are durable.
    persisted: u64,
    /// The state of the fragments from `persisted` on.
    states: VecDeque<FragmentState>,
}

impl Sender {
    /// A session of which fragments below `persisted` need not be sent.
    #[must_use]
    pub fn new(persisted: u64) -> Self {
        Self {
            persisted,
            states: VecDeque::new(),
        }
    }

    /// Numbers the next fragment.
    pub fn begin(&mut self) -> u64 {
        let number = self.next();
        self.states.push_back(FragmentState::Unspecified);
        number
    }

    /// The number that the next new fragment gets.
    #[must_use]
    pub fn next(&self) -> u64 {
        let open = u64::try_from(self.states.len()).unwrap_or(u64::MAX);
        self.persisted.saturating_add(open)
    }

    /// Fragments below this are durable.
    #[must_use]
    pub fn persisted(&self) -> u64 {
        self.persisted
    }

    /// What the server last said of a fragment.
    #[must_use]
    pub fn state(&self, number: u64) -> FragmentState {
        let Some(index) = number.checked_sub(self.persisted) else {
            return FragmentState::Persisted;
        };
        usize::try_from(index)
            .ok()
            .and_then(|index| self.states.get(index))
            .copied()
            .unwrap_or(FragmentState::Unspecified)
    }

    /// The server opened a QUIC stream: returns the number of the first fragment to send.
    ///
    /// # Errors
    /// `FragmentNumber` if the server has fragments that were never sent, or lacks durable ones.
    pub fn handle_opened(&mut self, opened: &UploadOpened) -> Result<u64, WireError> {
        let next = opened.next_fragment;
        if next < self.persisted || next > self.next() {
            return Err(WireError::FragmentNumber {
                found: next,
                expected: self.persisted,
            });
        }
        while self.persisted < next {
            self.states.pop_front();
            self.persisted += 1;
        }
        for state in &mut self.states {
            *state = FragmentState::Unspecified;
        }
        Ok(next)
    }

    /// The server reports on a fragment; returns its new state, or `None` if that is old news.
    ///
    /// # Errors
    /// `FragmentNumber` if the fragment was never begun, or is durable before an earlier one.
    pub fn handle_ack(&mut self, ack: &FragmentAck) -> Result<Option<FragmentState>, WireError> {
        let wrong = WireError::FragmentNumber {
            found: ack.number,
            expected: self.persisted,
        };
        if ack.number < self.persisted {
            return Ok(None);
        }
        let index = usize::try_from(ack.number - self.persisted).map_err(|_| wrong.clone())?;
        let state = self.states.get_mut(index).ok_or_else(|| wrong.clone())?;
        let new = ack.state();
        if new <= *state {
            return Ok(None);
        }
        if new == FragmentState::Persisted {
            if index > 0 {
                return Err(wrong);
            }
            self.states.pop_front();
            self.persisted += 1;
        } else {
            *state = new;
        }
        Ok(Some(new))
    }
}

#[cfg(test)]
mod tests;
