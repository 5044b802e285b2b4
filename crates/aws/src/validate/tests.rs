use std::borrow::Cow;

use proptest::prelude::*;
use regex::Regex;

use super::pattern::{
    CONSUMER_ARN, HASH_KEY, NAME, RESOURCE_ARN, SEQUENCE_NUMBER, STREAM_ARN, STREAM_ID,
};
use super::*;

/// The expression with Java's meaning of a whole match, of `\d`, of `\w`, of `\S` and of `.`.
fn reference(pattern: &Pattern) -> Regex {
    let text = pattern
        .text()
        .replace(r"\d", "[0-9]")
        .replace(r"\w", "[a-zA-Z0-9_]")
        .replace(r"\S", r"[^ \t\n\x0B\f\r]")
        .replace(".*", r"[^\n\r\u{85}\u{2028}\u{2029}]*");
    Regex::new(&format!("^(?:{text})$")).unwrap()
}

pub(crate) fn agree(pattern: &Pattern, text: &str) {
    assert_eq!(
        pattern.matches(text),
        reference(pattern).is_match(text),
        "{pattern:?} {text:?}"
    );
}

proptest! {
    #[test]
    fn simple_patterns_match_what_their_expressions_match(text in "[a-zA-Z0-9_./ -]{0,4}|0|[0-9]{1,3}|[1-9][0-9]{37,39}|[1-9][0-9]{127,129}|[a-z0-9]{20}[-a][a-z0-9]{3}|\\PC{0,3}") {
        for pattern in [&NAME, &HASH_KEY, &SEQUENCE_NUMBER, &STREAM_ID] {
            agree(pattern, &text);
        }
    }

    #[test]
    fn arn_patterns_match_what_their_expressions_match(text in "(arn|arn:)(aws|:aws|aws-cn)(:|x|\n)?(:kinesis:|kinesis:|:x:){0,2}(us|\n|:){0,2}(:[0-9]{12}:|:123:|:){0,2}(x|/|\n|:){0,2}(stream/|channel/|queue/){0,2}(a|b.c| |/|\u{85}){0,3}(/consumer/){0,2}[a ]{0,2}(:[0-9]{1,2}|:)?\n?") {
        for pattern in [&STREAM_ARN, &CONSUMER_ARN, &RESOURCE_ARN] {
            agree(pattern, &text);
        }
    }
}

#[test]
fn arns_of_the_service_match() {
    let stream = "arn:aws:kinesis:us-east-1:123456789012:stream/a.b";
    let consumer = "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/a/consumer/b:1459799926";
    for (pattern, text) in [
        (&STREAM_ARN, stream),
        (&RESOURCE_ARN, stream),
        (&CONSUMER_ARN, consumer),
        (&RESOURCE_ARN, consumer),
    ] {
        assert!(pattern.matches(text), "{pattern:?} {text}");
        agree(pattern, text);
    }
}

const NUMBER: Shape = Shape::new(Kind::Integer).min(1).max(10);
const SHARE: Shape = Shape::new(Kind::Double).min(0).max(1);
const LONG: Shape = Shape::new(Kind::Long);
const TIME: Shape = Shape::new(Kind::Timestamp);
const WORD: Shape = Shape::new(Kind::String).min(1).max(3).values(&["ab", "cd"]);
const WORDS: Shape = Shape::new(Kind::List(&WORD)).min(1).max(2);
const INNER: Shape = Shape::new(Kind::Structure(
    "Inner",
    &[Member {
        name: "Word",
        shape: &WORD,
        required: true,
    }],
));
const INNERS: Shape = Shape::new(Kind::List(&INNER)).max(20);
const TRUTH: Shape = Shape::new(Kind::Boolean);
const BYTES: Shape = Shape::new(Kind::Blob).min(1).max(2);
const TEXT: Shape = Shape::new(Kind::String).max(3);
const TEXTS: Shape = Shape::new(Kind::Map(&TEXT, &TEXT));

const fn member(name: &'static str, shape: &'static Shape) -> Member {
    Member {
        name,
        shape,
        required: false,
    }
}

const OUTER: Shape = Shape::new(Kind::Structure(
    "Outer",
    &[
        member("Number", &NUMBER),
        member("Long", &LONG),
        member("Share", &SHARE),
        member("Time", &TIME),
        member("Words", &WORDS),
        member("Inners", &INNERS),
        member("Truth", &TRUTH),
        member("Bytes", &BYTES),
        member("Texts", &TEXTS),
    ],
));

fn reads(body: &str, name: &str) -> Value<'static> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let mut value = document::decode(Format::Json, &body).unwrap();
    coerce(&mut value, &OUTER, body.len()).unwrap();
    let Value::Map(entries) = value else {
        panic!("not a map")
    };
    let entry = entries.into_iter().find(|(found, _)| found == name);
    match entry.unwrap().1 {
        Value::Int(number) => Value::Int(number),
        Value::Float(number) => Value::Float(number),
        Value::Timestamp(millis) => Value::Timestamp(millis),
        Value::Bool(truth) => Value::Bool(truth),
        Value::Str(text) => Value::Str(Cow::Owned(text.into_owned())),
        other => panic!("{other:?}"),
    }
}

