//! Resource policies, and what a request is about.

use afflux_aws::document::Format;
use afflux_aws::kinesis::{Operation, Request};
use afflux_aws::policy::{self, Decision, Principal};
use bytes::Bytes;

use crate::support::*;

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

async fn get(fixture: &Fixture, arn: &str) -> String {
    let body = json!({"ResourceARN": arn});
    let answer = fixture.call("GetResourcePolicy", body).await;
    answer["Policy"].as_str().unwrap().to_owned()
}

/// What the policy of a resource says of a request; none if there is none to say it.
fn decide(fixture: &Fixture, arn: &str, operation: &str) -> Option<Decision> {
    let operation = Operation::from_name(operation).unwrap();
    let arn = arn.parse().unwrap();
    let policy = fixture.kinesis.policy_of(&arn, operation)?;
    let principal = Principal::user("111122223333", "u");
    let request = policy::Request {
        principal: &principal,
        address: "203.0.113.7".parse().unwrap(),
        encrypted: true,
        now: noon(),
    };
    Some(policy.decide(operation.name(), &request))
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
    for (arn, shared, other) in [
        (stream.as_str(), "GetRecords", "SubscribeToShard"),
        (consumer, "SubscribeToShard", "GetRecords"),
    ] {
        assert_eq!(get(&fixture, arn).await, POLICY);
        let decided = decide(&fixture, arn, shared);
        assert_eq!(decided, Some(Decision::Allowed));
        for other in [other, "DeleteStream", "PutResourcePolicy"] {
            assert_eq!(decide(&fixture, arn, other), None, "{other} of {arn}");
        }
        fixture
            .call("DeleteResourcePolicy", json!({"ResourceARN": arn}))
            .await;
        assert_eq!(decide(&fixture, arn, shared), None);
        assert_eq!(
            fixture
                .refused("DeleteResourcePolicy", json!({"ResourceARN": arn}))
                .await,
            format!("ResourceNotFoundException: No resource policy found for resource ARN {arn}.")
        );
    }
}

#[tokio::test]
async fn a_new_policy_counts_at_once_and_goes_with_its_stream() {
    let fixture = Fixture::new().await;
    fixture.create("s", 1).await;
    let stream = format!("{ARN}s");
    for (policy, decision) in [
        (POLICY.to_owned(), Decision::Allowed),
        (POLICY.replace("Allow", "Deny"), Decision::Denied),
    ] {
        // Regions are not told apart, also where the policy names its stream.
        let body =
            json!({"ResourceARN": stream.replace("us-east-1", "eu-west-1"), "Policy": policy});
        fixture.call("PutResourcePolicy", body).await;
        assert_eq!(decide(&fixture, &stream, "PutRecord"), Some(decision));
    }
    fixture
        .call("DeleteStream", json!({"StreamName": "s"}))
        .await;
    assert_eq!(decide(&fixture, &stream, "PutRecord"), None);
    fixture.create("s", 1).await;
    assert_eq!(decide(&fixture, &stream, "PutRecord"), None);
}

#[tokio::test]
async fn what_cannot_be_a_policy_is_refused() {
    let fixture = Fixture::new().await;
    fixture.create("s", 1).await;
    let long = POLICY.replace("Version", &"x".repeat(20_480));
    for policy in [
        "",
        "{}",
        "[]",
        "allow",
        r#"{"Statement":[]}"#,
        r#"{"Statement":{"Effect":"Maybe","Principal":"*","Action":"*"}}"#,
        r#"{"Statement":{"Effect":"Allow","Action":"*"}}"#,
        &"[".repeat(100_000),
        &POLICY.replace(
            "\"Action\":\"*\"",
            "\"Action\":\"kinesis:SubscribeToShard\"",
        ),
        &POLICY.replace(
            "\"Resource\":\"*\"",
            "\"Resource\":\"arn:aws:kinesis:us-east-1:000000000000:stream/t\"",
        ),
        &POLICY.replace(
            "\"Effect\"",
            "\"Condition\":{\"Null\":{\"aws:x\":\"true\"}},\"Effect\"",
        ),
        &long,
    ] {
        let body = json!({"ResourceARN": format!("{ARN}s"), "Policy": policy});
        let said = fixture.refused("PutResourcePolicy", body).await;
        let start = "InvalidArgumentException: Invalid policy: ";
        assert!(said.starts_with(start), "{said}");
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
