//! Delivery streams to search clusters: what the API says as settings of the delivery, and back.

use afflux_deliver::{
    ClusterSettings, DeliverySettings, DeliverySource, ObjectSettings, Place, Receiver,
};
use afflux_transform::{DocumentIds, IndexSettings, Rotation};
use afflux_types::DeliveryName;

use crate::support::*;

const URL: &str = "https://127.0.0.1:9/search";
const OPENSEARCH: &str = "AmazonopensearchserviceDestination";
const ELASTICSEARCH: &str = "ElasticsearchDestination";

fn least() -> Value {
    json!({
        "RoleARN": ROLE,
        "ClusterEndpoint": URL,
        "IndexName": "clicks",
        "S3Configuration": lake(json!({})),
    })
}

fn create(name: &str, kind: &str, destination: Value) -> Value {
    let configuration = format!("{kind}Configuration");
    json!({"DeliveryStreamName": name, configuration: destination})
}

fn update(name: &str, version: &str, kind: &str, change: Value) -> Value {
    let update = format!("{kind}Update");
    json!({
        "DeliveryStreamName": name,
        "CurrentDeliveryStreamVersionId": version,
        "DestinationId": DESTINATION,
        update: change,
    })
}

fn settings(fixture: &Fixture, name: &str) -> (DeliverySettings, ClusterSettings) {
    let name = DeliveryName::new(name).unwrap();
    let settings = fixture.deliveries.describe(&name).unwrap().settings;
    let Some(Receiver::OpenSearch(cluster)) = settings.receiver.clone() else {
        panic!("not a cluster")
    };
    (settings, cluster)
}

async fn described(fixture: &Fixture, name: &str, kind: &str) -> Value {
    let described = fixture.describe(name).await;
    described["Destinations"][0][format!("{kind}Description")].clone()
}

#[tokio::test]
async fn what_is_said_is_what_is_done_and_what_is_told() {
    let fixture = Fixture::new().await;
    for (name, kind) in [("o", OPENSEARCH), ("e", ELASTICSEARCH)] {
        let more = json!({
            "TypeName": "doc",
            "IndexRotationPeriod": "OneWeek",
            "BufferingHints": {"SizeInMBs": 100, "IntervalInSeconds": 60},
            "RetryOptions": {"DurationInSeconds": 7},
            "S3BackupMode": "AllDocuments",
            "DocumentIdOptions": {"DefaultDocumentIdFormat": "NO_DOCUMENT_ID"},
        });
        let said = with(least(), more.clone());
        fixture
            .call("CreateDeliveryStream", create(name, kind, said))
            .await;
        let index = IndexSettings {
            type_name: "doc".to_owned(),
            rotation: Rotation::Week,
            ids: DocumentIds::Cluster,
            ..IndexSettings::new("clicks".to_owned())
        };
        let expected = ClusterSettings {
            buffer_bytes: 100 << 20,
            buffer_seconds: 60,
            retry_seconds: 7,
            ..ClusterSettings::new(URL.to_owned(), index)
        };
        let (made, cluster) = settings(&fixture, name);
        assert_eq!(cluster, expected);
        assert_eq!(made.backup, Some(made.objects));
        let told = described(&fixture, name, kind).await;
        assert_eq!(told["ClusterEndpoint"], URL);
        assert_eq!(told["IndexName"], "clicks");
        for (member, value) in more.as_object().unwrap() {
            assert_eq!(&told[member], value, "{member}");
        }
        let change = json!({"IndexName": "views", "S3Update": {"Prefix": "p/"}});
        fixture
            .call("UpdateDestination", update(name, "1", kind, change))
            .await;
        let (changed, cluster) = settings(&fixture, name);
        assert_eq!((&*cluster.index.name, cluster.retry_seconds), ("views", 7));
        assert_eq!(changed.objects.prefix, "p/");
        assert!(changed.backup.is_some());
    }
}

#[tokio::test]
async fn what_is_not_said_is_what_the_service_assumes() {
    let fixture = Fixture::new().await;
    let request = create("o", OPENSEARCH, least());
    fixture.call("CreateDeliveryStream", request).await;
    let (made, cluster) = settings(&fixture, "o");
    let index = IndexSettings::new("clicks".to_owned());
    assert_eq!(cluster, ClusterSettings::new(URL.to_owned(), index));
    assert_eq!(made.backup, None);
    let told = described(&fixture, "o", OPENSEARCH).await;
    assert_eq!(told["IndexRotationPeriod"], "OneDay");
    assert_eq!(told["S3BackupMode"], "FailedDocumentsOnly");
    let ids = json!({"DefaultDocumentIdFormat": "FIREHOSE_DEFAULT"});
    assert_eq!(told["DocumentIdOptions"], ids);
}

#[tokio::test]
async fn what_is_not_served_is_refused_by_name() {
    let fixture = Fixture::new().await;
    let vpc = json!({"SubnetIds": ["s"], "RoleARN": ROLE, "SecurityGroupIds": ["g"]});
    let domain = "arn:aws:es:us-east-1:000000000000:domain/mine";
    for (more, sentence) in [
        (
            json!({"VpcConfiguration": vpc}),
            "VpcConfiguration is not served by this server.",
        ),
        (
            json!({"DomainARN": domain}),
            "DomainARN is not served by this server, which knows no domains: give the address of the \
             cluster as ClusterEndpoint.",
        ),
        (
            json!({"ClusterEndpoint": null}),
            "ClusterEndpoint must be given.",
        ),
    ] {
        let said = with(least(), more);
        let request = create("o", OPENSEARCH, said);
        let refused = fixture.refused("CreateDeliveryStream", request).await;
        assert_eq!(refused, format!("InvalidArgumentException: {sentence}"));
    }
    for (more, part) in [
        (
            json!({"ClusterEndpoint": "https://127.0.0.2"}),
            "[[endpoints]]",
        ),
        (json!({"IndexName": "Clicks"}), "\"Clicks\""),
    ] {
        let request = create("o", OPENSEARCH, with(least(), more));
        let refused = fixture.refused("CreateDeliveryStream", request).await;
        assert!(
            refused.starts_with("InvalidArgumentException: "),
            "{refused}"
        );
        assert!(refused.contains(part), "{refused}");
    }
}

#[tokio::test]
async fn one_that_another_door_made_is_described() {
    let fixture = Fixture::new().await;
    let objects = ObjectSettings::new(Place::Bucket("lake".to_owned()));
    let index = IndexSettings::new("clicks".to_owned());
    let made = DeliverySettings {
        receiver: Some(Receiver::OpenSearch(ClusterSettings::new(
            URL.to_owned(),
            index,
        ))),
        ..DeliverySettings::new(DeliverySource::Direct, objects)
    };
    let name = DeliveryName::new("f").unwrap();
    let created = fixture.deliveries.create(&name, made, String::new());
    created.await.unwrap();
    let said = described(&fixture, "f", OPENSEARCH).await;
    assert_eq!(said["ClusterEndpoint"], URL);
    assert_eq!(said["IndexRotationPeriod"], "OneDay");
    assert_eq!(said["S3BackupMode"], "FailedDocumentsOnly");
    let bucket = &said["S3DestinationDescription"]["BucketARN"];
    assert_eq!(bucket, "arn:aws:s3:::lake");
}
