//! An HLS session as a player opens it, and its segments fetched as fast as they come.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Uri;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::http::{Http, whole};
use crate::bench::bare_http::Bare;
use crate::bench::raw::{Stopwatch, len_u64};

/// Where a session's playlists and segments are.
const PLACE: &str = "/hls/v1/";
/// A bare server answers with as many segments at most: they come from memory, as the product's do from
/// the page cache, not from a cache of the processor.
const BARE_SEGMENTS_MAX: usize = 64;

/// A session that plays.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) http: Http,
    /// The playlist of its one track.
    playlist: String,
}

/// What a playlist says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Playlist {
    /// The number of the first segment.
    pub(super) first: u64,
    /// Where the segments are.
    pub(super) segments: Vec<String>,
}

impl Session {
    /// A session at the live end, with low latency.
    pub(super) async fn live(authority: &str, stream: &str) -> Result<Self> {
        let input = json!({
            "StreamName": stream,
            "PlaybackMode": "LIVE",
            "HLSFragmentSelector": {"FragmentSelectorType": "PRODUCER_TIMESTAMP"},
            "DiscontinuityMode": "ON_DISCONTINUITY",
            "Expires": 43_200,
        });
        Self::open(authority, &input).await
    }

    /// A session of what came in a span of the server's clock, in milliseconds since 1970.
    async fn stored(authority: &str, stream: &str, (from, to): (i64, i64)) -> Result<Self> {
        let input = json!({
            "StreamName": stream,
            "PlaybackMode": "ON_DEMAND",
            "HLSFragmentSelector": {
                "FragmentSelectorType": "SERVER_TIMESTAMP",
                "TimestampRange": {
                    "StartTimestamp": from as f64 / 1e3,
                    "EndTimestamp": to as f64 / 1e3,
                },
            },
            "Expires": 43_200,
        });
        Self::open(authority, &input).await
    }

    async fn open(authority: &str, input: &Value) -> Result<Self> {
        let mut http = Http::connect(authority).await?;
        let answer = http.call("/getHLSStreamingSessionURL", input).await?;
        let url = answer.get("HLSStreamingSessionURL").and_then(Value::as_str);
        let url: Uri = url.context("the answer has no URL")?.parse()?;
        let master = url.path_and_query().context("the URL has no path")?;
        let master = http.text(master.as_str()).await?;
        let mut lines = master.lines().filter(|line| !line.starts_with('#'));
        let playlist = lines.next().context("the session has no playlist")?;
        Ok(Self {
            http,
            playlist: format!("{PLACE}{playlist}"),
        })
    }

    /// The playlist; waits until it has the segment with the number `number`.
    pub(super) async fn playlist(&mut self, number: Option<u64>) -> Result<Playlist> {
        let path = match number {
            None => self.playlist.clone(),
            Some(number) => format!("{}&_HLS_msn={number}&_HLS_part=0", self.playlist),
        };
        Playlist::read(&self.http.text(&path).await?)
    }
}

impl Playlist {
    fn read(text: &str) -> Result<Self> {
        let first = text
            .lines()
            .find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"));
        let first = first.context("a playlist has no first number")?.parse()?;
        let places = text.lines().filter(|line| !line.starts_with('#'));
        let segments = places.map(|place| format!("{PLACE}{place}")).collect();
        Ok(Self { first, segments })
    }

    /// The number of the segment behind the last one.
    pub(super) fn end(&self) -> u64 {
        self.first + len_u64(self.segments.len())
    }
}

/// Who fetches what.
#[derive(Debug)]
pub(super) struct Load<'a> {
    pub(super) authority: &'a str,
    /// Connections, each of one of these streams in turn.
    pub(super) streams: &'a [String],
    pub(super) connections: u32,
    pub(super) limit: Duration,
    /// When it came, in milliseconds since 1970.
    pub(super) span: (i64, i64),
}

/// MB/s of segments, and of a bare server that sends the same sizes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    pub(super) product: f64,
    pub(super) bare: f64,
}

impl Load<'_> {
    /// Fetches from the server and then from a bare one.
    pub(super) async fn run(&self) -> Result<Rates> {
        let mut players = Vec::new();
        let mut answers = Vec::new();
        let streams = self.streams.iter().cycle();
        for (stream, _) in streams.zip(0..self.connections) {
            let mut session = Session::stored(self.authority, stream, self.span).await?;
            let segments = session.playlist(None).await?.segments;
            ensure!(!segments.is_empty(), "{stream} has no segments");
            for segment in &segments {
                if answers.len() < BARE_SEGMENTS_MAX {
                    answers.push(whole(session.http.get(segment).await?).await?);
                }
            }
            players.push((session.http, segments));
        }
        let product = self.fetch(players).await?;
        let bare = self.bare(&answers).await?;
        Ok(Rates { product, bare })
    }

    async fn bare(&self, answers: &[Bytes]) -> Result<f64> {
        let server = Bare::turns(answers)?;
        let mut players = Vec::new();
        for _ in 0..self.connections {
            let http = Http::connect(&server.authority).await?;
            players.push((http, vec!["/".to_owned()]));
        }
        self.fetch(players).await
    }

    async fn fetch(&self, players: Vec<(Http, Vec<String>)>) -> Result<f64> {
        let clock = Stopwatch::start();
        let mut tasks = JoinSet::new();
        for (http, segments) in players {
            tasks.spawn(repeat(http, segments, clock, self.limit));
        }
        let mut bytes = 0;
        while let Some(one) = tasks.join_next().await {
            bytes += one.context("a player panicked")??;
        }
        Ok(bytes as f64 / clock.elapsed().as_secs_f64() / 1e6)
    }
}

/// One connection's part; returns the bytes.
async fn repeat(
    mut http: Http,
    segments: Vec<String>,
    clock: Stopwatch,
    limit: Duration,
) -> Result<u64> {
    let mut bytes = 0;
    for segment in segments.iter().cycle() {
        if clock.elapsed() >= limit {
            break;
        }
        // Segments are counted as they come and not put together.
        let mut body = http.get(segment).await?;
        while let Some(frame) = body.frame().await {
            let frame = frame.context("read a segment")?;
            bytes += frame.data_ref().map_or(0, |data| len_u64(data.len()));
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_playlist_says_where_its_segments_are() {
        let text = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:2.0,\na?x=1\n#EXTINF:2.0,\nb\n";
        let playlist = Playlist::read(text).unwrap();
        assert_eq!(playlist.segments, ["/hls/v1/a?x=1", "/hls/v1/b"]);
        assert_eq!((playlist.first, playlist.end()), (7, 9));
        assert!(Playlist::read("#EXTM3U\n").is_err());
    }
}
