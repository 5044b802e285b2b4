use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::time_zone;

/// 10:30:05.123456789 on a Monday, but for the fraction below a millisecond.
const TIME: &str = "2018-08-27T10:30:05.123Z";

fn keys(query: &[(&str, &str)], transformer: &[(&str, &str)]) -> PartitionKeys {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    };
    PartitionKeys {
        query: map(query),
        transformer: map(transformer),
    }
}

fn evaluate_in(prefix: &Prefix, time: &str, zone: &str, keys: &PartitionKeys) -> Result<String> {
    let mut counter = 0x0123_4567_89ab_cdef_u64;
    prefix.evaluate(&mut Values {
        arrival: time.parse().unwrap(),
        zone: &time_zone(zone).unwrap(),
        random: &mut || {
            counter = counter.rotate_left(4);
            counter
        },
        keys,
        error: Some(ErrorOutput::Processing),
    })
}

fn evaluate(prefix: &Prefix) -> String {
    evaluate_in(prefix, TIME, "", &PartitionKeys::default()).unwrap()
}

fn output(text: &str) -> String {
    evaluate(&Prefix::output(text, Partitioning::Off).unwrap())
}

fn error(text: &str, prefix: &str) -> String {
    evaluate(&Prefix::error(text, prefix).unwrap())
}

fn record() -> crate::Record {
    let origin = crate::Origin {
        shard: afflux_types::ShardId::new(0),
        position: afflux_types::Position::new(0),
        sub_sequence: None,
    };
    crate::Record::new(
        bytes::Bytes::new(),
        ServerTime::from_millis(0),
        origin,
        None,
    )
}

/// What a time looks like by one pattern.
fn time(pattern: &str, time: &str, zone: &str) -> String {
    let prefix = Prefix::output(&format!("!{{timestamp:{pattern}}}"), Partitioning::Off);
    evaluate_in(&prefix.unwrap(), time, zone, &PartitionKeys::default()).unwrap()
}

fn refusal(text: &str) -> String {
    let prefix = Prefix::output(text, Partitioning::Off);
    prefix.expect_err("the prefix was accepted").to_string()
}

#[test]
fn the_documented_examples_hold() {
    assert_eq!(
        output("myPrefix/!{timestamp:yyyy/MM/dd}/"),
        "myPrefix/2018/08/27/"
    );
    assert_eq!(
        error(
            "myPrefix/result=!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}",
            ""
        ),
        "myPrefix/result=processing-failed/2018/08/27"
    );
    assert_eq!(output(""), "2018/08/27/10/");
    assert_eq!(
        error("myFirehoseFailures/!{firehose:error-output-type}/", ""),
        "myFirehoseFailures/processing-failed/"
    );
    let refused = Prefix::error("", "!{timestamp:yyyy/MM/dd}").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "ErrorOutputPrefix cannot be null or empty when Prefix contains expressions"
    );
    let prefix =
        "myFirehose/DeliveredYear=!{timestamp:yyyy}/anyMonth/rand=!{firehose:random-string}";
    assert_eq!(
        output(prefix),
        "myFirehose/DeliveredYear=2018/anyMonth/rand=123456789ab"
    );
    assert_eq!(
        error(
            "myFirehoseFailures/!{firehose:error-output-type}/!{timestamp:yyyy}/anyMonth/!{timestamp:dd}",
            prefix
        ),
        "myFirehoseFailures/processing-failed/2018/anyMonth/27"
    );
    assert_eq!(
        output(
            "myPrefix/year=!{timestamp:yyyy}/month=!{timestamp:MM}/day=!{timestamp:dd}/hour=!{timestamp:HH}/"
        ),
        "myPrefix/year=2018/month=08/day=27/hour=10/"
    );
    assert_eq!(
        error(
            "myErrorPrefix/!{timestamp:'year='yyyy'/month='MM'/day='dd'/hour='HH}/!{firehose:error-output-type}",
            prefix
        ),
        "myErrorPrefix/year=2018/month=08/day=27/hour=10/processing-failed"
    );
    assert_eq!(
        output("myFirehosePrefix/"),
        "myFirehosePrefix/2018/08/27/10/"
    );
    assert_eq!(
        error("", "myFirehosePrefix/"),
        "myFirehosePrefix/processing-failed/2018/08/27/10/"
    );
}

