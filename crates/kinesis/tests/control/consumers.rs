//! Consumers registered, described, listed and deregistered.

use std::time::Duration;

use crate::support::*;

const REGISTER: &str = "RegisterStreamConsumer";
const DEREGISTER: &str = "DeregisterStreamConsumer";
const DESCRIBE: &str = "DescribeStreamConsumer";
const LIST: &str = "ListStreamConsumers";

fn stream_arn() -> String {
    format!("{ARN}s")
}

fn consumer(name: &str) -> Value {
    json!({"StreamARN": stream_arn(), "ConsumerName": name})
}

async fn with_stream() -> Fixture {
    let fixture = Fixture::new().await;
    fixture.create("s", 1).await;
    fixture
}

#[tokio::test]
async fn a_consumer_is_found_by_its_arn_and_by_its_names() {
    let fixture = with_stream().await;
    fixture.clock.advance(Duration::from_millis(1_500));
    let registered = fixture.call(REGISTER, consumer("c")).await;
    let arn = format!("{ARN}s/consumer/c:1795262401");
    let shown = json!({
        "ConsumerName": "c",
        "ConsumerARN": arn,
        "ConsumerStatus": "ACTIVE",
        "ConsumerCreationTimestamp": 1_795_262_401.5,
    });
    assert_eq!(registered, json!({"Consumer": shown}));
    let mut described = shown.clone();
    described["StreamARN"] = json!(stream_arn());
    let fixture = fixture.reopen().await;
    let mut all = consumer("c");
    all["ConsumerARN"] = json!(arn);
    for names in [json!({"ConsumerARN": arn}), consumer("c"), all] {
        let answer = fixture.call(DESCRIBE, names).await;
        assert_eq!(answer, json!({"ConsumerDescription": described}));
    }
    let listed = fixture.call(LIST, json!({"StreamARN": stream_arn()})).await;
    assert_eq!(listed, json!({"Consumers": [shown]}));
    assert_eq!(fixture.summary("s").await["ConsumerCount"], 1);
    fixture.call(DEREGISTER, json!({"ConsumerARN": arn})).await;
    assert_eq!(
        fixture.refused(DESCRIBE, json!({"ConsumerARN": arn})).await,
        "ResourceNotFoundException: Consumer c, account 000000000000 not found."
    );
}

#[tokio::test]
async fn names_that_are_taken_missing_or_at_odds_are_refused() {
    let fixture = with_stream().await;
    fixture.call(REGISTER, consumer("c")).await;
    assert_eq!(
        fixture.refused(REGISTER, consumer("c")).await,
        "ResourceInUseException: Consumer c under stream s already exists for account 000000000000."
    );
    let arn = format!("{ARN}s/consumer/c:1795262400");
    for names in [
        json!({}),
        json!({"ConsumerName": "c"}),
        json!({"StreamARN": stream_arn()}),
    ] {
        assert_eq!(
            fixture.refused(DEREGISTER, names).await,
            "InvalidArgumentException: Either ConsumerARN or both StreamARN and ConsumerName should \
             be provided."
        );
    }
    for other in [
        json!({"ConsumerARN": arn, "ConsumerName": "d"}),
        json!({"ConsumerARN": arn, "StreamARN": format!("{ARN}t")}),
    ] {
        assert_eq!(
            fixture.refused(DESCRIBE, other).await,
            "InvalidArgumentException: ConsumerARN does not match the given StreamARN or \
             ConsumerName."
        );
    }
    let earlier = format!("{ARN}s/consumer/c:1795262399");
    for unknown in [consumer("d"), json!({"ConsumerARN": earlier})] {
        let said = fixture.refused(DESCRIBE, unknown).await;
        assert!(
            said.starts_with("ResourceNotFoundException: Consumer "),
            "{said}"
        );
    }
}

#[tokio::test]
async fn consumers_are_listed_by_name_in_pages() {
    let fixture = with_stream().await;
    for name in ["b", "c", "a"] {
        fixture.call(REGISTER, consumer(name)).await;
    }
    let names = |answer: &Value| -> Vec<String> {
        let consumers = answer["Consumers"].as_array().unwrap().iter();
        consumers
            .map(|c| c["ConsumerName"].as_str().unwrap().to_owned())
            .collect()
    };
    let request = json!({"StreamARN": stream_arn(), "MaxResults": 2});
    let first = fixture.call(LIST, request).await;
    assert_eq!(names(&first), ["a", "b"]);
    let token = json!({"StreamARN": stream_arn(), "NextToken": first["NextToken"]});
    let second = fixture.call(LIST, token.clone()).await;
    assert_eq!(names(&second), ["c"]);
    assert_eq!(second["NextToken"], Value::Null);
    let mut timed = token.clone();
    timed["StreamCreationTimestamp"] = json!(1);
    assert_eq!(
        fixture.refused(LIST, timed).await,
        "InvalidArgumentException: NextToken and StreamCreationTimestamp cannot be provided together."
    );
    // A token is good for one operation.
    let shards = json!({"NextToken": first["NextToken"]});
    let said = fixture.refused("ListShards", shards).await;
    assert!(said.starts_with("InvalidArgumentException"), "{said}");
    fixture.clock.advance(HOUR);
    let said = fixture.refused(LIST, token).await;
    assert!(said.starts_with("ExpiredNextTokenException"), "{said}");
}

#[tokio::test]
async fn a_consumer_inherits_nothing_from_one_of_its_name() {
    let fixture = with_stream().await;
    let mut tagged = consumer("c");
    tagged["Tags"] = json!({"k": "v"});
    let first = fixture.call(REGISTER, tagged).await;
    let tags = |answer: &Value| {
        let arn = json!({"ResourceARN": answer["Consumer"]["ConsumerARN"]});
        fixture.call("ListTagsForResource", arn)
    };
    assert_eq!(
        tags(&first).await,
        json!({"Tags": [{"Key": "k", "Value": "v"}]})
    );
    fixture.call(DEREGISTER, consumer("c")).await;
    fixture.clock.advance(Duration::from_secs(1));
    let second = fixture.call(REGISTER, consumer("c")).await;
    assert_eq!(tags(&second).await, json!({"Tags": []}));
    let gone = json!({"ResourceARN": first["Consumer"]["ConsumerARN"]});
    let said = fixture.refused("ListTagsForResource", gone).await;
    assert!(said.starts_with("ResourceNotFoundException"), "{said}");
}
