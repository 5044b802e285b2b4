//! Media on its way in: one connection of a producer, from Matroska to acknowledged fragments.
//!
//! ```text
//!  body ──► Upload ──► Assembler ──► Recorder ──► log ─┐
//!              └─ what to say ──► Acks ◄── durable ────┘ ──► client
//! ```
//! [`Upload`] takes the body and [`Acks`] gives the answer, each at its own pace: the client may send
//! and read at the same time.
//!
//! # Invariants
//! - A fragment is said to be persisted only once it is durable.
//! - A fragment that comes again, over this connection or another, is answered with the number it got
//!   first, and stands in the log once.
//! - One connection at a time brings the media of a stream.
//! - Everything is bounded: what waits for the disk, what waits for the client, what is remembered.

mod ack;
mod acks;
mod fault;
mod memory;
mod rules;
mod seats;
mod session;
mod upload;

use std::sync::Arc;

use afflux_aws::video::input::PutMediaInput;
use afflux_aws::video::{Code, Error};
use afflux_types::StreamName;
use tokio::sync::Semaphore;

pub use acks::Acks;
pub use upload::Upload;

use crate::context::{Context, service_error};
use crate::get::Readers;
use crate::library;
use crate::limits::DECODERS_MAX;
use crate::notify::Desk;
use memory::Memories;
use rules::Rules;
use seats::Seats;
use session::Session;

/// What the operations on media share.
#[derive(Debug)]
pub(crate) struct State {
    /// Who brings media.
    seats: Seats,
    /// What was brought of late.
    memories: Memories,
    /// Who watches.
    pub(crate) readers: Readers,
    /// Tells others of fragments.
    pub(crate) desk: Desk,
    /// Permits to decode.
    pub(crate) decoders: Arc<Semaphore>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            seats: Seats::default(),
            memories: Memories::default(),
            readers: Readers::default(),
            desk: Desk::default(),
            decoders: Arc::new(Semaphore::new(DECODERS_MAX)),
        }
    }
}

impl State {
    /// Forgets a stream that was deleted: another one may get its name.
    pub(crate) fn forget(&self, stream: &StreamName) {
        self.memories.forget(stream);
    }
}

/// Starts a connection that brings media.
pub(crate) async fn put_media(
    ctx: &Arc<Context>,
    input: PutMediaInput,
) -> Result<(Upload, Acks), Error> {
    let known = ctx.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let rules = Rules::of(&known, &input, ctx.now());
    let stream = known.stream.name.clone();
    let shard = library::open(ctx, &stream).await?;
    let patience = rules.patience();
    let seat = ctx.puts.seats.wait(&stream, patience).await;
    let seat = seat.ok_or_else(|| {
        Error::new(
            Code::ConnectionLimitExceeded,
            format!("stream {stream} has a connection that brings media; the limit is 1"),
        )
    })?;
    let memory = ctx.puts.memories.of(&stream);
    memory
        .recall(&shard)
        .await
        .map_err(|error| service_error(&error))?;
    let session = Session::new(Arc::clone(ctx), shard.clone(), rules, memory);
    Ok(upload::pair(session, seat, shard))
}

#[cfg(test)]
mod tests;