#[test]
fn the_documented_example_of_partitions_holds() {
    let text = "customer_id=!{partitionKeyFromQuery:customer_id}/device=!{partitionKeyFromQuery:device}/\
                year=!{partitionKeyFromQuery:year}/month=!{partitionKeyFromQuery:month}/\
                day=!{partitionKeyFromQuery:day}/hour=!{partitionKeyFromLambda:hour}/";
    let prefix = Prefix::output(text, Partitioning::Dynamic).unwrap();
    let query = [
        ("customer_id", "1234567890"),
        ("device", "mobile"),
        ("year", "2019"),
        ("month", "08"),
        ("day", "09"),
    ];
    let keys = keys(&query, &[("hour", "20")]);
    let expected = "customer_id=1234567890/device=mobile/year=2019/month=08/day=09/hour=20/";
    // No time is added behind partition keys.
    assert_eq!(evaluate_in(&prefix, TIME, "", &keys).unwrap(), expected);
    assert_eq!(prefix.partition(&keys).unwrap(), expected);
    assert_eq!(prefix.query_keys().count(), 5);
    assert_eq!(prefix.transformer_keys().collect::<Vec<_>>(), ["hour"]);
}

#[test]
fn every_random_string_is_another_one() {
    let prefix = output("!{firehose:random-string}/!{firehose:random-string}/");
    let parts: Vec<&str> = prefix.split('/').take(2).collect();
    assert!(parts.iter().all(|part| part.len() == 11), "{prefix}");
    assert_ne!(parts[0], parts[1]);
    // A time is added all the same.
    assert!(prefix.ends_with("/2018/08/27/10/"), "{prefix}");
}

#[test]
fn expressions_stand_only_where_they_may() {
    for (text, reason) in [
        ("a!{b", "Invalid expression usage"),
        ("a!{b}", "Invalid expression usage"),
        ("a!{timestamp:}", "Invalid expression usage"),
        (
            "a!{timestamp:yyyy!{timestamp:MM}}",
            "Invalid expression usage",
        ),
        (
            "!{time:yyyy}",
            "Namespace to the left of colon (time) is an invalid keyword!",
        ),
        (
            "!{firehose:random}",
            "Invalid conversion character used in the value",
        ),
        ("!{timestamp:yyyyb}", "'b' is not a pattern letter"),
        (
            "!{firehose:error-output-type}",
            "Prefix must not contain any occurrence of !{firehose:error-output-type}",
        ),
        (
            "!{partitionKeyFromQuery:a}",
            "Dynamic Partitioning Namespaces can only be part of a prefix expression when Dynamic \
             Partitioning is enabled.",
        ),
    ] {
        let found = refusal(text);
        assert!(found.contains(reason), "{text:?} gave {found:?}");
    }
    let plain = Prefix::output("!{timestamp:yyyy}", Partitioning::Dynamic).unwrap_err();
    assert_eq!(
        plain.to_string(),
        "S3 Prefix should contain Dynamic Partitioning namespaces when Dynamic Partitioning is enabled"
    );
    let missing = Prefix::error("!{timestamp:yyyy}", "").unwrap_err();
    assert_eq!(
        missing.to_string(),
        "ErrorOutputPrefix must contain at least one occurrence of !{firehose:error-output-type}"
    );
    let keyed = "!{firehose:error-output-type}!{partitionKeyFromLambda:a}";
    assert_eq!(
        Prefix::error(keyed, "").unwrap_err().to_string(),
        "Dynamic Partitioning Namespaces can't be part of an error prefix expression"
    );
}

