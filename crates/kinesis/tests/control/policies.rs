//! Resource policies, and what a request is about.

use afflux_aws::document::Format;
use afflux_aws::kinesis::{Operation, Request};
use bytes::Bytes;

use crate::support::*;

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kinesis:GetRecords","Resource":"*"}]}"#;

async fn get(fixture: &Fixture, arn: &str) -> String {
    let body = json!({"ResourceARN": arn});
    let answer = fixture.call("GetResourcePolicy", body).await;
    answer["Policy"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_stream_and_its_consumer_have_policies_of_their_own() {
    let fixture = Fixture::new().await;
    fixture.create("s", 1).await;
    let stream = format!("{ARN}s");
    let consumer = json!({"StreamARN": stream, "ConsumerName": "c"});
    let consumer = fixture.call("RegisterStreamConsumer", consumer).await;
    let consumer = consumer["Consumer"]["ConsumerARN"].as_str().unwrap();
    assert_eq!(get(&fixture, &stream).await, "{}");
    let put = json!({"ResourceARN": consumer, "Policy": POLICY});
    fixture.call("PutResourcePolicy", put).await;
    assert_eq!(get(&fixture, &stream).await, "{}");
    assert_eq!(get(&fixture, consumer).await, POLICY);
    let put = json!({"ResourceARN": stream, "Policy": POLICY});
    fixture.call("PutResourcePolicy", put).await;
    let fixture = fixture.reopen().await;
    for arn in [stream.as_str(), consumer] {
        let resource = arn.parse().unwrap();
        assert_eq!(
            fixture.kinesis.policy_of(&resource).as_deref(),
            Some(POLICY)
        );
        fixture
            .call("DeleteResourcePolicy", json!({"ResourceARN": arn}))
            .await;
        assert_eq!(fixture.kinesis.policy_of(&resource), None);
        assert_eq!(
            fixture
                .refused("DeleteResourcePolicy", json!({"ResourceARN": arn}))
                .await,
            format!("ResourceNotFoundException: No resource policy found for resource ARN {arn}.")
        );
    }
}

#[tokio::test]
async fn what_cannot_be_a_policy_is_refused() {
    let fixture = Fixture::new().await;
    fixture.create("s", 1).await;
    let long = POLICY.replace("GetRecords", &"x".repeat(20_480));
    for policy in [
        "",
        "{}",
        "[]",
        "allow",
        r#"{"Statement":[]}"#,
        r#"{"Statement":{"Effect":"Maybe","Principal":"*","Action":"*"}}"#,
        r#"{"Statement":{"Effect":"Allow","Action":"*"}}"#,
        &"[".repeat(100_000),
        &long,
    ] {
        let body = json!({"ResourceARN": format!("{ARN}s"), "Policy": policy});
        let said = fixture.refused("PutResourcePolicy", body).await;
        assert!(said.starts_with("InvalidArgumentException"), "{said}");
    }
}

#[tokio::test]
async fn every_request_says_what_it_is_about() {
    let fixture = Fixture::new().await;
    fixture.create("s", 3).await;
    let stream = format!("{ARN}s");
    let body = json!({"StreamARN": stream, "ConsumerName": "c"});
    let registered = fixture.call("RegisterStreamConsumer", body.clone()).await;
    let consumer = registered["Consumer"]["ConsumerARN"].as_str().unwrap();
    let page = json!({"StreamName": "s", "MaxResults": 1});
    let page = fixture.call("ListShards", page).await;
    let unknown = json!({"StreamARN": stream, "ConsumerName": "d"});
    let elsewhere = stream.replace("us-east-1", "eu-west-1");
    for (operation, body, about) in [
        ("ListStreams", json!({}), None),
        ("DescribeLimits", json!({}), None),
        (
            "CreateStream",
            json!({"StreamName": "s"}),
            Some(stream.as_str()),
        ),
        (
            "DescribeStream",
            json!({"StreamARN": elsewhere}),
            Some(&stream),
        ),
        (
            "PutRecord",
            json!({"StreamName": "s", "PartitionKey": "k", "Data": ""}),
            Some(&stream),
        ),
        (
            "ListShards",
            json!({"NextToken": page["NextToken"]}),
            Some(&stream),
        ),
        ("DescribeStreamConsumer", body, Some(consumer)),
        ("DescribeStreamConsumer", unknown, Some(&stream)),
        (
            "DescribeStreamConsumer",
            json!({"ConsumerARN": consumer}),
            Some(consumer),
        ),
        (
            "ListTagsForResource",
            json!({"ResourceARN": consumer}),
            Some(consumer),
        ),
    ] {
        let operation = Operation::from_name(operation).unwrap();
        let body = Bytes::from(body.to_string());
        let request = Request::decode(operation, Format::Json, &body).unwrap();
        let found = fixture.kinesis.resource_of(&request).unwrap();
        assert_eq!(
            found.map(|arn| arn.to_string()).as_deref(),
            about,
            "{operation}"
        );
    }
}
