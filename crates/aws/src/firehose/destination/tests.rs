use std::fmt;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::Decode;
use crate::document::Format;
use crate::firehose::encode;
use crate::firehose::input::{
    DeliveryStreamEncryptionConfigurationInput, DirectPutSourceConfiguration,
    KinesisStreamSourceConfiguration, Tag,
};

/// One of these has the form of any text that the shapes ask for.
const TEXTS: [&str; 15] = [
    "arn:aws:iam::123456789012:role/service-role/r",
    "arn:aws:s3:::lake",
    "arn:aws:kms:us-east-1:123456789012:key/k",
    "arn:aws:kinesis:us-east-1:123456789012:stream/s",
    "arn:aws:secretsmanager:us-east-1:123456789012:secret:s",
    "arn:aws:es:us-east-1:123456789012:domain/abc",
    "arn:aws:glue:us-east-1:123456789012:catalog/lake",
    "s3://lake/",
    "https://example.com/a?b=\"c\"",
    "!{timestamp:yyyy}/\"ä\\\u{1}",
    ".json",
    "Europe/Berlin",
    "UTC",
    "a.b",
    "",
];

fn texts(shape: &Shape) -> BoxedStrategy<String> {
    let (min, max) = shape.bounds();
    let fits = |text: &&str| {
        let length = i64::try_from(text.chars().count()).unwrap();
        let allowed = shape.allowed();
        shape.form().is_none_or(|form| form.matches(text))
            && min.is_none_or(|min| length >= min)
            && max.is_none_or(|max| length <= max)
            && (allowed.is_empty() || allowed.contains(text))
    };
    let all = TEXTS.into_iter().chain(shape.allowed().iter().copied());
    let found: Vec<&str> = all.filter(fits).collect();
    assert!(!found.is_empty(), "no text for {shape:?}");
    select(found).prop_map(str::to_owned).boxed()
}

/// Documents of a shape, their members in its order.
fn documents(shape: &Shape) -> BoxedStrategy<Value<'static>> {
    match shape.kind() {
        Kind::Boolean => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::Integer => {
            let (min, max) = shape.bounds();
            let min = min.unwrap_or(0);
            let numbers = min..=max.unwrap_or(min + 1_000);
            numbers.prop_map(Value::Int).boxed()
        }
        Kind::Double => (0.0..=1.0).prop_map(Value::Float).boxed(),
        Kind::String => texts(shape)
            .prop_map(|text| Value::Str(text.into()))
            .boxed(),
        Kind::List(inner) => {
            let (least, _) = shape.bounds();
            let least = usize::try_from(least.unwrap_or(0)).unwrap();
            let lists = vec(documents(inner), least..3);
            lists.prop_map(Value::List).boxed()
        }
        Kind::Map(key, inner) => btree_map(texts(key), documents(inner), 0..3)
            .prop_map(|map| Value::Map(map.into_iter().map(|(k, v)| (k.into(), v)).collect()))
            .boxed(),
        Kind::Structure(_, members) => structures(members),
        other => panic!("{other:?} is in no setting"),
    }
}

fn structures(members: &'static [Member]) -> BoxedStrategy<Value<'static>> {
    let members: Vec<_> = members
        .iter()
        .map(|member| {
            let value = documents(member.shape);
            let value = match member.required {
                true => value.prop_map(Some).boxed(),
                false => option::of(value).boxed(),
            };
            value.prop_map(|value| value.map(|value| (member.name.into(), value)))
        })
        .collect();
    members
        .prop_map(|members| Value::Map(members.into_iter().flatten().collect()))
        .boxed()
}

/// A map of one member.
fn only_member(name: &'static str, value: Value<'static>) -> Value<'static> {
    Value::Map(vec![(name.into(), value)])
}

