//! Delivery streams to tables of Apache Iceberg: what is refused before a catalog is asked, and what is said of a
//! catalog that is not there.

use crate::support::*;

fn create(more: Value) -> Value {
    let arn = "arn:aws:glue:us-east-1:000000000000:catalog/lake";
    let least = json!({
        "RoleARN": ROLE,
        "CatalogConfiguration": {"CatalogARN": arn},
        "DestinationTableConfigurationList": [table(json!({}))],
        "S3Configuration": lake(json!({})),
    });
    json!({"DeliveryStreamName": "orders", "IcebergDestinationConfiguration": with(least, more)})
}

fn table(more: Value) -> Value {
    let least = json!({"DestinationDatabaseName": "shop", "DestinationTableName": "orders"});
    with(least, more)
}

#[tokio::test]
async fn what_is_not_served_is_refused_by_name() {
    let fixture = Fixture::new().await;
    let tables = |all: Value| json!({"DestinationTableConfigurationList": all});
    for (more, says) in [
        (
            json!({"SchemaEvolutionConfiguration": {"Enabled": true}}),
            "SchemaEvolutionConfiguration is not served",
        ),
        (
            json!({"TableCreationConfiguration": {"Enabled": true}}),
            "TableCreationConfiguration is not served",
        ),
        (
            json!({"CatalogConfiguration": {"WarehouseLocation": "s3://lake"}}),
            "WarehouseLocation is not served",
        ),
        (
            json!({"CatalogConfiguration": {"CatalogARN": "arn:aws:glue:r:000000000000:catalog"}}),
            "CatalogARN must name a catalog",
        ),
        (tables(json!([])), "has 0 tables"),
        (
            tables(json!([table(json!({})), table(json!({}))])),
            "has 2 tables",
        ),
        (
            tables(json!([table(json!({"UniqueKeys": ["id"]}))])),
            "UniqueKeys is not served",
        ),
        (
            tables(json!([table(json!({"PartitionSpec": {}}))])),
            "PartitionSpec is not served",
        ),
        (
            tables(json!([table(json!({"DestinationDatabaseName": "shop."}))])),
            "is not the name of a table",
        ),
    ] {
        let error = fixture.refused("CreateDeliveryStream", create(more)).await;
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_catalog_must_be_configured_and_the_program_built_for_it() {
    let fixture = Fixture::new().await;
    let error = fixture
        .refused("CreateDeliveryStream", create(json!({})))
        .await;
    let says = match cfg!(feature = "iceberg") {
        true => "catalog \"lake\" is not among the [[catalogs]] of the server's configuration",
        false => "this build has no Iceberg: build with --features iceberg",
    };
    assert_eq!(error, format!("InvalidArgumentException: {says}"));
}
