use afflux_types::ServerTime;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn at(time: &str) -> ServerTime {
    time.parse().unwrap()
}

fn settings(rotation: Rotation) -> IndexSettings {
    IndexSettings {
        rotation,
        ..IndexSettings::new("clicks".into())
    }
}

fn index(rotation: Rotation, time: &str) -> String {
    settings(rotation).document(at(time), "id", 0).index
}

#[test]
fn indices_are_named_by_when_records_arrived() {
    let time = "2016-02-25T13:00:00Z";
    for (rotation, name) in [
        (Rotation::None, "clicks"),
        (Rotation::Hour, "clicks-2016-02-25-13"),
        (Rotation::Day, "clicks-2016-02-25"),
        (Rotation::Month, "clicks-2016-02"),
    ] {
        assert_eq!(index(rotation, time), name);
    }
}

#[test]
fn a_week_begins_on_sunday_and_is_of_the_year_of_its_saturday() {
    for (day, name) in [
        // A Friday and the Saturday that ends the first week.
        ("2016-01-01", "clicks-2016-w01"),
        ("2016-01-02", "clicks-2016-w01"),
        ("2016-01-03", "clicks-2016-w02"),
        ("2016-02-25", "clicks-2016-w09"),
        ("2020-08-15", "clicks-2020-w33"),
        // The first of the year is a Sunday: the day before ends the 53rd week.
        ("2016-12-31", "clicks-2016-w53"),
        ("2017-01-01", "clicks-2017-w01"),
        // The last days of a year are in the first week of the next, which has the Saturday.
        ("2018-12-29", "clicks-2018-w52"),
        ("2018-12-30", "clicks-2019-w01"),
        ("2018-12-31", "clicks-2019-w01"),
        ("2026-12-27", "clicks-2027-w01"),
        // One that ends on a Friday, and one that ends on the Saturday itself.
        ("2021-12-31", "clicks-2022-w01"),
        ("2022-12-31", "clicks-2022-w53"),
        // A leap year that ends on a Sunday.
        ("2028-12-30", "clicks-2028-w53"),
        ("2028-12-31", "clicks-2029-w01"),
    ] {
        let name_found = index(Rotation::Week, &format!("{day}T23:59:59.999Z"));
        assert_eq!(name_found, name, "{day}");
    }
}

#[test]
fn a_document_has_an_id_of_its_own_unless_the_cluster_gives_it() {
    let mut settings = settings(Rotation::None);
    let arrival = at("2026-11-21T00:00:00Z");
    let document = settings.document(arrival, "batch", 17);
    assert_eq!(document.id.as_deref(), Some("batch-17"));
    settings.ids = DocumentIds::Cluster;
    assert_eq!(settings.document(arrival, "batch", 17).id, None);
}

#[test]
fn names_that_no_cluster_has_are_refused() {
    let check = |name: &str, type_name: &str| {
        let settings = IndexSettings {
            type_name: type_name.into(),
            ..IndexSettings::new(name.into())
        };
        settings.check()
    };
    for name in ["clicks", "a.b", "1", "ä-_+", &"x".repeat(80)] {
        check(name, &"t".repeat(100)).unwrap();
    }
    for name in [
        "",
        "Clicks",
        "-a",
        "_a",
        "+a",
        ".",
        "..",
        "a b",
        "a/b",
        "a*",
        "a,b",
        "a#",
        "a:b",
        "a\nb",
        "a\"b",
        &"x".repeat(81),
    ] {
        let error = check(name, "").unwrap_err();
        assert!(error.message().contains(&format!("{name:?}")), "{error:?}");
    }
    assert!(check("a", &"t".repeat(101)).is_err());
    assert!(check("a", "a\n").is_err());
}

#[test]
fn a_body_has_two_lines_for_each_document() {
    let settings = IndexSettings {
        type_name: "do\"c".into(),
        ..settings(Rotation::Day)
    };
    let mut body = Vec::new();
    let document = settings.document(at("2026-11-21T10:00:00Z"), "batch", 3);
    document.write(b" {\"a\":\r\n [1, \"b\\n\"]\n}\n", &mut body);
    let text = String::from_utf8(body).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            r#"{"index":{"_index":"clicks-2026-11-21","_type":"do\"c","_id":"batch-3"}}"#,
            "{\"a\":   [1, \"b\\n\"] }"
        ]
    );
    assert!(text.ends_with('\n'));
}

#[test]
fn only_one_object_is_a_document() {
    for record in [&b"{}"[..], b" {\"a\":{\"b\":[]}}\n", b"\r\n{}\r\n"] {
        assert_eq!(Document::check(record), Ok(()));
    }
    for record in [
        &b""[..],
        b"text",
        b"1",
        b"[{}]",
        b"{}{}",
        b"{}\n{}",
        b"{\"a\":1,}",
        b"{\"a\nb\":1}",
        b"{\"a\":\"\xff\"}",
        b"{\"a\":1}\n{\"index\":{\"_index\":\"other\"}}\n{}",
        b"\xef\xbb\xbf{}",
    ] {
        assert_eq!(Document::check(record), Err(NotADocument), "{record:?}");
    }
}