#[test]
fn a_prefix_has_512_characters_at_most() {
    // The time that is added is counted: at most "yyyy/MM/dd/HH/", whatever a year needs.
    assert!(Prefix::output(&"a".repeat(400), Partitioning::Off).is_ok());
    assert_eq!(
        refusal(&"a".repeat(512)),
        "Length of evaluated prefix cannot be greater than 512"
    );
    let error = Prefix::error(&"ä".repeat(513), "").unwrap_err().to_string();
    assert_eq!(
        error,
        "Length of evaluated ErrorOutputPrefix cannot be greater than 512"
    );

    let prefix = Prefix::output("!{partitionKeyFromQuery:a}", Partitioning::Dynamic).unwrap();
    for (length, fits) in [(512, true), (513, false)] {
        let value = "a".repeat(length);
        let keys = keys(&[("a", &value)], &[]);
        assert_eq!(prefix.partition(&keys).is_ok(), fits);
        assert_eq!(evaluate_in(&prefix, TIME, "", &keys).is_ok(), fits);
    }
}

#[test]
fn partitions_are_told_apart_by_the_place_that_they_give() {
    let text = "!{partitionKeyFromQuery:a}/!{timestamp:HH}/!{partitionKeyFromQuery:b}";
    let prefix = Prefix::output(text, Partitioning::Dynamic).unwrap();
    let name = |a: &str, b: &str| prefix.partition(&keys(&[("a", a), ("b", b)], &[])).unwrap();
    assert_eq!(name("x", "y"), name("x", "y"));
    assert_ne!(name("x", "y"), name("y", "x"));
    assert_ne!(name("x/z", "y"), name("x", "z/y"));
    let missing = prefix.partition(&keys(&[("a", "x")], &[])).unwrap_err();
    let failed = crate::Failed::without_partition(record(), &missing);
    assert_eq!(
        failed.message,
        "the record has no value for the partition key \"b\" of the prefix"
    );

    let plain = Prefix::output("a/", Partitioning::Off).unwrap();
    assert_eq!(plain.partition(&keys(&[("a", "x")], &[])).unwrap(), "");
}

#[test]
fn patterns_are_those_of_java() {
    // What a DateTimeFormatter of Java 17 writes for the locale en_US.
    for (pattern, expected) in [
        ("yyyy-MM-dd'T'HH:mm:ss.SSS", "2018-08-27T10:30:05.123"),
        ("y yy yyy yyyyy u uu", "2018 18 2018 02018 2018 18"),
        ("M MM MMM MMMM MMMMM L LLL", "8 08 Aug August A 8 Aug"),
        ("d dd D DD DDD", "27 27 239 239 239"),
        (
            "E EEE EEEE EEEEE e ee eee c ccc",
            "Mon Mon Monday M 2 02 Mon 2 Mon",
        ),
        ("Q QQ QQQ QQQQ QQQQQ q", "3 03 Q3 3rd quarter 3 3"),
        ("Y YY YYYY w ww W F", "2018 18 2018 35 35 5 6"),
        ("a h hh H HH k kk K KK", "AM 10 10 10 10 10 10 10 10"),
        (
            "m mm s ss S SS SSSSSS n A N",
            "30 30 5 05 1 12 123000 123000000 37805123 37805123000000",
        ),
        ("B BBBB", "in the morning in the morning"),
        ("G GG GGGG GGGGG", "AD AD Anno Domini A"),
        ("VV z O OOOO", "UTC UTC GMT GMT"),
        ("X XX XXX x xx xxx xxxxx", "Z Z Z +00 +0000 +00:00 +00:00"),
        ("Z ZZZ ZZZZ ZZZZZ", "+0000 +0000 GMT Z"),
        ("g", "58357"),
        ("'it''s' '' [yyyy] [[MM]]", "it's ' 2018 08"),
        ("yyyy年MM月", "2018年08月"),
    ] {
        assert_eq!(time(pattern, TIME, ""), expected, "{pattern}");
    }
}