fn destinations() -> BoxedStrategy<Value<'static>> {
    let s3 = documents(&ExtendedS3DestinationConfiguration::SHAPE);
    let http = documents(&HttpEndpointDestinationConfiguration::SHAPE);
    let cluster = || documents(&OpenSearchDestinationConfiguration::SHAPE);
    let table = documents(&IcebergDestinationConfiguration::SHAPE);
    prop_oneof![
        s3.prop_map(|value| only_member(EXTENDED_S3, value)),
        http.prop_map(|value| only_member(HTTP_ENDPOINT, value)),
        cluster().prop_map(|value| only_member(OPENSEARCH, value)),
        cluster().prop_map(|value| only_member(ELASTICSEARCH, value)),
        table.prop_map(|value| only_member(ICEBERG, value)),
    ]
    .boxed()
}

fn decoded<T: Decode>(document: &Bytes) -> T {
    T::decode(Format::Json, document).unwrap()
}

/// Reads a document and writes it again.
fn again<T: Decode + Encode>(document: &Value<'_>) -> (Bytes, Bytes) {
    let written = encode(document);
    let again = encode(&decoded::<T>(&written));
    (written, again)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_destination_is_written_as_it_was_read(document in destinations()) {
        let (written, again) = again::<Destination>(&document);
        prop_assert_eq!(written, again);
    }

    #[test]
    fn other_settings_are_written_as_they_were_read(
        direct_put in documents(&DirectPutSourceConfiguration::SHAPE),
        kinesis in documents(&KinesisStreamSourceConfiguration::SHAPE),
        encryption in documents(&DeliveryStreamEncryptionConfigurationInput::SHAPE),
        tag in documents(&Tag::SHAPE),
        // Most of its numbers have a fraction.
        orc in documents(&OrcSerDe::SHAPE),
    ) {
        for (written, again) in [
            again::<DirectPutSourceConfiguration>(&direct_put),
            again::<KinesisStreamSourceConfiguration>(&kinesis),
            again::<DeliveryStreamEncryptionConfigurationInput>(&encryption),
            again::<Tag>(&tag),
            again::<OrcSerDe>(&orc),
        ] {
            prop_assert_eq!(written, again);
        }
    }

    #[test]
    fn a_change_that_says_everything_is_a_new_destination(
        old in documents(&HttpEndpointDestinationConfiguration::SHAPE),
        new in documents(&ExtendedS3DestinationConfiguration::SHAPE),
    ) {
        let new = String::from_utf8(encode(&new).into()).unwrap();
        let update = new.replace("S3BackupConfiguration", "S3BackupUpdate");
        let old = Destination::HttpEndpoint(Box::new(decoded(&encode(&old))));
        let changed = old.with_s3(decoded(&update.into()));
        let new = Destination::ExtendedS3(Box::new(decoded(&new.into())));
        prop_assert_eq!(changed, Ok(new));
    }

    #[test]
    fn a_change_that_says_nothing_changes_nothing(document in destinations()) {
        let destination: Destination = decoded(&encode(&document));
        let nothing = Bytes::from_static(b"{}");
        let changed = match &destination {
            Destination::ExtendedS3(_) => destination.with_s3(decoded(&nothing)),
            Destination::HttpEndpoint(_) => destination.with_http(decoded(&nothing)),
            Destination::OpenSearch(_) => destination.with_opensearch(decoded(&nothing)),
            Destination::Elasticsearch(_) => destination.with_elasticsearch(decoded(&nothing)),
            Destination::Iceberg(_) => destination.with_iceberg(decoded(&nothing)),
        };
        prop_assert_eq!(changed, Ok(destination));
    }

    #[test]
    fn what_the_service_assumes_stays(document in destinations()) {
        let destination: Destination = decoded(&encode(&document));
        if let Ok(complete) = destination.completed() {
            prop_assert_eq!(complete.clone().completed(), Ok(complete));
        }
    }
}

