"""Conversion of records to Parquet through boto3, read back by pyarrow: what was put, by name and by value."""

import base64
import datetime
import decimal
import json

import pyarrow
import pyarrow.parquet
import pytest

from support.expect import eventually
from support.server import HOME, Server

ROLE = f"arn:aws:iam::{HOME}:role/delivery"
AT_ONCE = {"SizeInMBs": 64, "IntervalInSeconds": 0}
COLUMNS = [
    ("id", "bigint"),
    ("tiny", "tinyint"),
    ("small", "smallint"),
    ("number", "int"),
    ("ratio", "double"),
    ("half", "float"),
    ("yes", "boolean"),
    ("text", "string"),
    ("short", "varchar(10)"),
    ("price", "decimal(20,2)"),
    ("day", "date"),
    ("at", "timestamp"),
    ("bytes", "binary"),
    ("tags", "array<string>"),
    ("counts", "map<string,int>"),
    ("nested", "struct<a:int,b:array<struct<c:double>>>"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    place = tmp_path_factory.mktemp("parquet")
    (place / "lake").mkdir()
    (place / "events.json").write_text(json.dumps([{"Name": name, "Type": kind} for name, kind in COLUMNS]))
    config = f"""
[[buckets]]
name = "lake"
directory = "{place / "lake"}"

[[tables]]
database = "shop"
name = "events"
file = "{place / "events.json"}"

[[tables]]
database = "shop"
name = "orders"
columns = [{{ name = "customer", type = "string" }}, {{ name = "amount", type = "int" }}]
"""
    with Server(place, config) as server:
        server.lake = place / "lake"
        yield server


@pytest.fixture
def firehose(server):
    return server.client("firehose")


def conversion(table, reader=None, **parquet):
    return {
        "SchemaConfiguration": {"RoleARN": ROLE, "DatabaseName": "shop", "TableName": table},
        "InputFormatConfiguration": {"Deserializer": reader or {"OpenXJsonSerDe": {}}},
        "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": parquet}},
    }


def create(firehose, name, **more):
    destination = {
        "RoleARN": ROLE,
        "BucketARN": "arn:aws:s3:::lake",
        "Prefix": f"{name}/",
        "ErrorOutputPrefix": f"{name}-failed/!{{firehose:error-output-type}}/",
        "BufferingHints": AT_ONCE,
        **more,
    }
    firehose.create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=destination)


def put(firehose, name, records):
    entries = [{"Data": record} for record in records]
    answer = firehose.put_record_batch(DeliveryStreamName=name, Records=entries)
    assert answer["FailedPutCount"] == 0


def rows(server, name, count):
    """The rows of all files of a delivery stream, once there are so many."""

    def read():
        files = (server.lake / name).rglob("*.parquet")
        found = [row for file in files for row in pyarrow.parquet.ParquetFile(file).read().to_pylist()]
        return found if len(found) >= count else None

    return eventually(read)


def failures(server, name, count):
    def read():
        files = (server.lake / f"{name}-failed").rglob("*")
        lines = [line for file in files if file.is_file() for line in file.read_text().splitlines()]
        return [json.loads(line) for line in lines] if len(lines) >= count else None

    return eventually(read)


def record(number):
    """A record, and what of it must be read back."""
    at = datetime.datetime(2026, 11, 21, 12, 0, number % 60, 123456)
    row = {
        "id": 2**62 + number,
        "tiny": number % 128,
        "small": -number,
        "number": number * 1_000,
        "ratio": 0.1 * number,
        "half": number / 2,
        "yes": number % 2 == 0,
        "text": f"zeile {number} \u00fc \U0001f600 \"\\\n",
        "short": "short",
        "price": f"{number}.{number % 100:02}",
        "day": "2026-11-21",
        "at": at.isoformat(sep=" "),
        "bytes": base64.b64encode(bytes([number % 256, 0])).decode(),
        "tags": [f"tag {number}", None, ""],
        "counts": {"one": number, "none": None},
        "nested": {"a": number, "b": [{"c": number / 3}, {"c": None}, None]},
    }
    read = {
        **row,
        "price": decimal.Decimal(row["price"]),
        "day": datetime.date(2026, 11, 21),
        "at": at,
        "bytes": bytes([number % 256, 0]),
        "counts": [("one", number), ("none", None)],
    }
    return row, read


