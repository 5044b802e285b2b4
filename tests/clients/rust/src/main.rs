//! Kinesis with the AWS SDK for Rust: `afflux-clients ENDPOINT`.

use std::error::Error;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    PutRecordsRequestEntry, Record, ShardIteratorType, StartingPosition,
    SubscribeToShardEventStream,
};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};

const STREAM: &str = "rust";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = std::env::args().nth(1).ok_or("an endpoint is needed")?;
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            None,
            None,
            "test",
        ))
        .http_client(http)
        .build();
    let client = Client::from_conf(config);

    client
        .create_stream()
        .stream_name(STREAM)
        .shard_count(1)
        .send()
        .await?;
    let entries = (0..100)
        .map(|i| {
            PutRecordsRequestEntry::builder()
                .partition_key(format!("k{i}"))
                .data(Blob::new(format!("record {i}")))
                .build()
        })
        .collect::<Result<Vec<_>, _>>()?;
    let put = client
        .put_records()
        .stream_name(STREAM)
        .set_records(Some(entries))
        .send()
        .await?;
    assert_eq!(put.failed_record_count(), Some(0));
    let shard = put.records()[0].shard_id().ok_or("no shard")?;

    let at = client
        .get_shard_iterator()
        .stream_name(STREAM)
        .shard_id(shard)
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await?;
    let got = client
        .get_records()
        .set_shard_iterator(at.shard_iterator)
        .send()
        .await?;
    let expected: Vec<String> = (0..100).map(|i| format!("record {i}")).collect();
    assert_eq!(texts(got.records()), expected);

    let absent = client.describe_stream().stream_name("absent").send().await;
    let error = absent
        .expect_err("an absent stream is refused")
        .into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error}");

    let described = client
        .describe_stream_summary()
        .stream_name(STREAM)
        .send()
        .await?;
    let summary = described.stream_description_summary().ok_or("no summary")?;
    let registered = client
        .register_stream_consumer()
        .stream_arn(summary.stream_arn())
        .consumer_name("rust")
        .send()
        .await?;
    let consumer = registered.consumer().ok_or("no consumer")?;
    let start = StartingPosition::builder()
        .r#type(ShardIteratorType::TrimHorizon)
        .build()?;
    let mut subscription = client
        .subscribe_to_shard()
        .consumer_arn(consumer.consumer_arn())
        .shard_id(shard)
        .starting_position(start)
        .send()
        .await?;
    client
        .put_record()
        .stream_name(STREAM)
        .partition_key("k")
        .data(Blob::new("last"))
        .send()
        .await?;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "last") {
        if let Some(SubscribeToShardEventStream::SubscribeToShardEvent(event)) =
            subscription.event_stream.recv().await?
        {
            seen.extend(texts(event.records()));
        }
    }
    assert_eq!(seen.len(), 101);
    drop(subscription);
    client
        .delete_stream()
        .stream_name(STREAM)
        .enforce_consumer_deletion(true)
        .send()
        .await?;
    println!("ok");
    Ok(())
}

fn texts(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| String::from_utf8_lossy(record.data().as_ref()).into_owned();
    records.iter().map(text).collect()
}
