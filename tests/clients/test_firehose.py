"""Data Firehose through boto3: every operation, and objects in a directory and in a store of S3's kind."""

import base64
import gzip
import http.server
import io
import json
import re
import ssl
import struct
import threading
import zipfile

import boto3
import pytest
import snappy
from moto.server import ThreadedMotoServer

from support.certificates import certify_itself
from support.expect import eventually, refused
from support.server import ACCESS_KEY, HOME, SECRET, Server, fetch

ROLE = f"arn:aws:iam::{HOME}:role/delivery"
KEY = f"arn:aws:kms:us-east-1:{HOME}:key/one"
DESTINATION = "destinationId-000000000001"
AT_ONCE = {"SizeInMBs": 1, "IntervalInSeconds": 0}


@pytest.fixture(scope="module")
def store():
    """A bucket named `cloud` of another program, and its address."""
    other = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    other.start()
    host, port = other.get_host_and_port()
    address = f"http://{host}:{port}"
    s3 = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET,
    )
    s3.create_bucket(Bucket="cloud")
    yield s3, address
    other.stop()


class Program(http.server.BaseHTTPRequestHandler):
    """Answers as a function that shouts, as an endpoint that notes what it gets, and as a search cluster."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        asked = [json.loads(line) for line in body.splitlines()]
        path, _, _ = self.path.partition("?")
        if path == "/search/_bulk":
            assert self.headers["content-type"] == "application/x-ndjson"
            assert self.headers["authorization"] == "Basic " + base64.b64encode(b"elastic:hidden").decode()
            self.answer(self.index(zip(asked[::2], asked[1::2])))
            return
        [asked] = asked
        match path:
            case "/shout":
                answer = {"records": [self.shout(record) for record in asked["records"]]}
            case "/endpoint":
                self.server.noted.append((dict(self.headers), asked))
                answer = {"requestId": asked["requestId"], "timestamp": asked["timestamp"]}
        self.answer(answer)

    def answer(self, answer):
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def shout(self, record):
        data = base64.b64decode(record["data"])
        result = "Dropped" if data == b"secret" else "Ok"
        loud = base64.b64encode(data.upper()).decode()
        return {"recordId": record["recordId"], "result": result, "data": loud}

    def index(self, documents):
        """Takes documents whose `n` is a number."""
        items = []
        for action, document in documents:
            status = 201 if isinstance(document["n"], int) else 400
            if status == 201:
                place = action["index"]
                self.server.documents[place["_index"], place["_id"]] = document
            error = {"type": "mapper_parsing_exception", "reason": "failed to parse field [n]"}
            items.append({"index": {"status": status, **({"error": error} if status == 400 else {})}})
        return {"errors": any(item["index"]["status"] != 201 for item in items), "items": items}

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("firehose")


@pytest.fixture(scope="module")
def program(place):
    """A server of another program, which answers at `address`, with a certificate that vouches for itself."""
    certificate = certify_itself(place, "program", "subjectAltName=IP:127.0.0.1", "basicConstraints=critical,CA:FALSE")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Program) as program:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{certificate}.pem", f"{certificate}.key")
        program.socket = context.wrap_socket(program.socket, server_side=True)
        program.noted = []
        program.documents = {}
        program.address = f"https://127.0.0.1:{program.server_port}"
        threading.Thread(target=program.serve_forever, daemon=True).start()
        yield program
        program.shutdown()


@pytest.fixture(scope="module")
def server(place, store, program):
    keys = place / "keys"
    keys.mkdir()
    (keys / "one.key").write_text("1" * 64)
    (keys / "one.key").chmod(0o600)
    (keys / "aliases").write_text("alias/aws/firehose one\n")
    (place / "lake").mkdir()
    config = f"""
[[buckets]]
name = "lake"
directory = "{place / "lake"}"

[[functions]]
name = "shout"
url = "{program.address}/shout"

[[endpoints]]
url = "{program.address}/search"
username = "elastic"
secret = "hidden"

[[endpoints]]
url = "{program.address}/"

[[buckets]]
name = "dead"
endpoint = "http://127.0.0.1:9"
region = "us-east-1"

