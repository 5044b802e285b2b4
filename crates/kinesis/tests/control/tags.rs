//! Tags of streams and consumers.

use crate::support::*;

async fn with_stream() -> Fixture {
    let fixture = Fixture::new().await;
    fixture.create("s", 1).await;
    fixture
}

fn many(numbers: std::ops::Range<u32>) -> Value {
    let tags = numbers.map(|number| (format!("k{number:02}"), json!("v")));
    Value::Object(tags.collect())
}

#[tokio::test]
async fn tags_are_added_replaced_paged_and_removed() {
    let fixture = with_stream().await;
    let tags = json!({"StreamName": "s", "Tags": {"a": "1", "ü b": "", "c": "3"}});
    fixture.call("AddTagsToStream", tags).await;
    let arn = format!("{ARN}s");
    let more = json!({"ResourceARN": arn, "Tags": {"c": "three", "d": "4"}});
    fixture.call("TagResource", more).await;
    let fixture = fixture.reopen().await;
    let page = json!({"StreamName": "s", "Limit": 2, "ExclusiveStartTagKey": "a"});
    assert_eq!(
        fixture.call("ListTagsForStream", page).await,
        json!({
            "Tags": [{"Key": "c", "Value": "three"}, {"Key": "d", "Value": "4"}],
            "HasMoreTags": true,
        })
    );
    let keys = json!({"StreamARN": arn, "TagKeys": ["a", "c", "nothing"]});
    fixture.call("RemoveTagsFromStream", keys).await;
    let keys = json!({"ResourceARN": arn, "TagKeys": ["d"]});
    fixture.call("UntagResource", keys).await;
    assert_eq!(
        fixture
            .call("ListTagsForResource", json!({"ResourceARN": arn}))
            .await,
        json!({"Tags": [{"Key": "ü b", "Value": ""}]})
    );
}

#[tokio::test]
async fn a_resource_has_fifty_tags_at_most() {
    let fixture = with_stream().await;
    let tags = |tags| json!({"StreamName": "s", "Tags": tags});
    fixture.call("AddTagsToStream", tags(many(0..49))).await;
    assert_eq!(
        fixture.refused("AddTagsToStream", tags(many(48..51))).await,
        "InvalidArgumentException: Failed to add tags to stream s under account 000000000000 because \
         a given stream cannot have more than 50 tags associated with it."
    );
    fixture.call("AddTagsToStream", tags(many(0..50))).await;
    let too_many = json!({"StreamName": "t", "Tags": many(0..51)});
    let said = fixture.refused("CreateStream", too_many).await;
    assert!(said.contains("cannot have more than 50 tags"), "{said}");
    assert!(fixture.engine.describe_stream(&name("t")).is_err());
}

#[tokio::test]
async fn characters_that_tags_may_not_have_are_refused() {
    let fixture = with_stream().await;
    let invalid = "InvalidArgumentException: Some tags contain invalid characters. Valid characters: \
                   Unicode letters, digits, white space, _ . / = + - % @.";
    let illegal = |what: &str| {
        format!(
            "InvalidArgumentException: Failed to {what} stream s under account 000000000000 because \
             some tags contained illegal characters. The allowed characters are Unicode letters, \
             white-spaces, '_',',','/','=','+','-','@'."
        )
    };
    for (tags, error) in [
        (json!({"a;b": "c"}), invalid.to_owned()),
        (json!({"a": "b\u{7}"}), invalid.to_owned()),
        (json!({"a": "100%"}), illegal("add tags to")),
        (
            json!({"aws:created": "x"}),
            "InvalidArgumentException: Failed to add tags to stream s under account 000000000000 \
             because the prefix of aws:created is reserved."
                .to_owned(),
        ),
    ] {
        let body = json!({"StreamName": "s", "Tags": tags});
        assert_eq!(fixture.refused("AddTagsToStream", body).await, error);
    }
    for (key, error) in [
        ("<", invalid.to_owned()),
        ("%", illegal("remove tags from")),
    ] {
        let body = json!({"StreamName": "s", "TagKeys": [key]});
        assert_eq!(fixture.refused("RemoveTagsFromStream", body).await, error);
    }
}