#[test]
fn offsets_and_zones_are_those_of_the_place() {
    for (zone, expected) in [
        (
            "Asia/Tokyo",
            "19 Asia/Tokyo JST GMT+9 GMT+09:00 +09 +0900 +09:00 +09:00",
        ),
        (
            "Asia/Kolkata",
            "16 Asia/Kolkata IST GMT+5:30 GMT+05:30 +0530 +0530 +05:30 +05:30",
        ),
        (
            "America/New_York",
            "06 America/New_York EDT GMT-4 GMT-04:00 -04 -0400 -04:00 -04:00",
        ),
    ] {
        assert_eq!(time("HH VV z O OOOO X XX XXX ZZZZZ", TIME, zone), expected);
    }
    // Before zones had whole minutes.
    let old = "1880-01-01T00:00:00Z";
    assert_eq!(
        time("XXXX XXXXX XXX", old, "Europe/Paris"),
        "+000921 +00:09:21 +00:09"
    );
}

#[test]
fn hours_and_weeks_turn_over_where_those_of_java_do() {
    for (time_of_day, expected) in [
        ("00:00", "12 0 24 AM midnight"),
        ("00:30", "12 0 24 AM at night"),
        ("12:00", "12 0 12 PM noon"),
        ("12:30", "12 0 12 PM in the afternoon"),
        ("18:00", "6 6 18 PM in the evening"),
        ("23:59", "11 11 23 PM at night"),
    ] {
        let at = format!("2020-02-29T{time_of_day}:00Z");
        assert_eq!(time("h K k a B", &at, ""), expected);
    }
    for (date, expected) in [
        ("2017-12-30", "2017 52 5"),
        ("2017-12-31", "2018 1 6"),
        ("2018-01-06", "2018 1 1"),
        ("2018-01-07", "2018 2 2"),
        ("2016-12-31", "2016 53 5"),
        ("2022-01-01", "2022 1 1"),
        ("2021-12-25", "2021 52 4"),
        ("2021-12-26", "2022 1 5"),
        ("2021-12-31", "2022 1 5"),
        ("2024-12-29", "2025 1 5"),
    ] {
        assert_eq!(
            time("Y w W", &format!("{date}T00:00:00Z"), ""),
            expected,
            "{date}"
        );
    }
}

