//! `TagDeliveryStream`, `UntagDeliveryStream` and `ListTagsForDeliveryStream`.

use crate::support::*;

fn tag(key: &str, value: &str) -> Value {
    json!({"Key": key, "Value": value})
}

async fn tags(fixture: &Fixture, more: Value) -> (Value, bool) {
    let body = with(json!({"DeliveryStreamName": "d"}), more);
    let answer = fixture.call("ListTagsForDeliveryStream", body).await;
    (
        answer["Tags"].clone(),
        answer["HasMoreTags"].as_bool().unwrap(),
    )
}

#[tokio::test]
async fn tags_are_set_replaced_paged_and_removed() {
    let fixture = Fixture::new().await;
    let made = with(
        creation("d", lake(json!({}))),
        json!({"Tags": [tag("b", "1"), {"Key": "a"}]}),
    );
    fixture.call("CreateDeliveryStream", made).await;
    let more = json!({"DeliveryStreamName": "d", "Tags": [tag("b", "2"), tag("c", "")]});
    assert_eq!(fixture.call("TagDeliveryStream", more).await, json!({}));
    let fixture = fixture.reopen().await;
    let all = json!([{"Key": "a"}, tag("b", "2"), tag("c", "")]);
    assert_eq!(tags(&fixture, json!({})).await, (all, false));
    assert_eq!(
        tags(&fixture, json!({"Limit": 1})).await,
        (json!([{"Key": "a"}]), true)
    );
    let page = json!({"Limit": 1, "ExclusiveStartTagKey": "a"});
    assert_eq!(tags(&fixture, page).await, (json!([tag("b", "2")]), true));
    let less = json!({"DeliveryStreamName": "d", "TagKeys": ["b", "none"]});
    assert_eq!(fixture.call("UntagDeliveryStream", less).await, json!({}));
    assert_eq!(
        tags(&fixture, json!({})).await,
        (json!([{"Key": "a"}, tag("c", "")]), false)
    );
    // Tags are no part of the configuration.
    assert_eq!(fixture.describe("d").await["VersionId"], "1");
}

#[tokio::test]
async fn tags_have_a_quota_and_a_prefix_that_is_reserved() {
    let fixture = Fixture::new().await;
    fixture.create("d", json!({})).await;
    let numbered: Vec<_> = (0..50).map(|index| tag(&format!("k{index}"), "")).collect();
    let body = json!({"DeliveryStreamName": "d", "Tags": numbered});
    fixture.call("TagDeliveryStream", body).await;
    for (key, sentence) in [
        (
            "k50",
            "LimitExceededException: A delivery stream cannot have more than 50 tags.",
        ),
        (
            "AWS:k",
            "InvalidArgumentException: The prefix of the tag key AWS:k is reserved.",
        ),
    ] {
        let body = json!({"DeliveryStreamName": "d", "Tags": [tag(key, "")]});
        assert_eq!(fixture.refused("TagDeliveryStream", body).await, sentence);
    }
    let body = json!({"DeliveryStreamName": "d", "Tags": [tag("k49", "again")]});
    fixture.call("TagDeliveryStream", body).await;
    let (found, _) = tags(&fixture, json!({})).await;
    assert_eq!(found.as_array().unwrap().len(), 50);
}
