//! What goes in comes out, frame by frame; and every place that media may begin at.

use afflux_aws::video::Code;
use afflux_aws::video::input::{GetMediaForFragmentListInput, GetMediaInput, StartSelector};
use afflux_aws::video::values::StartSelectorType;
use afflux_media::Limits;
use afflux_media::mkv::{Event, Scanner};
use afflux_types::ServerTime;
use bytes::Bytes;

use super::{get_media, get_media_for_fragment_list};
use crate::Media;
use crate::limits::MEDIA_READERS_MAX;
use crate::testing::{AV, CAMERA, House, KVSSINK, OFFLINE, START, for_now, mkv, of_kind, whole};

fn select(kind: StartSelectorType) -> StartSelector {
    StartSelector {
        start_selector_type: kind,
        after_fragment_number: None,
        start_timestamp: None,
        continuation_token: None,
    }
}

async fn media(house: &House, selector: StartSelector) -> Result<Media, afflux_aws::video::Error> {
    let input = GetMediaInput {
        stream_name: Some(CAMERA.to_owned()),
        stream_arn: None,
        start_selector: selector,
    };
    get_media(&house.ctx, input).await
}

async fn listed(house: &House, numbers: &[String]) -> Result<Media, afflux_aws::video::Error> {
    let input = GetMediaForFragmentListInput {
        stream_name: Some(CAMERA.to_owned()),
        stream_arn: None,
        fragments: numbers.to_vec(),
    };
    get_media_for_fragment_list(&house.ctx, input).await
}

/// A frame: its track, time, and bytes.
type Frame = (u64, i64, Vec<u8>);

/// Frames by track and time, names of tags with their values, and timecodes of Clusters.
#[derive(Debug, Default)]
struct Read {
    frames: Vec<Frame>,
    tags: Vec<(String, String)>,
    timecodes: Vec<u64>,
}

impl Read {
    fn tag(&self, name: &str) -> Vec<&str> {
        let named = self.tags.iter().filter(|(of, _)| of.ends_with(name));
        named.map(|(_, value)| value.as_str()).collect()
    }
}

