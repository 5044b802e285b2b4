use std::time::Duration;

use afflux_aws::video::input::{PlaybackRange, PlaybackSelector};
use afflux_aws::video::values::{
    ContainerFormat, DiscontinuityMode, Display, FragmentSelectorType, PlaybackMode,
};
use afflux_engine::{Engine, EngineOptions, NewStream, Shard, StreamKind};
use afflux_entry::{Header, Kind};
use afflux_media::{Continuity, Event, Facts, Fragment, Init, Limits, Splitter, Timeline};
use afflux_types::{Clock, ProducerTime, StreamName};
use bytes::Bytes;

use super::segments::INITS_MAX;
use super::*;
use crate::Options;
use crate::library::shard_id;

const CAMERA: &[u8] = include_bytes!("../../../../fixtures/video/camera.mp4");
const H264: &[u8] = include_bytes!("../../../../fixtures/video/h264.mp4");
const AV1: &[u8] = include_bytes!("../../../../fixtures/video/av1.mp4");
const AAC: &[u8] = include_bytes!("../../../../fixtures/video/aac.mp4");
const OPUS: &[u8] = include_bytes!("../../../../fixtures/video/h264-opus.mp4");
const START: i64 = 1_700_000_000_000;

/// A server with one camera, whose clock the test moves.
struct Studio {
    ctx: Arc<Context>,
    clock: Clock,
    shard: Shard,
    uploads: u128,
    _dir: tempfile::TempDir,
}

impl Studio {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(ServerTime::from_millis(START));
        let options = EngineOptions {
            retention_interval: None,
            ..EngineOptions::new(dir.path())
        };
        let engine = Engine::open(options, clock.clone()).unwrap();
        let name = StreamName::new("camera").unwrap();
        let new = NewStream::new(name.clone(), StreamKind::Video);
        engine.create_stream(new).await.unwrap();
        let shard = engine.shard(&name, shard_id()).await.unwrap();
        let ctx = Context::open(engine, clock.clone(), Arc::default(), Options::default())
            .await
            .unwrap();
        Self {
            ctx: Arc::new(ctx),
            clock,
            shard,
            uploads: 0,
            _dir: dir,
        }
    }

    /// Uploads some fragments of a file, whose first starts at `start` by the producer's clock, each
    /// when it is over.
    async fn upload(&mut self, file: &'static [u8], start: i64, fragments: usize) {
        self.uploads += 1;
        let (init, parsed) = split(file);
        self.append(Kind::Init, 0, init.encode()).await;
        let mut timeline = Timeline::new(ProducerTime::from_millis(start));
        for (fragment, sequence) in parsed.iter().take(fragments).zip(0..) {
            let placement = timeline.place(fragment.reference());
            let facts = Facts {
                session_id: self.uploads,
                sequence,
                producer_time: placement.producer_time,
                continuity: Continuity::Continuous,
                tags: Vec::new(),
            };
            self.clock
                .advance(Duration::from_millis(u64::from(fragment.duration_ms())));
            let body = fragment.encode(&facts).unwrap();
            self.append(Kind::Fragment, 1, body).await;
        }
    }

    async fn append(&self, kind: Kind, records: u32, body: Vec<Bytes>) {
        let header = Header::for_body(kind, records, None, None, &body);
        let accepted = self.shard.append(header, body).await.unwrap();
        self.shard.wait_accepted(&accepted).await.unwrap();
    }

    async fn get(&self, url: &str) -> (u16, Vec<u8>) {
        let (path, query) = url.split_once('?').unwrap();
        let mut answer = get(&self.ctx, path, query).await;
        let mut body = Vec::new();
        while let Some(piece) = answer.body.next().await {
            body.extend_from_slice(&piece.unwrap());
        }
        if let Some(length) = answer.length {
            assert_eq!(length, u64::try_from(body.len()).unwrap());
        }
        (answer.status, body)
    }

    async fn text(&self, url: &str) -> String {
        let (status, body) = self.get(url).await;
        let text = String::from_utf8(body).unwrap();
        assert_eq!(status, 200, "{text}");
        text
    }

    /// The playlist of a track of an HLS session.
    async fn playlist(&self, session: &str, track: usize) -> String {
        let token = session.split_once("SessionToken=").unwrap().1;
        let url =
            format!("/hls/v1/getHLSMediaPlaylist.m3u8?SessionToken={token}&TrackNumber={track}");
        self.text(&url).await
    }
}

fn split(file: &'static [u8]) -> (Init, Vec<Fragment>) {
    split_bytes(Bytes::from_static(file))
}