[[buckets]]
name = "cloud"
endpoint = "{store[1]}"
region = "us-east-1"
access_key_id = "{ACCESS_KEY}"
secret = "{SECRET}"
"""
    environment = {
        "AFFLUX_ENCRYPTION_KEYRING": str(keys),
        "SSL_CERT_FILE": str(place / "program.pem"),
        "SSL_CERT_DIR": "",
    }
    with Server(place, config, environment) as server:
        yield server


@pytest.fixture(scope="module")
def firehose(server):
    return server.client("firehose")


@pytest.fixture
def create(firehose, name):
    """Makes a delivery stream that delivers at once below a prefix of the test's own."""
    name = name[:64]

    def create(bucket="lake", more=None, **s3):
        destination = {
            "RoleARN": ROLE,
            "BucketARN": f"arn:aws:s3:::{bucket}",
            "BufferingHints": AT_ONCE,
            "Prefix": f"{name}/",
            **s3,
        }
        made = firehose.create_delivery_stream(
            DeliveryStreamName=name, ExtendedS3DestinationConfiguration=destination, **(more or {})
        )
        assert made["DeliveryStreamARN"] == f"arn:aws:firehose:us-east-1:{HOME}:deliverystream/{name}"
        return name

    yield create
    firehose.delete_delivery_stream(DeliveryStreamName=name, AllowForceDelete=True)


@pytest.fixture
def objects(place):
    """What is in the directory of the bucket `lake`, below a prefix."""

    def objects(prefix):
        root = place / "lake"
        files = (path for path in root.rglob("*") if path.is_file())
        found = {str(path.relative_to(root)): path.read_bytes() for path in sorted(files)}
        return {key: value for key, value in found.items() if key.startswith(prefix)}

    return objects


def put(firehose, name, *payloads):
    records = [{"Data": data} for data in payloads]
    answer = firehose.put_record_batch(DeliveryStreamName=name, Records=records)
    ids = {entry["RecordId"] for entry in answer["RequestResponses"]}
    assert (answer["FailedPutCount"], len(ids)) == (0, len(payloads))
    return answer


def describe(firehose, name):
    answer = firehose.describe_delivery_stream(DeliveryStreamName=name)
    return answer["DeliveryStreamDescription"]


def processing(*processors):
    """A configuration of processors, each a type and its parameters."""
    listed = [
        {
            "Type": kind,
            "Parameters": [{"ParameterName": key, "ParameterValue": value} for key, value in parameters.items()],
        }
        for kind, parameters in processors
    ]
    return {"Enabled": True, "Processors": listed}


