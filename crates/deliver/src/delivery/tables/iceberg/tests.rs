use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::iceberg::io::Storage as _;
use afflux_transform::{ColumnFacts, TableType};
use serde_json::{Value, json};

use super::*;
use crate::delivery::settings::Place;
use crate::delivery::stores::{BucketHome, BucketSettings, Stores};
use crate::delivery::tables::Catalogs;
use crate::fs::Disk;

fn files(directory: &Path) -> Files {
    let buckets = [BucketSettings {
        name: "lake".to_owned(),
        home: BucketHome::Directory(directory.join("lake")),
    }];
    let access = Access {
        catalogs: Catalogs::default(),
        stores: Stores::new(&buckets).unwrap(),
        fs: Arc::new(Disk),
    };
    Files::new(&access, Some(directory.join("tables")))
}

/// A table with these fields, partitioned so, with these properties.
fn metadata(fields: &Value, partition: &Value, properties: &Value) -> TableMetadata {
    let metadata = json!({
        "format-version": 2,
        "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1",
        "location": "s3://lake/orders",
        "last-sequence-number": 0,
        "last-updated-ms": 0,
        "last-column-id": 9,
        "current-schema-id": 0,
        "schemas": [{"type": "struct", "schema-id": 0, "fields": fields}],
        "default-spec-id": 0,
        "partition-specs": [{"spec-id": 0, "fields": partition}],
        "last-partition-id": 1_000,
        "default-sort-order-id": 0,
        "sort-orders": [{"order-id": 0, "fields": []}],
        "properties": properties,
    });
    serde_json::from_value(metadata).unwrap()
}

fn field(id: i32, name: &str, kind: &str) -> Value {
    json!({"id": id, "name": name, "required": id == 1, "type": kind})
}

#[test]
fn a_location_is_in_a_bucket_of_the_configuration_or_below_the_directory_of_its_catalog() {
    let files = files(Path::new("/data"));
    let bucket = |key: &str| (Place::Bucket("lake".to_owned()), key.to_owned());
    let directory = |key: &str| {
        let directory = PathBuf::from("/data/tables");
        (Place::Directory(directory), key.to_owned())
    };
    for (location, found) in [
        ("s3://lake/shop/orders", bucket("shop/orders")),
        ("s3a://lake/shop", bucket("shop")),
        ("file:///data/tables/shop", directory("shop")),
        ("file:/data/tables/shop/orders", directory("shop/orders")),
        ("/data/tables/shop", directory("shop")),
    ] {
        assert_eq!(files.find(location).unwrap(), found, "{location}");
    }
    for (location, says) in [
        (
            "s3://pond/orders",
            "bucket pond is not among the [[buckets]]",
        ),
        ("file:///data/other/orders", "not below /data/tables"),
        ("/data/tables/../other", "not below /data/tables"),
        ("s3://lake/../other", "it leads out of its bucket"),
        ("data/tables/orders", "not below /data/tables"),
        ("gs://lake/orders", "only s3 and file are known"),
        ("", "not below /data/tables"),
    ] {
        let error = files.find(location).unwrap_err();
        assert!(error.message().contains(says), "{}", error.message());
    }
}

#[tokio::test]
async fn metadata_is_written_once_and_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("lake")).unwrap();
    let files = files(directory.path());
    let location = "s3://lake/orders/metadata/a.avro";
    files.write(location, "one".into()).await.unwrap();
    assert_eq!(files.read(location).await.unwrap(), "one");
    let error = files.write(location, "two".into()).await.unwrap_err();
    assert!(error.to_string().contains("is in the way"), "{error}");
    assert_eq!(files.read(location).await.unwrap(), "one");
    let mut writer = files.writer("s3://lake/b").await.unwrap();
    for piece in ["th", "ree"] {
        writer.write(piece.into()).await.unwrap();
    }
    writer.close().await.unwrap();
    assert_eq!(files.read("s3://lake/b").await.unwrap(), "three");
    assert!(files.delete(location).await.is_err());
}

