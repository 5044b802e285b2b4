//! The fragments of one session from their first byte until they are durable. No I/O.
//!
//! ```text
//!  push ──► [ persisted │ sent │ being sent │ waiting … │ being made ]
//!                       ▲ front         ▲ cursor              back ▲
//! ```
//!
//! Invariants: numbers have no gap; a fragment leaves only when it is durable; the pieces of a
//! fragment leave memory once it is in the spool and not being sent.

use std::collections::VecDeque;

use afflux_wire::WireError;
use afflux_wire::message::{FragmentAck, FragmentStart, FragmentState, UploadOpened};
use afflux_wire::session::upload::Sender;
use bytes::Bytes;

use super::spool::Stored;

pub(super) struct Queue {
    bytes_max: u64,
    held: u64,
    tracker: Sender,
    /// Fragments below this are durable, and nothing of them is left here.
    settled: u64,
    /// Fragments from `tracker.persisted()` on.
    fragments: VecDeque<Fragment>,
    cursor: Cursor,
}

struct Fragment {
    init: Bytes,
    start: FragmentStart,
    pieces: Vec<Bytes>,
    bytes: u64,
    whole: bool,
    spooled: bool,
}

/// What of the current QUIC stream is next.
#[derive(Debug, Default)]
struct Cursor {
    number: u64,
    /// The fragment has begun, and this many pieces of it were given out.
    inside: Option<usize>,
    /// The initialisation that the server has of this QUIC stream.
    init: Bytes,
}

/// What to write next.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Init(Bytes),
    Start(FragmentStart),
    Data(Vec<Bytes>),
    End(u64),
    /// The fragment is in the spool only: read it and give it to [`Queue::loaded`].
    Load(u64),
    /// Nothing, until something is pushed.
    Wait,
}

impl Queue {
    /// A queue whose first fragment has the number `first`.
    pub(super) fn new(first: u64, bytes_max: u64) -> Self {
        Self {
            bytes_max,
            held: 0,
            tracker: Sender::new(first),
            settled: first,
            fragments: VecDeque::new(),
            cursor: Cursor::default(),
        }
    }

    /// Adds a whole fragment that a spool has from before.
    pub(super) fn found(&mut self, bytes: u64) {
        self.tracker.begin();
        self.held = self.held.saturating_add(bytes);
        self.fragments.push_back(Fragment {
            init: Bytes::new(),
            start: FragmentStart::default(),
            pieces: Vec::new(),
            bytes,
            whole: true,
            spooled: true,
        });
    }

    pub(super) fn persisted(&self) -> u64 {
        self.tracker.persisted()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fragments.is_empty()
    }

    /// The number after the last whole fragment.
    pub(super) fn whole_end(&self) -> u64 {
        let newest = self.fragments.back();
        let open = newest.is_some_and(|fragment| !fragment.whole);
        self.tracker.next() - u64::from(open)
    }

    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    /// Nothing is left of a durable fragment.
    pub(super) fn settle(&mut self, number: u64) {
        self.settled = number.saturating_add(1);
    }

    /// Whether more bytes may come: if not, some fragment before has to become durable first.
    pub(super) fn has_room(&self) -> bool {
        self.held < self.bytes_max || self.fragments.len() <= 1
    }

    pub(super) fn begin(&mut self, init: Bytes, mut start: FragmentStart) {
        start.number = self.tracker.begin();
        self.fragments.push_back(Fragment {
            init,
            start,
            pieces: Vec::new(),
            bytes: 0,
            whole: false,
            spooled: false,
        });
    }

    pub(super) fn data(&mut self, piece: Bytes) {
        if let Some(fragment) = self.fragments.back_mut() {
            let len = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            fragment.bytes = fragment.bytes.saturating_add(len);
            self.held = self.held.saturating_add(len);
            fragment.pieces.push(piece);
        }
    }

    /// The newest fragment is whole; returns it for the spool.
    pub(super) fn end(&mut self) -> Option<Stored> {
        let fragment = self.fragments.back_mut()?;
        fragment.whole = true;
        Some(Stored {
            init: fragment.init.clone(),
            start: fragment.start.clone(),
            data: fragment.pieces.clone(),
        })
    }

