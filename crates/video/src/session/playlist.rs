//! Playlists and manifests: what a session shows now.

use afflux_aws::video::{Code, Error};

use super::answer::{invalid, playlist};
use super::dash::Manifest;
use super::hls::{self, Links, Media};
use super::serve::Call;
use crate::service::SessionAnswer;

const HLS_TYPE: &str = "application/vnd.apple.mpegurl";
const DASH_TYPE: &str = "application/dash+xml";

impl Call<'_> {
    pub(super) async fn master(&self) -> Result<SessionAnswer, Error> {
        let now = self.ctx.now();
        let segments = self.play.segments(now).await?;
        let ticket = &self.play.ticket;
        let window = segments.window(None, ticket, now)?;
        let layout = segments.layout(0)?;
        let text = hls::master(ticket, &layout, &window.segments, self.token);
        Ok(playlist(HLS_TYPE, text, false))
    }

    pub(super) async fn playlist(&self) -> Result<SessionAnswer, Error> {
        let ticket = &self.play.ticket;
        let track = self.track()?;
        if let Some(segment) = self.query.wait_segment {
            self.wait_for(track, segment).await?;
        }
        let now = self.ctx.now();
        let segments = self.play.segments(now).await?;
        let count = segments.layout(0)?.tracks.len();
        if track.is_some_and(|track| track >= count) {
            return Err(invalid(format!("The session has {count} tracks.")));
        }
        let window = segments.window(track, ticket, now)?;
        let ended = window.ended;
        let media = Media {
            ticket,
            links: Links {
                token: self.token,
                track: track.map(|track| track + 1),
            },
            longest_s: segments.longest_s(track),
            parts: match track {
                Some(track) if ticket.is_low_latency() => Some(
                    self.play
                        .list_parts(&segments, &window.segments, track)
                        .await?,
                ),
                _ => None,
            },
            window,
        };
        Ok(playlist(HLS_TYPE, media.text(), ended))
    }

    pub(super) async fn manifest(&self) -> Result<SessionAnswer, Error> {
        let now = self.ctx.now();
        let segments = self.play.segments(now).await?;
        let ticket = &self.play.ticket;
        let window = segments.window(None, ticket, now)?;
        let Some(first) = segments.first else {
            return Err(Error::new(
                Code::ResourceNotFound,
                "No fragments found in the stream for the streaming request.",
            ));
        };
        let manifest = Manifest {
            ticket,
            token: self.token,
            now,
            segments: window.segments,
            ended: window.ended,
            layouts: &segments.layouts,
            first,
        };
        Ok(playlist(DASH_TYPE, manifest.text(), window.ended))
    }
}
