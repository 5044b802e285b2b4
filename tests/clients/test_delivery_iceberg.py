"""Delivery to tables of Apache Iceberg, read back by pyiceberg: each row once, whatever happened on the way."""

import base64
import datetime
import decimal
import json
import threading
import urllib.request

import boto3
import pyarrow
import pytest
from moto.server import ThreadedMotoServer
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    UUIDType,
)

from support.catalog import CLIENT, Catalog
from support.expect import eventually, refused
from support.server import ACCESS_KEY, HOME, PATIENCE_SECONDS, SECRET, Server

ROLE = f"arn:aws:iam::{HOME}:role/delivery"
AT_ONCE = {"SizeInMBs": 1, "IntervalInSeconds": 0}
ROUNDS = 6

ORDERS = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "customer", StringType()),
)
EVERYTHING = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "number", IntegerType()),
    NestedField(3, "yes", BooleanType()),
    NestedField(4, "half", FloatType()),
    NestedField(5, "ratio", DoubleType()),
    NestedField(6, "price", DecimalType(20, 2)),
    NestedField(7, "Text", StringType()),
    NestedField(8, "bytes", BinaryType()),
    NestedField(9, "day", DateType()),
    NestedField(10, "at", TimestampType()),
    NestedField(11, "instant", TimestamptzType()),
    NestedField(12, "tags", ListType(13, StringType(), element_required=False)),
    NestedField(14, "counts", MapType(15, StringType(), 16, IntegerType(), value_required=False)),
    NestedField(17, "nested", StructType(NestedField(18, "a", LongType()), NestedField(19, "b", DoubleType()))),
)


class Place:
    """A catalog, a server that knows it, and where both have their files."""

    def __init__(self, directory, catalog, buckets=""):
        self.catalog = catalog
        self.failed = directory / "failed"
        self.failed.mkdir()
        warehouse = directory / "warehouse"
        warehouse.mkdir(exist_ok=True)
        config = f"""
{buckets}
[[buckets]]
name = "failed"
directory = "{self.failed}"

[[catalogs]]
name = "lake"
uri = "{catalog.uri}"
directory = "{warehouse}"
client_id = "{CLIENT["client_id"]}"
secret = "{CLIENT["client_secret"]}"
"""
        self.server = Server(directory, config)
        self.firehose = self.server.client("firehose")

    def table(self, name, schema=ORDERS, **more):
        return self.catalog.tables.create_table(f"shop.{name}", schema, **more)

    def configuration(self, table, **more):
        return {
            "RoleARN": ROLE,
            "CatalogConfiguration": {"CatalogARN": f"arn:aws:glue:us-east-1:{HOME}:catalog/lake"},
            "DestinationTableConfigurationList": [
                {"DestinationDatabaseName": "shop", "DestinationTableName": table}
            ],
            "BufferingHints": AT_ONCE,
            "AppendOnly": True,
            "S3Configuration": {
                "RoleARN": ROLE,
                "BucketARN": "arn:aws:s3:::failed",
                "ErrorOutputPrefix": f"{table}/!{{firehose:error-output-type}}/",
            },
            **more,
        }

    def deliver(self, table, **more):
        """Makes a delivery stream of the table's name."""
        destination = self.configuration(table, **more)
        self.firehose.create_delivery_stream(DeliveryStreamName=table, IcebergDestinationConfiguration=destination)

    def put(self, name, *records):
        entries = [{"Data": record if isinstance(record, str) else json.dumps(record)} for record in records]
        answer = self.firehose.put_record_batch(DeliveryStreamName=name, Records=entries)
        assert answer["FailedPutCount"] == 0

    def rows(self, table, count):
        """The rows of a table, once there are so many."""

        def read():
            found = self.catalog.tables.load_table(f"shop.{table}").scan().to_arrow().to_pylist()
            return found if len(found) >= count else None

        return eventually(read)

    def ids(self, table, count):
        return sorted(row["id"] for row in self.rows(table, count))

    def described(self, name):
        return json.loads(self.server.afflux("delivery", "describe", name, "--output", "json"))

    def is_delivered(self, name, records):
        return eventually(lambda: self.described(name)["records"] >= records)

    def failures(self, table, count):
        def read():
            files = [file for file in (self.failed / table).rglob("*") if file.is_file()]
            lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
            return lines if len(lines) >= count else None

        return eventually(read)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    directory = tmp_path_factory.mktemp("iceberg")
    with Catalog(directory, f"file://{directory}/warehouse") as catalog:
        place = Place(directory, catalog)
        with place.server:
            yield place