    /// The fragment is in the spool.
    pub(super) fn spooled(&mut self, number: u64) {
        let index = number.checked_sub(self.tracker.persisted());
        let index = index.and_then(|index| usize::try_from(index).ok());
        if let Some(fragment) = index.and_then(|index| self.fragments.get_mut(index)) {
            fragment.spooled = true;
            if self.cursor.number != number || self.cursor.inside.is_none() {
                fragment.pieces = Vec::new();
            }
        }
    }

    /// A QUIC stream was opened: sending starts again at the first fragment that the server lacks.
    /// Returns the numbers that were found to be durable, as `from..to`.
    pub(super) fn handle_opened(
        &mut self,
        opened: &UploadOpened,
    ) -> Result<std::ops::Range<u64>, WireError> {
        let before = self.tracker.persisted();
        let next = self.tracker.handle_opened(opened)?;
        for _ in before..next {
            self.pop();
        }
        self.cursor = Cursor {
            number: next,
            ..Cursor::default()
        };
        Ok(before..next)
    }

    /// Returns whether there is news, and whether the fragment is durable now.
    pub(super) fn handle_ack(
        &mut self,
        ack: &FragmentAck,
    ) -> Result<Option<FragmentState>, WireError> {
        let news = self.tracker.handle_ack(ack)?;
        if news == Some(FragmentState::Persisted) {
            self.pop();
        }
        Ok(news)
    }

    fn pop(&mut self) {
        if let Some(fragment) = self.fragments.pop_front() {
            self.held = self.held.saturating_sub(fragment.bytes);
        }
    }

    /// What to write next; what it returns counts as written.
    pub(super) fn poll_transmit(&mut self) -> Next {
        let cursor = &mut self.cursor;
        let number = cursor.number;
        let index = number.checked_sub(self.tracker.persisted());
        let index = index.and_then(|index| usize::try_from(index).ok());
        let Some(fragment) = index.and_then(|index| self.fragments.get_mut(index)) else {
            return Next::Wait;
        };
        let Some(given) = cursor.inside else {
            if fragment.spooled && fragment.pieces.is_empty() {
                return Next::Load(number);
            }
            if cursor.init != fragment.init {
                cursor.init = fragment.init.clone();
                return Next::Init(fragment.init.clone());
            }
            cursor.inside = Some(0);
            return Next::Start(fragment.start.clone());
        };
        let pieces = fragment.pieces.get(given..).unwrap_or_default();
        if !pieces.is_empty() {
            cursor.inside = Some(fragment.pieces.len());
            return Next::Data(pieces.to_vec());
        }
        if !fragment.whole {
            return Next::Wait;
        }
        if fragment.spooled {
            fragment.pieces = Vec::new();
        }
        cursor.inside = None;
        cursor.number = number.saturating_add(1);
        Next::End(number)
    }