fn read(bytes: &[u8]) -> Read {
    let mut scanner = Scanner::new(Limits::default());
    scanner.push(Bytes::copy_from_slice(bytes));
    let mut read = Read::default();
    let mut is_over = false;
    loop {
        match scanner.poll().unwrap() {
            Some(Event::ClusterStarted(start)) => read.timecodes.push(start.timecode),
            Some(Event::Frame(frame)) => {
                read.frames
                    .push((frame.track, frame.time, frame.data.concat()));
            }
            Some(Event::Tags(tags)) => {
                let tags = tags.tags().iter();
                read.tags
                    .extend(tags.map(|tag| (tag.name.clone(), tag.value.clone())));
            }
            Some(_) => {}
            None if is_over => break,
            None => {
                is_over = true;
                // An endless body is cut somewhere.
                let _ = scanner.finish();
            }
        }
    }
    read.frames.sort();
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn listed_fragments_hold_the_frames_that_were_sent() {
    for (start, sent) in [(None, OFFLINE), (Some(START), AV), (None, KVSSINK)] {
        let house = House::new().await;
        let numbers = of_kind(&house.put_from(start, sent).await, "PERSISTED");
        let numbers: Vec<String> = numbers.into_iter().map(|(_, number)| number).collect();
        let answer = listed(&house, &numbers).await.unwrap();
        assert_eq!(answer.content_type, "video/webm");
        let got = read(&whole(answer.pieces).await);
        let sent = read(sent);
        assert_eq!(got.timecodes, sent.timecodes);
        assert_eq!(got.frames.len(), sent.frames.len());
        for (got, sent) in got.frames.iter().zip(&sent.frames) {
            assert_eq!((got.0, got.2.len()), (sent.0, sent.2.len()));
            // Sound plays without gaps, which moves frames by less than one of them.
            let moved = got.1.abs_diff(sent.1);
            assert!(moved == 0 || got.0 == 2 && moved < 20, "{moved} ms");
            assert!(got.2 == sent.2, "a frame's bytes differ at {}", sent.1);
        }
        assert_eq!(got.tag("FRAGMENT_NUMBER"), numbers);
        assert_eq!(got.tag("SERVER_SIDE_TIMESTAMP").len(), numbers.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_its_own_order_and_names_only_what_is_kept() {
    let house = House::new().await;
    let numbers = of_kind(&house.put(OFFLINE).await, "PERSISTED");
    let picked = [numbers[2].1.clone(), numbers[0].1.clone()];
    let got = read(&whole(listed(&house, &picked).await.unwrap().pieces).await);
    assert_eq!(got.timecodes, [numbers[2].0, numbers[0].0]);
    let other = afflux_types::FragmentNumber::new(
        afflux_types::Position::new(99),
        ServerTime::from_millis(START),
    );
    let lost = listed(&house, &[other.to_string()]).await.unwrap_err();
    assert_eq!(lost.code(), Code::ResourceNotFound);
    let malformed = listed(&house, &["17".to_owned()]).await.unwrap_err();
    assert_eq!(malformed.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn media_begins_where_each_selector_says() {
    let house = House::new().await;
    let mut numbers = of_kind(&house.put(&OFFLINE[..230_000]).await, "PERSISTED");
    house.clock.advance(std::time::Duration::from_secs(60));
    numbers.extend(of_kind(&house.put(OFFLINE).await, "PERSISTED").split_off(numbers.len()));
    assert_eq!(numbers.len(), 4);
    let first_of = |selector: StartSelector| {
        let house = &house;
        async move {
            let mut answer = media(house, selector).await.unwrap();
            let bytes = for_now(&mut answer.pieces, 20_000).await;
            read(&bytes).timecodes[0]
        }
    };
    use StartSelectorType as T;
    let earliest = first_of(select(T::Earliest)).await;
    assert_eq!(earliest, numbers[0].0);
    let now = first_of(select(T::Now)).await;
    assert_eq!(now, numbers[3].0, "what plays now");
    let after = StartSelector {
        after_fragment_number: Some(numbers[1].1.clone()),
        ..select(T::FragmentNumber)
    };
    assert_eq!(first_of(after).await, numbers[2].0);
    let token = StartSelector {
        continuation_token: Some(numbers[0].1.clone()),
        ..select(T::ContinuationToken)
    };
    assert_eq!(first_of(token).await, numbers[1].0);
    let at = |kind, time: i64| StartSelector {
        start_timestamp: Some(ServerTime::from_millis(time)),
        ..select(kind)
    };
    let inside = i64::try_from(numbers[1].0).unwrap() + 900;
    assert_eq!(
        first_of(at(T::ProducerTimestamp, inside)).await,
        numbers[1].0
    );
    let later = first_of(at(T::ServerTimestamp, START + 30_000)).await;
    assert!(numbers.iter().any(|(timecode, _)| *timecode == later) && later > numbers[0].0);
    for lacking in [T::FragmentNumber, T::ContinuationToken, T::ServerTimestamp] {
        let refused = media(&house, select(lacking)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{lacking:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn media_goes_on_with_what_comes_and_says_how_to_continue() {
    let house = House::new().await;
    let mut answer = media(&house, select(StartSelectorType::Now)).await.unwrap();
    let tags = mkv::tags(&[("door", "open")]);
    let fragment = mkv::cluster(7_000, &[mkv::frame(1, 0), mkv::frame(2, 0)]);
    let body = [mkv::head(AV), &fragment, &tags].concat();
    let (acks, got) = tokio::join!(house.put(&body), for_now(&mut answer.pieces, 700));
    let got = read(&got);
    let number = of_kind(&acks, "PERSISTED")[0].1.clone();
    assert_eq!(got.timecodes, [7_000]);
    assert_eq!(got.tag("CONTINUATION_TOKEN"), [number.as_str()]);
    assert_eq!(got.tag("_FRAGMENT_NUMBER"), [number.as_str()]);
    assert_eq!(got.tag("PRODUCER_TIMESTAMP"), ["7.000"]);
    assert_eq!(got.tag("MILLIS_BEHIND_NOW"), ["0"]);
    assert_eq!(got.tag("door"), ["open"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_bounded_and_a_deleted_stream_ends_them() {
    let house = House::new().await;
    house.put(OFFLINE).await;
    let mut readers = Vec::new();
    for _ in 0..MEDIA_READERS_MAX {
        readers.push(
            media(&house, select(StartSelectorType::Earliest))
                .await
                .unwrap(),
        );
    }
    let refused = media(&house, select(StartSelectorType::Now))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::ConnectionLimitExceeded);
    let mut one = readers.pop().unwrap();
    readers.clear();
    for_now(&mut one.pieces, 300_000).await;
    house.ctx.engine.delete_stream(&house.name()).await.unwrap();
    let rest = whole(one.pieces).await;
    let said = String::from_utf8_lossy(&rest).into_owned();
    assert!(said.contains("AWS_KINESISVIDEO_ERROR_ID") && said.contains("4000"));
    let gone = media(&house, select(StartSelectorType::Now))
        .await
        .unwrap_err();
    assert_eq!(gone.code(), Code::ResourceNotFound);
}