def everything(number):
    """A record, and what of it must be read back."""
    at = datetime.datetime(2026, 11, 21, 12, 0, number % 60, 123456)
    record = {
        "id": 2**62 + number,
        "number": -number,
        "yes": number % 2 == 0,
        "half": number / 2,
        "ratio": number / 3,
        "price": f"{number}.{number % 100:02}",
        "Text": f"zeile {number} \u00fc \U0001f600",
        "bytes": base64.b64encode(bytes([number % 256])).decode(),
        "day": "2026-11-21",
        "at": at.isoformat(sep=" "),
        "instant": f"{at.isoformat()}+02:00",
        "tags": [f"tag {number}", None],
        "counts": {"one": number, "none": None},
        "nested": {"a": number, "b": None},
    }
    row = {
        **record,
        "price": decimal.Decimal(record["price"]),
        "bytes": bytes([number % 256]),
        "day": datetime.date(2026, 11, 21),
        "at": at,
        "instant": (at - datetime.timedelta(hours=2)).replace(tzinfo=datetime.timezone.utc),
        "counts": [("one", number), ("none", None)],
    }
    return record, row


def test_every_type_is_read_back_as_it_was_put(place):
    place.table("everything", EVERYTHING)
    place.deliver("everything")
    records, rows = zip(*map(everything, range(300)))
    place.put("everything", *records, {"id": 1})
    found = sorted(place.rows("everything", 301), key=lambda row: row["id"])
    least = found.pop(0)
    assert least.pop("id") == 1 and not any(least.values())
    assert found == list(rows)
    table = place.catalog.tables.load_table("shop.everything")
    few = table.scan(row_filter=f"id >= {2**62 + 290}").to_arrow()
    assert few.num_rows == 10
    [file, *_] = table.inspect.data_files().to_pylist()
    lower = file["readable_metrics"]["id"]["lower_bound"]
    assert lower == 1 or lower >= 2**62


def test_a_commit_says_whose_it_is_and_metrics_count_it(place):
    place.table("counted")
    place.deliver("counted")
    place.put("counted", *({"id": number} for number in range(10)))
    place.rows("counted", 10)
    place.is_delivered("counted", 10)
    table = place.catalog.tables.load_table("shop.counted")
    summary = table.current_snapshot().summary.additional_properties
    delivery, batch = summary["afflux.delivery"], summary["afflux.batch"]
    assert table.properties[f"afflux.delivery.{delivery}"] == batch
    metrics = urllib.request.urlopen(f"http://{place.server.http}/metrics").read().decode()
    label = '{delivery_stream="counted"}'
    assert f"afflux_delivery_to_iceberg_successful_row_count_total{label} 10" in metrics
    assert f"afflux_delivery_to_iceberg_failed_row_count_total{label} 0" in metrics
    commits = len(table.snapshots())
    assert f"afflux_delivery_to_iceberg_success_total{label} {commits}" in metrics
    assert f"afflux_delivery_to_s3_records_total{label}" not in metrics


def test_what_does_not_fit_goes_to_the_error_prefix(place):
    place.table("unfit")
    place.deliver("unfit")
    place.put("unfit", {"id": 1}, {"customer": "no id"}, {"id": "seven"}, "{", {"id": 2, "more": []})
    assert place.ids("unfit", 2) == [1, 2]
    failed = place.failures("unfit", 3)
    raw = sorted(base64.b64decode(line["rawData"]).decode() for line in failed)
    assert raw == ['{', '{"customer": "no id"}', '{"id": "seven"}']
    assert all(line["errorCode"].startswith("DataFormatConversion.") for line in failed)
    assert [folder.name for folder in (place.failed / "unfit").iterdir()] == ["iceberg-failed"]


def test_a_schema_that_changes_is_followed_from_the_next_batch_on(place):
    table = place.table("evolving")
    place.deliver("evolving")
    place.put("evolving", {"id": 1, "customer": "a", "amount": 1})
    place.rows("evolving", 1)
    with table.update_schema() as update:
        update.add_column("amount", DoubleType())
        update.rename_column("customer", "buyer")
    place.put("evolving", {"id": 2, "buyer": "b", "customer": "lost", "amount": 2.5})
    rows = sorted(place.rows("evolving", 2), key=lambda row: row["id"])
    assert rows == [
        {"id": 1, "buyer": "a", "amount": None},
        {"id": 2, "buyer": "b", "amount": 2.5},
    ]
    with table.update_schema() as update:
        update.add_column("token", UUIDType())
    place.put("evolving", {"id": 3})
    says = eventually(lambda: place.described("evolving")["last_error"])
    assert 'column "token" of table shop.evolving has the type uuid' in says
    with table.update_schema() as update:
        update.delete_column("token")
    assert place.ids("evolving", 3) == [1, 2, 3]


