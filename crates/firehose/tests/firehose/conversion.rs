//! Data format conversion: what of it is served, and what is delivered and described then.

use afflux_firehose::{Options, Table};

use crate::support::{Fixture, Value, creation, json, lake, with};

const COLUMNS: &str = r#"[{"name": "id", "type": "bigint"}, {"name": "text", "type": "string"}]"#;

async fn fixture() -> Fixture {
    let columns = Table::columns_from_json(COLUMNS).unwrap();
    let table = Table::new("shop".to_owned(), "orders".to_owned(), columns).unwrap();
    Fixture::with(Options {
        tables: vec![table],
        ..Options::default()
    })
    .await
}

fn schema() -> Value {
    json!({"DatabaseName": "shop", "TableName": "orders", "RoleARN": crate::support::ROLE})
}

fn conversion() -> Value {
    json!({
        "SchemaConfiguration": schema(),
        "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
        "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {"Compression": "GZIP"}}},
    })
}

fn converting(conversion: Value) -> Value {
    json!({
        "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 0},
        "DataFormatConversionConfiguration": conversion,
    })
}

#[tokio::test]
async fn records_become_parquet_files_and_what_does_not_fit_lines_of_errors() {
    let fixture = fixture().await;
    let more = with(
        converting(conversion()),
        json!({"ErrorOutputPrefix": "failed/!{firehose:error-output-type}/"}),
    );
    fixture.create("orders", more).await;
    let records = [
        r#"{"ID":1,"text":"a"}"#,
        r#"{"id":"x"}"#,
        r#"{"id":2}{"id":3}"#,
    ];
    fixture.put("orders", &records).await;
    fixture.delivered("orders", 3).await;
    let objects = fixture.objects("lake");
    let (failed, files): (Vec<_>, Vec<_>) = objects
        .iter()
        .partition(|(key, _)| key.starts_with("failed/"));
    assert!(!files.is_empty());
    for (key, bytes) in files {
        assert!(key.ends_with(".parquet"), "{key}");
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    }
    let [(key, line)] = failed.as_slice() else {
        panic!("{failed:?}");
    };
    assert!(
        key.starts_with("failed/format-conversion-failed/orders-1-"),
        "{key}"
    );
    assert!(!key.contains('.'), "{key}");
    let line: Value = serde_json::from_slice(line).unwrap();
    assert_eq!(line["lastErrorCode"], "DataFormatConversion.MalformedData");
    assert_eq!(line["rawData"], "eyJpZCI6IngifQ==");
}

#[tokio::test]
async fn what_was_set_is_described() {
    let fixture = fixture().await;
    fixture.create("orders", converting(conversion())).await;
    let described = fixture.described("orders").await;
    let described = &described["DataFormatConversionConfiguration"];
    for (name, value) in conversion().as_object().unwrap() {
        assert_eq!(&described[name], value, "{name}");
    }
}

#[tokio::test]
async fn a_conversion_that_is_off_needs_nothing() {
    let fixture = fixture().await;
    let off = json!({"DataFormatConversionConfiguration": {"Enabled": false}});
    fixture.create("off", off).await;
}

#[tokio::test]
async fn what_cannot_be_converted_is_refused_by_name() {
    let fixture = fixture().await;
    let schema = |more| json!({"SchemaConfiguration": with(schema(), more)});
    let input = |value| json!({"InputFormatConfiguration": {"Deserializer": value}});
    let output = |value| json!({"OutputFormatConfiguration": {"Serializer": value}});
    let both = json!({"OpenXJsonSerDe": {}, "HiveJsonSerDe": {}});
    let joda = json!({"HiveJsonSerDe": {"TimestampFormats": ["yyyy-MMM-dd"]}});
    let mapped = json!({"OpenXJsonSerDe": {"ColumnToJsonKeyMappings": {"other": "x"}}});
    for (more, says) in [
        (
            schema(json!({"TableName": "other"})),
            "table other of the database shop is not among",
        ),
        (
            schema(json!({"DatabaseName": "other"})),
            "table orders of the database other is not",
        ),
        (schema(json!({"VersionId": "7"})), "VersionId is \"7\""),
        (
            input(json!({})),
            "exactly one of OpenXJsonSerDe and HiveJsonSerDe",
        ),
        (
            input(both),
            "exactly one of OpenXJsonSerDe and HiveJsonSerDe",
        ),
        (
            input(joda),
            "the timestamp format \"yyyy-MMM-dd\" is not understood: \"MMM\"",
        ),
        (
            input(mapped),
            "the column \"other\" is not converted: a mapping names it",
        ),
        (
            output(json!({"OrcSerDe": {}})),
            "OrcSerDe is not served by this server",
        ),
        (output(json!({})), "ParquetSerDe must be given"),
    ] {
        let refused = fixture
            .refused_lake(converting(with(conversion(), more)))
            .await;
        assert!(
            refused.starts_with("InvalidArgumentException: "),
            "{refused}"
        );
        assert!(refused.contains(says), "{refused}");
    }
    for missing in [
        "SchemaConfiguration",
        "InputFormatConfiguration",
        "OutputFormatConfiguration",
    ] {
        let mut conversion = conversion();
        conversion.as_object_mut().unwrap().remove(missing);
        let refused = fixture.refused_lake(converting(conversion)).await;
        assert!(refused.contains(missing), "{refused}");
    }
    let gzip = with(
        converting(conversion()),
        json!({"CompressionFormat": "GZIP"}),
    );
    let refused = fixture.refused_lake(gzip).await;
    assert!(refused.contains("CompressionFormat is GZIP"), "{refused}");
    let small = with(
        converting(conversion()),
        json!({"BufferingHints": {"SizeInMBs": 63, "IntervalInSeconds": 0}}),
    );
    let refused = fixture.refused_lake(small).await;
    assert!(refused.contains("SizeInMBs is 63"), "{refused}");
}

#[tokio::test]
async fn an_update_finds_its_table_again() {
    let fixture = fixture().await;
    let body = creation("orders", lake(json!({})));
    fixture.call("CreateDeliveryStream", body).await;
    let update = |conversion: Value| {
        json!({
            "DeliveryStreamName": "orders",
            "CurrentDeliveryStreamVersionId": "1",
            "DestinationId": crate::support::DESTINATION,
            "ExtendedS3DestinationUpdate": converting(conversion),
        })
    };
    let lost = with(schema(), json!({"TableName": "lost"}));
    let lost = with(conversion(), json!({"SchemaConfiguration": lost}));
    let refused = fixture.refused("UpdateDestination", update(lost)).await;
    assert!(
        refused.contains("table lost of the database shop"),
        "{refused}"
    );
    fixture
        .call("UpdateDestination", update(conversion()))
        .await;
    fixture.put("orders", &[r#"{"id":1}"#]).await;
    fixture.delivered("orders", 1).await;
    assert!(
        fixture
            .objects("lake")
            .keys()
            .all(|key| key.ends_with(".parquet"))
    );
}
