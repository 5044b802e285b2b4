//! Which fragment the picture of each time is taken from.

use crate::library::{Found, TimeAxis};

/// Times, and the fragments that play at them.
#[derive(Debug, Default)]
pub(super) struct Plan {
    axis: TimeAxis,
    times: Vec<i64>,
    /// For each time, the fragment that plays then, by its index.
    chosen: Vec<Option<usize>>,
    fragments: Vec<(Found, i64)>,
    steps: Vec<(Option<usize>, Vec<i64>)>,
}

impl Plan {
    pub(super) fn new(axis: TimeAxis, times: &[i64]) -> Self {
        Self {
            axis,
            times: times.to_vec(),
            chosen: vec![None; times.len()],
            ..Self::default()
        }
    }

    /// Takes a fragment into account. Where two play at one time, the later one in the log is shown.
    pub(super) fn add(&mut self, found: Found) {
        let Some(stamp) = found.entry.header.stamp else {
            return;
        };
        let start = self.axis.start_ms(&found.meta, stamp.arrival);
        let end = start.saturating_add(i64::from(found.meta.duration_ms));
        let index = self.fragments.len();
        let mut is_used = false;
        for (time, chosen) in self.times.iter().zip(&mut self.chosen) {
            if (start..end).contains(time) {
                *chosen = Some(index);
                is_used = true;
            }
        }
        if is_used {
            self.fragments.push((found, start));
        }
    }

    /// Puts the times of each fragment together.
    pub(super) fn close(&mut self) {
        for (time, chosen) in self.times.iter().zip(&self.chosen) {
            match self.steps.last_mut() {
                Some((fragment, times)) if fragment == chosen => times.push(*time),
                _ => self.steps.push((*chosen, vec![*time])),
            }
        }
    }

    /// Each fragment with where it starts, and the times that are taken from it, in order.
    pub(super) fn steps(&self) -> impl Iterator<Item = (Option<(&Found, i64)>, &[i64])> {
        self.steps.iter().map(|(fragment, times)| {
            let fragment = fragment.and_then(|index| self.fragments.get(index));
            let fragment = fragment.map(|(found, start)| (found, *start));
            (fragment, times.as_slice())
        })
    }
}