def unzipped(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        [member] = archive.namelist()
        return archive.read(member)


def unblocked(data):
    """The blocks of snappy-java behind its header."""
    assert data[:8] == b"\x82SNAPPY\0"
    rest, out = data[16:], b""
    while rest:
        [length] = struct.unpack(">I", rest[:4])
        out += snappy.uncompress(rest[4 : 4 + length])
        rest = rest[4 + length :]
    return out


FORMATS = {
    "UNCOMPRESSED": ("", bytes),
    "GZIP": (".gz", gzip.decompress),
    "ZIP": (".zip", unzipped),
    "Snappy": (".snappy", unblocked),
    "HADOOP_SNAPPY": (".snappy", lambda data: snappy.HadoopStreamDecompressor().decompress(data)),
}


@pytest.mark.parametrize("form", FORMATS)
def test_records_become_objects_of_every_format(firehose, create, objects, form):
    extension, plain = FORMATS[form]
    name = create(CompressionFormat=form)
    sent = [b"record %d\n" % number * 1_000 for number in range(20)]
    put(firehose, name, *sent)
    [(key, data)] = eventually(lambda: objects(name)).items()
    assert plain(data) == b"".join(sent)
    assert key.startswith(f"{name}/20") and f"/{name}-1-20" in key and key.endswith(extension)


def test_a_store_gets_the_same_objects(firehose, create, store):
    s3, _ = store
    name = create("cloud", CompressionFormat="GZIP", FileExtension=".jsonl.gz")

    def read():
        listed = s3.list_objects_v2(Bucket="cloud", Prefix=name).get("Contents", [])
        bodies = [s3.get_object(Bucket="cloud", Key=found["Key"])["Body"].read() for found in listed]
        assert all(found["Key"].endswith(".jsonl.gz") for found in listed)
        return sorted(map(gzip.decompress, bodies))

    assert firehose.put_record(DeliveryStreamName=name, Record={"Data": b"first\n"})["RecordId"]
    assert eventually(read) == [b"first\n"]
    put(firehose, name, b"second\n", b"third\n")
    eventually(lambda: len(read()) == 2)
    assert read() == [b"first\n", b"second\nthird\n"]


def test_what_a_store_does_with_conditional_writes_is_told(server, store):
    def told():
        _, body = fetch(f"http://{server.http}/metrics")
        return re.search(r'afflux_delivery_bucket{bucket="cloud",state="([a-z-]+)"} 1', body.decode())

    assert eventually(told)[1] == "create-only"
    s3, _ = store
    eventually(lambda: "Contents" not in s3.list_objects_v2(Bucket="cloud", Prefix=".afflux-probe/"))


def test_records_are_sorted_by_what_a_query_finds(firehose, create, objects, name):
    query = {"MetadataExtractionQuery": "{who: .who}", "JsonParsingEngine": "JQ-1.6"}
    name = create(
        Prefix=f"{name[:40]}/!{{partitionKeyFromQuery:who}}/",
        ErrorOutputPrefix=f"{name[:40]}/failed/!{{firehose:error-output-type}}/",
        DynamicPartitioningConfiguration={"Enabled": True},
        ProcessingConfiguration=processing(
            ("RecordDeAggregation", {"SubRecordType": "JSON"}),
            ("MetadataExtraction", query),
            ("AppendDelimiterToRecord", {"Delimiter": "\\n"}),
        ),
    )
    ann, bob = {"who": "ann", "n": 1}, {"who": "bob"}
    put(firehose, name, json.dumps(ann).encode() + json.dumps(bob).encode(), b'{"n": 2}')
    found = eventually(lambda: len(all := objects(name[:40])) == 3 and all)
    by_folder = {key.split("/")[1]: data for key, data in found.items()}
    assert json.loads(by_folder["ann"]) == ann
    assert by_folder["bob"].endswith(b"}\n")
    failed = json.loads(by_folder["failed"])
    assert base64.b64decode(failed["rawData"]) == b'{"n": 2}'


def test_a_function_changes_records_and_drops_some(firehose, create, objects):
    function = f"arn:aws:lambda:us-east-1:{HOME}:function:shout"
    name = create(ProcessingConfiguration=processing(("Lambda", {"LambdaArn": function})))
    put(firehose, name, b"a", b"secret", b"b")
    assert list(eventually(lambda: objects(name)).values()) == [b"AB"]


def test_an_endpoint_gets_records_by_http(firehose, program, name):
    name = name[:64]
    endpoint = {"Url": f"{program.address}/endpoint", "Name": "noted", "AccessKey": "hidden"}
    destination = {
        "EndpointConfiguration": endpoint,
        "BufferingHints": AT_ONCE,
        "RequestConfiguration": {"CommonAttributes": [{"AttributeName": "a", "AttributeValue": "b"}]},
        "S3Configuration": {"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::lake"},
    }
    made = firehose.create_delivery_stream(DeliveryStreamName=name, HttpEndpointDestinationConfiguration=destination)
    put(firehose, name, b"one", b"two")
    [(headers, body)] = eventually(lambda: program.noted)
    assert [base64.b64decode(record["data"]) for record in body["records"]] == [b"one", b"two"]
    assert headers["X-Amz-Firehose-Source-Arn".lower()] == made["DeliveryStreamARN"]
    assert headers["X-Amz-Firehose-Access-Key".lower()] == "hidden"
    [described] = describe(firehose, name)["Destinations"]
    said = described["HttpEndpointDestinationDescription"]["EndpointConfiguration"]
    assert said == {"Url": endpoint["Url"], "Name": "noted"}
    firehose.delete_delivery_stream(DeliveryStreamName=name)


@pytest.mark.parametrize("service", ["Amazonopensearchservice", "Elasticsearch"])
def test_a_search_cluster_gets_records_as_documents(firehose, program, objects, name, service):
    name = name[:64]
    index = service.lower()
    destination = {
        "RoleARN": ROLE,
        "ClusterEndpoint": f"{program.address}/search",
        "IndexName": index,
        "IndexRotationPeriod": "OneMonth",
        "BufferingHints": AT_ONCE,
        "S3Configuration": {"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::lake", "Prefix": f"{name}/"},
    }
    create = {f"{service}DestinationConfiguration": destination}
    firehose.create_delivery_stream(DeliveryStreamName=name, **create)
    put(firehose, name, b'{"n": 1}\n', b'{\n"n": 2}', b"nonsense", b'{"n": "three"}')
    [(key, data)] = eventually(lambda: objects(name)).items()
    assert key.startswith(f"{name}/AmazonOpenSearchService-failed/")
    none, refused = map(json.loads, data.splitlines())
    assert (none["rawData"], none["attemptsMade"]) == (base64.b64encode(b"nonsense").decode(), 0)
    assert refused["errorCode"] == "400"
    assert refused["errorMessage"] == "mapper_parsing_exception: failed to parse field [n]"
    found = {place: document for place, document in program.documents.items() if place[0].startswith(index)}
    assert sorted(document["n"] for document in found.values()) == [1, 2]
    [month] = {index for index, _ in found}
    assert month == refused["esIndexName"] and len(month) == len(index) + len("-2026-11")
    change = {f"{service}DestinationUpdate": {"IndexName": f"{index}-other", "IndexRotationPeriod": "NoRotation"}}
    firehose.update_destination(
        DeliveryStreamName=name, CurrentDeliveryStreamVersionId="1", DestinationId=DESTINATION, **change
    )
    put(firehose, name, b'{"n": 3}')
    eventually(lambda: [document for (index, _), document in program.documents.items() if index.endswith("other")])
    [described] = describe(firehose, name)["Destinations"]
    said = described[f"{service}DestinationDescription"]
    assert said["IndexName"] == f"{index}-other" and said["ClusterEndpoint"] == destination["ClusterEndpoint"]
    assert said["S3BackupMode"] == "FailedDocumentsOnly"
    firehose.delete_delivery_stream(DeliveryStreamName=name)


def test_a_data_stream_is_delivered_from_when_the_delivery_stream_was_made(server, firehose, create, objects, stream):
    kinesis = server.client()
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"before")
    arn = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    source = {"KinesisStreamARN": arn, "RoleARN": ROLE}
    kind = "KinesisStreamAsSource"
    name = create(more={"DeliveryStreamType": kind, "KinesisStreamSourceConfiguration": source})
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"after")
    assert list(eventually(lambda: objects(name)).values()) == [b"after"]
    described = describe(firehose, name)
    assert described["DeliveryStreamType"] == kind
    said = described["Source"]["KinesisStreamSourceDescription"]
    assert said.pop("DeliveryStartTimestamp") == described["CreateTimestamp"]
    assert said == source
    put = refused("InvalidArgumentException", firehose.put_record, DeliveryStreamName=name, Record={"Data": b"x"})
    assert kind in put.message


