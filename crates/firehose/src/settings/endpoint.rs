//! HTTP endpoints as settings of a delivery, and back.

use afflux_aws::firehose::destination::{
    CloudWatchLoggingOptions, HttpEndpointBufferingHints, HttpEndpointCommonAttribute,
    HttpEndpointConfiguration, HttpEndpointDestinationConfiguration,
    HttpEndpointRequestConfiguration, RetryOptions, S3DestinationConfiguration,
};
use afflux_aws::firehose::values::{ContentEncoding as Encoding, HttpEndpointS3BackupMode};
use afflux_aws::firehose::{Destination, Error};
use afflux_deliver::{
    ContentEncoding, DeliverySettings, DeliverySource, EndpointSettings, Receiver,
};

use super::describe::{processing, whole};
use super::{older, processors, unserved};

/// What a delivery stream does from `source` into an endpoint and its bucket.
pub(super) fn settings(
    http: &HttpEndpointDestinationConfiguration,
    source: DeliverySource,
) -> Result<DeliverySettings, Error> {
    let secrets = http.secrets_manager.as_ref();
    if secrets.is_some_and(|secrets| secrets.enabled) {
        return Err(unserved("SecretsManagerConfiguration"));
    }
    let objects = older(&http.s3)?;
    let all = http.s3_backup_mode == Some(HttpEndpointS3BackupMode::AllData);
    Ok(DeliverySettings {
        processors: processors(http.processing.as_ref())?,
        backup: all.then(|| objects.clone()),
        receiver: Some(Receiver::Http(endpoint(http))),
        ..DeliverySettings::new(source, objects)
    })
}

fn endpoint(http: &HttpEndpointDestinationConfiguration) -> EndpointSettings {
    let assumed = EndpointSettings::new(http.endpoint.url.clone());
    let (bytes, seconds) = HttpEndpointBufferingHints::numbers(http.buffering_hints.as_ref());
    let retry = http.retry_options.as_ref();
    let retry_seconds = retry.and_then(|retry| retry.duration_in_seconds);
    let request = http.request.as_ref();
    let encoding = request.and_then(|request| request.content_encoding);
    let attributes = request.and_then(|request| request.common_attributes.as_ref());
    let attributes = attributes.into_iter().flatten();
    let key = http.endpoint.access_key.as_ref();
    EndpointSettings {
        access_key: key.map_or_else(String::new, |key| key.as_str().to_owned()),
        attributes: attributes
            .map(|attribute| (attribute.name.clone(), attribute.value.clone()))
            .collect(),
        encoding: match encoding {
            Some(Encoding::Gzip) => ContentEncoding::Gzip,
            Some(Encoding::None) | None => ContentEncoding::Identity,
        },
        buffer_bytes: bytes.unwrap_or(assumed.buffer_bytes),
        buffer_seconds: seconds.unwrap_or(assumed.buffer_seconds),
        retry_seconds: retry_seconds.map_or(assumed.retry_seconds, u64::from),
        ..assumed
    }
}

/// The destination of a delivery stream that another door made. Its secret is left out, as it is in every
/// description.
pub(super) fn destination(
    endpoint: &EndpointSettings,
    settings: &DeliverySettings,
    s3: S3DestinationConfiguration,
) -> Destination {
    let attribute = |(name, value): &(String, String)| HttpEndpointCommonAttribute {
        name: name.clone(),
        value: value.clone(),
    };
    Destination::HttpEndpoint(Box::new(HttpEndpointDestinationConfiguration {
        buffering_hints: Some(HttpEndpointBufferingHints::new(
            endpoint.buffer_bytes,
            endpoint.buffer_seconds,
        )),
        cloud_watch_logging_options: Some(CloudWatchLoggingOptions::OFF),
        request: Some(HttpEndpointRequestConfiguration {
            content_encoding: Some(match endpoint.encoding {
                ContentEncoding::Gzip => Encoding::Gzip,
                ContentEncoding::Identity => Encoding::None,
            }),
            common_attributes: Some(endpoint.attributes.iter().map(attribute).collect()),
        }),
        processing: processing(settings),
        role_arn: None,
        retry_options: Some(RetryOptions {
            duration_in_seconds: whole(endpoint.retry_seconds),
        }),
        s3_backup_mode: Some(match settings.backup {
            Some(_) => HttpEndpointS3BackupMode::AllData,
            None => HttpEndpointS3BackupMode::FailedDataOnly,
        }),
        secrets_manager: None,
        endpoint: HttpEndpointConfiguration {
            url: endpoint.url.clone(),
            name: None,
            access_key: None,
        },
        s3,
    }))
}
