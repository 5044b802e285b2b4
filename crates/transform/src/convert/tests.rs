use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array as _, ArrayRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::convert::settings::FIELDS_MAX;

fn conversion(columns: &[(&str, &str)]) -> Conversion {
    let columns = columns.iter().map(|(name, kind)| Column {
        name: (*name).to_owned(),
        kind: (*kind).to_owned(),
    });
    Conversion::new(columns.collect())
}

/// The rows of the file, and the codes and messages of the records that are not in it.
fn convert(conversion: &Conversion, records: &[&str]) -> (RecordBatch, Vec<Misfit>) {
    let schema = Schema::of(conversion).unwrap();
    let mut file = Vec::new();
    let mut converter = Converter::new(&schema, &mut file).unwrap();
    let pushed = records
        .iter()
        .map(|record| converter.push(record.as_bytes()).unwrap());
    let misfits: Vec<Misfit> = pushed.filter_map(Result::err).collect();
    let rows = converter.finish().unwrap().rows;
    let batch = read(file);
    assert_eq!(rows, u64::try_from(batch.num_rows()).unwrap());
    (batch, misfits)
}

fn read(file: Vec<u8>) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(file)).unwrap();
    let schema = builder.schema().clone();
    let batches = builder.with_batch_size(1 << 20).build().unwrap();
    let mut batches: Vec<RecordBatch> = batches.map(Result::unwrap).collect();
    assert!(batches.len() <= 1);
    batches
        .pop()
        .unwrap_or_else(|| RecordBatch::new_empty(schema))
}

/// The only column of a file with these records, none of which fails.
fn column(kind: &str, records: &[&str]) -> ArrayRef {
    let (batch, misfits) = convert(&conversion(&[("c", kind)]), records);
    assert_eq!(misfits, []);
    batch.column(0).clone()
}

fn message(kind: &str, record: &str) -> String {
    let (batch, mut misfits) = convert(&conversion(&[("c", kind)]), &[record]);
    assert_eq!((batch.num_rows(), misfits.len()), (0, 1), "{record}");
    let misfit = misfits.remove(0);
    format!("{}: {}", misfit.code, misfit.message)
}

fn texts(column: &ArrayRef) -> Vec<Option<&str>> {
    column.as_string::<i32>().iter().collect()
}