@pytest.fixture
def stream(server, name):
    kinesis = server.client()
    kinesis.create_stream(StreamName=name, ShardCount=1)
    yield name
    kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)


def test_a_destination_is_changed_by_who_knows_its_version(firehose, create, objects):
    name = create()
    described = describe(firehose, name)
    [destination] = described["Destinations"]
    assert (described["VersionId"], destination["DestinationId"]) == ("1", DESTINATION)
    change = dict(
        DeliveryStreamName=name,
        CurrentDeliveryStreamVersionId="1",
        DestinationId=DESTINATION,
        ExtendedS3DestinationUpdate={"CompressionFormat": "GZIP"},
    )
    firehose.update_destination(**change)
    assert "version id: 2" in refused("ConcurrentModificationException", firehose.update_destination, **change).message
    after = describe(firehose, name)
    assert after["VersionId"] == "2" and after["LastUpdateTimestamp"] >= after["CreateTimestamp"]
    for kind in ("S3DestinationDescription", "ExtendedS3DestinationDescription"):
        assert after["Destinations"][0][kind] == {**destination[kind], "CompressionFormat": "GZIP"}
    put(firehose, name, b"x")
    [(key, data)] = eventually(lambda: objects(name)).items()
    assert (gzip.decompress(data), f"/{name}-2-" in key) == (b"x", True)


