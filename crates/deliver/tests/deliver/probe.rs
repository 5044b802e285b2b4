//! What a server finds out about the stores of its buckets, without anybody asking for a delivery.

use std::path::Path;
use std::time::Duration;

use afflux_deliver::{BucketSettings, BucketState, Deliveries, DeliveryOptions, Place, Stores};
use afflux_engine::Engine;
use afflux_types::Clock;

use crate::bucket::{BUCKET, Bucket, Conditions};
use crate::delivery::{name, options, settings};
use crate::support::{create_clicks, engine};

async fn open(dir: &Path, engine: &Engine, bucket: BucketSettings) -> Deliveries {
    let options = DeliveryOptions {
        stores: Stores::new(&[bucket]).unwrap(),
        ..options(dir)
    };
    let opened = Deliveries::open(engine.clone(), Clock::system(), options);
    opened.await.unwrap()
}

/// Waits until what is known of the bucket is as wanted.
async fn until(deliveries: &Deliveries, wanted: impl Fn(&BucketState) -> bool) -> BucketState {
    loop {
        let reports = deliveries.buckets();
        assert_eq!(reports.len(), 1, "{reports:?}");
        let state = &reports[0].state;
        if wanted(state) {
            return state.clone();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn is_known(state: &BucketState) -> bool {
    *state != BucketState::Unknown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_finds_out_what_a_store_does_with_conditions_and_leaves_nothing_there() {
    for (conditions, expected) in [
        (Conditions::Honored, BucketState::CreateOnly),
        (Conditions::Ignored, BucketState::Overwrites),
        (Conditions::Racing, BucketState::Races),
        (Conditions::Refused, BucketState::Unconditional),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let bucket = Bucket::start().await;
        bucket.set_conditions(conditions);
        let engine = engine(dir.path());
        create_clicks(&engine, 1).await;
        let running = open(dir.path(), &engine, Bucket::settings(&bucket.endpoint())).await;
        let place = Place::Bucket(BUCKET.into());
        let lake = name();
        let made = running.create(&lake, settings(place), String::new());
        let made = made.await.unwrap();
        assert_eq!(made.buckets[0].name, BUCKET);
        assert_eq!(until(&running, is_known).await, expected);
        let described = running.describe(&lake).unwrap();
        assert_eq!(described.buckets[0].state, expected);
        assert_eq!(described.status.last_error, None, "it is no failure");
        bucket.until_empty().await;
        running.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_and_a_missing_bucket_are_told_and_a_store_that_comes_back_is_asked_again()
 {
    let dir = tempfile::tempdir().unwrap();
    let bucket = Bucket::start().await;
    let engine = engine(dir.path());
    let missing = BucketSettings {
        name: "nowhere".into(),
        ..Bucket::settings(&bucket.endpoint())
    };
    let running = open(dir.path(), &engine, missing).await;
    assert_eq!(until(&running, is_known).await, BucketState::Missing);
    running.shutdown().await;

    bucket.set_down(Some(503));
    let running = open(dir.path(), &engine, Bucket::settings(&bucket.endpoint())).await;
    let state = until(&running, is_known).await;
    assert!(
        matches!(&state, BucketState::Unreachable(reason) if reason.contains("503")),
        "{state}"
    );
    bucket.set_down(Some(403));
    let denied = |state: &BucketState| matches!(state, BucketState::Denied(_));
    let state = until(&running, denied).await;
    assert!(state.to_string().contains("credentials"), "{state}");
    bucket.set_down(None);
    until(&running, |state| *state == BucketState::CreateOnly).await;
    running.shutdown().await;

    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", unused.local_addr().unwrap());
    drop(unused);
    let running = open(dir.path(), &engine, Bucket::settings(&address)).await;
    let state = until(&running, is_known).await;
    assert!(matches!(state, BucketState::Unreachable(_)), "{state}");
    running.shutdown().await;
}
