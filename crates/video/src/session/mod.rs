//! Playback sessions: HLS and DASH playlists, segments, and the tokens that are the right to them.
//!
//! A request for a session becomes a ticket (`input.rs`), which is sealed into the token of its URL
//! (`ticket.rs`). A player brings the token with every request (`query.rs`); what the ticket means for the
//! log, fragment by fragment, is read in `read.rs`, worked out in `line.rs` and kept for a while in
//! `play.rs`. `playlist.rs` and `media.rs` answer; `hls.rs` and `dash.rs` write playlists down. Segments
//! are those of `afflux_media`: a small header and a slice of the log.
//!
//! Low-latency HLS: a fragment is durable, and shown, as a whole, so its parts are listed together. A
//! player gains that it may hold back less, and that it need not ask again and again: a playlist that is
//! asked for by the number of its next segment is answered when that is there.

mod answer;
mod dash;
mod hls;
mod input;
mod layout;
mod line;
mod media;
mod parts;
mod play;
mod playlist;
mod query;
mod read;
mod reload;
mod segment;
mod segments;
mod serve;
mod ticket;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use afflux_aws::video::input::{GetDASHStreamingSessionURLInput, GetHLSStreamingSessionURLInput};
use afflux_aws::video::{Code, Error};
use afflux_types::ServerTime;
use parking_lot::Mutex;

use self::play::Play;
use self::ticket::{Protocol, Ticket};
use crate::context::Context;
use crate::library;
use crate::service::SessionAnswer;

/// Segments of all sessions whose line is kept, some 300 bytes each; the lines of others are read again
/// when a player asks.
const SEGMENTS_MAX: usize = 250_000;

/// What is kept of sessions that are played.
#[derive(Debug, Default)]
pub(crate) struct State(Mutex<Plays>);

#[derive(Debug, Default)]
struct Plays {
    /// By their tokens.
    kept: BTreeMap<String, Kept>,
    /// What all of them may keep together.
    segments: usize,
}

#[derive(Debug)]
struct Kept {
    used: ServerTime,
    play: Arc<Play>,
}

/// Makes an HLS session: the path and query of its URL.
pub(crate) async fn hls_session(
    ctx: &Arc<Context>,
    input: GetHLSStreamingSessionURLInput,
) -> Result<String, Error> {
    let token = input::hls(ctx, &input).await?.seal(&ctx.sealer);
    Ok(format!(
        "/hls/v1/getHLSMasterPlaylist.m3u8?SessionToken={token}"
    ))
}

/// Makes a DASH session: the path and query of its URL.
pub(crate) async fn dash_session(
    ctx: &Arc<Context>,
    input: GetDASHStreamingSessionURLInput,
) -> Result<String, Error> {
    let token = input::dash(ctx, &input).await?.seal(&ctx.sealer);
    Ok(format!("/dash/v1/getDASHManifest.mpd?SessionToken={token}"))
}

/// Answers a player. May wait for what is not there yet; dropped when the player goes.
pub(crate) async fn get(ctx: &Arc<Context>, path: &str, query: &str) -> SessionAnswer {
    serve::get(ctx, path, query)
        .await
        .unwrap_or_else(|error| answer::refusal(&error))
}

/// The session of a token.
///
/// # Errors
/// `NotAuthorizedException` for a token that is forged, of another server or protocol, or expired;
/// `ResourceNotFoundException` if the stream is not the same any more.
async fn open(ctx: &Context, protocol: Protocol, token: &str) -> Result<Arc<Play>, Error> {
    let denied = |message: &'static str| Error::new(Code::NotAuthorized, message);
    let now = ctx.now();
    let kept = ctx.sessions.find(token, now);
    let play = match kept {
        Some(play) if play.ticket.protocol == protocol => play,
        _ => {
            let ticket = Ticket::open(&ctx.sealer, protocol, token)
                .ok_or_else(|| denied("The session token is not valid."))?;
            if now >= ticket.expires {
                return Err(denied("The session token has expired."));
            }
            let shard = library::open(ctx, &ticket.stream).await?;
            let recording = ctx.library.of(&ticket.stream);
            let play = Arc::new(Play::new(ticket, shard, recording));
            ctx.sessions.keep(token, Arc::clone(&play), now)
        }
    };
    if now >= play.ticket.expires {
        return Err(denied("The session token has expired."));
    }
    // Another stream may have got the name.
    let known = ctx.known(&play.ticket.stream)?;
    if known.stream.id == play.ticket.stream_id {
        Ok(play)
    } else {
        Err(crate::context::no_stream(play.ticket.stream.as_str()))
    }
}

impl State {
    fn find(&self, token: &str, now: ServerTime) -> Option<Arc<Play>> {
        let mut plays = self.0.lock();
        let kept = plays.kept.get_mut(token)?;
        kept.used = now;
        Some(Arc::clone(&kept.play))
    }

    /// Keeps what is played; another request may have been faster.
    fn keep(&self, token: &str, play: Arc<Play>, now: ServerTime) -> Arc<Play> {
        let mut plays = self.0.lock();
        let needs = play.ticket.segments_max();
        if plays.segments.saturating_add(needs) > SEGMENTS_MAX {
            plays.drop_expired(now);
        }
        while plays.segments.saturating_add(needs) > SEGMENTS_MAX && plays.drop_oldest() {}
        if let Some(kept) = plays.kept.get(token) {
            return Arc::clone(&kept.play);
        }
        plays.segments = plays.segments.saturating_add(needs);
        let kept = Kept {
            used: now,
            play: Arc::clone(&play),
        };
        plays.kept.insert(token.to_owned(), kept);
        play
    }
}

impl Plays {
    fn drop_expired(&mut self, now: ServerTime) {
        self.kept.retain(|_, kept| kept.play.ticket.expires > now);
        let left = self.kept.values();
        self.segments = left
            .map(|kept| kept.play.ticket.segments_max())
            .fold(0, usize::saturating_add);
    }

    /// Drops the session that was not used for the longest time; false if there is none.
    fn drop_oldest(&mut self) -> bool {
        let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used);
        let Some(oldest) = oldest.map(|(token, _)| token.clone()) else {
            return false;
        };
        if let Some(kept) = self.kept.remove(&oldest) {
            let gone = kept.play.ticket.segments_max();
            self.segments = self.segments.saturating_sub(gone);
        }
        true
    }
}

#[cfg(test)]
mod tests;
