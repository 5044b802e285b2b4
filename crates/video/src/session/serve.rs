//! Finds what answers a player, by the path that it asks for.

use std::sync::Arc;

use afflux_aws::video::{Code, Error};

use super::answer::invalid;
use super::open;
use super::play::Play;
use super::query::Query;
use super::ticket::{Container, Protocol};
use crate::context::Context;
use crate::service::SessionAnswer;

pub(super) async fn get(
    ctx: &Arc<Context>,
    path: &str,
    query: &str,
) -> Result<SessionAnswer, Error> {
    let unknown = || Error::new(Code::ResourceNotFound, format!("There is no {path}."));
    let (protocol, name) = match path.strip_prefix("/hls/v1/") {
        Some(name) => (Protocol::Hls, name),
        None => (
            Protocol::Dash,
            path.strip_prefix("/dash/v1/").ok_or_else(unknown)?,
        ),
    };
    let query = Query::parse(query)?;
    let token = query
        .token
        .as_deref()
        .ok_or_else(|| Error::new(Code::NotAuthorized, "The request has no SessionToken."))?;
    let play = open(ctx, protocol, token).await?;
    let call = Call {
        ctx,
        play: &play,
        query: &query,
        token,
    };
    match (protocol, name) {
        (Protocol::Hls, "getHLSMasterPlaylist.m3u8") => call.master().await,
        (Protocol::Hls, "getHLSMediaPlaylist.m3u8") => call.playlist().await,
        (Protocol::Hls, "getTSFragment.ts") => call.stream().await,
        (Protocol::Dash, "getDASHManifest.mpd") => call.manifest().await,
        (_, "getMP4InitFragment.mp4") => call.init().await,
        (_, "getMP4MediaFragment.mp4") => call.segment().await,
        _ => Err(unknown()),
    }
}

/// One request.
pub(super) struct Call<'a> {
    pub(super) ctx: &'a Arc<Context>,
    pub(super) play: &'a Arc<Play>,
    pub(super) query: &'a Query,
    pub(super) token: &'a str,
}

impl Call<'_> {
    /// The index of the track that is asked for; none for MPEG-TS.
    pub(super) fn track(&self) -> Result<Option<usize>, Error> {
        match (self.play.ticket.container, self.query.track) {
            (Container::Ts, _) => Ok(None),
            (Container::Mp4, None) => Ok(Some(0)),
            (Container::Mp4, Some(track)) => track
                .checked_sub(1)
                .map(Some)
                .ok_or_else(|| invalid("TrackNumber counts from 1.")),
        }
    }
}
