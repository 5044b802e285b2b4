//! Telling of fragments: into a data stream, to a webhook, as pictures.

use std::sync::Arc;
use std::time::Duration;

use afflux_aws::video::input::{
    ImageGenerationConfiguration, ImageGenerationDestinationConfig, NotificationConfiguration,
    NotificationDestinationConfig, UpdateImageGenerationConfigurationInput,
    UpdateNotificationConfigurationInput,
};
use afflux_aws::video::values::{ConfigurationStatus, Format, ImageSelectorType};
use afflux_engine::{Event, From, NewStream, StreamKind};
use afflux_entry::Batch;
use afflux_types::{ShardId, StreamName};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::control;
use crate::library::entries;
use crate::testing::{AV, CAMERA, House, START, mkv, of_kind};

async fn notify(house: &House, uri: &str) {
    let input = UpdateNotificationConfigurationInput {
        stream_name: Some(CAMERA.to_owned()),
        stream_arn: None,
        notification_configuration: Some(NotificationConfiguration {
            status: ConfigurationStatus::Enabled,
            destination_config: NotificationDestinationConfig {
                uri: uri.to_owned(),
            },
        }),
    };
    control::update_notification(&house.ctx, input)
        .await
        .unwrap();
}

/// A fragment that asks to be told of, and one that does not.
fn body() -> Vec<u8> {
    let fragment = |time| mkv::cluster(time, &[mkv::frame(1, 0), mkv::frame(2, 0)]);
    let asks = mkv::tags(&[("AWS_KINESISVIDEO_NOTIFICATION", ""), ("door", "open")]);
    [
        mkv::head(AV).to_vec(),
        fragment(1_000),
        asks,
        fragment(3_000),
    ]
    .concat()
}

fn check(message: &Value, number: &str) {
    assert_eq!(message["FragmentNumber"], number);
    assert_eq!(message["NotificationType"], "PERSISTED");
    assert_eq!(message["FragmentStartProducerTimestamp"], 1_000);
    assert_eq!(
        message["NotificationPayload"],
        serde_json::json!({"door": "open"})
    );
    let arn = message["StreamArn"].as_str().unwrap();
    assert!(arn.starts_with("arn:aws:kinesisvideo:") && arn.contains(":stream/camera/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_stream_gets_the_messages_of_fragments_that_ask() {
    let house = House::new().await;
    let events = StreamName::new("events").unwrap();
    let new = NewStream::new(events.clone(), StreamKind::Records);
    house.ctx.engine.create_stream(new).await.unwrap();
    notify(
        &house,
        "arn:aws:kinesis:us-east-1:000000000000:stream/events",
    )
    .await;
    let sent = of_kind(&house.put(&body()).await, "PERSISTED");
    let shard = house
        .ctx
        .engine
        .shard(&events, ShardId::new(0))
        .await
        .unwrap();
    let mut reader = shard.subscribe(From::TrimHorizon).await.unwrap();
    let Event::Slice(slice) = reader.next(1 << 20).await.unwrap() else {
        panic!("the stream has ended");
    };
    let records: Vec<Vec<u8>> = entries(slice.bytes)
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.header.record_count > 0)
        .flat_map(|entry| {
            let body = entry.body();
            let batch = Batch::new(&body, entry.header.record_count);
            batch
                .map(|record| record.unwrap().data.to_vec())
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(records.len(), 1);
    check(&serde_json::from_slice(&records[0]).unwrap(), &sent[0].1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_gets_the_messages_of_fragments_that_ask() {
    let house = House::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    notify(&house, &format!("http://127.0.0.1:{port}/hook")).await;
    let sent = of_kind(&house.put(&body()).await, "PERSISTED");
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        let mut bytes = [0; 1_024];
        let len = socket.read(&mut bytes).await.unwrap();
        assert!(len > 0);
        request.extend_from_slice(&bytes[..len]);
    }
    socket
        .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
        .await
        .unwrap();
    let request = String::from_utf8(request).unwrap();
    assert!(request.starts_with("POST /hook HTTP/1.1\r\n"));
    let (_, text) = request.split_once("\r\n\r\n").unwrap();
    check(&serde_json::from_str(text).unwrap(), &sent[0].1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_fragments_that_ask_become_files() {
    let house = House::new().await;
    let configuration = ImageGenerationConfiguration {
        status: ConfigurationStatus::Enabled,
        image_selector_type: ImageSelectorType::ProducerTimestamp,
        destination_config: ImageGenerationDestinationConfig {
            uri: "s3://bucket/front".to_owned(),
            destination_region: "us-east-1".to_owned(),
        },
        sampling_interval: 200,
        format: Format::Jpeg,
        format_config: None,
        width_pixels: None,
        height_pixels: None,
    };
    let input = UpdateImageGenerationConfigurationInput {
        stream_name: Some(CAMERA.to_owned()),
        stream_arn: None,
        image_generation_configuration: Some(configuration),
    };
    control::update_images(&house.ctx, input).await.unwrap();
    let asks = mkv::tags(&[
        ("AWS_KINESISVIDEO_IMAGE_GENERATION", ""),
        ("AWS_KINESISVIDEO_IMAGE_PREFIX", "../front"),
    ]);
    // The tags stand behind the head, so they belong to the first fragment.
    let head = mkv::head(AV).len();
    let body = [&AV[..head], &asks, &AV[head..]].concat();
    let sent = of_kind(&house.put_from(Some(START), &body).await, "PERSISTED");
    let directory = house.dir.path().join("images/bucket/front");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let files = loop {
        assert!(tokio::time::Instant::now() < deadline, "no pictures");
        let names = std::fs::read_dir(&directory).into_iter().flatten();
        let names = names.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with(".front")).collect();
        names.retain(|name| !name.starts_with("..."));
        if names.iter().filter(|name| name.ends_with(".jpg")).count() >= 2 {
            break names;
        }
        tokio::task::yield_now().await;
    };
    let pictures: Vec<&String> = files.iter().filter(|name| name.ends_with(".jpg")).collect();
    for name in &pictures {
        let content = std::fs::read(directory.join(name)).unwrap();
        assert_eq!(image::load_from_memory(&content).unwrap().width(), 640);
        let about = directory.join(name.replace(".jpg", ".json"));
        let about: Value = serde_json::from_slice(&std::fs::read(about).unwrap()).unwrap();
        assert_eq!(about["aws_kinesisvideo_fragment_number"], sent[0].1);
        assert!(name.contains("_000000000000_camera_18000000"), "{name}");
    }
    assert_eq!(Arc::strong_count(&house.dir), 1);
}