def test_a_commit_whose_answer_is_lost_is_not_made_again(place):
    place.table("lost")
    place.deliver("lost")
    for number in range(3):
        place.catalog.losing = 1
        place.put("lost", {"id": number})
        place.is_delivered("lost", number + 1)
    assert place.ids("lost", 3) == [0, 1, 2]
    snapshots = place.catalog.tables.load_table("shop.lost").snapshots()
    assert len(snapshots) == 3


def test_a_commit_whose_snapshot_has_expired_meanwhile_is_not_made_again(place):
    table = place.table("expired")
    place.deliver("expired")
    lose(place, "expired", expire)
    place.put("expired", {"id": 1})
    place.is_delivered("expired", 1)
    assert place.ids("expired", 2) == [1, 1_000]
    table.refresh()
    assert len(table.snapshots()) == 1


def lose(place, name, then):
    """Loses the answer of the next commit to a table, and lets something happen before the catalog is asked again."""
    load = place.catalog.tables.load_table
    place.catalog.losing = 1

    def after(identifier):
        if place.catalog.losing == 0:
            place.catalog.tables.load_table = load
            then(load(identifier))
        return load(identifier)

    place.catalog.tables.load_table = after


def expire(table):
    table.append(pyarrow.table({"id": [1_000], "customer": ["x"]}, schema=table.schema().as_arrow()))
    old = [snapshot.snapshot_id for snapshot in table.snapshots()[:-1]]
    table.maintenance.expire_snapshots().by_ids(old).commit()


def test_others_may_commit_at_the_same_time(place):
    table = place.table("busy")
    schema = table.schema().as_arrow()
    others = iter(range(1_000, 1_005))

    def another(name):
        number = next(others, None) if name[-1] == "busy" else None
        if number is not None:
            table.append(pyarrow.table({"id": [number], "customer": ["x"]}, schema=schema))

    seen = len(place.catalog.commits)
    place.catalog.before_commit = another
    place.deliver("busy")
    try:
        for number in range(3):
            place.put("busy", {"id": number})
            place.is_delivered("busy", number + 1)
    finally:
        place.catalog.before_commit = lambda name: None
    assert place.ids("busy", 8) == [0, 1, 2, 1_000, 1_001, 1_002, 1_003, 1_004]
    assert 409 in place.catalog.commits[seen:]


def test_rows_are_there_once_however_often_the_server_is_killed(place):
    place.table("killed")
    place.deliver("killed")
    for round in range(ROUNDS):
        is_put, is_killed = threading.Event(), threading.Event()

        def kill(name):
            is_put.wait(PATIENCE_SECONDS)
            if not is_killed.is_set():
                place.server.kill()
                is_killed.set()

        # Before the commit, or after it and before its answer.
        moment = ["before_commit", "before_answer"][round % 2]
        setattr(place.catalog, moment, kill)
        place.put("killed", *({"id": 20 * round + number} for number in range(20)))
        is_put.set()
        assert is_killed.wait(PATIENCE_SECONDS)
        setattr(place.catalog, moment, lambda name: None)
        place.server.start(place.server.http, place.server.ready["quic"])
    place.is_delivered("killed", 20 * ROUNDS)
    assert place.ids("killed", 20 * ROUNDS) == list(range(20 * ROUNDS))


def test_what_cannot_be_appended_to_is_refused_by_name(place):
    place.table("strange", Schema(NestedField(1, "token", UUIDType())))
    days = place.table("days", Schema(NestedField(1, "at", TimestampType())))
    with days.update_spec() as update:
        update.add_field("at", DayTransform())
    for table, says in [
        ("strange", 'column "token" of table shop.strange has the type uuid, to which JSON is not converted'),
        ("days", "table shop.days is partitioned by day(at): only tables without partitions are appended to"),
        ("nowhere", "load table shop.nowhere of catalog lake"),
    ]:
        refusal = refused("InvalidArgumentException", place.deliver, table)
        assert says in refusal.message


