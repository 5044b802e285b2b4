//! Payloads with several JSON objects, one behind the other or one per line.

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Deserializer;

/// The objects in a payload; `None` if it has anything else in it, none, or more than `max`.
///
/// Every byte is checked, but nothing is built: objects are slices of the payload.
pub(super) fn split(data: &Bytes, max: usize) -> Option<Vec<Bytes>> {
    let text = std::str::from_utf8(data).ok()?;
    let mut objects = Vec::new();
    let mut values = Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let mut start = 0;
    while let Some(value) = values.next() {
        value.ok()?;
        let object = text.get(start..values.byte_offset())?.trim_ascii();
        if !object.starts_with('{') || objects.len() == max {
            return None;
        }
        start = values.byte_offset();
        objects.push(data.slice_ref(object.as_bytes()));
    }
    (!objects.is_empty()).then_some(objects)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(data: &[u8]) -> Option<Vec<String>> {
        let parts = split(&Bytes::copy_from_slice(data), 500)?;
        let text = |part: Bytes| String::from_utf8(part.to_vec()).unwrap();
        Some(parts.into_iter().map(text).collect())
    }

    #[test]
    fn objects_stand_on_one_line_or_on_several() {
        let expected = Some(vec![r#"{"a":1}"#.to_owned(), r#"{"a":2}"#.to_owned()]);
        for data in [
            r#"{"a":1}{"a":2}"#,
            "{\"a\":1}\n{\"a\":2}",
            "\r\n {\"a\":1} \t\r\n\n{\"a\":2}\n",
        ] {
            assert_eq!(parts(data.as_bytes()), expected, "{data:?}");
        }
    }

    #[test]
    fn braces_in_strings_are_text() {
        let one = r#"{"a":"}{\"}{","b":{"c":[{}]}}"#;
        assert_eq!(parts(one.as_bytes()), Some(vec![one.to_owned()]));
    }

    #[test]
    fn anything_else_stays_whole() {
        for data in [
            r#"[{"a":1},{"a":2}]"#,
            r#"{"a":1},{"a":2}"#,
            r#"{"a":1}2"#,
            r#"{"a":1}{"a":"#,
            r#"{'a':1}"#,
            r#"{"a":01}"#,
            "text",
            "",
            " \n",
        ] {
            assert_eq!(parts(data.as_bytes()), None, "{data:?}");
        }
        assert_eq!(parts(b"{\"a\":\"\xff\"}"), None);
    }

    #[test]
    fn a_record_with_too_many_objects_stays_whole() {
        assert_eq!(parts(&b"{}\n".repeat(500)).unwrap().len(), 500);
        assert_eq!(parts(&b"{}\n".repeat(501)), None);
    }

    #[test]
    fn deep_nesting_does_not_need_the_stack() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(parts(deep.as_bytes()), Some(vec![deep]));
    }

    proptest! {
        #[test]
        fn objects_that_were_joined_come_apart(
            texts in proptest::collection::vec(".*", 1..20),
            between in "[ \n\r\t]*",
        ) {
            let object = |text: &String| serde_json::json!({ "text": text, "list": [text] }).to_string();
            let objects: Vec<String> = texts.iter().map(object).collect();
            prop_assert_eq!(parts(objects.join(&between).as_bytes()), Some(objects));
        }
    }
}