fn split_bytes(file: Bytes) -> (Init, Vec<Fragment>) {
    let mut splitter = Splitter::new(Limits::default());
    splitter.push(file);
    let (mut init, mut pieces, mut fragments) = (None, Vec::new(), Vec::new());
    while let Some(event) = splitter.poll().unwrap() {
        match event {
            Event::Init(found) => init = Some(found),
            Event::Started(_) => pieces.clear(),
            Event::Data(piece) => pieces.push(piece),
            Event::Finished { .. } => {
                let init = init.as_ref().unwrap();
                let received = std::mem::take(&mut pieces);
                fragments.push(Fragment::parse(init, received, &Limits::default()).unwrap());
            }
        }
    }
    (init.unwrap(), fragments)
}

/// A file of one track whose pictures each take so many times as long.
fn slowed(file: &[u8], times: u32) -> &'static [u8] {
    let mut file = file.to_vec();
    let at = file.windows(4).position(|name| name == b"mdhd").unwrap();
    let at = at + if file[at + 4] == 1 { 24 } else { 16 };
    let timescale = u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
    file[at..at + 4].copy_from_slice(&(timescale / times).to_be_bytes());
    file.leak()
}

fn live(mode: DiscontinuityMode) -> GetHLSStreamingSessionURLInput {
    GetHLSStreamingSessionURLInput {
        discontinuity_mode: Some(mode),
        ..hls(PlaybackMode::Live)
    }
}

fn hls(mode: PlaybackMode) -> GetHLSStreamingSessionURLInput {
    GetHLSStreamingSessionURLInput {
        stream_name: Some("camera".to_owned()),
        stream_arn: None,
        playback_mode: Some(mode),
        hls_fragment_selector: None,
        container_format: None,
        discontinuity_mode: None,
        display_fragment_timestamp: None,
        expires: None,
        max_media_playlist_fragment_results: None,
    }
}

fn dash(mode: PlaybackMode) -> GetDASHStreamingSessionURLInput {
    GetDASHStreamingSessionURLInput {
        stream_name: Some("camera".to_owned()),
        stream_arn: None,
        playback_mode: Some(mode),
        display_fragment_timestamp: None,
        display_fragment_number: None,
        dash_fragment_selector: None,
        expires: None,
        max_manifest_fragment_results: None,
    }
}

fn range(axis: FragmentSelectorType, from: i64, to: Option<i64>) -> Option<PlaybackSelector> {
    Some(PlaybackSelector {
        fragment_selector_type: Some(axis),
        timestamp_range: Some(PlaybackRange {
            start_timestamp: Some(ServerTime::from_millis(from)),
            end_timestamp: to.map(ServerTime::from_millis),
        }),
    })
}

fn on_demand(from: i64, to: i64) -> GetHLSStreamingSessionURLInput {
    let axis = FragmentSelectorType::ProducerTimestamp;
    GetHLSStreamingSessionURLInput {
        hls_fragment_selector: range(axis, from, Some(to)),
        ..hls(PlaybackMode::OnDemand)
    }
}

fn count(text: &str, tag: &str) -> usize {
    text.lines().filter(|line| line.starts_with(tag)).count()
}

/// The number behind a tag.
fn tagged(text: &str, tag: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(tag));
    line.unwrap().parse().unwrap()
}

fn links(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect()
}

