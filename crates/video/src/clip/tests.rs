//! Clips, and what cannot be one.

use afflux_aws::video::input::{FragmentSelector, TimestampRange};
use afflux_aws::video::values::FragmentSelectorType;
use afflux_types::ServerTime;

use super::*;
use crate::testing::{AV, CAMERA, House, KVSSINK, OFFLINE, mkv, of_kind, whole};

fn ask(from: u64, to: u64) -> GetClipInput {
    let time = |time| ServerTime::from_millis(i64::try_from(time).unwrap());
    GetClipInput {
        stream_name: Some(CAMERA.to_owned()),
        stream_arn: None,
        clip_fragment_selector: FragmentSelector {
            fragment_selector_type: FragmentSelectorType::ProducerTimestamp,
            timestamp_range: TimestampRange {
                start_timestamp: time(from),
                end_timestamp: time(to),
            },
        },
        exact: None,
    }
}

fn ask_exact(from: u64, to: u64) -> GetClipInput {
    GetClipInput {
        exact: Some(true),
        ..ask(from, to)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_is_whole_fragments_as_a_file() {
    let house = House::new().await;
    let sent = of_kind(&house.put(KVSSINK).await, "PERSISTED");
    assert_eq!(sent.len(), 2);
    let answer = get_clip(&house.ctx, ask(sent[1].0, sent[1].0 + 60_000))
        .await
        .unwrap();
    assert_eq!(answer.content_type, "video/mp4");
    let length = answer.length.unwrap();
    assert!(
        (380_000..400_000).contains(&length),
        "the second fragment: {length}"
    );
    let file = whole(answer.pieces).await;
    assert_eq!(u64::try_from(file.len()).unwrap(), length);
    assert_eq!(&file[4..8], b"ftyp");
    let month = get_clip(&house.ctx, ask(0, u64::from(u32::MAX))).await;
    assert_eq!(month.unwrap_err().code(), Code::InvalidArgument, "49 days");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_a_clip_and_more_is_not() {
    let house = House::new().await;
    let sent = of_kind(&house.put(KVSSINK).await, "PERSISTED");
    let day = 24 * 3_600_000;
    let from = sent[0].0 - 1_000;
    let answer = get_clip(&house.ctx, ask(from, from + day)).await.unwrap();
    assert!(answer.length.unwrap() > 740_000);
    let refused = get_clip(&house.ctx, ask(from, from + day + 1))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let nothing = get_clip(&house.ctx, ask(1, 2)).await.unwrap_err();
    assert_eq!(nothing.code(), Code::ResourceNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_connections_of_one_camera_are_one_clip_and_another_codec_ends_it() {
    let house = House::new().await;
    let first = of_kind(&house.put(&KVSSINK[..352_056]).await, "PERSISTED");
    assert_eq!(first.len(), 1);
    let mut again = KVSSINK.to_vec();
    // Another session: its segment has another name.
    let name = again
        .windows(3)
        .position(|bytes| bytes == [0x73, 0xa4, 0x90]);
    again[name.unwrap() + 5] ^= 0x55;
    assert_eq!(house.put(&again).await.len(), 6);
    assert_eq!(house.stored().await, 2);
    let other = i64::try_from(first[0].0).unwrap() + 60_000 - 7_200;
    house.put_from(Some(other), AV).await;
    let clip = get_clip(&house.ctx, ask(first[0].0, first[0].0 + 24 * 3_600_000)).await;
    let length = clip.unwrap().length.unwrap();
    assert!((740_000..760_000).contains(&length), "{length}");
}

#[tokio::test(flavor = "multi_thread")]
async fn media_without_a_description_of_its_codec_is_no_clip() {
    let house = House::new().await;
    let sent = of_kind(&house.put(OFFLINE).await, "PERSISTED");
    let refused = get_clip(&house.ctx, ask(sent[0].0, sent[0].0 + 1))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::MissingCodecPrivateData);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_holds_two_hundred_fragments_and_no_more() {
    let house = House::new().await;
    let mut body = mkv::head(AV).to_vec();
    for second in 1..=203 {
        let frames = [mkv::frame(1, 0), mkv::frame(2, 0)];
        body.extend(mkv::cluster(second * 1_000, &frames));
    }
    assert_eq!(of_kind(&house.put(&body).await, "PERSISTED").len(), 203);
    let bytes = async |first: u64, last: u64| {
        let clip = get_clip(&house.ctx, ask(first * 1_000, last * 1_000)).await;
        clip.unwrap().length.unwrap()
    };
    let full = bytes(1, 200).await;
    assert_eq!(bytes(1, 203).await, full);
    assert_eq!(bytes(4, 203).await, full);
    assert!(bytes(5, 203).await < full);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exact_clip_shows_its_range_and_no_more() {
    let house = House::new().await;
    let sent = of_kind(&house.put(KVSSINK).await, "PERSISTED");
    let start = sent[1].0;
    let length = async |input| {
        let answer = get_clip(&house.ctx, input).await;
        answer.map(|media| media.length.unwrap())
    };
    let whole = length(ask(start, start + 60_000)).await.unwrap();
    let some = length(ask_exact(start, start + 500)).await.unwrap();
    assert!(some < whole / 2, "{some} of {whole} bytes");
    // Between two fragments, where whole fragments would be none or too many.
    let between = length(ask_exact(start - 300, start + 100)).await.unwrap();
    assert!(some < between, "the group of pictures before is needed");
    assert!(length(ask(start - 300, start - 100)).await.is_err());
    length(ask_exact(start - 300, start - 100)).await.unwrap();
    for nothing in [
        ask_exact(start, start),
        ask_exact(start + 60_000, start + 90_000),
    ] {
        let refused = length(nothing).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceNotFound);
    }
    let day = 24 * 3_600_000;
    let refused = length(ask_exact(start, start + day + 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}
