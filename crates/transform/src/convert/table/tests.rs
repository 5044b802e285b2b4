use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::{Converter, ParquetCompression, Schema};

fn field(id: i32, name: &str, kind: TableType) -> TableField {
    TableField {
        id,
        name: name.to_owned(),
        is_required: false,
        kind,
    }
}

fn required(field: TableField) -> TableField {
    TableField {
        is_required: true,
        ..field
    }
}

fn schema(fields: &[TableField]) -> Schema {
    Schema::of_table(fields, ParquetCompression::Zstd).unwrap()
}

/// The rows of a file, what it has of its columns, and why records are not in it.
fn convert(schema: &Schema, records: &[&str]) -> (RecordBatch, Converted, Vec<String>) {
    let mut file = Vec::new();
    let mut converter = Converter::new(schema, &mut file).unwrap();
    let mut misfits = Vec::new();
    for record in records {
        let pushed = converter.push(record.as_bytes()).unwrap();
        misfits.extend(pushed.err().map(|misfit| misfit.message));
    }
    let converted = converter.finish().unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(file)).unwrap();
    let batch = reader.build().unwrap().next().unwrap().unwrap();
    (batch, converted, misfits)
}

fn all() -> Vec<TableField> {
    let inner = vec![required(field(11, "b", TableType::Long))];
    let element = required(field(9, "", TableType::Text));
    let key = required(field(13, "", TableType::Text));
    let value = field(14, "", TableType::Struct(inner));
    let price = TableType::Decimal {
        precision: 20,
        scale: 2,
    };
    vec![
        required(field(1, "ID", TableType::Long)),
        field(2, "small", TableType::Int),
        field(3, "ratio", TableType::Double),
        field(4, "text", TableType::Text),
        field(5, "at", TableType::Timestamptz),
        field(6, "day", TableType::Date),
        field(7, "price", price),
        field(8, "tags", TableType::List(Box::new(element))),
        field(12, "map", TableType::Map(Box::new(key), Box::new(value))),
    ]
}

#[test]
fn every_field_of_a_file_has_the_id_of_its_table() {
    let record = r#"{"id":7,"tags":["a"],"map":{"k":{"b":1}}}"#;
    let (batch, converted, misfits) = convert(&schema(&all()), &[record]);
    assert!(misfits.is_empty(), "{misfits:?}");
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(0), 7);
    let ids: Vec<i32> = converted.columns().into_keys().collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 9, 11, 13]);
    let root = converted
        .metadata
        .file_metadata()
        .schema_descr()
        .root_schema();
    let top = root.get_fields().iter().map(|it| it.get_basic_info().id());
    assert_eq!(top.collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8, 12]);
    let id = &root.get_fields()[0];
    assert!(!id.is_optional(), "{id:?}");
}

#[test]
fn a_record_without_a_required_value_does_not_fit() {
    let records = [
        r#"{"id":1}"#,
        r#"{"small":2}"#,
        r#"{"id":null}"#,
        r#"{"id":4,"tags":["a",null]}"#,
        r#"{"id":5,"map":{"k":{}}}"#,
        r#"{"id":6,"map":{"k":null}}"#,
        r#"{"id":7,"tags":null,"map":null}"#,
    ];
    let (batch, converted, misfits) = convert(&schema(&all()), &records);
    let ids = batch
        .column(0)
        .as_primitive::<Int64Type>()
        .values()
        .to_vec();
    assert_eq!((ids, converted.rows), (vec![1, 6, 7], 3));
    assert_eq!(misfits.len(), 4, "{misfits:?}");
    for (misfit, path) in misfits.iter().zip(["id", "id", "tags", "map"]) {
        let says = misfit.contains(&format!("schema. {path}")) && misfit.contains("it is required");
        assert!(says, "{misfit}");
    }
}