fn created(configuration: impl fmt::Display) -> Result<Destination, Error> {
    let body = format!(r#"{{"DeliveryStreamName":"a",{configuration}}}"#);
    Destination::of(&decoded(&body.into()))
}

fn updated(destination: &Destination, update: impl fmt::Display) -> Result<Destination, Error> {
    let body = format!(
        r#"{{"DeliveryStreamName":"a","CurrentDeliveryStreamVersionId":"1","DestinationId":"d",{update}}}"#
    );
    destination.updated(&decoded(&body.into()))
}

fn described(destination: &Destination) -> String {
    String::from_utf8(encode(&destination.describe("d")).into()).unwrap()
}

const ROLE: &str = r#""RoleARN":"arn:aws:iam::123456789012:role/r""#;
const BUCKET: &str = r#""BucketARN":"arn:aws:s3:::b""#;
/// What the service assumes of a bucket.
const ASSUMED: &str = r#""BufferingHints":{"SizeInMBs":5,"IntervalInSeconds":300},"CompressionFormat":"UNCOMPRESSED","EncryptionConfiguration":{"NoEncryptionConfig":"NoEncryption"},"CloudWatchLoggingOptions":{"Enabled":false}"#;

fn s3(more: &str) -> Destination {
    created(format!(
        r#""ExtendedS3DestinationConfiguration":{{{ROLE},{BUCKET}{more}}}"#
    ))
    .unwrap()
}

fn http(more: &str) -> Destination {
    let endpoint = r#""EndpointConfiguration":{"Url":"https://a","Name":"n","AccessKey":"hidden"}"#;
    created(format!(
        r#""HttpEndpointDestinationConfiguration":{{{endpoint},"S3Configuration":{{{ROLE},{BUCKET}}}{more}}}"#
    ))
    .unwrap()
}

#[test]
fn a_bucket_is_described_with_what_the_service_assumes_and_in_both_ways() {
    let plain = format!("{{{ROLE},{BUCKET},{ASSUMED}}}");
    let extended = format!(r#"{{{ROLE},{BUCKET},{ASSUMED},"S3BackupMode":"Disabled"}}"#);
    let expected = format!(
        r#"{{"DestinationId":"d","S3DestinationDescription":{plain},"ExtendedS3DestinationDescription":{extended}}}"#
    );
    assert_eq!(described(&s3("")), expected);
    let older = created(format!(
        r#""S3DestinationConfiguration":{{{ROLE},{BUCKET}}}"#
    ));
    assert_eq!(older, Ok(s3("")));
}

#[test]
fn a_backup_has_another_name_in_a_description() {
    let backed_up = s3(&format!(
        r#","S3BackupMode":"Enabled","S3BackupConfiguration":{{{ROLE},{BUCKET},"Prefix":"p"}}"#
    ));
    let text = described(&backed_up);
    let backup = format!(r#""S3BackupDescription":{{{ROLE},{BUCKET},"Prefix":"p",{ASSUMED}}}"#);
    assert!(text.contains(&backup), "{text}");
    assert!(!text.contains("Configuration\":{\"RoleARN"), "{text}");
}

#[test]
fn an_access_key_is_kept_and_neither_described_nor_printed() {
    let destination = http("");
    let kept: Destination = decoded(&encode(&destination));
    assert_eq!(kept, destination);
    let Destination::HttpEndpoint(http) = &kept else {
        panic!("not an endpoint");
    };
    let key = http.endpoint.access_key.as_ref();
    assert_eq!(key.map(AccessKey::as_str), Some("hidden"));
    assert!(!format!("{kept:?}").contains("hidden"));
    assert_eq!(
        described(&kept),
        format!(
            r#"{{"DestinationId":"d","HttpEndpointDestinationDescription":{{"BufferingHints":{{"SizeInMBs":5,"IntervalInSeconds":300}},"CloudWatchLoggingOptions":{{"Enabled":false}},"RequestConfiguration":{{"ContentEncoding":"NONE"}},"RetryOptions":{{"DurationInSeconds":300}},"S3BackupMode":"FailedDataOnly","EndpointConfiguration":{{"Url":"https://a","Name":"n"}},"S3DestinationDescription":{{{ROLE},{BUCKET},{ASSUMED}}}}}}}"#
        )
    );
}

#[test]
fn what_a_change_gives_replaces_and_the_rest_stays() {
    let key =
        r#""KMSEncryptionConfig":{"AWSKMSKeyARN":"arn:aws:kms:us-east-1:123456789012:key/k"}"#;
    let before = s3(
        r#","Prefix":"p/","CompressionFormat":"GZIP","ProcessingConfiguration":{"Enabled":true,"Processors":[]}"#,
    );
    let after = updated(
        &before,
        format!(
            r#""ExtendedS3DestinationUpdate":{{"Prefix":"q/","EncryptionConfiguration":{{{key}}},"ProcessingConfiguration":{{"Enabled":false}}}}"#
        ),
    );
    let expected = s3(&format!(
        r#","Prefix":"q/","CompressionFormat":"GZIP","EncryptionConfiguration":{{{key}}},"ProcessingConfiguration":{{"Enabled":false}}"#
    ));
    assert_eq!(after, Ok(expected));
    let older = updated(&before, r#""S3DestinationUpdate":{"Prefix":"q/"}"#);
    let newer = updated(&before, r#""ExtendedS3DestinationUpdate":{"Prefix":"q/"}"#);
    assert_eq!(older, newer);
}

#[test]
fn buckets_of_backups_are_changed_member_by_member() {
    let backup = |prefix: &str| {
        s3(&format!(
            r#","S3BackupMode":"Enabled","S3BackupConfiguration":{{{ROLE},{BUCKET},"Prefix":"{prefix}","CompressionFormat":"ZIP"}}"#
        ))
    };
    let update = r#""ExtendedS3DestinationUpdate":{"S3BackupUpdate":{"Prefix":"q"}}"#;
    assert_eq!(updated(&backup("p"), update), Ok(backup("q")));
    assert_eq!(
        updated(&s3(""), update).unwrap_err().to_string(),
        "InvalidArgumentException: RoleARN must be given: there is no earlier value."
    );
    let changed = updated(
        &http(""),
        r#""HttpEndpointDestinationUpdate":{"S3Update":{"CompressionFormat":"ZIP"}}"#,
    );
    let Ok(Destination::HttpEndpoint(changed)) = changed else {
        panic!("not an endpoint");
    };
    assert_eq!(changed.s3.bucket_arn, "arn:aws:s3:::b");
    assert!(changed.endpoint.access_key.is_some());
}

#[test]
fn the_key_of_one_endpoint_is_not_that_of_another() {
    let changed = updated(
        &http(""),
        r#""HttpEndpointDestinationUpdate":{"EndpointConfiguration":{"Url":"https://b"}}"#,
    );
    let Ok(Destination::HttpEndpoint(changed)) = changed else {
        panic!("not an endpoint");
    };
    assert_eq!(changed.endpoint.url, "https://b");
    assert_eq!(changed.endpoint.access_key, None);
}

fn cluster(service: &str, more: &str) -> Destination {
    created(format!(
        r#""{service}DestinationConfiguration":{{{ROLE},"IndexName":"i","ClusterEndpoint":"https://c","S3Configuration":{{{ROLE},{BUCKET}}}{more}}}"#
    ))
    .unwrap()
}

#[test]
fn a_cluster_is_described_with_what_the_service_assumes() {
    for service in ["Elasticsearch", "Amazonopensearchservice"] {
        let expected = format!(
            r#"{{"DestinationId":"d","{service}DestinationDescription":{{{ROLE},"IndexName":"i","ClusterEndpoint":"https://c","IndexRotationPeriod":"OneDay","BufferingHints":{{"SizeInMBs":5,"IntervalInSeconds":300}},"RetryOptions":{{"DurationInSeconds":300}},"CloudWatchLoggingOptions":{{"Enabled":false}},"DocumentIdOptions":{{"DefaultDocumentIdFormat":"FIREHOSE_DEFAULT"}},"S3BackupMode":"FailedDocumentsOnly","S3DestinationDescription":{{{ROLE},{BUCKET},{ASSUMED}}}}}}}"#
        );
        assert_eq!(described(&cluster(service, "")), expected);
    }
}

#[test]
fn what_is_kept_beside_a_cluster_is_chosen_once() {
    let all = r#","S3BackupMode":"AllDocuments""#;
    let before = cluster("Elasticsearch", all);
    let update = r#""ElasticsearchDestinationUpdate":{"IndexRotationPeriod":"OneHour","S3BackupMode":"FailedDocumentsOnly"}"#;
    let after = cluster(
        "Elasticsearch",
        &format!(r#"{all},"IndexRotationPeriod":"OneHour""#),
    );
    assert_eq!(updated(&before, update), Ok(after));
    let other = r#""AmazonopensearchserviceDestinationUpdate":{"IndexName":"i"}"#;
    assert_eq!(
        updated(&before, other).unwrap_err().message(),
        Some("RoleARN must be given: there is no earlier value.")
    );
}

#[test]
fn a_change_of_the_type_says_everything() {
    let whole = format!(r#""ExtendedS3DestinationUpdate":{{{ROLE},{BUCKET}}}"#);
    assert_eq!(updated(&http(""), whole), Ok(s3("")));
    for (update, member) in [
        (
            r#""HttpEndpointDestinationUpdate":{"EndpointConfiguration":{"Url":"https://b"}}"#,
            "S3Update",
        ),
        (
            r#""HttpEndpointDestinationUpdate":{"S3Update":{}}"#,
            "EndpointConfiguration",
        ),
    ] {
        let error = updated(&s3(""), update).unwrap_err();
        let sentence = format!("{member} must be given: there is no earlier value.");
        assert_eq!(error.message(), Some(&*sentence));
    }
}

#[test]
fn there_is_exactly_one_destination_and_it_is_one_that_is_served() {
    let s3_twice = format!(
        r#""S3DestinationConfiguration":{{{ROLE},{BUCKET}}},"ExtendedS3DestinationConfiguration":{{{ROLE},{BUCKET}}}"#
    );
    for configuration in [r#""Tags":[{"Key":"k"}]"#, &s3_twice] {
        assert_eq!(
            created(configuration).unwrap_err().to_string(),
            "InvalidArgumentException: Exactly one destination configuration is supported for a Firehose"
        );
    }
    assert_eq!(
        created(r#""SplunkDestinationConfiguration":{"HECEndpoint":[1]}"#)
            .unwrap_err()
            .to_string(),
        "InvalidArgumentException: SplunkDestinationConfiguration is not supported: this server delivers \
         to buckets, HTTP endpoints, clusters of OpenSearch and Elasticsearch, and Iceberg tables."
    );
    let error = updated(&s3(""), r#""SnowflakeDestinationUpdate":{}"#).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[test]
fn hints_are_given_together() {
    let one = format!(
        r#""ExtendedS3DestinationConfiguration":{{{ROLE},{BUCKET},"BufferingHints":{{"SizeInMBs":1}}}}"#
    );
    assert_eq!(
        created(one).unwrap_err().to_string(),
        "InvalidArgumentException: BufferingHints must have both SizeInMBs and IntervalInSeconds, or \
         neither."
    );
    let converted = s3(r#","DataFormatConversionConfiguration":{}"#);
    let Destination::ExtendedS3(converted) = converted else {
        panic!("not a bucket");
    };
    let hints = converted.buffering_hints.unwrap();
    assert_eq!(hints.size_in_mbs, Some(128));
}
