use proptest::prelude::*;

use super::*;

fn value(depth: u32) -> BoxedStrategy<Value<'static>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        "\\PC{0,20}|[\"\\\\\u{0}-\u{1f}]{0,5}".prop_map(|text| Value::Str(text.into())),
    ];
    leaf.prop_recursive(depth, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::List),
            prop::collection::btree_map("\\PC{0,8}", inner, 0..20).prop_map(|map| {
                Value::Map(map.into_iter().map(|(k, v)| (k.into(), v)).collect())
            }),
        ]
    })
    .boxed()
}

fn wrapped(value: Value<'_>) -> Value<'_> {
    Value::Map(vec![("a".into(), value)])
}

fn written(format: Format, value: &Value<'_>) -> Bytes {
    Encoder::to_bytes(format, 0, value)
}

proptest! {
    #[test]
    fn both_formats_read_what_they_write(value in value(5)) {
        let value = wrapped(value);
        for format in [Format::Json, Format::Cbor] {
            let body = written(format, &value);
            prop_assert_eq!(&decode(format, &body).unwrap(), &value);
        }
    }

    #[test]
    fn cbor_reads_the_blobs_and_times_that_it_writes(blob: Vec<u8>, time: i64) {
        let value = Value::Map(vec![("b".into(), Value::Blob(blob.into())), ("t".into(), Value::Timestamp(time))]);
        let body = written(Format::Cbor, &value);
        prop_assert_eq!(decode(Format::Cbor, &body).unwrap(), value);
    }

    #[test]
    fn hostile_bytes_never_panic(bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        let _ = decode(Format::Json, &bytes);
        let _ = decode(Format::Cbor, &bytes);
    }

    #[test]
    fn hostile_cbor_never_panics(bytes in prop::collection::vec(prop_oneof![Just(0xbf_u8), Just(0x9f), Just(0xff), Just(0x7f), Just(0x61), Just(0xc1), any::<u8>()], 0..60)) {
        let mut body = vec![0xbf, 0x61, b'a'];
        body.extend(bytes);
        let _ = decode(Format::Cbor, &Bytes::from(body));
    }
}

#[test]
fn json_writes_times_in_seconds_and_blobs_in_base64() {
    let value = Value::List(vec![
        Value::Timestamp(1_459_799_926_048),
        Value::Timestamp(-1_500),
        Value::Blob(Bytes::from_static(b"hello")),
        Value::List(vec![]),
        Value::Map(vec![
            ("\"".into(), Value::Null),
            ("b".into(), Value::Float(0.5)),
        ]),
    ]);
    assert_eq!(
        written(Format::Json, &value),
        r#"[1459799926.048,-1.500,"aGVsbG8=",[],{"\"":null,"b":0.5}]"#
    );
}

#[test]
fn cbor_writes_times_as_tagged_milliseconds() {
    let body = written(Format::Cbor, &Value::Timestamp(1_459_799_926_480));
    assert_eq!(
        body,
        [0xc1, 0x1b, 0, 0, 1, 0x53, 0xe2, 0xdb, 0x26, 0xd0][..]
    );
}

#[test]
fn cbor_takes_both_kinds_of_length() {
    let definite = b"\xa2\x61a\x43xyz\x61b\x82\x01\x20";
    let indefinite = b"\xbf\x7f\x61a\xff\x5f\x41x\x42yz\xff\x61b\x9f\x01\x20\xff\xff";
    let expected = Value::Map(vec![
        ("a".into(), Value::Blob(Bytes::from_static(b"xyz"))),
        ("b".into(), Value::List(vec![Value::Int(1), Value::Int(-1)])),
    ]);
    for body in [&definite[..], &indefinite[..]] {
        let body = Bytes::copy_from_slice(body);
        assert_eq!(decode(Format::Cbor, &body).unwrap(), expected);
    }
}

#[test]
fn broken_json_is_refused() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40));
    let many = format!("{{\"a\":[{}0]}}", "0,".repeat(140_000));
    let keys: String = (0..40).map(|i| format!("\"k{}\":0,", i % 39)).collect();
    let twice = format!("{{{keys}\"z\":0}}");
    let bodies = [
        "",
        "{",
        "[]",
        "3",
        "null",
        r#"{"a":1}x"#,
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"a":1e999}"#,
        r#"{"a":01}"#,
        "{\"a\":\"\n\"}",
        &deep,
        &many,
        &twice,
    ];
    for body in bodies {
        let bytes = Bytes::copy_from_slice(body.as_bytes());
        let error = decode(Format::Json, &bytes).unwrap_err();
        assert_eq!(error.service_message(), None, "{error}");
    }
    let not_utf8 = Bytes::from_static(b"{\"a\":\"\xff\"}");
    assert!(decode(Format::Json, &not_utf8).is_err());
}

#[test]
fn broken_cbor_is_refused() {
    let mut deep = b"\xbf\x61a".to_vec();
    deep.extend([0x9f; 1_000]);
    let bodies: &[&[u8]] = &[
        b"",
        b"\xbf",
        b"\x01",
        b"\xa1\x61a",
        b"\xa0\x00",
        b"\xa1\x01\x02",
        b"\xa2\x61a\x01\x61a\x02",
        b"\xa1\x61a\x61\xff",
        b"\xa1\x61a\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x61a\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x61a\xff",
        b"\xa1\x61a\x1c",
        b"\xa1\x61a\xc1\x61b",
        b"\xa1\x61a\x5f\x61x\xff",
        b"\xa1\x61a\xf8\x20",
        &deep,
    ];
    for body in bodies {
        let body = Bytes::copy_from_slice(body);
        assert!(decode(Format::Cbor, &body).is_err(), "{body:?}");
    }
}

#[test]
fn halves_widen() {
    for (bits, value) in [
        (0x3c00_u16, 1.0),
        (0xc000, -2.0),
        (0x7bff, 65_504.0),
        (0x0001, 5.960_464_477_539_063e-8),
    ] {
        let mut body = b"\xa1\x61a\xf9".to_vec();
        body.extend(bits.to_be_bytes());
        let body = Bytes::from(body);
        assert_eq!(
            decode(Format::Cbor, &body).unwrap(),
            wrapped(Value::Float(value))
        );
    }
}