def test_what_is_put_is_kept_as_it_came_too(firehose, create, objects):
    backup = {"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::lake", "BufferingHints": AT_ONCE, "Prefix": "backup/"}
    name = create(
        S3BackupMode="Enabled",
        S3BackupConfiguration=backup,
        ProcessingConfiguration=processing(("AppendDelimiterToRecord", {})),
    )
    put(firehose, name, b"a", b"b")
    assert list(eventually(lambda: objects(name)).values()) == [b"a\nb\n"]
    assert list(eventually(lambda: objects("backup/")).values()) == [b"ab"]
    off = {"S3BackupMode": "Disabled"}
    refused(
        "InvalidArgumentException",
        firehose.update_destination,
        DeliveryStreamName=name,
        CurrentDeliveryStreamVersionId="1",
        DestinationId=DESTINATION,
        ExtendedS3DestinationUpdate=off,
    )


def test_tags_are_set_listed_and_removed(firehose, create):
    name = create(more={"Tags": [{"Key": "team", "Value": "blue"}]})
    firehose.tag_delivery_stream(DeliveryStreamName=name, Tags=[{"Key": "cost", "Value": "1"}, {"Key": "team", "Value": "red"}])
    page = firehose.list_tags_for_delivery_stream(DeliveryStreamName=name, Limit=1)
    assert (page["Tags"], page["HasMoreTags"]) == ([{"Key": "cost", "Value": "1"}], True)
    rest = firehose.list_tags_for_delivery_stream(DeliveryStreamName=name, ExclusiveStartTagKey="cost")
    assert (rest["Tags"], rest["HasMoreTags"]) == ([{"Key": "team", "Value": "red"}], False)
    firehose.untag_delivery_stream(DeliveryStreamName=name, TagKeys=["team", "none"])
    left = firehose.list_tags_for_delivery_stream(DeliveryStreamName=name)["Tags"]
    assert left == page["Tags"]


def test_records_that_wait_are_encrypted(server, firehose, create, objects):
    later = {"SizeInMBs": 1, "IntervalInSeconds": 900}
    name = create(
        BufferingHints=later,
        more={"DeliveryStreamEncryptionConfigurationInput": {"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": KEY}},
    )

    def encryption():
        return describe(firehose, name)["DeliveryStreamEncryptionConfiguration"]

    assert encryption() == {"KeyARN": KEY, "KeyType": "CUSTOMER_MANAGED_CMK", "Status": "ENABLED"}
    assert put(firehose, name, b"known words, sealed")["Encrypted"]
    firehose.stop_delivery_stream_encryption(DeliveryStreamName=name)
    assert encryption() == {"Status": "DISABLED"}
    assert not put(firehose, name, b"known words, open")["Encrypted"]
    firehose.start_delivery_stream_encryption(DeliveryStreamName=name)
    assert encryption() == {"KeyType": "AWS_OWNED_CMK", "Status": "ENABLED"}
    stored = [path.read_bytes() for path in (server.directory / "data").rglob("*") if path.is_file()]
    assert any(b"known words, open" in data for data in stored)
    assert not any(b"known words, sealed" in data for data in stored)
    unknown = {"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": KEY.replace("one", "none")}
    refused(
        "InvalidKMSResourceException",
        firehose.start_delivery_stream_encryption,
        DeliveryStreamName=name,
        DeliveryStreamEncryptionConfigurationInput=unknown,
    )
    firehose.update_destination(
        DeliveryStreamName=name,
        CurrentDeliveryStreamVersionId="1",
        DestinationId=DESTINATION,
        ExtendedS3DestinationUpdate={"BufferingHints": AT_ONCE},
    )
    delivered = eventually(lambda: b"open" in (text := b"".join(objects(name).values())) and text)
    assert sorted(delivered.split(b"known words, ")) == [b"", b"open", b"sealed"]


def test_a_store_that_does_not_answer_holds_nobody_up(firehose, create, objects):
    name = create("dead")
    sent = [b"record %d\n" % number for number in range(100)]
    put(firehose, name, *sent)
    firehose.tag_delivery_stream(DeliveryStreamName=name, Tags=[{"Key": "k", "Value": "v"}])
    firehose.update_destination(
        DeliveryStreamName=name,
        CurrentDeliveryStreamVersionId="1",
        DestinationId=DESTINATION,
        ExtendedS3DestinationUpdate={"BucketARN": "arn:aws:s3:::lake"},
    )
    put(firehose, name, b"last")
    assert describe(firehose, name)["VersionId"] == "2"