#[test]
fn wrong_patterns_are_named() {
    for (pattern, reason) in [
        ("yyyy b", "'b' is not a pattern letter"),
        ("v", "'v' is not a pattern letter"),
        ("ppH", "'p' is not a pattern letter"),
        ("zzzz", "4 letters 'z' in a row are not a pattern"),
        ("HHH", "3 letters 'H' in a row are not a pattern"),
        ("VVV", "3 letters 'V' in a row are not a pattern"),
        ("aa", "2 letters 'a' in a row are not a pattern"),
        ("SSSSSSSSSS", "10 letters 'S' in a row are not a pattern"),
        ("yyyy'", "the text behind a single quote does not end"),
        ("MM]", "\"]\" without \"[\" before it"),
        ("#", "'#' is reserved; write it in single quotes"),
    ] {
        let found = refusal(&format!("!{{timestamp:{pattern}}}"));
        assert!(found.ends_with(reason), "{pattern:?} gave {found:?}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_a_prefix(text in "(!\\{|[a-zA-Z:}{'\\[\\]#ä/-]){0,40}", millis in any::<i64>()) {
        for partitioning in [Partitioning::Off, Partitioning::Dynamic] {
            let Ok(prefix) = Prefix::output(&text, partitioning) else { continue };
            let values = &mut Values {
                arrival: ServerTime::from_millis(millis),
                zone: &time_zone("Pacific/Apia").unwrap(),
                random: &mut || 7,
                keys: &PartitionKeys::default(),
                error: None,
            };
            // Whatever the pattern says, the prefix is not longer than was checked.
            if !prefix.is_partitioned() {
                prop_assert!(prefix.evaluate(values).is_ok());
            }
        }
        drop(Prefix::error(&text, ""));
    }
}

/// Whether records with this partition key get through, into `for_files` or a bucket.
fn passes(text: &str, value: &str, for_files: bool) -> Result<String> {
    let prefix = Prefix::output(text, Partitioning::Dynamic).unwrap();
    let prefix = match for_files {
        true => prefix.for_files(),
        false => prefix,
    };
    prefix.partition(&keys(&[("k", value)], &[]))
}

#[test]
fn a_partition_key_leads_nowhere_else_and_into_no_name_that_cannot_be() {
    for value in [
        "..", "../..", "a/../b", "a/..", ".", "a/./b", "...", "/etc", "a/", "a//b", "/", "a\0",
        "a\nb", "a\x7f",
    ] {
        for text in [
            "!{partitionKeyFromQuery:k}/",
            ".!{partitionKeyFromQuery:k}/",
        ] {
            let refused = passes(text, value, false).expect_err(value).to_string();
            assert!(refused.contains(&format!("{value:?}")), "{refused}");
        }
    }
    for value in [
        "a",
        "2026/11/22",
        ".a",
        "a..b",
        "..a",
        "\u{fc}",
        "a b",
        "a\\b",
    ] {
        passes("x/!{partitionKeyFromQuery:k}/", value, true).expect(value);
    }
}

#[test]
fn names_of_directories_and_files_have_room_for_what_records_bring() {
    let directory = "x-!{partitionKeyFromQuery:k}/!{timestamp:yyyy}";
    passes(directory, &"a".repeat(253), true).unwrap();
    let refused = passes(directory, &"a".repeat(254), true).unwrap_err();
    assert_eq!(
        refused.message(),
        "a directory's name has 256 bytes; 255 are the most"
    );
    passes(directory, &"a".repeat(254), false).unwrap();
    let file = "x/!{partitionKeyFromQuery:k}";
    passes(file, &"a".repeat(113), true).unwrap();
    let refused = passes(file, &"a".repeat(114), true).unwrap_err();
    assert_eq!(
        refused.message(),
        "what is before a file's name has 114 bytes; 113 are the most"
    );
    let wide = "\u{1f3a5}".repeat(200);
    let refused = passes("!{partitionKeyFromQuery:k}/", &wide, false).unwrap_err();
    assert_eq!(refused.message(), "prefix has 801 bytes; 754 are the most");
}

#[test]
fn a_prefix_that_no_object_can_have_is_refused_when_it_is_made() {
    for text in [
        "../",
        "a/../b/",
        "a/./",
        "a//b/",
        "//a/",
        "a/!{timestamp:'..'}/",
        "a\n/",
    ] {
        let refused = refusal(text);
        assert!(
            refused.contains("no object can have") || refused.contains("Invalid conversion"),
            "{text:?}: {refused}"
        );
    }
    let refused = Prefix::error("../!{firehose:error-output-type}/", "").unwrap_err();
    assert!(
        refused.message().contains("ErrorOutputPrefix gives names"),
        "{refused}"
    );
    // Object stores do not keep the first slash.
    assert_eq!(output("/a/!{timestamp:yyyy}/"), "a/2018/");
    assert_eq!(output("a.-"), "a.-2018/08/27/10/");
}

proptest! {
    #[test]
    fn no_partition_key_leads_out_of_a_directory(
        before in "[a./]{0,3}", value in "[a./\\x00]{0,5}", behind in "[a./]{0,3}",
    ) {
        let text = format!("{before}!{{partitionKeyFromQuery:k}}{behind}");
        if let Ok(prefix) = Prefix::output(&text, Partitioning::Dynamic) {
            let keys = keys(&[("k", &value)], &[]);
            if prefix.partition(&keys).is_ok() {
                let evaluated = evaluate_in(&prefix, TIME, "", &keys).unwrap();
                let name = format!("{evaluated}lake-1");
                for part in name.split('/') {
                    prop_assert!(!matches!(part, "" | "." | "..") && !part.contains('\0'), "{name:?}");
                }
            }
        }
    }
}
