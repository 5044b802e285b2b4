//! `OpenSearch` and Elasticsearch clusters as settings of a delivery, and back.

use afflux_aws::firehose::destination::{
    CloudWatchLoggingOptions, DocumentIdOptions, OpenSearchBufferingHints,
    OpenSearchDestinationConfiguration, RetryOptions, S3DestinationConfiguration,
};
use afflux_aws::firehose::values::{
    DefaultDocumentIdFormat, IndexRotationPeriod, OpenSearchS3BackupMode,
};
use afflux_aws::firehose::{Destination, Error};
use afflux_deliver::{ClusterSettings, DeliverySettings, DeliverySource, Receiver};
use afflux_transform::{DocumentIds, IndexSettings, Rotation};

use super::describe::{processing, whole};
use super::{older, processors, unserved};
use crate::context::invalid;

/// What a delivery stream does from `source` into a cluster and its bucket.
pub(super) fn settings(
    given: &OpenSearchDestinationConfiguration,
    source: DeliverySource,
) -> Result<DeliverySettings, Error> {
    if given.vpc.is_some() {
        return Err(unserved("VpcConfiguration"));
    }
    let objects = older(&given.s3)?;
    let all = given.s3_backup_mode == Some(OpenSearchS3BackupMode::AllDocuments);
    Ok(DeliverySettings {
        processors: processors(given.processing.as_ref())?,
        backup: all.then(|| objects.clone()),
        receiver: Some(Receiver::OpenSearch(cluster(given)?)),
        ..DeliverySettings::new(source, objects)
    })
}

fn cluster(given: &OpenSearchDestinationConfiguration) -> Result<ClusterSettings, Error> {
    if given.domain_arn.is_some() {
        return Err(invalid(
            "DomainARN is not served by this server, which knows no domains: give the address of the cluster \
             as ClusterEndpoint.",
        ));
    }
    let Some(url) = &given.cluster_endpoint else {
        return Err(invalid("ClusterEndpoint must be given."));
    };
    let index = IndexSettings {
        rotation: given
            .index_rotation_period
            .map_or_else(Rotation::default, rotation),
        type_name: given.type_name.clone().unwrap_or_default(),
        ids: match &given.document_id_options {
            Some(options) => ids(options.default_document_id_format),
            None => DocumentIds::default(),
        },
        ..IndexSettings::new(given.index_name.clone())
    };
    let assumed = ClusterSettings::new(url.clone(), index);
    let (bytes, seconds) = OpenSearchBufferingHints::numbers(given.buffering_hints.as_ref());
    let retry = given.retry_options.as_ref();
    let retry_seconds = retry.and_then(|retry| retry.duration_in_seconds);
    Ok(ClusterSettings {
        buffer_bytes: bytes.unwrap_or(assumed.buffer_bytes),
        buffer_seconds: seconds.unwrap_or(assumed.buffer_seconds),
        retry_seconds: retry_seconds.map_or(assumed.retry_seconds, u64::from),
        ..assumed
    })
}

fn rotation(period: IndexRotationPeriod) -> Rotation {
    match period {
        IndexRotationPeriod::NoRotation => Rotation::None,
        IndexRotationPeriod::OneHour => Rotation::Hour,
        IndexRotationPeriod::OneDay => Rotation::Day,
        IndexRotationPeriod::OneWeek => Rotation::Week,
        IndexRotationPeriod::OneMonth => Rotation::Month,
    }
}

fn period(rotation: Rotation) -> IndexRotationPeriod {
    match rotation {
        Rotation::None => IndexRotationPeriod::NoRotation,
        Rotation::Hour => IndexRotationPeriod::OneHour,
        Rotation::Day => IndexRotationPeriod::OneDay,
        Rotation::Week => IndexRotationPeriod::OneWeek,
        Rotation::Month => IndexRotationPeriod::OneMonth,
    }
}

fn ids(format: DefaultDocumentIdFormat) -> DocumentIds {
    match format {
        DefaultDocumentIdFormat::FirehoseDefault => DocumentIds::Delivery,
        DefaultDocumentIdFormat::NoDocumentId => DocumentIds::Cluster,
    }
}

/// The destination of a delivery stream that another door made. `role_arn` stands where the API wants a role.
pub(super) fn destination(
    cluster: &ClusterSettings,
    settings: &DeliverySettings,
    s3: S3DestinationConfiguration,
    role_arn: &str,
) -> Destination {
    let index = &cluster.index;
    Destination::OpenSearch(Box::new(OpenSearchDestinationConfiguration {
        role_arn: role_arn.to_owned(),
        index_name: index.name.clone(),
        domain_arn: None,
        cluster_endpoint: Some(cluster.url.clone()),
        type_name: (!index.type_name.is_empty()).then(|| index.type_name.clone()),
        index_rotation_period: Some(period(index.rotation)),
        buffering_hints: Some(OpenSearchBufferingHints::new(
            cluster.buffer_bytes,
            cluster.buffer_seconds,
        )),
        retry_options: Some(RetryOptions {
            duration_in_seconds: whole(cluster.retry_seconds),
        }),
        processing: processing(settings),
        cloud_watch_logging_options: Some(CloudWatchLoggingOptions::OFF),
        document_id_options: Some(DocumentIdOptions {
            default_document_id_format: match index.ids {
                DocumentIds::Delivery => DefaultDocumentIdFormat::FirehoseDefault,
                DocumentIds::Cluster => DefaultDocumentIdFormat::NoDocumentId,
            },
        }),
        s3_backup_mode: Some(match settings.backup {
            Some(_) => OpenSearchS3BackupMode::AllDocuments,
            None => OpenSearchS3BackupMode::FailedDocumentsOnly,
        }),
        vpc: None,
        s3,
    }))
}