#[test]
fn fields_keep_their_ids_and_a_type_that_is_not_converted_is_refused_with_its_column() {
    let list = json!({"type": "list", "element-id": 4, "element": "timestamptz", "element-required": true});
    let fields = json!([
        field(1, "id", "long"),
        field(2, "price", "decimal(9, 2)"),
        {"id": 3, "name": "times", "required": false, "type": list},
    ]);
    let table = metadata(&fields, &json!([]), &json!({}));
    let fields = fields::fields("orders", table.current_schema()).unwrap();
    let [id, price, times] = &fields[..] else {
        panic!("{fields:?}");
    };
    assert_eq!(
        (id.id, id.is_required, &id.kind),
        (1, true, &TableType::Long)
    );
    let decimal = TableType::Decimal {
        precision: 9,
        scale: 2,
    };
    assert_eq!((price.is_required, &price.kind), (false, &decimal));
    let TableType::List(element) = &times.kind else {
        panic!("{times:?}");
    };
    assert_eq!((element.id, element.is_required), (4, true));
    for kind in ["uuid", "time", "timestamp_ns"] {
        let table = metadata(&json!([field(2, "odd", kind)]), &json!([]), &json!({}));
        let error = fields::fields("orders", table.current_schema()).unwrap_err();
        let says = format!("column \"odd\" of table orders has the type {kind}");
        assert!(error.message().starts_with(&says), "{}", error.message());
    }
}

#[test]
fn a_batch_is_committed_once_the_table_has_its_number_or_a_later_one() {
    let of =
        |properties: Value| metadata(&json!([field(1, "id", "long")]), &json!([]), &properties);
    let batch = |delivery, number| Batch { delivery, number };
    let table = of(json!({"afflux.delivery.00000000000000ab": "7"}));
    for (batch, is_there) in [
        (batch(0xab, 6), true),
        (batch(0xab, 7), true),
        (batch(0xab, 8), false),
        (batch(0xac, 7), false),
    ] {
        assert_eq!(catalog::is_committed(&table, batch), is_there, "{batch:?}");
    }
    let broken = of(json!({"afflux.delivery.00000000000000ab": "many"}));
    assert!(!catalog::is_committed(&broken, batch(0xab, 1)));
}

#[test]
fn a_data_file_has_bounds_of_the_fields_that_the_table_still_has() {
    let fields = json!([field(1, "id", "long"), field(2, "name", "string")]);
    let table = metadata(&fields, &json!([]), &json!({}));
    let facts = |lower: &[u8]| ColumnFacts {
        bytes: 10,
        values: 3,
        nulls: 1,
        lower: Some(lower.to_vec()),
        upper: None,
    };
    let file = NewFile {
        location: "s3://lake/orders/data/a.parquet".to_owned(),
        bytes: 100,
        rows: 3,
        columns: [
            // Written when it was an int.
            (1, facts(&7_i32.to_le_bytes())),
            (2, facts(b"\xff not a text")),
            (3, facts(b"dropped")),
        ]
        .into(),
        offsets: vec![4],
    };
    let file = data_file(&file, &table).unwrap();
    assert_eq!(file.lower_bounds().len(), 1);
    assert_eq!(file.lower_bounds()[&1], Datum::long(7));
    assert_eq!((file.record_count(), file.file_size_in_bytes()), (3, 100));
    assert_eq!(file.null_value_counts()[&2], 1);
}

#[test]
fn partitions_are_refused_by_their_transforms_and_columns_unless_they_are_void() {
    let fields = json!([field(1, "id", "long"), field(2, "at", "timestamp")]);
    let by = |transform: &str| {
        json!([
            {"source-id": 2, "field-id": 1000, "name": "at_day", "transform": transform},
        ])
    };
    let table = TableSettings::new("lake", "shop.orders").unwrap();
    let error = refuse_partitions(&table, &metadata(&fields, &by("day"), &json!({}))).unwrap_err();
    assert!(
        error
            .message()
            .contains("shop.orders is partitioned by day(at)"),
        "{}",
        error.message()
    );
    let void = metadata(&fields, &by("void"), &json!({}));
    refuse_partitions(&table, &void).unwrap();
    let file = NewFile {
        location: String::new(),
        bytes: 0,
        rows: 0,
        columns: [].into(),
        offsets: Vec::new(),
    };
    assert_eq!(
        data_file(&file, &void).unwrap().partition().fields(),
        [None]
    );
}