    /// The spool's copy of a fragment is being written; returns whether its initialisation has to go
    /// before it.
    pub(super) fn loaded(&mut self, number: u64, init: &Bytes) -> bool {
        let cursor = &mut self.cursor;
        cursor.number = number.saturating_add(1);
        let differs = cursor.init != *init;
        cursor.init = init.clone();
        differs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(number: u64) -> FragmentStart {
        FragmentStart {
            number,
            ..FragmentStart::default()
        }
    }

    fn push(queue: &mut Queue, init: &'static str, data: &'static str) {
        queue.begin(init.into(), FragmentStart::default());
        queue.data(data.into());
        queue.end().unwrap();
    }

    fn written(queue: &mut Queue) -> Vec<Next> {
        std::iter::from_fn(|| Some(queue.poll_transmit()).filter(|next| *next != Next::Wait))
            .collect()
    }

    fn opened(next_fragment: u64) -> UploadOpened {
        UploadOpened {
            next_fragment,
            fragment_bytes_max: 1 << 20,
        }
    }

    fn ack(number: u64, state: FragmentState) -> FragmentAck {
        FragmentAck {
            number,
            state: state.into(),
            ..FragmentAck::default()
        }
    }

    #[test]
    fn a_fragment_is_sent_while_it_is_made_and_its_init_once() {
        let mut queue = Queue::new(0, 100);
        queue.handle_opened(&opened(0)).unwrap();
        queue.begin("init".into(), FragmentStart::default());
        assert_eq!(
            written(&mut queue),
            [Next::Init("init".into()), Next::Start(start(0))]
        );
        queue.data("mo".into());
        queue.data("of".into());
        let data = vec!["mo".into(), "of".into()];
        assert_eq!(written(&mut queue), [Next::Data(data)]);
        queue.end().unwrap();
        assert_eq!(written(&mut queue), [Next::End(0)]);
        push(&mut queue, "init", "moof");
        let expected = [
            Next::Start(start(1)),
            Next::Data(vec!["moof".into()]),
            Next::End(1),
        ];
        assert_eq!(written(&mut queue), expected);
    }

    #[test]
    fn another_stream_starts_at_what_the_server_lacks() {
        let mut queue = Queue::new(0, 100);
        for data in ["a", "b", "c"] {
            push(&mut queue, "init", data);
        }
        queue.handle_opened(&opened(0)).unwrap();
        written(&mut queue);
        assert_eq!(queue.handle_opened(&opened(2)).unwrap(), 0..2);
        assert_eq!(
            written(&mut queue),
            [
                Next::Init("init".into()),
                Next::Start(start(2)),
                Next::Data(vec!["c".into()]),
                Next::End(2)
            ]
        );
        assert!(
            queue.handle_opened(&opened(1)).is_err(),
            "what was durable is gone"
        );
        assert!(
            queue.handle_opened(&opened(9)).is_err(),
            "what was never sent is there"
        );
    }

    #[test]
    fn a_spooled_fragment_leaves_memory_and_is_loaded_to_be_sent_again() {
        let mut queue = Queue::new(0, 100);
        push(&mut queue, "init", "a");
        push(&mut queue, "init", "b");
        queue.spooled(1);
        queue.handle_opened(&opened(0)).unwrap();
        assert_eq!(
            (0..4).map(|_| queue.poll_transmit()).last(),
            Some(Next::End(0))
        );
        assert_eq!(queue.poll_transmit(), Next::Load(1));
        assert!(!queue.loaded(1, &"init".into()));
        assert_eq!(queue.poll_transmit(), Next::Wait);
        queue.handle_opened(&opened(0)).unwrap();
        assert_eq!(queue.poll_transmit(), Next::Init("init".into()));
        assert_eq!(queue.poll_transmit(), Next::Start(start(0)));
        queue.spooled(0);
        assert_eq!(queue.poll_transmit(), Next::Data(vec!["a".into()]));
        assert_eq!(queue.poll_transmit(), Next::End(0));
        queue.handle_opened(&opened(0)).unwrap();
        assert_eq!(queue.poll_transmit(), Next::Load(0));
        assert!(queue.loaded(0, &"init".into()));
    }

    #[test]
    fn room_comes_back_when_fragments_are_durable() {
        let mut queue = Queue::new(5, 3);
        queue.handle_opened(&opened(5)).unwrap();
        push(&mut queue, "init", "long enough");
        assert!(queue.has_room(), "one fragment may always be held");
        push(&mut queue, "init", "x");
        assert!(!queue.has_room());
        written(&mut queue);
        let received = ack(5, FragmentState::Received);
        assert_eq!(
            queue.handle_ack(&received).unwrap(),
            Some(FragmentState::Received)
        );
        assert!(!queue.has_room());
        let persisted = ack(5, FragmentState::Persisted);
        assert_eq!(
            queue.handle_ack(&persisted).unwrap(),
            Some(FragmentState::Persisted)
        );
        assert!(queue.has_room());
        assert_eq!(queue.handle_ack(&persisted).unwrap(), None, "old news");
        assert_eq!((queue.persisted(), queue.whole_end()), (6, 7));
    }
}