def test_what_is_not_served_is_refused(place):
    place.table("unserved")
    [table] = place.configuration("unserved")["DestinationTableConfigurationList"]
    catalog = f"arn:aws:glue:us-east-1:{HOME}:catalog"
    for more, says in [
        ({"SchemaEvolutionConfiguration": {"Enabled": True}}, "SchemaEvolutionConfiguration is not served"),
        ({"TableCreationConfiguration": {"Enabled": True}}, "TableCreationConfiguration is not served"),
        ({"DestinationTableConfigurationList": [table, table]}, "has 2 tables"),
        ({"DestinationTableConfigurationList": []}, "has 0 tables"),
        ({"DestinationTableConfigurationList": [{**table, "UniqueKeys": ["id"]}]}, "UniqueKeys is not served"),
        (
            {"DestinationTableConfigurationList": [{**table, "PartitionSpec": {"Identity": [{"SourceName": "id"}]}}]},
            "PartitionSpec is not served",
        ),
        ({"CatalogConfiguration": {"CatalogARN": catalog}}, "CatalogARN must name a catalog"),
        ({"CatalogConfiguration": {"CatalogARN": f"{catalog}/other"}}, 'catalog "other" is not among the [[catalogs]]'),
        ({"CatalogConfiguration": {"WarehouseLocation": "s3://lake/"}}, "WarehouseLocation is not served"),
    ]:
        refusal = refused("InvalidArgumentException", place.deliver, "unserved", **more)
        assert says in refusal.message


def test_a_delivery_stream_is_described_and_changed(place):
    place.table("first")
    place.table("second")
    place.deliver("first")
    described = place.firehose.describe_delivery_stream(DeliveryStreamName="first")["DeliveryStreamDescription"]
    [destination] = described["Destinations"]
    given = place.configuration("first")
    table = destination["IcebergDestinationDescription"]
    assert table.pop("S3DestinationDescription")["BucketARN"] == given.pop("S3Configuration")["BucketARN"]
    assert table == {
        **given,
        "CloudWatchLoggingOptions": {"Enabled": False},
        "RetryOptions": {"DurationInSeconds": 300},
        "S3BackupMode": "FailedDataOnly",
    }
    place.put("first", {"id": 1})
    place.rows("first", 1)
    tables = [{"DestinationDatabaseName": "shop", "DestinationTableName": "second"}]
    place.firehose.update_destination(
        DeliveryStreamName="first",
        CurrentDeliveryStreamVersionId=described["VersionId"],
        DestinationId=destination["DestinationId"],
        IcebergDestinationUpdate={"DestinationTableConfigurationList": tables},
    )
    place.put("first", {"id": 2})
    assert place.ids("second", 1) == [2]
    assert place.ids("first", 1) == [1]


def test_the_command_line_makes_one_too(place, tmp_path):
    place.table("typed")
    lines = ["--interval", "0", "--to", tmp_path, "--iceberg", "lake"]
    says = place.server.afflux("delivery", "create", "typed", *lines, "--table", "shop.typed")
    assert b"typed appends to table shop.typed of catalog lake" in says
    place.put("typed", {"id": 1})
    assert place.ids("typed", 1) == [1]
    described = place.firehose.describe_delivery_stream(DeliveryStreamName="typed")["DeliveryStreamDescription"]
    [table] = described["Destinations"][0]["IcebergDestinationDescription"]["DestinationTableConfigurationList"]
    assert table == {"DestinationDatabaseName": "shop", "DestinationTableName": "typed"}
    with pytest.raises(AssertionError, match="shop.nothing of catalog lake"):
        place.server.afflux("delivery", "create", "nothing", *lines, "--table", "shop.nothing")


def test_tables_may_be_in_a_bucket(tmp_path):
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    store.start()
    host, port = store.get_host_and_port()
    url = f"http://{host}:{port}"
    s3 = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET
    )
    s3.create_bucket(Bucket="tables")
    properties = {
        "s3.endpoint": url,
        "s3.region": "us-east-1",
        "s3.access-key-id": ACCESS_KEY,
        "s3.secret-access-key": SECRET,
    }
    buckets = f"""
[[buckets]]
name = "tables"
endpoint = "{url}"
region = "us-east-1"
access_key_id = "{ACCESS_KEY}"
secret = "{SECRET}"
"""
    try:
        with Catalog(tmp_path, "s3://tables/warehouse", **properties) as catalog:
            place = Place(tmp_path, catalog, buckets)
            with place.server:
                place.table("kept")
                place.deliver("kept")
                for number in range(3):
                    place.put("kept", {"id": number})
                    place.is_delivered("kept", number + 1)
                assert place.ids("kept", 3) == [0, 1, 2]
                s3.create_bucket(Bucket="elsewhere")
                place.table("elsewhere", location="s3://elsewhere/table")
                refusal = refused("InvalidArgumentException", place.deliver, "elsewhere")
                assert "bucket elsewhere is not among the [[buckets]]" in refusal.message
    finally:
        store.stop()
