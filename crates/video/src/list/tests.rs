//! Pages of fragments, by both clocks and by tag.

use std::collections::BTreeMap;

use afflux_aws::video::Code;
use afflux_aws::video::input::{FragmentSelector, ListFragmentsInput, TimestampRange};
use afflux_aws::video::values::FragmentSelectorType;
use afflux_types::ServerTime;

use super::*;
use crate::testing::{AV, CAMERA, House, OFFLINE, START, mkv, of_kind};

fn ask() -> ListFragmentsInput {
    ListFragmentsInput {
        stream_name: Some(CAMERA.to_owned()),
        stream_arn: None,
        max_results: None,
        next_token: None,
        fragment_selector: None,
        fragment_tags: None,
    }
}

fn between(kind: FragmentSelectorType, from: u64, to: u64) -> ListFragmentsInput {
    let time = |time| ServerTime::from_millis(i64::try_from(time).unwrap());
    ListFragmentsInput {
        fragment_selector: Some(FragmentSelector {
            fragment_selector_type: kind,
            timestamp_range: TimestampRange {
                start_timestamp: time(from),
                end_timestamp: time(to),
            },
        }),
        ..ask()
    }
}

async fn numbers(house: &House, input: ListFragmentsInput) -> Vec<String> {
    let answer = list_fragments(&house.ctx, input).await.unwrap();
    assert!(answer.next_token.is_none());
    let fragments = answer.fragments.into_iter();
    fragments.map(|fragment| fragment.fragment_number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn fragments_are_listed_by_both_clocks_with_the_end_counted_in() {
    let house = House::new().await;
    let sent = of_kind(&house.put(OFFLINE).await, "PERSISTED");
    let all: Vec<String> = sent.iter().map(|ack| ack.1.clone()).collect();
    assert_eq!(numbers(&house, ask()).await, all);
    use FragmentSelectorType as T;
    let some = between(T::ProducerTimestamp, sent[1].0, sent[2].0);
    assert_eq!(numbers(&house, some).await, all[1..=2]);
    let start = u64::try_from(START).unwrap();
    let by_server = between(T::ServerTimestamp, start, start);
    assert_eq!(numbers(&house, by_server).await, all);
    let none = between(T::ServerTimestamp, start + 1, start + 9);
    assert!(numbers(&house, none).await.is_empty());
    let backward = between(T::ServerTimestamp, 9, 1);
    let refused = list_fragments(&house.ctx, backward).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_their_tokens_and_no_others() {
    let house = House::new().await;
    let sent = of_kind(&house.put(OFFLINE).await, "PERSISTED");
    let (mut input, mut found) = (ask(), Vec::new());
    input.max_results = Some(1);
    let mut pages = 0;
    let mut token = None;
    loop {
        input.next_token = token.clone();
        let page = list_fragments(&house.ctx, input.clone()).await.unwrap();
        found.extend(page.fragments);
        pages += 1;
        match page.next_token {
            Some(next) => token = Some(next),
            None => break,
        }
    }
    assert_eq!((pages, found.len()), (4, sent.len()));
    let mut other = between(FragmentSelectorType::ProducerTimestamp, 0, 1);
    other.next_token.clone_from(&token);
    let mut forged = ask();
    forged.next_token = token.map(|token| token.replace('A', "B"));
    for input in [other, forged] {
        let refused = list_fragments(&house.ctx, input).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_listed_and_select() {
    let house = House::new().await;
    let fragment = |time| mkv::cluster(time, &[mkv::frame(1, 0), mkv::frame(2, 0)]);
    let body = [
        mkv::head(AV).to_vec(),
        fragment(0),
        mkv::tags(&[("door", "open"), ("person", "")]),
        fragment(2_000),
        mkv::tags(&[("door", "closed"), ("AWS_KINESISVIDEO_END_OF_FRAGMENT", "")]),
        fragment(4_000),
    ];
    let sent = of_kind(&house.put(&body.concat()).await, "PERSISTED");
    let tagged = |name: &str, value: &str| ListFragmentsInput {
        fragment_tags: Some(BTreeMap::from([(name.to_owned(), value.to_owned())])),
        ..ask()
    };
    assert_eq!(numbers(&house, tagged("door", "")).await.len(), 2);
    assert_eq!(
        numbers(&house, tagged("door", "closed")).await,
        [sent[1].1.clone()]
    );
    assert_eq!(
        numbers(&house, tagged("person", "")).await,
        [sent[0].1.clone()]
    );
    assert!(numbers(&house, tagged("window", "")).await.is_empty());
    let all = list_fragments(&house.ctx, ask()).await.unwrap().fragments;
    let names = |fragment: &Fragment| -> Vec<String> {
        let tags = fragment.tags.iter().flatten();
        tags.map(|tag| tag.name.clone()).collect()
    };
    assert_eq!(names(&all[0]), ["door", "person"]);
    assert_eq!(names(&all[1]), ["door"]);
    assert!(all[2].tags.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_keeps_nothing_lists_nothing() {
    let house = House::new().await;
    house.create("live", &[], 0).await;
    let mut input = ask();
    input.stream_name = Some("live".to_owned());
    let refused = list_fragments(&house.ctx, input).await.unwrap_err();
    assert_eq!(refused.code(), Code::NoDataRetention);
}
