//! Tables of Apache Iceberg as settings of a delivery, and back.

use afflux_aws::firehose::destination::{
    BufferingHints, CatalogConfiguration, CloudWatchLoggingOptions, DestinationTableConfiguration,
    IcebergDestinationConfiguration, RetryOptions, S3DestinationConfiguration,
};
use afflux_aws::firehose::values::IcebergS3BackupMode;
use afflux_aws::firehose::{Destination, Error};
use afflux_deliver::{DeliverySettings, DeliverySource, ObjectSettings, TableSettings};

use super::describe::processing;
use super::{older, processors, unserved};
use crate::context::{invalid, service_error};

/// What a delivery stream does from `source` into a table and its bucket.
pub(super) fn settings(
    given: &IcebergDestinationConfiguration,
    source: DeliverySource,
) -> Result<DeliverySettings, Error> {
    let evolution = given.schema_evolution.as_ref();
    if evolution.is_some_and(|it| it.enabled) {
        return Err(unserved("SchemaEvolutionConfiguration"));
    }
    if given.table_creation.as_ref().is_some_and(|it| it.enabled) {
        return Err(unserved("TableCreationConfiguration"));
    }
    let (table, error_prefix) = table(given)?;
    let bucket = older(&given.s3)?;
    let (bytes, seconds) = BufferingHints::numbers(given.buffering_hints.as_ref());
    let objects = ObjectSettings {
        buffer_bytes: bytes.unwrap_or(bucket.buffer_bytes),
        buffer_seconds: seconds.unwrap_or(bucket.buffer_seconds),
        error_prefix: error_prefix.unwrap_or_else(|| bucket.error_prefix.clone()),
        ..bucket.clone()
    };
    let all = given.s3_backup_mode == Some(IcebergS3BackupMode::AllData);
    Ok(DeliverySettings {
        processors: processors(given.processing.as_ref())?,
        backup: all.then_some(bucket),
        table: Some(table),
        ..DeliverySettings::new(source, objects)
    })
}

/// The table, and the error prefix that it has for itself.
fn table(
    given: &IcebergDestinationConfiguration,
) -> Result<(TableSettings, Option<String>), Error> {
    if given.catalog.warehouse_location.is_some() {
        return Err(unserved("WarehouseLocation"));
    }
    let arn = given.catalog.catalog_arn.as_deref().unwrap_or_default();
    let Some((_, catalog)) = arn.rsplit_once(":catalog/") else {
        return Err(invalid(
            "CatalogARN must name a catalog of this server's configuration: \
             arn:aws:glue:REGION:ACCOUNT:catalog/NAME.",
        ));
    };
    let tables = given.tables.as_deref().unwrap_or_default();
    let [table] = tables else {
        return Err(invalid(format!(
            "DestinationTableConfigurationList has {} tables; this server delivers to exactly one.",
            tables.len()
        )));
    };
    if table
        .unique_keys
        .as_ref()
        .is_some_and(|keys| !keys.is_empty())
    {
        return Err(invalid(
            "UniqueKeys is not served by this server, which only adds rows.",
        ));
    }
    if table.partition_spec.is_some() {
        return Err(unserved("PartitionSpec"));
    }
    let name = format!("{}.{}", table.database_name, table.table_name);
    let named = TableSettings::new(catalog, &name).map_err(|error| service_error(&error))?;
    Ok((named, table.error_output_prefix.clone()))
}

/// The destination of a delivery stream that another door made. `role_arn` stands where the API wants a role.
pub(super) fn destination(
    table: &TableSettings,
    settings: &DeliverySettings,
    s3: S3DestinationConfiguration,
    role_arn: &str,
) -> Destination {
    let objects = &settings.objects;
    Destination::Iceberg(Box::new(IcebergDestinationConfiguration {
        role_arn: role_arn.to_owned(),
        catalog: CatalogConfiguration {
            catalog_arn: role_arn
                .split(':')
                .nth(4)
                .map(|account| format!("arn:aws:glue:any:{account}:catalog/{}", table.catalog)),
            warehouse_location: None,
        },
        tables: Some(vec![DestinationTableConfiguration {
            table_name: table.name.clone(),
            database_name: table.namespace.join("."),
            unique_keys: None,
            partition_spec: None,
            error_output_prefix: None,
        }]),
        schema_evolution: None,
        table_creation: None,
        buffering_hints: Some(BufferingHints::new(
            objects.buffer_bytes,
            objects.buffer_seconds,
        )),
        cloud_watch_logging_options: Some(CloudWatchLoggingOptions::OFF),
        processing: processing(settings),
        s3_backup_mode: Some(match settings.backup {
            Some(_) => IcebergS3BackupMode::AllData,
            None => IcebergS3BackupMode::FailedDataOnly,
        }),
        retry_options: Some(RetryOptions {
            duration_in_seconds: None,
        }),
        append_only: Some(true),
        s3,
    }))
}
