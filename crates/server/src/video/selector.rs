//! Which fragments a client wants, on which of the two time axes.

use afflux_media::Meta;
use afflux_types::{Error, Result, ServerTime};
use afflux_wire::message::{FragmentSelector, TimeAxis};

/// A checked selector: fragments whose start lies in `from..to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) axis: TimeAxis,
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// Also what is playing at `from`.
    pub(crate) cover_start: bool,
}

/// When a fragment starts and ends on one axis, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: i64,
    pub(crate) end: i64,
}

impl Selector {
    /// Everything.
    pub(crate) const ALL: Self = Self {
        axis: TimeAxis::Server,
        from: i64::MIN,
        to: i64::MAX,
        cover_start: false,
    };

    /// Reads a client's selector; none selects everything.
    ///
    /// # Errors
    /// `Invalid` if the axis is unknown or the end lies before the start.
    pub(crate) fn new(message: Option<&FragmentSelector>) -> Result<Self> {
        let Some(message) = message else {
            return Ok(Self::ALL);
        };
        let axis = TimeAxis::try_from(message.axis)
            .map_err(|_| Error::invalid(format!("time axis {} is unknown", message.axis)))?;
        let selector = Self {
            axis,
            from: message.from_ms.unwrap_or(i64::MIN),
            to: message.to_ms.unwrap_or(i64::MAX),
            cover_start: message.cover_start,
        };
        if selector.from > selector.to {
            return Err(Error::invalid(format!(
                "the time range starts at {} ms and ends before that, at {} ms",
                selector.from, selector.to
            )));
        }
        Ok(selector)
    }

    /// Whether a fragment is selected.
    pub(crate) fn takes(&self, meta: &Meta, arrival: ServerTime) -> bool {
        self.takes_span(Span::of(self.axis, meta, arrival))
    }

    fn takes_span(&self, span: Span) -> bool {
        let begins = self.from <= span.start && span.start < self.to;
        let plays = self.cover_start && span.start <= self.from && self.from < span.end;
        begins || plays
    }

    /// Whether a run of fragments may hold a selected one. `bounds` reaches from the first start to
    /// the last end.
    pub(crate) fn may_take(&self, bounds: Span) -> bool {
        bounds.start < self.to && self.from <= bounds.end
    }
}

impl Span {
    pub(crate) fn of(axis: TimeAxis, meta: &Meta, arrival: ServerTime) -> Self {
        let start = match axis {
            TimeAxis::Producer => meta.producer_time.as_millis(),
            TimeAxis::Server => arrival.as_millis(),
        };
        Self {
            start,
            end: start.saturating_add(i64::from(meta.duration_ms)),
        }
    }

    pub(crate) fn union(self, other: Self) -> Self {
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
    fn backward_ranges_and_unknown_axes_are_refused() {
        let message = FragmentSelector {
            from_ms: Some(2),
            to_ms: Some(1),
            ..FragmentSelector::default()
        };
        assert!(Selector::new(Some(&message)).is_err());
        let message = FragmentSelector {
            axis: 7,
            ..FragmentSelector::default()
        };
        assert!(Selector::new(Some(&message)).is_err());
        assert_eq!(Selector::new(None).unwrap(), Selector::ALL);
    }
}
