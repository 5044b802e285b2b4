//! Pictures of what a real producer sent.

use std::collections::BTreeMap;

use super::*;
use crate::testing::{AV, CAMERA, House, PARSER, START, mkv, of_kind};

fn ask(from: u64, to: u64) -> GetImagesInput {
    let time = |time| ServerTime::from_millis(i64::try_from(time).unwrap());
    GetImagesInput {
        stream_name: Some(CAMERA.to_owned()),
        stream_arn: None,
        image_selector_type: afflux_aws::video::values::FragmentSelectorType::ProducerTimestamp,
        start_timestamp: time(from),
        end_timestamp: time(to),
        sampling_interval: Some(200),
        format: Format::Jpeg,
        format_config: None,
        width_pixels: None,
        height_pixels: None,
        max_results: None,
        next_token: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_come_at_the_interval_and_gaps_say_so() {
    let house = House::new().await;
    house.put_from(Some(START), AV).await;
    let start = u64::try_from(START).unwrap() + 7_200;
    let asked = ask(start - 400, start + 400);
    let answer = get_images(&house.ctx, asked).await.unwrap();
    assert!(answer.next_token.is_none());
    let images = answer.images;
    assert_eq!(images.len(), 5);
    let first = START + 7_200 - 400;
    for (number, picture) in (0..).zip(&images) {
        assert_eq!(picture.time_stamp.as_millis(), first + 200 * number);
    }
    assert!(
        images[..2]
            .iter()
            .all(|picture| picture.error == Some(ImageError::NoMedia))
    );
    let mut seen = Vec::new();
    for picture in &images[2..] {
        let content = picture.image_content.as_ref().unwrap();
        let decoded = image::load_from_memory(content).unwrap();
        assert_eq!((decoded.width(), decoded.height()), (640, 480));
        assert!(!seen.contains(content), "the picture does not move");
        seen.push(content.clone());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_scaled_and_paged() {
    let house = House::new().await;
    house.put_from(Some(START), AV).await;
    let start = u64::try_from(START).unwrap() + 7_200;
    let mut input = ask(start, start + 400);
    input.format = Format::Png;
    input.height_pixels = Some(48);
    input.max_results = Some(2);
    let (mut times, mut pages) = (Vec::new(), 0);
    loop {
        let page = get_images(&house.ctx, input.clone()).await.unwrap();
        for picture in &page.images {
            let content = picture.image_content.as_ref().unwrap();
            assert!(content.starts_with(b"\x89PNG"));
            let decoded = image::load_from_memory(content).unwrap();
            assert_eq!((decoded.width(), decoded.height()), (64, 48));
            times.push(picture.time_stamp);
        }
        pages += 1;
        input.next_token = page.next_token;
        if input.next_token.is_none() {
            break;
        }
    }
    assert_eq!((times.len(), pages), (3, 2));
    assert!(times.is_sorted());
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_cannot_be_decoded_are_media_errors() {
    let house = House::new().await;
    let fragment = mkv::cluster(4_000, &[mkv::frame(1, 0), mkv::frame(2, 0)]);
    house.put(&[mkv::head(AV), &fragment].concat()).await;
    let answer = get_images(&house.ctx, ask(4_000, 4_000)).await.unwrap();
    assert_eq!(answer.images.len(), 1);
    assert_eq!(answer.images[0].error, Some(ImageError::MediaError));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_limits_are_refused() {
    let house = House::new().await;
    let refused = |input: GetImagesInput| {
        let ctx = Arc::clone(&house.ctx);
        async move { get_images(&ctx, input).await.unwrap_err().code() }
    };
    assert_eq!(refused(ask(0, 300_001)).await, Code::InvalidArgument);
    assert_eq!(refused(ask(2, 1)).await, Code::InvalidArgument);
    let mut input = ask(0, 1);
    input.sampling_interval = Some(199);
    assert_eq!(refused(input).await, Code::InvalidArgument);
    let mut input = ask(0, 1);
    input.width_pixels = Some(10);
    assert_eq!(refused(input).await, Code::Validation);
    let mut input = ask(0, 1);
    input.format_config = Some(BTreeMap::from([("JPEGQuality".into(), "0".into())]));
    assert_eq!(refused(input).await, Code::InvalidArgument);
    assert!(get_images(&house.ctx, ask(0, 300_000)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_the_high_profile_are_decoded() {
    let house = House::new().await;
    let sent = of_kind(&house.put(PARSER).await, "PERSISTED");
    for (time, _) in sent {
        let answer = get_images(&house.ctx, ask(time, time + 400)).await.unwrap();
        for picture in &answer.images {
            let content = picture.image_content.as_ref().unwrap();
            let decoded = image::load_from_memory(content).unwrap();
            assert_eq!((decoded.width(), decoded.height()), (640, 480));
        }
    }
}
