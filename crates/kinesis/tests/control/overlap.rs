//! Calls at the same time, calls that nobody waits for, and the other format.

use afflux_aws::document::{self, Format, Value as Document};
use afflux_aws::kinesis::{Operation, Request};
use afflux_kinesis::Answer;
use bytes::Bytes;

use crate::support::*;

const UPDATING: &str = "ResourceInUseException: Stream s under account 000000000000 not ACTIVE, \
                        instead in state UPDATING";

fn double() -> Value {
    json!({"StreamName": "s", "TargetShardCount": 8, "ScalingType": "UNIFORM_SCALING"})
}

#[tokio::test]
async fn a_stream_that_is_being_changed_says_so_and_takes_no_other_change() {
    let fixture = Fixture::new().await;
    fixture.create("s", 4).await;
    let split = json!({"StreamName": "s", "ShardToSplit": "0", "NewStartingHashKey": "9"});
    let merge = json!({"StreamName": "s", "ShardToMerge": "2", "AdjacentShardToMerge": "3"});
    let (scaled, split, merge, again, status) = tokio::join!(
        fixture.try_call("UpdateShardCount", double()),
        fixture.try_call("SplitShard", split),
        fixture.try_call("MergeShards", merge),
        fixture.try_call("UpdateShardCount", double()),
        fixture.summary("s"),
    );
    assert_eq!(scaled.unwrap()["CurrentShardCount"], 4);
    for refused in [split, merge, again] {
        assert_eq!(refused.unwrap_err(), UPDATING);
    }
    assert_eq!(status["StreamStatus"], "UPDATING");
    let after = fixture.summary("s").await;
    assert_eq!(after["StreamStatus"], "ACTIVE");
    assert_eq!(after["OpenShardCount"], 8);
}

#[tokio::test]
async fn a_change_is_finished_though_its_client_has_gone() {
    let fixture = Fixture::new().await;
    fixture.create("s", 4).await;
    {
        let call = fixture.try_call("UpdateShardCount", double());
        let begun = async { while fixture.summary("s").await["StreamStatus"] != "UPDATING" {} };
        tokio::select! {
            biased;
            _ = call => panic!("it was over before it was seen"),
            () = begun => {}
        }
    }
    while fixture.summary("s").await["StreamStatus"] != "ACTIVE" {}
    assert_eq!(fixture.summary("s").await["OpenShardCount"], 8);
}

#[tokio::test]
async fn one_of_many_who_create_a_stream_at_once_does() {
    let fixture = Fixture::new().await;
    let create = |team: &str| {
        let tags = json!({"team": team});
        let body = json!({"StreamName": "s", "ShardCount": 1, "Tags": tags});
        fixture.try_call("CreateStream", body)
    };
    let (blue, red, green) = tokio::join!(create("blue"), create("red"), create("green"));
    let made = [("blue", blue), ("red", red), ("green", green)];
    let made: Vec<&str> = made
        .iter()
        .filter(|(_, answer)| answer.is_ok())
        .map(|(team, _)| *team)
        .collect();
    let [team] = made.as_slice() else {
        panic!("made by {made:?}");
    };
    let fixture = fixture.reopen().await;
    let tags = fixture.call("ListTagsForStream", json!({"StreamName": "s"}));
    assert_eq!(tags.await["Tags"], json!([{"Key": "team", "Value": team}]));
}

#[tokio::test]
async fn an_answer_has_the_format_of_its_request() {
    let fixture = Fixture::new().await;
    let body = Bytes::from_static(&[0xa0]);
    let request = Request::decode(Operation::DescribeLimits, Format::Cbor, &body).unwrap();
    let answer = fixture.kinesis.call(request, Format::Cbor).await.unwrap();
    let Answer::Body(body) = answer else {
        panic!("limits are no events");
    };
    let Document::Map(members) = document::decode(Format::Cbor, &body).unwrap() else {
        panic!("an answer is a map");
    };
    let limit = members.iter().find(|(name, _)| name == "ShardLimit");
    assert_eq!(limit.unwrap().1, Document::Int(20_000));
}
