//! Stored video on its way out: the selected fragments, each after the initialisation it needs.

use afflux_engine::StreamKind;
use afflux_types::{Error, Position};
use afflux_video::library::{self, Sent};
use afflux_wire::message::{Fetch, FetchEnd};

use crate::config::Right;
use crate::metrics::Activity;

use super::{Exchange, Outcome, convert, stopped, stream_name};

/// Serves one fetch.
pub(super) async fn run(exchange: &mut Exchange, request: Fetch) -> Outcome {
    let stream = stream_name(&request.stream)?;
    exchange.identity.require_on(Right::Consume, &stream)?;
    let shard = exchange
        .state
        .engine
        .shard(&stream, library::shard_id())
        .await?;
    if shard.kind() != StreamKind::Video {
        return Err(
            Error::invalid(format!("{stream} is a stream of records, not of video")).into(),
        );
    }
    let selector = convert::selector(request.selector.as_ref())?;
    let _active = exchange.state.metrics.begin(Activity::Fetch);
    let recording = exchange.state.videos.of(&stream);
    let mut search = recording.search(&shard, selector, Position::ZERO).await?;
    let mut sent = Sent::default();
    let mut fragments = 0_u64;
    while let Some(found) = search.next().await? {
        if exchange.stopping.is_set() {
            return Err(stopped());
        }
        let Some(stamp) = found.entry.header.stamp else {
            continue;
        };
        if sent.note(found.meta.init_id) {
            match recording
                .init(&shard, found.meta.init_id, stamp.position)
                .await?
            {
                Some(body) => {
                    let entry = library::init_entry(&body, stamp.position, stamp.arrival);
                    exchange.writer.bytes(entry).await?;
                }
                None => tracing::warn!(
                    %stream,
                    position = stamp.position.get(),
                    init = %found.meta.init_id,
                    "a fragment's codec initialisation is not in the log"
                ),
            }
        }
        exchange
            .state
            .metrics
            .egress
            .add(found.entry.bytes.len(), 1);
        exchange.writer.bytes(found.entry.bytes).await?;
        fragments += 1;
    }
    exchange.writer.frame(FetchEnd { fragments }).await
}
