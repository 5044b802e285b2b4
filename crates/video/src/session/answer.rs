//! Answers to players, with what they may keep of them and for how long.

use std::borrow::Cow;

use afflux_aws::video::{Code, Error};
use bytes::Bytes;

use super::play::Play;
use crate::pieces::Pieces;
use crate::service::SessionAnswer;

/// An error, for a player.
pub(super) fn refusal(error: &Error) -> SessionAnswer {
    let body = error.to_bytes();
    SessionAnswer {
        status: error.status(),
        content_type: "application/json",
        headers: vec![
            ("cache-control", "no-store".to_owned()),
            ("x-amzn-errortype", error.code().name().to_owned()),
        ],
        length: u64::try_from(body.len()).ok(),
        body: Pieces::whole([body]),
    }
}

/// The error of a request that asks for what cannot be.
pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Code::InvalidArgument, message)
}

/// A playlist; one that has ended stays as it is.
pub(super) fn playlist(content_type: &'static str, text: String, ended: bool) -> SessionAnswer {
    let cache = if ended { "max-age=60" } else { "no-cache" };
    let body = Bytes::from(text);
    SessionAnswer {
        status: 200,
        content_type,
        headers: vec![("cache-control", cache.to_owned())],
        length: u64::try_from(body.len()).ok(),
        body: Pieces::whole([body]),
    }
}

/// Media that is there.
pub(super) fn media(play: &Play, content_type: &'static str, pieces: Vec<Bytes>) -> SessionAnswer {
    let length = pieces.iter().map(Bytes::len).sum::<usize>();
    SessionAnswer {
        length: u64::try_from(length).ok(),
        ..streamed(play, content_type, Pieces::whole(pieces))
    }
}

/// Media that is made while it is sent.
///
/// What a number stands for in a session never changes, so players may keep it as long as they play.
pub(super) fn streamed(play: &Play, content_type: &'static str, body: Pieces) -> SessionAnswer {
    let good = play.ticket.expires.since(play.ticket.created).as_secs();
    let cache = format!("private, max-age={good}, immutable");
    SessionAnswer {
        status: 200,
        content_type,
        headers: vec![("cache-control", cache)],
        length: None,
        body,
    }
}