#[tokio::test]
async fn a_range_on_demand_is_one_static_playlist_of_each_track() {
    let mut studio = Studio::new().await;
    studio.upload(CAMERA, START, 8).await;
    let url = hls_session(&studio.ctx, on_demand(START, START + 60_000))
        .await
        .unwrap();
    let master = studio.text(&url).await;
    assert!(
        master.contains("CODECS=\"avc1.64001e,mp4a.40.2\""),
        "{master}"
    );
    assert!(master.contains("FRAME-RATE=30,"), "{master}");
    assert!(master.contains("TYPE=AUDIO"), "{master}");
    for track in [1, 2] {
        let text = studio.playlist(&url, track).await;
        assert!(text.contains("#EXT-X-PLAYLIST-TYPE:VOD\n"), "{text}");
        assert!(text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
        assert_eq!(count(&text, "#EXTINF"), 8);
        assert_eq!(count(&text, "#EXT-X-MAP"), 1);
        assert_eq!(count(&text, "#EXT-X-DISCONTINUITY"), 0);
        for link in links(&text) {
            let (status, body) = studio.get(&format!("/hls/v1/{link}")).await;
            assert_eq!((status, &body[4..8]), (200, b"styp".as_slice()));
        }
    }
}

#[tokio::test]
async fn only_fragments_that_start_in_the_range_are_played() {
    let mut studio = Studio::new().await;
    studio.upload(CAMERA, START, 8).await;
    for (from, to, expected) in [
        (0, 0, 0),
        (0, 1_000, 2),
        (1, 2_000, 2),
        (1_001, 2_999, 1),
        (-5_000, -1, 0),
        (7_000, 90_000, 1),
    ] {
        let made = hls_session(&studio.ctx, on_demand(START + from, START + to)).await;
        match made {
            Ok(url) => {
                let text = studio.playlist(&url, 1).await;
                assert_eq!(count(&text, "#EXTINF"), expected, "{from}..={to}");
            }
            Err(error) => assert_eq!(
                (expected, error.code() == Code::ResourceNotFound),
                (0, from != 0),
                "{error}"
            ),
        }
    }
}

#[tokio::test]
async fn the_media_has_the_times_of_the_selector() {
    let mut studio = Studio::new().await;
    studio.upload(CAMERA, START, 3).await;
    let url = hls_session(&studio.ctx, on_demand(START, START + 60_000))
        .await
        .unwrap();
    let text = studio.playlist(&url, 1).await;
    for (link, second) in links(&text).iter().zip(0_u64..) {
        let (_, body) = studio.get(&format!("/hls/v1/{link}")).await;
        let at = body.windows(4).position(|name| name == b"tfdt").unwrap();
        let time = u64::from_be_bytes(body[at + 8..at + 16].try_into().unwrap());
        let (_, init) = studio.get(&format!("/hls/v1/{}", map_of(&text))).await;
        let at = init.windows(4).position(|name| name == b"mdhd").unwrap();
        let at = at + if init[at + 4] == 1 { 24 } else { 16 };
        let timescale = u32::from_be_bytes(init[at..at + 4].try_into().unwrap());
        let expected = (u64::try_from(START).unwrap() + second * 1_000) * u64::from(timescale);
        assert!(time.abs_diff(expected / 1_000) <= 1, "segment {second}");
    }
}

fn map_of(text: &str) -> &str {
    let line = text
        .lines()
        .find(|line| line.starts_with("#EXT-X-MAP"))
        .unwrap();
    line.split('"').nth(1).unwrap()
}

#[tokio::test]
async fn a_live_playlist_grows_slides_and_keeps_its_numbers() {
    let mut studio = Studio::new().await;
    studio.upload(CAMERA, START, 3).await;
    let url = hls_session(&studio.ctx, hls(PlaybackMode::Live))
        .await
        .unwrap();
    let text = studio.playlist(&url, 1).await;
    assert_eq!(
        (
            count(&text, "#EXTINF"),
            tagged(&text, "#EXT-X-MEDIA-SEQUENCE:")
        ),
        (3, 0)
    );
    assert_eq!(count(&text, "#EXT-X-ENDLIST"), 0);
    let mut seen: Vec<String> = links(&text).into_iter().map(str::to_owned).collect();
    studio.upload(CAMERA, START + 3_000, 7).await;
    let text = studio.playlist(&url, 1).await;
    assert_eq!(
        (
            count(&text, "#EXTINF"),
            tagged(&text, "#EXT-X-MEDIA-SEQUENCE:")
        ),
        (5, 5)
    );
    assert_eq!(tagged(&text, "#EXT-X-DISCONTINUITY-SEQUENCE:"), 5);
    seen.extend(links(&text).into_iter().map(str::to_owned));
    // What slid out of the playlist can still be fetched for a while.
    for link in &seen {
        assert_eq!(studio.get(&format!("/hls/v1/{link}")).await.0, 200);
    }
    // A server that has forgotten the session says the same.
    *studio.ctx.sessions.0.lock() = Plays::default();
    assert_eq!(studio.playlist(&url, 1).await, text);
}

#[tokio::test]
async fn a_live_session_needs_a_fragment_of_the_last_half_minute() {
    let mut studio = Studio::new().await;
    let refused = hls_session(&studio.ctx, hls(PlaybackMode::Live)).await;
    assert_eq!(refused.unwrap_err().code(), Code::ResourceNotFound);
    studio.upload(CAMERA, START, 1).await;
    studio.clock.advance(Duration::from_secs(29));
    assert!(
        hls_session(&studio.ctx, hls(PlaybackMode::Live))
            .await
            .is_ok()
    );
    studio.clock.advance(Duration::from_secs(2));
    assert!(
        hls_session(&studio.ctx, hls(PlaybackMode::Live))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn discontinuities_are_where_the_mode_says() {
    let mut studio = Studio::new().await;
    // A gap of ten seconds in the middle.
    studio.upload(CAMERA, START, 2).await;
    studio.upload(CAMERA, START + 12_000, 2).await;
    for (mode, expected) in [
        (DiscontinuityMode::Always, 3),
        (DiscontinuityMode::Never, 0),
        (DiscontinuityMode::OnDiscontinuity, 1),
    ] {
        let input = GetHLSStreamingSessionURLInput {
            discontinuity_mode: Some(mode),
            ..on_demand(START, START + 60_000)
        };
        let url = hls_session(&studio.ctx, input).await.unwrap();
        let text = studio.playlist(&url, 1).await;
        assert_eq!(count(&text, "#EXT-X-DISCONTINUITY"), expected, "{mode:?}");
    }
}

#[tokio::test]
async fn of_fragments_at_one_time_the_newest_is_played_and_all_are_sorted() {
    let mut studio = Studio::new().await;
    studio.upload(CAMERA, START + 4_000, 2).await;
    studio.upload(CAMERA, START, 2).await;
    studio.upload(CAMERA, START + 4_000, 2).await;
    let input = GetHLSStreamingSessionURLInput {
        display_fragment_timestamp: Some(Display::Always),
        ..on_demand(START, START + 60_000)
    };
    let url = hls_session(&studio.ctx, input).await.unwrap();
    let text = studio.playlist(&url, 1).await;
    let times: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:"))
        .map(str::to_owned)
        .collect();
    let expected: Vec<String> = [0, 1_000, 4_000, 5_000]
        .map(|ms| ServerTime::from_millis(START + ms).to_string())
        .into();
    assert_eq!(times, expected);
}

#[tokio::test]
async fn a_live_playlist_never_goes_back_in_the_producers_time() {
    let mut studio = Studio::new().await;
    studio.upload(CAMERA, START + 10_000, 2).await;
    let input = GetHLSStreamingSessionURLInput {
        hls_fragment_selector: Some(PlaybackSelector {
            fragment_selector_type: Some(FragmentSelectorType::ProducerTimestamp),
            timestamp_range: None,
        }),
        ..hls(PlaybackMode::Live)
    };
    let url = hls_session(&studio.ctx, input).await.unwrap();
    assert_eq!(count(&studio.playlist(&url, 1).await, "#EXTINF"), 2);
    studio.upload(CAMERA, START, 3).await;
    assert_eq!(count(&studio.playlist(&url, 1).await, "#EXTINF"), 2);
    studio.upload(CAMERA, START + 12_000, 1).await;
    assert_eq!(count(&studio.playlist(&url, 1).await, "#EXTINF"), 3);
}

#[tokio::test]
async fn a_replay_shows_fragments_as_they_would_have_come() {
    let mut studio = Studio::new().await;
    studio.upload(CAMERA, START, 8).await;
    studio.upload(CAMERA, START + 8_000, 8).await;
    let input = GetHLSStreamingSessionURLInput {
        hls_fragment_selector: range(
            FragmentSelectorType::ProducerTimestamp,
            START,
            Some(START + 7_000),
        ),
        max_media_playlist_fragment_results: Some(2),
        ..hls(PlaybackMode::LiveReplay)
    };
    let url = hls_session(&studio.ctx, input).await.unwrap();
    let mut firsts = Vec::new();
    for _ in 0..8 {
        let text = studio.playlist(&url, 1).await;
        assert_eq!(count(&text, "#EXTINF"), 2);
        let ended = count(&text, "#EXT-X-ENDLIST") == 1;
        firsts.push((tagged(&text, "#EXT-X-MEDIA-SEQUENCE:"), ended));
        studio.clock.advance(Duration::from_secs(1));
    }
    let expected = [0, 1, 2, 3, 4, 5, 6, 6].map(|first| (first, first == 6));
    assert_eq!(firsts, expected);
}

#[tokio::test]
async fn another_codec_has_another_map_and_a_discontinuity() {
    let mut studio = Studio::new().await;
    studio.upload(H264, START, 2).await;
    studio.upload(AV1, START + 2_000, 1).await;
    studio.upload(H264, START + 3_000, 1).await;
    let input = GetHLSStreamingSessionURLInput {
        discontinuity_mode: Some(DiscontinuityMode::OnDiscontinuity),
        ..on_demand(START, START + 60_000)
    };
    let url = hls_session(&studio.ctx, input).await.unwrap();
    let text = studio.playlist(&url, 1).await;
    assert_eq!(
        (count(&text, "#EXTINF"), count(&text, "#EXT-X-MAP")),
        (4, 3),
        "{text}"
    );
    assert_eq!(count(&text, "#EXT-X-DISCONTINUITY"), 2, "{text}");
    assert_eq!(
        text.matches("SequenceNumber=0").count(),
        2,
        "one init has one number"
    );
    let maps = text.lines().filter(|line| line.starts_with("#EXT-X-MAP"));
    for map in maps {
        let url = format!("/hls/v1/{}", map.split('"').nth(1).unwrap());
        assert_eq!(studio.get(&url).await.0, 200);
    }
}

#[tokio::test]
async fn another_number_of_tracks_ends_a_session() {
    let mut studio = Studio::new().await;
    studio.upload(CAMERA, START, 2).await;
    let url = hls_session(&studio.ctx, hls(PlaybackMode::Live))
        .await
        .unwrap();
    assert_eq!(count(&studio.playlist(&url, 1).await, "#EXTINF"), 2);
    studio.upload(H264, START + 2_000, 1).await;
    let token = url.split_once('?').unwrap().1;
    let (status, body) = studio
        .get(&format!(
            "/hls/v1/getHLSMediaPlaylist.m3u8?{token}&TrackNumber=1"
        ))
        .await;
    assert_eq!(status, 400, "{}", String::from_utf8_lossy(&body));
}

#[tokio::test]
async fn sound_that_players_cannot_take_is_left_out_and_pictures_are_refused() {
    let mut studio = Studio::new().await;
    studio.upload(OPUS, START, 2).await;
    let input = GetHLSStreamingSessionURLInput {
        container_format: Some(ContainerFormat::MpegTs),
        ..on_demand(START, START + 60_000)
    };
    let url = hls_session(&studio.ctx, input).await.unwrap();
    let master = studio.text(&url).await;
    assert!(master.contains("CODECS=\"avc1.64000b\""), "{master}");
    studio.upload(AV1, START + 90_000, 2).await;
    let input = GetHLSStreamingSessionURLInput {
        container_format: Some(ContainerFormat::MpegTs),
        ..on_demand(START + 90_000, START + 100_000)
    };
    let refused = hls_session(&studio.ctx, input).await.unwrap_err();
    assert_eq!(refused.code(), Code::UnsupportedStreamMediaType);
}

#[tokio::test]
async fn tokens_expire_and_open_nothing_else() {
    let mut studio = Studio::new().await;
    studio.upload(CAMERA, START, 3).await;
    let url = hls_session(&studio.ctx, hls(PlaybackMode::Live))
        .await
        .unwrap();
    let token = url.split_once("SessionToken=").unwrap().1;
    assert_eq!(studio.get(&url).await.0, 200);
    let other = dash_session(&studio.ctx, dash(PlaybackMode::Live))
        .await
        .unwrap();
    let other = other.split_once("SessionToken=").unwrap().1;
    for wrong in [
        format!("/dash/v1/getDASHManifest.mpd?SessionToken={token}"),
        format!("/hls/v1/getHLSMasterPlaylist.m3u8?SessionToken={other}"),
        format!(
            "/hls/v1/getHLSMasterPlaylist.m3u8?SessionToken={}",
            &token[1..]
        ),
        "/hls/v1/getHLSMasterPlaylist.m3u8?SessionToken=".to_owned(),
        "/hls/v1/getHLSMasterPlaylist.m3u8?x".to_owned(),
    ] {
        let (status, body) = studio.get(&wrong).await;
        assert_eq!(status, 401, "{wrong}: {}", String::from_utf8_lossy(&body));
    }
    let unknown = format!("/hls/v1/else?SessionToken={token}");
    assert_eq!(studio.get(&unknown).await.0, 404);
    studio.clock.advance(Duration::from_secs(299));
    assert_eq!(studio.get(&url).await.0, 200);
    studio.clock.advance(Duration::from_secs(1));
    assert_eq!(studio.get(&url).await.0, 401);
    *studio.ctx.sessions.0.lock() = Plays::default();
    assert_eq!(studio.get(&url).await.0, 401);
}

#[tokio::test]
async fn another_stream_of_the_name_is_not_played() {
    let mut studio = Studio::new().await;
    studio.upload(CAMERA, START, 3).await;
    let url = hls_session(&studio.ctx, hls(PlaybackMode::Live))
        .await
        .unwrap();
    assert_eq!(studio.get(&url).await.0, 200);
    let name = StreamName::new("camera").unwrap();
    studio.ctx.engine.delete_stream(&name).await.unwrap();
    assert_eq!(studio.get(&url).await.0, 404);
    let new = NewStream::new(name, StreamKind::Video);
    studio.ctx.engine.create_stream(new).await.unwrap();
    assert_eq!(studio.get(&url).await.0, 404);
}

#[tokio::test]
async fn requests_that_contradict_themselves_are_refused() {
    let mut studio = Studio::new().await;
    studio.upload(CAMERA, START, 3).await;
    let axis = FragmentSelectorType::ServerTimestamp;
    let day = 24 * 3_600_000;
    let with = |mode, selector| GetHLSStreamingSessionURLInput {
        hls_fragment_selector: selector,
        ..hls(mode)
    };
    let now = studio.ctx.now().as_millis();
    for (mode, selector) in [
        (PlaybackMode::Live, range(axis, START, None)),
        (PlaybackMode::OnDemand, None),
        (PlaybackMode::LiveReplay, None),
        (PlaybackMode::OnDemand, range(axis, START, None)),
        (PlaybackMode::OnDemand, range(axis, START, Some(START))),
        (
            PlaybackMode::OnDemand,
            range(axis, now - day - 1, Some(now)),
        ),
        (PlaybackMode::OnDemand, range(axis, START, Some(now + 1))),
    ] {
        let refused = hls_session(&studio.ctx, with(mode, selector)).await;
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    }
    let good = with(PlaybackMode::OnDemand, range(axis, now - day, Some(now)));
    assert!(hls_session(&studio.ctx, good).await.is_ok());
}

#[tokio::test]
async fn a_low_latency_playlist_lists_parts_and_is_answered_when_its_segment_is_there() {
    let mut studio = Studio::new().await;
    studio.upload(CAMERA, START, 3).await;
    let url = hls_session(&studio.ctx, live(DiscontinuityMode::OnDiscontinuity))
        .await
        .unwrap();
    let text = studio.playlist(&url, 1).await;
    assert!(text.contains("CAN-BLOCK-RELOAD=YES"), "{text}");
    assert_eq!(count(&text, "#EXT-X-PART:"), 6, "{text}");
    assert_eq!(count(&text, "#EXT-X-RENDITION-REPORT:"), 1, "{text}");
    for line in text.lines().filter(|line| line.starts_with("#EXT-X-PART:")) {
        let link = line.split('"').nth(1).unwrap();
        let (status, body) = studio.get(&format!("/hls/v1/{link}")).await;
        assert_eq!((status, &body[4..8]), (200, b"moof".as_slice()));
    }
    let token = url.split_once('?').unwrap().1.to_owned();
    let blocking =
        format!("/hls/v1/getHLSMediaPlaylist.m3u8?{token}&TrackNumber=1&_HLS_msn=3&_HLS_part=0");
    let hint = text
        .lines()
        .find(|line| line.starts_with("#EXT-X-PRELOAD-HINT"))
        .and_then(|line| line.split('"').nth(1))
        .map(|link| format!("/hls/v1/{link}"))
        .unwrap();
    let waiting = async |url: &str| {
        let (path, query) = url.split_once('?').unwrap();
        get(&studio.ctx, path, query).await.status
    };
    let mut blocked = std::pin::pin!(waiting(&blocking));
    let mut hinted = std::pin::pin!(waiting(&hint));
    for _ in 0..50 {
        tokio::task::yield_now().await;
        let early = futures_poll(blocked.as_mut()).or_else(|| futures_poll(hinted.as_mut()));
        assert_eq!(early, None, "nothing came");
    }
    let (init, parsed) = split(CAMERA);
    studio.append(Kind::Init, 0, init.encode()).await;
    let facts = Facts {
        session_id: 1,
        sequence: 3,
        producer_time: ProducerTime::from_millis(START + 3_000),
        continuity: Continuity::Continuous,
        tags: Vec::new(),
    };
    studio
        .append(Kind::Fragment, 1, parsed[3].encode(&facts).unwrap())
        .await;
    assert_eq!((blocked.await, hinted.await), (200, 200));
    let far = blocking.replace("_HLS_msn=3", "_HLS_msn=9");
    assert_eq!(studio.get(&far).await.0, 400);
}

/// What a player knows of a segment or a part: when its track is there, in ticks, and for how long.
fn timing(init: &[u8], media: &[u8]) -> (u64, u64, u32) {
    let both = Bytes::from([init, media].concat());
    let (_, fragments) = split_bytes(both);
    let meta = fragments[0].reference();
    (meta.base_decode_time, meta.duration, meta.timescale)
}

/// Whether what a playlist says, in seconds, is what the media has, in ticks, to the millisecond.
fn assert_says(text: &str, ticks: u64, timescale: u32) {
    let micros: String = text.chars().filter(char::is_ascii_digit).collect();
    let digits = u32::try_from(text.len() - text.find('.').unwrap() - 1).unwrap();
    let micros = micros.parse::<u64>().unwrap() * 10_u64.pow(6 - digits);
    let has = ticks * 1_000_000 / u64::from(timescale);
    assert!(micros.abs_diff(has) < 1_000, "{text} s are {has} us");
}

#[tokio::test]
async fn every_track_of_a_low_latency_playlist_tiles_one_timeline() {
    let mut studio = Studio::new().await;
    studio.upload(CAMERA, START, 8).await;
    let url = hls_session(&studio.ctx, live(DiscontinuityMode::OnDiscontinuity))
        .await
        .unwrap();
    for track in [1, 2] {
        let text = studio.playlist(&url, track).await;
        let (_, init) = studio.get(&format!("/hls/v1/{}", map_of(&text))).await;
        let (mut end, mut date, mut said) = (None, None, "");
        let mut parts: Vec<(u64, u64)> = Vec::new();
        for line in text.lines() {
            if let Some(time) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
                date = Some(time);
            } else if let Some(part) = line.strip_prefix("#EXT-X-PART:DURATION=") {
                let link = part.split('"').nth(1).unwrap();
                let (_, media) = studio.get(&format!("/hls/v1/{link}")).await;
                let (start, duration, timescale) = timing(&init, &media);
                assert_says(part.split(',').next().unwrap(), duration, timescale);
                let before = parts.last().map(|(before, lasted)| before + lasted);
                assert!(before.is_none_or(|before| before == start), "{line}");
                parts.push((start, duration));
            } else if let Some(seconds) = line.strip_prefix("#EXTINF:") {
                said = seconds.trim_end_matches(',');
            } else if !line.starts_with('#') {
                let (_, media) = studio.get(&format!("/hls/v1/{line}")).await;
                let (start, duration, timescale) = timing(&init, &media);
                assert_says(said, duration, timescale);
                assert!(end.is_none_or(|end| end == start), "{line}");
                end = Some(start + duration);
                // One clock for all tracks: players line them up by it.
                let millis = i64::try_from(start * 1_000 / u64::from(timescale)).unwrap();
                let time = ServerTime::from_millis(millis).to_string();
                assert_eq!(date.take(), Some(time.as_str()), "{line}");
                let begun = parts.first().map(|first| first.0);
                let ended = parts.last().map(|last| last.0 + last.1);
                assert!(begun.is_none_or(|begun| begun == start), "{line}");
                assert!(ended.is_none() || ended == end, "{line}");
                parts.clear();
            }
        }
        assert_eq!(
            count(&text, "#EXT-X-PART:"),
            8,
            "two of each segment: {text}"
        );
        assert_eq!(count(&text, "#EXTINF"), 5, "{text}");
    }
}

#[tokio::test]
async fn three_parts_last_longer_than_a_segment_of_any_length() {
    let mut studio = Studio::new().await;
    studio.upload(slowed(H264, 4), START, 3).await;
    let url = hls_session(&studio.ctx, live(DiscontinuityMode::OnDiscontinuity))
        .await
        .unwrap();
    let text = studio.playlist(&url, 1).await;
    let seconds = |tag: &str| -> f64 {
        let found = text.lines().filter_map(|line| line.strip_prefix(tag));
        let numbers = found.map(|text| text.split(',').next().unwrap().parse::<f64>().unwrap());
        numbers.fold(0.0, f64::max)
    };
    let (segment, part) = (seconds("#EXTINF:"), seconds("#EXT-X-PART-INF:PART-TARGET="));
    assert!((segment - 4.0).abs() < 0.001, "{text}");
    assert!(3.0 * part >= 1.5 * segment, "{text}");
}

#[tokio::test]
async fn who_wants_no_times_gets_no_parts() {
    let mut studio = Studio::new().await;
    studio.upload(CAMERA, START, 3).await;
    for (asked, mode, times, parts) in [
        (None, DiscontinuityMode::OnDiscontinuity, 3, 6),
        (None, DiscontinuityMode::Never, 3, 6),
        (None, DiscontinuityMode::Always, 0, 0),
        (Some(Display::Always), DiscontinuityMode::Always, 3, 0),
        (
            Some(Display::Never),
            DiscontinuityMode::OnDiscontinuity,
            0,
            0,
        ),
    ] {
        let input = GetHLSStreamingSessionURLInput {
            display_fragment_timestamp: asked,
            ..live(mode)
        };
        let url = hls_session(&studio.ctx, input).await.unwrap();
        let text = studio.playlist(&url, 1).await;
        let counts = ["#EXT-X-PROGRAM-DATE-TIME:", "#EXT-X-PART:"].map(|tag| count(&text, tag));
        assert_eq!(counts, [times, parts], "{asked:?} {mode:?}: {text}");
    }
}

/// What a future gives if it is asked now.
fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_manifest_closes_up_gaps_and_every_segment_is_there() {
    let mut studio = Studio::new().await;
    studio.upload(CAMERA, START, 2).await;
    studio.upload(CAMERA, START + 60_000, 2).await;
    let input = GetDASHStreamingSessionURLInput {
        dash_fragment_selector: range(
            FragmentSelectorType::ProducerTimestamp,
            START,
            Some(START + 90_000),
        ),
        display_fragment_timestamp: Some(Display::Always),
        display_fragment_number: Some(Display::Always),
        ..dash(PlaybackMode::OnDemand)
    };
    let url = dash_session(&studio.ctx, input).await.unwrap();
    let text = studio.text(&url).await;
    assert!(
        text.contains("type=\"static\" mediaPresentationDuration=\"PT4.0"),
        "{text}"
    );
    assert_eq!(
        (count(&text, "<S "), count(&text, "<Period")),
        (8, 1),
        "{text}"
    );
    assert_eq!(text.matches("kvs:ts=").count(), 8);
    assert_eq!(text.matches("kvs:fn=").count(), 8);
    let token = url.split_once("SessionToken=").unwrap().1;
    for track in [1, 2] {
        for number in 0..4 {
            let url = format!(
                "/dash/v1/getMP4MediaFragment.mp4?FragmentNumber={number}&SessionToken={token}&TrackNumber={track}"
            );
            assert_eq!(studio.get(&url).await.0, 200);
        }
    }
}

#[tokio::test]
async fn a_manifest_of_other_codecs_has_another_period() {
    let mut studio = Studio::new().await;
    studio.upload(H264, START, 2).await;
    studio.upload(AV1, START + 2_000, 2).await;
    let input = GetDASHStreamingSessionURLInput {
        dash_fragment_selector: range(
            FragmentSelectorType::ProducerTimestamp,
            START,
            Some(START + 90_000),
        ),
        ..dash(PlaybackMode::OnDemand)
    };
    let url = dash_session(&studio.ctx, input).await.unwrap();
    let text = studio.text(&url).await;
    assert_eq!(count(&text, "<Period"), 2, "{text}");
    assert!(
        text.contains("<Period id=\"1\" start=\"PT2.000S\">"),
        "{text}"
    );
}

#[tokio::test]
async fn five_hundred_changes_of_codecs_are_played_and_no_more() {
    let studio = Studio::new().await;
    let (_, parsed) = split(H264);
    let changes = INITS_MAX + 2;
    for number in 0..changes {
        // The same codecs in other bytes.
        let id = u32::try_from(number).unwrap().to_be_bytes();
        let free = [&[0, 0, 0, 12][..], b"free", &id].concat();
        let (init, _) = split(H264);
        let bytes = [&init.bytes()[..], &free].concat();
        let init = Init::parse(bytes, &Limits::default()).unwrap();
        let fragment = refer(&parsed[0], &init, number);
        studio.append(Kind::Init, 0, init.encode()).await;
        studio.append(Kind::Fragment, 1, fragment).await;
    }
    let url = hls_session(&studio.ctx, on_demand(START, START + 3_600_000))
        .await
        .unwrap();
    let text = studio.playlist(&url, 1).await;
    assert_eq!(count(&text, "#EXT-X-MAP"), INITS_MAX + 1);
    let last = format!("/hls/v1/{}", links(&text).last().unwrap());
    assert_eq!(studio.get(&last).await.0, 200);
}

/// A fragment that needs another init, some seconds later.
fn refer(fragment: &Fragment, init: &Init, number: usize) -> Vec<Bytes> {
    let facts = Facts {
        session_id: 1,
        sequence: 0,
        producer_time: ProducerTime::from_millis(START + 1_000 * i64::try_from(number).unwrap()),
        continuity: Continuity::Continuous,
        tags: Vec::new(),
    };
    let mut body = fragment.encode(&facts).unwrap().concat();
    let at = afflux_media::layout::header::INIT_ID;
    body[at..at + 8].copy_from_slice(&init.id().get().to_le_bytes());
    vec![body.into()]
}

#[tokio::test]
async fn sound_alone_is_played_as_track_one() {
    let mut studio = Studio::new().await;
    studio.upload(AAC, START, 3).await;
    for container in [ContainerFormat::FragmentedMp4, ContainerFormat::MpegTs] {
        let input = GetHLSStreamingSessionURLInput {
            container_format: Some(container),
            ..on_demand(START, START + 60_000)
        };
        let url = hls_session(&studio.ctx, input).await.unwrap();
        let master = studio.text(&url).await;
        assert!(
            master.contains("CODECS=\"mp4a.40.2\",BANDWIDTH="),
            "{master}"
        );
        assert!(!master.contains("EXT-X-MEDIA"), "{master}");
        let text = studio.playlist(&url, 1).await;
        for link in links(&text) {
            assert_eq!(studio.get(&format!("/hls/v1/{link}")).await.0, 200);
        }
    }
}

#[tokio::test]
async fn the_lines_of_sessions_are_bounded_and_come_again() {
    let mut studio = Studio::new().await;
    studio.upload(CAMERA, START, 2).await;
    let input = || GetHLSStreamingSessionURLInput {
        max_media_playlist_fragment_results: Some(5_000),
        ..on_demand(START, START + 60_000)
    };
    let first = hls_session(&studio.ctx, input()).await.unwrap();
    for _ in 0..60 {
        let url = hls_session(&studio.ctx, input()).await.unwrap();
        assert_eq!(studio.get(&url).await.0, 200);
    }
    let kept = studio.ctx.sessions.0.lock().segments;
    assert_eq!(kept, SEGMENTS_MAX);
    assert_eq!(studio.get(&first).await.0, 200);
}
