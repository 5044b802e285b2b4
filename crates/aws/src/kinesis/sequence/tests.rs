use proptest::prelude::*;

use super::*;

const DAY: i64 = 1_700_000_000_000;

#[test]
fn a_number_has_the_form_of_the_service() {
    let origin = Origin::new(ShardId::new(1), ServerTime::from_millis(1_459_799_926_480));
    let number = origin.record(Position::new(4), ServerTime::from_millis(1_459_800_000_999));
    // python3 -c "print(int('2'+'%09x'%1459799926+'1'+'%016x'%5+'00'+'%09x'%1459800000+'%08x'%1+'2', 16))"
    assert_eq!(
        number.to_string(),
        "49560731326779701956197599156929777138694288913815568402"
    );
}

#[test]
fn a_child_is_above_its_parent_although_the_last_digit_of_its_index_is_smaller() {
    let made = ServerTime::from_millis(DAY);
    let parent = Origin::new(ShardId::new(15), made);
    let child_made = Origin::child_created(made, [made]);
    let child = Origin::new(ShardId::new(16), child_made);
    assert!(child.start().to_string() > parent.end(made).to_string());
}

#[test]
fn a_continuation_needs_no_record() {
    let origin = Origin::new(ShardId::new(3), ServerTime::from_millis(DAY));
    let now = ServerTime::from_millis(DAY + 5_000);
    for position in [0, 1, 77] {
        let position = Position::new(position);
        assert_eq!(origin.before(position, now).after(), position);
        assert_eq!(origin.record(position, now).at(), position);
    }
    assert_eq!(origin.start().at(), Position::ZERO);
    assert_eq!(origin.start().after(), Position::ZERO);
    assert!(origin.end(now).after() > Position::new(1 << 62));
}

#[test]
fn malformed_numbers_are_refused() {
    let mut bad = vec![
        String::new(),
        "0".to_owned(),
        "1".repeat(128),
        "9".repeat(56),
    ];
    bad.push(format!("49{}", "0".repeat(53)));
    let good = Origin::new(ShardId::new(3), ServerTime::from_millis(DAY)).start();
    // Another version, and another last digit of the shard.
    for (from, to) in [(0, 1_u128), (0, 1 << 4)] {
        let _: i32 = from;
        let text = good.to_string();
        let (head, tail) = text.split_at(28);
        let tail: u128 = tail.parse().unwrap();
        bad.push(format!("{head}{:028}", tail + to));
    }
    for text in bad {
        assert!(
            text.parse::<SequenceNumber>().is_err(),
            "{text} was accepted"
        );
    }
}

proptest! {
    #[test]
    fn numbers_come_back(shard in 0_u32..=0x7fff_ffff, created in 0_i64..4_000_000_000_000, position in 0..INDEX_MAX - 2, arrived in 0_i64..4_000_000_000_000) {
        let origin = Origin::new(ShardId::new(shard), ServerTime::from_millis(created));
        let number = origin.record(Position::new(position), ServerTime::from_millis(arrived));
        let text = number.to_string();
        prop_assert_eq!(text.len(), DIGITS);
        let back: SequenceNumber = text.parse().unwrap();
        prop_assert_eq!(back, number);
        prop_assert_eq!(back.at().get(), position);
        prop_assert!(back.belongs_to(origin));
        prop_assert_eq!(back.arrived().unwrap().as_millis(), arrived / 1_000 * 1_000);
    }

    #[test]
    fn text_orders_as_the_position(shard: u16, a in 0..INDEX_MAX - 2, b in 0..INDEX_MAX - 2, arrived: u32) {
        let origin = Origin::new(ShardId::new(shard.into()), ServerTime::from_millis(DAY));
        let number = |p| origin.record(Position::new(p), ServerTime::from_millis(arrived.into())).to_string();
        prop_assert_eq!(number(a).cmp(&number(b)), a.cmp(&b));
        prop_assert!(origin.start().to_string() < number(a));
        prop_assert!(number(a) < origin.end(ServerTime::from_millis(0)).to_string());
    }

    #[test]
    fn older_numbers_come_back(shard in 0_u32..398_000_000, position in 0..INDEX_MAX - 2, sub: u64) {
        let older = afflux_types::SequenceNumber::new(ShardId::new(shard), Position::new(position)).with_sub_sequence(sub);
        let read: SequenceNumber = older.to_string().parse().unwrap();
        prop_assert_eq!(read.shard().get(), shard);
        prop_assert_eq!(read.at().get(), position);
        prop_assert_eq!(read.after().get(), position + 1);
    }

    #[test]
    fn parsing_never_panics(text in "[0-9]{50,60}|\\PC*") {
        let _ = text.parse::<SequenceNumber>();
    }
}