#[test]
fn what_a_cluster_says_is_said_of_each_document() {
    let body = json!({
        "took": 30,
        "errors": true,
        "items": [
            {"index": {"_index": "a", "_id": "1", "status": 201, "_shards": {"total": 2}}},
            {"create": {"status": 200}},
            {"index": {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "full"}}},
            {"index": {"status": 503, "error": "UnavailableShardsException[no]"}},
            {"index": {"status": 400, "error": {
                "type": "mapper_parsing_exception",
                "reason": "failed to parse field [n]",
                "caused_by": {"type": "number_format_exception", "reason": "For input"},
            }}},
            {"index": {"status": 404, "error": {"reason": "x".repeat(2_000)}}},
            {"index": {}},
        ],
    });
    let answer = BulkAnswer::read(body.to_string().as_bytes(), 7).unwrap();
    let error = |status, message: &str| BulkError {
        status,
        message: message.into(),
    };
    assert_eq!(
        answer.items,
        [
            Indexed::Taken,
            Indexed::Taken,
            Indexed::Busy(error(429, "es_rejected_execution_exception: full")),
            Indexed::Busy(error(503, "UnavailableShardsException[no]")),
            Indexed::Refused(error(
                400,
                "mapper_parsing_exception: failed to parse field [n]"
            )),
            Indexed::Refused(error(404, &"x".repeat(512))),
            Indexed::Busy(error(0, "")),
        ]
    );
}

#[test]
fn an_answer_without_errors_takes_all_documents_that_it_is_about() {
    let body = br#"{"errors":false,"items":[{"index":{"status":201}},{"index":{}}]}"#;
    let answer = BulkAnswer::read(body, 2).unwrap();
    assert_eq!(answer.items, [Indexed::Taken, Indexed::Taken]);
    for sent in [1, 3] {
        let error = BulkAnswer::read(body, sent).unwrap_err();
        let sentence = format!("the answer is about 2 of {sent} documents");
        assert_eq!(error.to_string(), sentence);
    }
}

#[test]
fn what_is_no_answer_is_refused() {
    for body in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"errors":false}"#,
        r#"{"items":[]}"#,
        r#"{"errors":"no","items":[{"index":{}}]}"#,
        r#"{"errors":true,"items":[{"index":{"status":-1}}]}"#,
        r#"{"errors":true,"items":[{"index":{"status":70000}}]}"#,
        r#"{"errors":true,"items":[{}]}"#,
        r#"{"errors":true,"items":[1]}"#,
        r#"{"errors":true,"items":[{"index":{"status":201}}"#,
    ] {
        assert!(BulkAnswer::read(body.as_bytes(), 1).is_err(), "{body}");
    }
    let deep = "[".repeat(100_000);
    let body = format!(r#"{{"errors":true,"items":[{{"index":{{"error":{deep}"#);
    assert!(BulkAnswer::read(body.as_bytes(), 1).is_err());
}

#[test]
fn an_answer_takes_no_more_memory_than_the_documents_that_can_be_sent() {
    let item = r#"{"index":{}}"#;
    let body = |count| {
        format!(
            r#"{{"errors":true,"items":[{}]}}"#,
            vec![item; count].join(",")
        )
    };
    let most = BULK_DOCUMENTS_MAX;
    assert!(BulkAnswer::read(body(most).as_bytes(), most).is_ok());
    let error = BulkAnswer::read(body(most + 1).as_bytes(), most).unwrap_err();
    assert!(error.to_string().contains("at most 10000 items"), "{error}");
}

proptest! {
    /// Whatever a record holds, the body has its two lines, and the second is the record.
    #[test]
    fn no_record_breaks_its_line(record in "[ \n\r\t]{0,2}\\{(\"[a-z\\\\\"\n]{0,3}\":([0-9]|\"x\"|\n),?){0,2}\n?\\}\\PC{0,2}[\n ]{0,2}") {
        if Document::check(record.as_bytes()).is_ok() {
            let mut body = Vec::new();
            let document = settings(Rotation::Day).document(at("2026-11-21T10:00:00Z"), "b", 0);
            document.write(record.as_bytes(), &mut body);
            let text = String::from_utf8(body).unwrap();
            let lines: Vec<&str> = text.split('\n').collect();
            prop_assert_eq!(lines.len(), 3);
            prop_assert_eq!(lines[2], "");
            let read: Value = serde_json::from_str(lines[1]).unwrap();
            prop_assert_eq!(read, serde_json::from_str::<Value>(&record).unwrap());
        }
    }

    #[test]
    fn any_answer_is_understood_or_refused(body in ".{0,64}", sent in 0_usize..4) {
        if let Ok(answer) = BulkAnswer::read(body.as_bytes(), sent) {
            prop_assert_eq!(answer.items.len(), sent);
        }
    }
}