#[test]
fn what_is_kept_of_columns_holds_over_all_row_groups() {
    let mut parts = Vec::new();
    for records in [
        [
            r#"{"id":3,"small":-1,"ratio":0.5,"price":-1.28,"day":"2026-11-21"}"#,
            r#"{"id":9}"#,
        ],
        [
            r#"{"id":-2,"price":"100.00","text":"b"}"#,
            r#"{"id":4,"ratio":-2,"text":"a"}"#,
        ],
    ] {
        let (_, converted, misfits) = convert(&schema(&all()), &records);
        assert!(misfits.is_empty(), "{misfits:?}");
        parts.push(converted);
    }
    let chunks = |part: &Converted| part.metadata.row_group(0).columns().to_vec();
    let mut sums: Vec<ColumnFacts> = chunks(&parts[0]).iter().map(ColumnFacts::of).collect();
    for (sum, chunk) in sums.iter_mut().zip(chunks(&parts[1])) {
        sum.add(ColumnFacts::of(&chunk), &chunk);
    }
    let bounds = |column: usize| (sums[column].lower.clone(), sums[column].upper.clone());
    let some = |lower: &[u8], upper: &[u8]| (Some(lower.to_vec()), Some(upper.to_vec()));
    assert_eq!(
        bounds(0),
        some(&(-2_i64).to_le_bytes(), &9_i64.to_le_bytes())
    );
    assert_eq!(
        bounds(1),
        some(&(-1_i32).to_le_bytes(), &(-1_i32).to_le_bytes())
    );
    assert_eq!(
        bounds(2),
        some(&(-2_f64).to_le_bytes(), &0.5_f64.to_le_bytes())
    );
    assert_eq!(bounds(3), some(b"a", b"b"));
    assert_eq!(bounds(4), (None, None));
    assert_eq!(bounds(6), some(&[0x80], &10_000_i16.to_be_bytes()));
    assert_eq!((sums[0].values, sums[0].nulls), (4, 0));
    assert_eq!((sums[1].values, sums[1].nulls), (4, 3));
    assert!(sums.iter().all(|sum| sum.bytes > 0));
}

#[test]
fn long_texts_have_short_bounds_that_hold() {
    let record = format!(r#"{{"id":1,"text":"{}"}}"#, "x".repeat(1_000));
    let (_, converted, _) = convert(&schema(&all()), &[&record]);
    let text = &converted.columns()[&4];
    assert_eq!(text.lower.as_deref(), Some("x".repeat(16).as_bytes()));
    let upper = format!("{}y", "x".repeat(15));
    assert_eq!(text.upper.as_deref(), Some(upper.as_bytes()));
}

#[test]
fn tables_that_cannot_be_written_are_refused_by_name() {
    let text = || field(2, "", TableType::Text);
    let mut deep = field(3, "", TableType::Text);
    for _ in 0..DEPTH_MAX {
        deep = field(3, "", TableType::List(Box::new(deep)));
    }
    let wide: Vec<_> = (0..i32::try_from(FIELDS_MAX).unwrap() + 1)
        .map(|id| field(id, &id.to_string(), TableType::Int))
        .collect();
    let decimal = |precision, scale| TableType::Decimal { precision, scale };
    let list = TableType::List(Box::new(text()));
    for (fields, says) in [
        (vec![], "the number of columns"),
        (vec![field(1, "deep", deep.kind)], "16 deep"),
        (wide, "more than 2000"),
        (vec![field(1, "price", decimal(39, 2))], "\"price\""),
        (vec![field(1, "price", decimal(9, 10))], "decimal(9, 10)"),
        (
            vec![field(1, "a", TableType::Int), field(2, "A", TableType::Int)],
            "another column",
        ),
        (
            vec![field(
                1,
                "m",
                TableType::Map(Box::new(field(2, "", list)), Box::new(text())),
            )],
            "simple type",
        ),
    ] {
        let error = Schema::of_table(&fields, ParquetCompression::Zstd).unwrap_err();
        assert!(error.message().contains(says), "{}", error.message());
    }
}