fn refusal(body: &str) -> String {
    let body = Bytes::copy_from_slice(body.as_bytes());
    read(Format::Json, &body, &OUTER).unwrap_err().to_string()
}

#[test]
fn numbers_are_cut_to_what_the_member_holds() {
    for (body, number) in [
        (r#"{"Number":3.9}"#, 3),
        (r#"{"Number":-0.5}"#, -1),
        (r#"{"Number":99999999999}"#, i64::from(i32::MAX)),
        (r#"{"Number":1e300}"#, i64::from(i32::MAX)),
        (r#"{"Number":-1e300}"#, i64::from(i32::MIN)),
    ] {
        assert_eq!(reads(body, "Number"), Value::Int(number), "{body}");
    }
    assert_eq!(
        reads(r#"{"Long":18446744073709551615}"#, "Long"),
        Value::Int(i64::MAX)
    );
}

#[test]
fn numbers_with_a_fraction_keep_it() {
    for (body, number) in [
        (r#"{"Share":0.25}"#, 0.25),
        (r#"{"Share":1}"#, 1.0),
        (r#"{"Share":1e-9}"#, 1e-9),
    ] {
        assert_eq!(reads(body, "Share"), Value::Float(number), "{body}");
    }
    for (body, sentence) in [
        (
            r#"{"Share":1.001}"#,
            "Value '1.001' at 'share' failed to satisfy constraint: Member must have value less than \
             or equal to 1",
        ),
        (
            r#"{"Share":-0.5}"#,
            "Value '-0.5' at 'share' failed to satisfy constraint: Member must have value greater \
             than or equal to 0",
        ),
    ] {
        let expected = format!("1 validation error detected: {sentence}");
        assert_eq!(refusal(body), expected, "{body}");
    }
}

#[test]
fn times_are_seconds_with_a_fraction() {
    for (body, millis) in [
        (r#"{"Time":1459799926.480}"#, 1_459_799_926_480),
        (r#"{"Time":1.459799926480E9}"#, 1_459_799_926_480),
        (r#"{"Time":1459799926}"#, 1_459_799_926_000),
        (r#"{"Time":-1.5}"#, -1_500),
        (r#"{"Time":9223372036854775807}"#, i64::MAX),
    ] {
        assert_eq!(reads(body, "Time"), Value::Timestamp(millis), "{body}");
    }
}

#[test]
fn truth_comes_in_words_too() {
    for (body, truth) in [
        (r#"{"Truth":true}"#, true),
        (r#"{"Truth":"YES"}"#, true),
        (r#"{"Truth":"0"}"#, false),
    ] {
        assert_eq!(reads(body, "Truth"), Value::Bool(truth), "{body}");
    }
}

#[test]
fn the_place_of_a_value_is_told() {
    assert_eq!(
        refusal(r#"{"Inners":[{"Word":"ab"},null,{},{"Word":"abcd"}]}"#),
        "4 validation errors detected: Value null at 'inners.2.member' failed to satisfy constraint: \
         Member must not be null; Value null at 'inners.3.member.word' failed to satisfy constraint: \
         Member must not be null; Value 'abcd' at 'inners.4.member.word' failed to satisfy \
         constraint: Member must have length less than or equal to 3; Value 'abcd' at \
         'inners.4.member.word' failed to satisfy constraint: Member must satisfy enum value set: \
         [ab, cd]"
    );
}

#[test]
fn values_are_shown_as_java_prints_them() {
    assert_eq!(
        refusal(r#"{"Bytes":"aGVsbG8="}"#),
        "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=5 cap=5]' at 'bytes' \
         failed to satisfy constraint: Member must have length less than or equal to 2"
    );
    assert_eq!(
        refusal(r#"{"Words":["ab","ab","ab"]}"#),
        "1 validation error detected: Value '[ab, ab, ab]' at 'words' failed to satisfy constraint: \
         Member must have length less than or equal to 2"
    );
    assert_eq!(
        refusal(r#"{"Texts":{"a":"b","c":"long"}}"#),
        "1 validation error detected: Value '{a=b, c=long}' at 'texts' failed to satisfy \
         constraint: Map value must satisfy constraint: [Member must have length less than or equal \
         to 3]"
    );
    let many = format!(
        r#"{{"Inners":[{}{{"Word":"ab"}}]}}"#,
        r#"{"Word":"ab"},"#.repeat(20)
    );
    assert!(
        refusal(&many).contains("Value '[com.amazonaws.kinesis.v20131202.Inner@"),
        "{}",
        refusal(&many)
    );
}

#[test]
fn ten_violations_are_the_most() {
    let body = format!(r#"{{"Inners":[{}{{}}]}}"#, "{},".repeat(18));
    let text = refusal(&body);
    assert!(
        text.starts_with("10 validation errors detected: "),
        "{text}"
    );
    assert_eq!(text.matches("; ").count(), 9);
}

#[test]
fn long_text_is_counted_in_characters() {
    assert!(document::decode(Format::Json, &Bytes::from_static(b"{}")).is_ok());
    let body = Bytes::from(r#"{"Texts":{"äöü":"äöü"}}"#);
    assert!(read(Format::Json, &body, &OUTER).is_ok());
}