#[test]
fn every_simple_type_is_read_and_null_where_it_is_missing() {
    macro_rules! check {
        ($kind:expr, $arrow:ty, [$($record:expr => $value:expr),+]) => {
            let records = [$(concat!("{\"c\":", $record, "}"),)+ "{\"c\":null}", "{}"];
            let column = column($kind, &records);
            let values: Vec<_> = column.as_primitive::<$arrow>().iter().collect();
            assert_eq!(values, [$(Some($value),)+ None, None], "{}", $kind);
        };
    }
    check!("tinyint", Int8Type, ["-128" => -128, "\"7\"" => 7, "1.0" => 1]);
    check!("smallint", Int16Type, ["32767" => 32_767]);
    check!("int", Int32Type, ["-2147483648" => i32::MIN, "1e3" => 1_000]);
    check!("bigint", Int64Type, ["9223372036854775807" => i64::MAX, "-0" => 0]);
    check!("float", Float32Type, ["1.5" => 1.5, "\"-2\"" => -2.0]);
    check!("double", Float64Type, [
        "0.1" => 0.1,
        "2.2250738585072011e-308" => 2.225_073_858_507_201e-308,
        "1.7976931348623157e308" => f64::MAX
    ]);
    check!("decimal(22,2)", Decimal128Type, [
        "12345678901234567890.12" => 1_234_567_890_123_456_789_012,
        "\"-0.005\"" => -1
    ]);
    check!("date", Date32Type, ["\"1970-01-02\"" => 1, "\"1969-12-31\"" => -1]);
    check!("timestamp", TimestampMicrosecondType, [
        "1518033528.123" => 1_518_033_528_123_000,
        "\"2018-02-07T19:58:48.123456789Z\"" => 1_518_033_528_123_456
    ]);

    let booleans = column("boolean", &[r#"{"c":true}"#, r#"{"c":"FALSE"}"#, "{}"]);
    let booleans: Vec<_> = booleans.as_boolean().iter().collect();
    assert_eq!(booleans, [Some(true), Some(false), None]);
    let binary = column("binary", &[r#"{"c":"AAH/"}"#, r#"{"c":""}"#, "{}"]);
    let binary: Vec<_> = binary.as_binary::<i32>().iter().collect();
    assert_eq!(binary, [Some(&b"\x00\x01\xff"[..]), Some(&b""[..]), None]);
}

#[test]
fn text_columns_take_strings_and_the_text_of_all_else() {
    let records = [
        r#"{"c":"a\nb \u00e9 \ud83d\ude00 ü"}"#,
        r#"{"c":1.10}"#,
        r#"{"c":true}"#,
        r#"{"c":{"inner": [1, 2]}}"#,
        r#"{"c":""}"#,
        r#"{"c":null}"#,
    ];
    let wanted = [
        Some("a\nb é 😀 ü"),
        Some("1.10"),
        Some("true"),
        Some(r#"{"inner": [1, 2]}"#),
        Some(""),
        None,
    ];
    assert_eq!(texts(&column("string", &records)), wanted);
    assert_eq!(
        texts(&column("varchar(3)", &[r#"{"c":"äöü"}"#])),
        [Some("äöü")]
    );
    assert!(message("char(2)", r#"{"c":"äöü"}"#).contains("\"äöü\" does not fit"));
}

#[test]
fn what_does_not_fit_fails_with_the_column_and_the_value() {
    for (kind, value) in [
        ("tinyint", "128"),
        ("int", "1.5"),
        ("int", "true"),
        ("bigint", "9223372036854775808"),
        ("bigint", "1e400"),
        ("float", "1e39"),
        ("double", "1e400"),
        ("double", "\"NaN\""),
        ("double", "\"Infinity\""),
        ("double", "\"oops\""),
        ("boolean", "1"),
        ("boolean", "\"maybe\""),
        ("decimal(4,2)", "100"),
        ("decimal(38,0)", "1e1000000000"),
        ("date", "1"),
        ("timestamp", "true"),
        ("binary", "\"?\""),
        ("int", "{}"),
    ] {
        let said = message(kind, &format!("{{\"c\":{value}}}"));
        let start = format!(
            "DataFormatConversion.MalformedData: Data does not match the schema. c: {value} does not fit"
        );
        assert!(said.starts_with(&start), "{kind}: {said}");
    }
    let said = message("struct<a:array<int>>", r#"{"c":{"a":[1,"x"]}}"#);
    assert!(said.contains(r#"c.a: "x" does not fit"#), "{said}");
    for (kind, value) in [
        ("array<int>", "{}"),
        ("struct<a:int>", "[]"),
        ("map<string,int>", "7"),
    ] {
        let said = message(kind, &format!("{{\"c\":{value}}}"));
        assert!(said.contains("c: invalid type: "), "{said}");
    }
    let long = message("int", &format!("{{\"c\":\"{}\"}}", "x".repeat(100_000)));
    assert!(long.len() < 300);
}

#[test]
fn nested_values_are_read_with_their_nulls() {
    let kind = "struct<list:array<struct<n:int,tags:array<string>>>,map:map<string,array<double>>>";
    let records = [
        r#"{"c":{"list":[{"n":1,"tags":["a",null]},null,{}],"map":{"7":[0.5],"-8":[null]}}}"#,
        r#"{"c":{"list":[],"map":{}}}"#,
        r#"{"c":{"list":null}}"#,
        r#"{"c":null}"#,
        r#"{"c":{"list":[{"tags":[]}]}}"#,
    ];
    let column = column(kind, &records);
    let mut json = Vec::new();
    let batch = RecordBatch::try_from_iter([("c", column)]).unwrap();
    let mut writer = arrow_json::LineDelimitedWriter::new(&mut json);
    writer.write(&batch).unwrap();
    drop(writer);
    let wanted = concat!(
        r#"{"c":{"list":[{"n":1,"tags":["a",null]},null,{}],"map":{"7":[0.5],"-8":[null]}}}"#,
        "\n",
        r#"{"c":{"list":[],"map":{}}}"#,
        "\n",
        r#"{"c":{}}"#,
        "\n",
        "{}\n",
        r#"{"c":{"list":[{"tags":[]}]}}"#,
        "\n"
    );
    assert_eq!(String::from_utf8(json).unwrap(), wanted);
}

#[test]
fn the_keys_of_a_map_have_its_type_though_json_has_strings() {
    let column = column("map<int,string>", &[r#"{"c":{"7":"a","-8":null}}"#, "{}"]);
    let map = column.as_map();
    assert_eq!(map.keys().as_primitive::<Int32Type>().values(), &[7, -8]);
    assert_eq!(texts(map.values()), [Some("a"), None]);
    assert_eq!(map.null_count(), 1);
    let said = message("map<int,string>", r#"{"c":{"x":"a"}}"#);
    assert!(said.contains("c: the key \"x\" does not fit"), "{said}");
}

#[test]
fn a_record_with_several_objects_is_several_rows_or_none() {
    let records = [
        "{\"c\":1}{\"c\":2} \n\t{\"c\":3}\n",
        r#"{"c":4}{"c":"x"}"#,
        r#"{"c":5}{"c""#,
        r#"{"c":6} and then some"#,
        r#"{"c":7},{"c":8}"#,
        r#"[{"c":9}]"#,
        "null",
        "",
        " \n",
        r#"{"c":10}"#,
    ];
    let (batch, misfits) = convert(&conversion(&[("c", "int")]), &records);
    let rows = batch.column(0).as_primitive::<Int32Type>();
    assert_eq!(rows.values(), &[1, 2, 3, 10]);
    let codes = misfits
        .iter()
        .map(|misfit| misfit.code.rsplit('.').next().unwrap());
    assert_eq!(
        codes.collect::<Vec<_>>(),
        [
            "MalformedData",
            "ParseError",
            "ParseError",
            "ParseError",
            "MalformedData",
            "MalformedData",
            "ParseError",
            "ParseError"
        ]
    );
}

#[test]
fn a_record_that_fails_leaves_nothing_in_any_column() {
    let kinds = [
        ("a", "array<struct<x:string,y:map<string,int>>>"),
        ("b", "string"),
        ("c", "boolean"),
        ("d", "struct<e:decimal(5,2)>"),
        ("z", "int"),
    ];
    let good = r#"{"a":[{"x":"1","y":{"k":1}}],"b":"2","c":true,"d":{"e":1.25},"z":1}"#;
    let bad = good.replace("\"z\":1", "\"z\":\"x\"");
    let torn = &good[..good.len() - 1];
    let (clean, _) = convert(&conversion(&kinds), &[good, good, good]);
    let records = [&bad, good, &bad, torn, good, "{", &bad, good, torn];
    let (batch, misfits) = convert(&conversion(&kinds), &records);
    assert_eq!(misfits.len(), 6);
    assert_eq!(batch, clean);
}

#[test]
fn versions_of_a_schema_share_a_file_by_name() {
    let records = [
        r#"{"id":1,"old":"x"}"#,
        r#"{"new":"y","extra":{"deep":[1,{"a":null}]},"id":2}"#,
        r#"{"ID":3,"New":"z"}"#,
    ];
    let columns = [("id", "int"), ("old", "string"), ("new", "string")];
    let (batch, misfits) = convert(&conversion(&columns), &records);
    assert_eq!(misfits, []);
    assert_eq!(
        batch.column(0).as_primitive::<Int32Type>().values(),
        &[1, 2, 3]
    );
    assert_eq!(texts(batch.column(1)), [Some("x"), None, None]);
    assert_eq!(texts(batch.column(2)), [None, Some("y"), Some("z")]);
}

#[test]
fn keys_are_found_as_the_settings_say() {
    let reading = |case_insensitive, dots_to_underscores, mappings: &[(&str, &str)]| {
        let mappings = mappings
            .iter()
            .map(|(column, key)| ((*column).into(), (*key).into()));
        Conversion {
            json: JsonReading::OpenX {
                case_insensitive,
                dots_to_underscores,
                mappings: mappings.collect(),
            },
            ..conversion(&[("userId", "string"), ("s", "struct<inNer:string>")])
        }
    };
    let records = [
        r#"{"userId":"1"}"#,
        r#"{"USERID":"2"}"#,
        r#"{"user.id":"3"}"#,
        r#"{"User_Id":"4"}"#,
        r#"{"user\u0049d":"5"}"#,
    ];
    let found = |conversion| {
        let (batch, misfits) = convert(&conversion, &records);
        assert_eq!(misfits, []);
        let found = texts(batch.column(0)).into_iter().flatten();
        found.collect::<Vec<_>>().concat()
    };
    assert_eq!(found(reading(true, false, &[])), "125");
    assert_eq!(found(reading(false, false, &[])), "15");
    assert_eq!(found(reading(true, true, &[("userId", "User_ID")])), "34");
    assert_eq!(found(reading(false, false, &[("userId", "user.id")])), "3");

    let (batch, _) = convert(&reading(true, false, &[]), &[r#"{"S":{"INNER":"x"}}"#]);
    let inner = batch.column(1).as_struct().column(0).clone();
    assert_eq!(texts(&inner), [Some("x")]);
    let twice = r#"{"userId":"1","USERID":"2"}"#;
    let (_, misfits) = convert(&reading(true, false, &[]), &[twice]);
    assert!(
        misfits[0]
            .message
            .contains("userid: its key is there twice"),
        "{misfits:?}"
    );
}

#[test]
fn hive_takes_no_strings_for_numbers_and_no_objects_for_text() {
    let hive = Conversion {
        json: JsonReading::Hive {
            timestamp_formats: vec!["millis".into()],
        },
        ..conversion(&[
            ("n", "int"),
            ("t", "string"),
            ("at", "timestamp"),
            ("m", "map<int,int>"),
        ])
    };
    let records = [
        r#"{"N":1,"t":"x","at":1518033528123,"m":{"1":2}}"#,
        r#"{"n":"1"}"#,
        r#"{"t":{}}"#,
        r#"{"at":"2018-02-07 19:58:48"}"#,
    ];
    let (batch, misfits) = convert(&hive, &records);
    assert_eq!((batch.num_rows(), misfits.len()), (1, 3));
}

#[test]
fn hostile_records_fail_alone_and_cheaply() {
    let deep = format!("{{\"x\":{}", "[".repeat(1_000_000));
    let deep_in_a_column = format!(
        "{{\"c\":{}{}}}",
        "[".repeat(1_000_000),
        "]".repeat(1_000_000)
    );
    let empties = format!("{{\"w\":[{}{{}}]}}", "{},".repeat(200_000));
    let wide: Vec<String> = (0..500).map(|n| format!("f{n}:int")).collect();
    let wide = format!("array<struct<{}>>", wide.join(","));
    let number = format!("{{\"c\":{}}}", "9".repeat(1_000_000));
    let records = [
        &deep,
        &deep_in_a_column,
        &empties,
        &number,
        "{\"c\":NaN}",
        "{\"c\":\"\\ud800\"}",
        "{\"c\":\"\\q\"}",
        "{\"c\":\"\u{1}\"}",
        "{'c':1}",
        "{\"c\":01}",
        "{\"c\":1,}",
        "{\"c\" 1}",
        "{c:1}",
        "\u{feff}{}",
        r#"{"c":1}"#,
    ];
    let (batch, misfits) = convert(&conversion(&[("c", "int"), ("w", &wide)]), &records);
    assert_eq!((batch.num_rows(), misfits.len()), (1, 14));
    assert!(
        misfits[2]
            .message
            .contains("a record fills 4194304 values at most")
    );
    let schema = Schema::of(&conversion(&[("c", "string")])).unwrap();
    let mut converter = Converter::new(&schema, Vec::new()).unwrap();
    let invalid = converter.push(b"{\"c\":\"\xff\"}").unwrap().unwrap_err();
    assert_eq!(invalid.code, "DataFormatConversion.ParseError");
}

#[test]
fn wide_rows_and_many_of_them_go_into_bunches_and_row_groups() {
    let names: Vec<String> = (0..1_500).map(|n| format!("column{n}")).collect();
    let columns: Vec<_> = names.iter().map(|name| (name.as_str(), "bigint")).collect();
    let record = |row: usize| format!("{{\"column{}\":{row}}}", row % 1_500);
    let records: Vec<String> = (0..2_000).map(record).collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let (batch, misfits) = convert(&conversion(&columns), &records);
    assert_eq!(
        (batch.num_rows(), batch.num_columns(), misfits.len()),
        (2_000, 1_500, 0)
    );
    let last = batch.column(1_999 - 1_500).as_primitive::<Int64Type>();
    assert_eq!((last.value(1_999), last.null_count()), (1_999, 1_998));

    let mut small = conversion(&[("c", "string")]);
    small.parquet.block_bytes = 1 << 20;
    small.parquet.compression = ParquetCompression::Uncompressed;
    small.parquet.dictionary = false;
    let schema = Schema::of(&small).unwrap();
    let mut file = Vec::new();
    let mut converter = Converter::new(&schema, &mut file).unwrap();
    for row in 0..4_000 {
        let record = format!("{{\"c\":\"{row:01000}\"}}");
        converter.push(record.as_bytes()).unwrap().unwrap();
    }
    converter.finish().unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(file)).unwrap();
    let groups = reader.metadata().row_groups();
    let bytes: Vec<i64> = groups.iter().map(|group| group.total_byte_size()).collect();
    assert!(
        bytes.len() >= 3 && bytes.iter().all(|bytes| *bytes < 3 << 20),
        "{bytes:?}"
    );
}

#[test]
fn every_way_of_writing_holds_the_same_rows() {
    let compressions = [
        ParquetCompression::Uncompressed,
        ParquetCompression::Gzip,
        ParquetCompression::Snappy,
        ParquetCompression::Zstd,
    ];
    let records = [r#"{"c":"one","n":1}"#, r#"{"c":"two"}"#, r#"{"n":3}"#];
    let mut before = None;
    for compression in compressions {
        for version in [ParquetVersion::V1, ParquetVersion::V2] {
            for dictionary in [true, false] {
                let mut conversion = conversion(&[("c", "string"), ("n", "bigint")]);
                conversion.parquet = ParquetSettings {
                    compression,
                    version,
                    dictionary,
                    ..ParquetSettings::default()
                };
                let (batch, _) = convert(&conversion, &records);
                assert_eq!(*before.get_or_insert_with(|| batch.clone()), batch);
            }
        }
    }
    assert_eq!(before.unwrap().num_rows(), 3);
}

#[test]
fn settings_that_cannot_be_honored_are_refused_by_name() {
    let wide: Vec<String> = (0..=FIELDS_MAX).map(|n| format!("c{n}")).collect();
    let wide: Vec<_> = wide.iter().map(|name| (name.as_str(), "int")).collect();
    let mapped = |column: &str, key: &str| Conversion {
        json: JsonReading::OpenX {
            case_insensitive: true,
            dots_to_underscores: false,
            mappings: [(column.to_owned(), key.to_owned())].into(),
        },
        ..conversion(&[("a", "int"), ("b", "int")])
    };
    let mut page = conversion(&[("a", "int")]);
    page.parquet.page_bytes = 1;
    let mut hive = conversion(&[("a", "int")]);
    hive.json = JsonReading::Hive {
        timestamp_formats: vec!["EEE".into()],
    };
    for (conversion, says) in [
        (
            conversion(&[]),
            "the number of columns of the conversion is 0; allowed are 1 to 2000",
        ),
        (
            conversion(&wide),
            "the columns and their parts are more than 2000",
        ),
        (
            conversion(&[("", "int")]),
            "length of a column's name of the conversion is 0",
        ),
        (
            conversion(&[("a", "uuid")]),
            "the column \"a\" is not converted: \"uuid\" is not a type",
        ),
        (
            conversion(&[("a", "int"), ("A", "int")]),
            "the column \"A\" is not converted: another",
        ),
        (
            conversion(&[("a", "struct<b:int,B:int>")]),
            "the field \"B\" is there twice",
        ),
        (
            mapped("c", "x"),
            "the column \"c\" is not converted: a mapping names it",
        ),
        (
            mapped("a", "B"),
            "the column \"b\" is not converted: another column",
        ),
        (
            page,
            "page_bytes of the conversion is 1; allowed are 8192 to 67108864",
        ),
        (hive, "the timestamp format \"EEE\" is not understood"),
    ] {
        let error = Schema::of(&conversion).unwrap_err();
        assert!(error.message().contains(says), "{error}");
    }
}

#[test]
fn settings_have_a_json_form_that_may_leave_out_what_is_usual() {
    let short =
        r#"{"columns":[{"Name":"a","Type":"int","Comment":"x"},{"name":"b","type":"date"}]}"#;
    let read: Conversion = serde_json::from_str(short).unwrap();
    assert_eq!(read, conversion(&[("a", "int"), ("b", "date")]));
    let written = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<Conversion>(&written).unwrap(), read);
    assert!(serde_json::from_str::<Conversion>(r#"{"columns":[],"orc":{}}"#).is_err());
}
