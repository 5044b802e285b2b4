//! What a playlist shows of a session at a moment: the newest segments of a live session, all of one on
//! demand, and of a replay those whose time has come.

use afflux_aws::video::Error;
use afflux_types::ServerTime;

use super::segment::Segment;
use super::segments::Segments;
use super::ticket::{AHEAD, Mode, Ticket};

/// What a playlist shows.
#[derive(Debug)]
pub(super) struct Window<'a> {
    pub(super) segments: Vec<&'a Segment>,
    pub(super) ended: bool,
}

impl Segments {
    /// Whether a replay was read further than players need.
    pub(super) fn is_ahead(&self, ticket: &Ticket, now: ServerTime) -> bool {
        ticket.mode == Mode::Replay
            && self
                .kept
                .len()
                .checked_sub(AHEAD)
                .and_then(|index| self.kept.get(index))
                .is_some_and(|segment| !self.is_shown(segment, ticket, now))
    }

    /// Whether a replay shows a segment yet: the first few at once, then each when those before have
    /// played.
    fn is_shown(&self, segment: &Segment, ticket: &Ticket, now: ServerTime) -> bool {
        let elapsed = now.since(ticket.created).as_nanos();
        let shown_ns = i64::try_from(elapsed).unwrap_or(i64::MAX);
        segment.number < u64::from(ticket.limit)
            || segment.played_ns <= self.head_ns.saturating_add(shown_ns)
    }

    /// What a playlist of a track shows at `now`; of all tracks if none is given.
    ///
    /// # Errors
    /// Why the session cannot go on, once everything before was shown.
    pub(super) fn window(
        &self,
        track: Option<usize>,
        ticket: &Ticket,
        now: ServerTime,
    ) -> Result<Window<'_>, Error> {
        if let Some(failure) = &self.failure
            && (ticket.mode != Mode::OnDemand || self.kept.is_empty())
        {
            return Err(failure.clone());
        }
        let shown = self
            .kept
            .iter()
            .filter(|segment| track.is_none_or(|track| segment.span(track).is_some()));
        let mut segments: Vec<&Segment> = match ticket.mode {
            Mode::Live | Mode::OnDemand => shown.collect(),
            Mode::Replay => shown
                .take_while(|segment| self.is_shown(segment, ticket, now))
                .collect(),
        };
        let is_all = segments.last().map(|last| last.number)
            == self.kept.back().map(|last| last.number)
            || ticket.mode != Mode::Replay;
        if ticket.mode != Mode::OnDemand {
            let limit = usize::try_from(ticket.limit).unwrap_or(usize::MAX);
            segments.drain(..segments.len().saturating_sub(limit));
        }
        Ok(Window {
            segments,
            ended: self.is_complete && is_all,
        })
    }
}
