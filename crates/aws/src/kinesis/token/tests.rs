use proptest::prelude::*;

use super::*;

fn sealer() -> Sealer {
    Sealer::new(&[7; 32], 1)
}

fn iterator(stream: &str) -> ShardIterator {
    ShardIterator {
        stream: stream.parse().unwrap(),
        stream_created: ServerTime::from_millis(1_000),
        shard: ShardId::new(3),
        position: Position::new(77),
        // 2015-07-02T12:57:57Z
        created: ServerTime::from_millis(1_435_841_877_000),
    }
}

fn later(millis: i64) -> ServerTime {
    ServerTime::from_millis(1_435_841_877_000 + millis)
}

#[test]
fn an_iterator_comes_back_until_it_expires() {
    let sealer = sealer();
    let text = sealer.seal_iterator(&iterator("a"));
    for now in [later(-5_000), later(0), later(300_000)] {
        assert_eq!(sealer.open_iterator(&text, now), Ok(iterator("a")));
    }
    let quoted = format!("\"{text}\"");
    assert_eq!(sealer.open_iterator(&quoted, later(0)), Ok(iterator("a")));
    let error = sealer.open_iterator(&text, later(300_001)).unwrap_err();
    assert_eq!(error.code(), Code::ExpiredIterator);
    assert_eq!(
        error.message(),
        Some(
            "Iterator expired. The iterator was created at time Thu Jul 02 12:57:57 UTC 2015 while \
             right now it is Thu Jul 02 13:02:57 UTC 2015 which is further in the future than the \
             tolerated delay of 300000 milliseconds."
        )
    );
}

#[test]
fn iterators_have_the_outer_form_of_the_service() {
    for length in [1, 20, 64, 128] {
        let text = sealer().seal_iterator(&iterator(&"x".repeat(length)));
        assert!(text.len() <= 512, "{}", text.len());
        let bytes = base64_simd::STANDARD.decode_to_vec(&text).unwrap();
        assert_eq!(bytes[..8], [0, 0, 0, 0, 0, 0, 0, 1]);
        assert!(bytes.len() >= 152 && (bytes.len() - 152).is_multiple_of(16));
    }
}

#[test]
fn two_iterators_of_one_place_differ() {
    let sealer = sealer();
    let (a, b) = (
        sealer.seal_iterator(&iterator("a")),
        sealer.seal_iterator(&iterator("a")),
    );
    assert_ne!(a, b);
}

#[test]
fn another_key_or_another_kind_opens_nothing() {
    let iterator = sealer().seal_iterator(&iterator("a"));
    let other = Sealer::new(&[8; 32], 1);
    let error = other.open_iterator(&iterator, later(0)).unwrap_err();
    assert_eq!(error.message(), Some("Invalid ShardIterator."));
    let error = sealer().open_page(&iterator, Operation::ListShards, later(0));
    assert_eq!(error.unwrap_err().message(), Some("Invalid NextToken."));
}

#[test]
fn a_page_is_good_for_its_operation_only() {
    let page = Page {
        operation: Operation::ListShards,
        scope: "a".to_owned(),
        after: "shardId-000000000001".to_owned(),
        filter: "AT_LATEST".to_owned(),
        created: later(0),
    };
    let text = sealer().seal_page(&page);
    let open = |operation, now| sealer().open_page(&text, operation, now);
    assert_eq!(open(Operation::ListShards, later(1)), Ok(page));
    let error = open(Operation::ListStreams, later(1)).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let error = open(Operation::ListShards, later(300_001)).unwrap_err();
    assert_eq!(error.code(), Code::ExpiredNextToken);
}

proptest! {
    #[test]
    fn a_changed_byte_is_noticed(at in 0_usize..152, change in 1_u8..) {
        let sealer = sealer();
        let text = sealer.seal_iterator(&iterator("a"));
        let mut bytes = base64_simd::STANDARD.decode_to_vec(&text).unwrap();
        bytes[at] ^= change;
        let forged = base64_simd::STANDARD.encode_to_string(&bytes);
        prop_assert!(sealer.open_iterator(&forged, later(0)).is_err());
    }

    #[test]
    fn opening_never_panics(text in "\\PC*|[A-Za-z0-9+/]{0,400}") {
        let _ = sealer().open_iterator(&text, later(0));
        let _ = sealer().open_page(&text, Operation::ListShards, later(0));
    }
}
