//! Reads the log for a session: live and replayed ones in its order, as far as it has grown; those on
//! demand once, in the order of their axis.

use std::collections::BTreeMap;

use afflux_aws::video::Error;
use afflux_entry::Stamp;
use afflux_media::Meta;
use afflux_types::{Position, ServerTime};

use super::line::Candidate;
use super::play::Play;
use super::segments::Segments;
use super::ticket::Mode;
use crate::context::service_error;
use crate::library::{Found, Selector, TimeAxis};

impl Play {
    /// Reads on in the order of the log.
    pub(super) async fn read_on(
        &self,
        segments: &mut Segments,
        now: ServerTime,
    ) -> Result<(), Error> {
        let ticket = &self.ticket;
        let durable = self.shard.watermarks().durable;
        if segments.next >= durable {
            segments.is_complete = ticket.mode == Mode::Replay && now.as_millis() >= ticket.to;
            return Ok(());
        }
        let mut search = self
            .recording
            .search(&self.shard, Selector::ALL, segments.next)
            .await
            .map_err(|error| service_error(&error))?;
        while segments.failure.is_none() && !segments.is_complete && !segments.is_ahead(ticket, now)
        {
            let found = search.next().await.map_err(|error| service_error(&error))?;
            let Some(found) = found else {
                // Everything durable was read, or deleted; a range that is over brings nothing more.
                segments.next = segments.next.max(durable);
                segments.is_complete = ticket.mode == Mode::Replay && now.as_millis() >= ticket.to;
                return Ok(());
            };
            let Some(stamp) = found.entry.header.stamp else {
                continue;
            };
            let axis_ms = ticket.axis.start_ms(&found.meta, stamp.arrival);
            if axis_ms >= ticket.from && axis_ms < ticket.to {
                self.push(segments, stamp, &found.meta).await?;
            } else if axis_ms >= ticket.to && ticket.axis == TimeAxis::Server {
                segments.is_complete = true;
            }
            segments.next = stamp.position.advance(1);
        }
        Ok(())
    }

    /// Collects the fragments of a range in the order of their times.
    pub(super) async fn collect(&self, segments: &mut Segments) -> Result<(), Error> {
        let ticket = &self.ticket;
        let selector = Selector {
            axis: ticket.axis,
            from: ticket.from,
            to: ticket.to,
            cover_start: false,
        };
        let mut search = self
            .recording
            .search(&self.shard, selector, ticket.anchor)
            .await
            .map_err(|error| service_error(&error))?;
        let limit = usize::try_from(ticket.limit).unwrap_or(usize::MAX);
        // Of two fragments at one time the newer counts; sound that comes apart is another fragment.
        let mut chosen: BTreeMap<(i64, Position, bool), (Stamp, Meta)> = BTreeMap::new();
        while let Some(found) = search.next().await.map_err(|error| service_error(&error))? {
            let Found { entry, meta } = found;
            let Some(stamp) = entry.header.stamp else {
                continue;
            };
            if stamp.position >= ticket.until {
                break;
            }
            let sorted_by = match ticket.axis {
                TimeAxis::Server => stamp.position,
                TimeAxis::Producer => Position::ZERO,
            };
            let axis_ms = ticket.axis.start_ms(&meta, stamp.arrival);
            let key = (axis_ms, sorted_by, meta.flags.is_audio_only());
            chosen.insert(key, (stamp, meta));
            if chosen.len() > limit {
                chosen.pop_last();
                if ticket.axis == TimeAxis::Server {
                    break;
                }
            }
        }
        for (stamp, meta) in chosen.into_values() {
            self.push(segments, stamp, &meta).await?;
        }
        segments.is_complete = true;
        Ok(())
    }

    async fn push(
        &self,
        segments: &mut Segments,
        Stamp {
            position, arrival, ..
        }: Stamp,
        meta: &Meta,
    ) -> Result<(), Error> {
        let init = match segments.init_of(meta.init_id) {
            Some(init) => init,
            None => {
                let loaded = self.load(meta.init_id, position).await;
                let added =
                    loaded.and_then(|init| segments.add_init(&init, position, &self.ticket));
                match added {
                    Ok(init) => init,
                    Err(error) => {
                        // What came before can still be played.
                        segments.failure = Some(error);
                        return Ok(());
                    }
                }
            }
        };
        let layout = segments.layout(init)?;
        let candidate = Candidate {
            position,
            arrival,
            axis_ms: self.ticket.axis.start_ms(meta, arrival),
            meta,
            init,
            layout: &layout,
        };
        segments.push(candidate, &self.ticket);
        Ok(())
    }
}