def test_what_was_answered_survives_a_kill_and_is_delivered_once(tmp_path):
    (tmp_path / "lake").mkdir()
    config = f'[[buckets]]\nname = "lake"\ndirectory = "{tmp_path / "lake"}"\n'
    with Server(tmp_path, config) as server:
        firehose = server.client("firehose")
        s3 = {"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::lake"}
        firehose.create_delivery_stream(DeliveryStreamName="d", S3DestinationConfiguration=s3)
        lines = [b"%06d\n" % number for number in range(5_000)]
        for first in range(0, len(lines), 500):
            put(firehose, "d", *lines[first : first + 500])
            if first % 2_000 == 0:
                server.restart()
        firehose.update_destination(
            DeliveryStreamName="d",
            CurrentDeliveryStreamVersionId="1",
            DestinationId=DESTINATION,
            S3DestinationUpdate={"BufferingHints": AT_ONCE},
        )

        def delivered():
            files = [path for path in (tmp_path / "lake").rglob("d-*") if path.is_file()]
            found = b"".join(path.read_bytes() for path in files).splitlines(keepends=True)
            return len(found) >= len(lines) and found

        assert sorted(eventually(delivered)) == lines


def test_names_are_listed_in_pages(firehose, name):
    made = [f"{name}-{number:02}" for number in range(12)]
    s3 = {"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::lake"}
    for one in made:
        firehose.create_delivery_stream(DeliveryStreamName=one, S3DestinationConfiguration=s3)
    found, start = [], {}
    while True:
        page = firehose.list_delivery_streams(DeliveryStreamType="DirectPut", Limit=5, **start)
        found += page["DeliveryStreamNames"]
        if not page["HasMoreDeliveryStreams"]:
            break
        start = {"ExclusiveStartDeliveryStreamName": found[-1]}
    assert [one for one in found if one in made] == made
    for one in made:
        firehose.delete_delivery_stream(DeliveryStreamName=one)
        refused("ResourceNotFoundException", firehose.describe_delivery_stream, DeliveryStreamName=one)


def test_a_bucket_that_is_not_configured_is_refused(firehose, name):
    s3 = {"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::elsewhere"}
    said = refused(
        "InvalidArgumentException",
        firehose.create_delivery_stream,
        DeliveryStreamName=name[:64],
        ExtendedS3DestinationConfiguration=s3,
    )
    assert (said.status, "[[buckets]]" in said.message) == (400, True)


def test_the_cli_puts_a_record(server, create, objects):
    name = create()
    record = json.dumps({"Data": base64.b64encode(b"by hand").decode()})
    answer = server.aws("firehose", "put-record", "--delivery-stream-name", name, "--record", record)
    assert (answer["Encrypted"], bool(answer["RecordId"])) == (False, True)
    [data] = eventually(lambda: objects(name)).values()
    assert b"by hand" in (data, base64.b64decode(data, validate=False))


def test_a_credential_is_bound_to_actions_and_names(tmp_path):
    config = f"""
[[buckets]]
name = "lake"
directory = "{tmp_path}"

[[credentials]]
access_key_id = "{ACCESS_KEY}"
secret = "{SECRET}"
actions = ["firehose:*"]

[[credentials]]
access_key_id = "WRITER"
secret = "{SECRET}"
actions = ["firehose:PutRecord*"]
streams = ["public-*"]
"""
    with Server(tmp_path, config) as server:
        owner, writer = server.client("firehose"), server.client("firehose", aws_access_key_id="WRITER")
        s3 = {"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::lake"}
        for name in ("public-a", "secret"):
            owner.create_delivery_stream(DeliveryStreamName=name, S3DestinationConfiguration=s3)
        record = {"Data": b"x"}
        assert writer.put_record(DeliveryStreamName="public-a", Record=record)["RecordId"]
        for call, members in (
            (writer.put_record, {"DeliveryStreamName": "secret", "Record": record}),
            (writer.describe_delivery_stream, {"DeliveryStreamName": "public-a"}),
            (writer.list_delivery_streams, {}),
        ):
            said = refused("AccessDeniedException", call, **members)
            resource = members.get("DeliveryStreamName")
            assert (f"deliverystream/{resource} because" if resource else "resource: *") in said.message
        stranger = server.client("firehose", aws_secret_access_key="another secret altogether")
        refused("InvalidSignatureException", stranger.list_delivery_streams)
