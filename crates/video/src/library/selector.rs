//! Which fragments a client wants, on which of the two time axes.

use afflux_media::Meta;
use afflux_types::{Error, Result, ServerTime};

/// By whose clock a time is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TimeAxis {
    /// When a fragment arrived.
    #[default]
    Server,
    /// When a fragment was made, as its producer says.
    Producer,
}

impl TimeAxis {
    /// When a fragment starts, in milliseconds.
    pub(crate) fn start_ms(self, meta: &Meta, arrival: ServerTime) -> i64 {
        match self {
            Self::Producer => meta.producer_time.as_millis(),
            Self::Server => arrival.as_millis(),
        }
    }
}

/// A checked selector: fragments whose start lies in `from..to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selector {
    /// By whose clock.
    pub axis: TimeAxis,
    /// The first millisecond.
    pub from: i64,
    /// The first millisecond after.
    pub to: i64,
    /// Also what is playing at `from`.
    pub cover_start: bool,
}

/// When a fragment starts and ends on one axis, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) end: i64,
}

impl Selector {
    /// Everything.
    pub const ALL: Self = Self {
        axis: TimeAxis::Server,
        from: i64::MIN,
        to: i64::MAX,
        cover_start: false,
    };

    /// Fragments that start in `from..to`.
    ///
    /// # Errors
    /// `Invalid` if the end lies before the start.
    pub fn new(axis: TimeAxis, from: i64, to: i64) -> Result<Self> {
        if from > to {
            return Err(Error::invalid(format!(
                "the time range starts at {from} ms and ends before that, at {to} ms"
            )));
        }
        Ok(Self {
            axis,
            from,
            to,
            cover_start: false,
        })
    }

    /// Also selects what is playing at the start.
    #[must_use]
    pub fn covering_start(self, cover_start: bool) -> Self {
        Self {
            cover_start,
            ..self
        }
    }

    /// Whether a fragment is selected.
    pub(super) fn takes(&self, meta: &Meta, arrival: ServerTime) -> bool {
        self.takes_span(Span::of(self.axis, meta, arrival))
    }

    fn takes_span(&self, span: Span) -> bool {
        let begins = self.from <= span.start && span.start < self.to;
        let plays = self.cover_start && span.start <= self.from && self.from < span.end;
        begins || plays
    }

    /// Whether a run of fragments may hold a selected one. `bounds` reaches from the first start to
    /// the last end.
    pub(super) fn may_take(&self, bounds: Span) -> bool {
        bounds.start < self.to && self.from <= bounds.end
    }
}

impl Span {
    pub(super) fn of(axis: TimeAxis, meta: &Meta, arrival: ServerTime) -> Self {
        let start = axis.start_ms(meta, arrival);
        Self {
            start,
            end: start.saturating_add(i64::from(meta.duration_ms)),
        }
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(from: i64, to: i64, cover_start: bool) -> Selector {
        Selector {
            axis: TimeAxis::Producer,
            from,
            to,
            cover_start,
        }
    }

    #[test]
    fn starts_count_and_what_plays_at_the_start_if_asked() {
        let fragment = Span {
            start: 1_000,
            end: 3_000,
        };
        for (from, to, cover, taken) in [
            (1_000, 1_001, false, true),
            (999, 1_000, false, false),
            (1_001, 5_000, false, false),
            (1_001, 5_000, true, true),
            (2_999, 2_999, true, true),
            (3_000, 5_000, true, false),
            (0, 500, true, false),
        ] {
            let selector = selector(from, to, cover);
            assert_eq!(selector.takes_span(fragment), taken, "{selector:?}");
            assert!(
                !taken || selector.may_take(fragment) || from == to,
                "{selector:?}"
            );
        }
    }

    #[test]
    fn backward_ranges_are_refused() {
        assert!(Selector::new(TimeAxis::Server, 2, 1).is_err());
        assert!(Selector::new(TimeAxis::Server, 2, 2).is_ok());
    }
}
