//! The segments of a session, as far as the log was read, with the codec initialisations that they
//! need.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use afflux_aws::video::{Code, Error};
use afflux_media::{Init, InitId};
use afflux_types::Position;

use super::dash::First;
use super::layout::Layout;
use super::line::{Candidate, Line};
use super::segment::{Segment, Span};
use super::ticket::{Mode, Ticket};

/// Changes of codecs in one session, as in the service.
pub(super) const INITS_MAX: usize = 500;
/// Initialisations whose names are remembered: reconnects of a camera bring new ones that are alike.
const NAMES_MAX: usize = 4_096;

/// The segments of a session, as far as the log was read.
#[derive(Debug)]
pub(super) struct Segments {
    line: Line,
    /// Everything before was read.
    pub(super) next: Position,
    pub(super) kept: VecDeque<Segment>,
    /// The initialisations in the order of their first use; those that differ for players.
    pub(super) layouts: Vec<Arc<Layout>>,
    /// Which of them a stored initialisation is.
    names: BTreeMap<InitId, u32>,
    alike: BTreeMap<InitId, u32>,
    /// What plays when a replay begins.
    pub(super) head_ns: i64,
    /// The first segment of all.
    pub(super) first: Option<First>,
    /// Nothing more comes.
    pub(super) is_complete: bool,
    /// Why the session cannot go on.
    pub(super) failure: Option<Error>,
    /// For each track, the longest segment so far in whole seconds; track 0 also stands for all.
    longest_s: Vec<u64>,
}

impl Segments {
    /// No segments yet, of a session whose log is read from `next` on.
    pub(super) fn new(ticket: &Ticket, next: Position) -> Self {
        // What was deleted had numbers too, as far as can be known.
        let gone = match ticket.mode {
            Mode::OnDemand => 0,
            Mode::Live | Mode::Replay => next.get() - ticket.anchor.get(),
        };
        Self {
            line: Line::new(ticket, gone),
            next,
            kept: VecDeque::new(),
            layouts: Vec::new(),
            names: BTreeMap::new(),
            alike: BTreeMap::new(),
            head_ns: 0,
            first: None,
            is_complete: false,
            failure: None,
            longest_s: Vec::new(),
        }
    }

    /// An initialisation by its number.
    pub(super) fn layout(&self, init: u32) -> Result<Arc<Layout>, Error> {
        let index = usize::try_from(init).unwrap_or(usize::MAX);
        let found = self.layouts.get(index).map(Arc::clone);
        found.ok_or_else(|| {
            Error::new(
                Code::ResourceNotFound,
                format!("The session has no codec initialisation {init}."),
            )
        })
    }

    fn add_layout(&mut self, layout: Layout, alike: InitId) -> Result<u32, Error> {
        if let Some(first) = self.layouts.first()
            && !first.resembles(&layout)
        {
            return Err(Error::new(
                Code::InvalidCodecPrivateData,
                format!(
                    "The media has {} tracks and had {} when the session began; begin another one.",
                    layout.tracks.len(),
                    first.tracks.len()
                ),
            ));
        }
        if self.layouts.len() > INITS_MAX {
            return Err(Error::new(
                Code::InvalidCodecPrivateData,
                format!("The codecs changed more than {INITS_MAX} times in the session."),
            ));
        }
        let number = u32::try_from(self.layouts.len()).unwrap_or(u32::MAX);
        self.layouts.push(Arc::new(layout));
        self.alike.insert(alike, number);
        Ok(number)
    }

    /// Takes an initialisation in that was not met before; returns the session's number of it.
    ///
    /// # Errors
    /// If the session cannot play it, or has too many.
    pub(super) fn add_init(
        &mut self,
        init: &Init,
        position: Position,
        ticket: &Ticket,
    ) -> Result<u32, Error> {
        let alike = init.media_id();
        let number = match self.alike.get(&alike) {
            Some(number) => *number,
            None => self.add_layout(Layout::of(init, position, ticket)?, alike)?,
        };
        if self.names.len() >= NAMES_MAX {
            self.names.clear();
        }
        self.names.insert(init.id(), number);
        Ok(number)
    }

    /// Adds a fragment, if it has something to play and does not come too late.
    pub(super) fn push(&mut self, candidate: Candidate<'_>, ticket: &Ticket) {
        if let Some(segment) = self.line.push(candidate) {
            self.add(segment, ticket);
        }
    }

    fn add(&mut self, segment: Segment, ticket: &Ticket) {
        if segment.number < u64::from(ticket.limit) {
            self.head_ns = segment.played_ns;
        }
        for span in &segment.tracks {
            if self.longest_s.len() <= span.track {
                self.longest_s.resize(span.track + 1, 1);
            }
            let timescale = u64::from(span.timescale.max(1));
            // Rounded as the durations in a playlist are compared: half up.
            let seconds = (span.duration.saturating_mul(2) + timescale) / (2 * timescale);
            if let Some(longest) = self.longest_s.get_mut(span.track) {
                *longest = (*longest).max(seconds);
            }
        }
        self.first.get_or_insert_with(|| First::of(&segment));
        self.kept.push_back(segment);
        while self.kept.len() > ticket.segments_max() {
            self.kept.pop_front();
        }
    }

    /// The time on the axis that a session without pause begins at, in milliseconds.
    pub(super) fn origin_ms(&self, ticket: &Ticket) -> i64 {
        match (ticket.mode, self.kept.front()) {
            (Mode::OnDemand, Some(first)) => first.axis_ms,
            _ => ticket.origin,
        }
    }

    /// The segment of a track, or of all, with a number.
    pub(super) fn find(&self, track: Option<usize>, number: u64) -> Option<&Segment> {
        // A track's number is at most that of its segment.
        let first = self.kept.partition_point(|segment| segment.number < number);
        let mut later = self.kept.iter().skip(first);
        later.find(|segment| match track {
            None => segment.number == number,
            Some(track) => segment
                .span(track)
                .is_some_and(|span| span.number == number),
        })
    }

    /// The session's number of a stored initialisation that was met before.
    pub(super) fn init_of(&self, id: InitId) -> Option<u32> {
        self.names.get(&id).copied()
    }

    /// The longest segment of a track so far, in whole seconds; without a track, of any segment.
    pub(super) fn longest_s(&self, track: Option<usize>) -> u64 {
        let longest = self.longest_s.get(track.unwrap_or(0));
        longest.copied().unwrap_or(1)
    }

    /// The longest segment of all tracks so far, in whole seconds.
    pub(super) fn longest_of_all_s(&self) -> u64 {
        self.longest_s.iter().copied().max().unwrap_or(1)
    }

    /// Whether nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.is_complete || self.failure.is_some()
    }

    /// The newest segment of a track.
    pub(super) fn newest(&self, track: usize) -> Option<(&Segment, &Span)> {
        let mut newest = self.kept.iter().rev();
        newest.find_map(|segment| segment.span(track).map(|span| (segment, span)))
    }
}