@pytest.mark.parametrize("version", ["V1", "V2"])
@pytest.mark.parametrize("compression", ["UNCOMPRESSED", "GZIP", "SNAPPY"])
def test_every_type_is_read_back_as_it_was_put(server, firehose, compression, version):
    name = f"types-{compression}-{version}"
    parquet = {"Compression": compression, "WriterVersion": version, "EnableDictionaryCompression": True}
    create(firehose, name, DataFormatConversionConfiguration=conversion("events", **parquet))
    put_rows, wanted = zip(*map(record, range(200)))
    put(firehose, name, [json.dumps(row) for row in put_rows])
    found = rows(server, name, len(wanted))
    assert sorted(found, key=lambda row: row["id"]) == list(wanted)
    file = pyarrow.parquet.ParquetFile(next((server.lake / name).rglob("*.parquet")))
    assert file.metadata.row_group(0).column(0).compression == compression
    schema = file.schema_arrow
    assert schema.names == [column for column, _ in COLUMNS]
    assert schema.field("tiny").type == pyarrow.int8()
    assert schema.field("price").type == pyarrow.decimal128(20, 2)
    assert schema.field("at").type == pyarrow.timestamp("us")
    assert schema.field("day").type == pyarrow.date32()
    assert schema.field("bytes").type == pyarrow.binary()


def test_what_was_set_is_described(firehose):
    reader = {"HiveJsonSerDe": {"TimestampFormats": ["millis", "yyyy-MM-dd'T'HH:mm:ss"]}}
    given = conversion("orders", reader, Compression="GZIP", PageSizeBytes=65_536, BlockSizeBytes=67_108_864)
    create(firehose, "described", DataFormatConversionConfiguration={**given, "Enabled": True})
    described = firehose.describe_delivery_stream(DeliveryStreamName="described")
    destination = described["DeliveryStreamDescription"]["Destinations"][0]["ExtendedS3DestinationDescription"]
    assert destination["DataFormatConversionConfiguration"] == {**given, "Enabled": True}


def test_versions_of_records_and_objects_in_one_record_share_files(server, firehose):
    create(firehose, "mixed", DataFormatConversionConfiguration=conversion("orders"))
    put(
        firehose,
        "mixed",
        [
            '{"customer": "a", "amount": 1}{"customer": "b", "amount": 2}\n',
            '{"CUSTOMER": "c", "gone": {"deep": [1]}}',
            '{"amount": "4", "Customer": 7.50}',
        ],
    )
    found = [(row["customer"], row["amount"]) for row in rows(server, "mixed", 4)]
    assert sorted(found, key=str) == [("7.50", 4), ("a", 1), ("b", 2), ("c", None)]


def test_what_does_not_fit_stands_under_the_error_prefix_as_it_was_put(server, firehose):
    create(firehose, "failing", DataFormatConversionConfiguration=conversion("orders"))
    bad = {
        b'{"amount": "many"}': "DataFormatConversion.MalformedData",
        b'{"amount": 2147483648}': "DataFormatConversion.MalformedData",
        b'[{"amount": 1}]': "DataFormatConversion.MalformedData",
        b'{"amount": 1}{"amount": ': "DataFormatConversion.ParseError",
        b"no json \xff": "DataFormatConversion.ParseError",
    }
    put(firehose, "failing", [b'{"amount": 1}', *bad, b'{"amount": 2}'])
    assert sorted(row["amount"] for row in rows(server, "failing", 2)) == [1, 2]
    lines = failures(server, "failing", len(bad))
    assert {base64.b64decode(line["rawData"]): line["lastErrorCode"] for line in lines} == bad
    assert all(line["attemptsMade"] == 1 and line["lastErrorMessage"] for line in lines)
    [kind] = (server.lake / "failing-failed").iterdir()
    assert kind.name == "format-conversion-failed"


def test_partitions_have_files_of_their_own(server, firehose):
    query = [
        {"ParameterName": "MetadataExtractionQuery", "ParameterValue": "{customer: .customer}"},
        {"ParameterName": "JsonParsingEngine", "ParameterValue": "JQ-1.6"},
    ]
    create(
        firehose,
        "parted",
        Prefix="parted/customer=!{partitionKeyFromQuery:customer}/",
        DynamicPartitioningConfiguration={"Enabled": True},
        ProcessingConfiguration={
            "Enabled": True,
            "Processors": [{"Type": "MetadataExtraction", "Parameters": query}],
        },
        DataFormatConversionConfiguration=conversion("orders"),
    )
    records = [json.dumps({"customer": "xyz"[number % 3], "amount": number}) for number in range(30)]
    put(firehose, "parted", records)
    rows(server, "parted", 30)
    for index, customer in enumerate("xyz"):
        found = rows(server, f"parted/customer={customer}", 10)
        assert {row["customer"] for row in found} == {customer}
        assert sorted(row["amount"] for row in found) == list(range(index, 30, 3))
