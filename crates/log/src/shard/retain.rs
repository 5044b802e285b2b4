//! Retention: whole sealed segments go, oldest first.

use std::sync::Arc;

use afflux_types::{Position, Result, ServerTime};

use super::Shard;
use crate::core::Core;
use crate::format::SEGMENT_HEADER_LEN;
use crate::segment::Segment;

impl Shard {
    pub(super) fn retain(
        &self,
        core: &Core,
        before: Option<ServerTime>,
        bytes_max: Option<u64>,
    ) -> Result<Position> {
        let _files = self.maintenance.lock();
        let doomed = self.doomed(before, bytes_max);
        for segment in &doomed {
            // Readers must not look for what is about to go.
            let horizon = {
                let segments = self.segments.read();
                segments.get(1).map(|next| next.first())
            };
            let Some(horizon) = horizon else { break };
            self.marks.trim(horizon);
            self.segments.write().pop_front();
            segment.remove()?;
        }
        if !doomed.is_empty() {
            core.store.sync_dir(&self.dir)?;
        }
        Ok(self.marks.trim_horizon())
    }

    /// The sealed segments that may go, oldest first.
    ///
    /// The active segment must be durable in part: its activation says where the shard goes on.
    fn doomed(&self, before: Option<ServerTime>, bytes_max: Option<u64>) -> Vec<Arc<Segment>> {
        let segments = self.segments.read();
        let anchored = segments
            .back()
            .is_some_and(|active| active.published() > SEGMENT_HEADER_LEN as u64);
        if !anchored {
            return Vec::new();
        }
        let mut bytes: u64 = segments.iter().map(|segment| segment.reserved()).sum();
        let mut doomed = Vec::new();
        for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
            // Everything in a segment arrived before the next one's first entry did.
            let old = before.is_some_and(|before| next.created() < before);
            let large = bytes_max.is_some_and(|max| bytes > max);
            if !segment.is_sealed() || !(old || large) {
                break;
            }
            bytes -= segment.reserved();
            doomed.push(Arc::clone(segment));
        }
        doomed
    }
}
