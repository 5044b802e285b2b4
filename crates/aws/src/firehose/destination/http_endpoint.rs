//! Requests to an HTTP endpoint.

use std::fmt;

use bytes::Bytes;

use super::change::{Change, Describe, Described, destination};
use super::hints::HttpEndpointBufferingHints;
use super::processing::{CloudWatchLoggingOptions, ProcessingConfiguration, RetryOptions};
use super::s3::{S3DestinationConfiguration, S3DestinationUpdate};
use crate::document::{Encode, Encoder, Value};
use crate::firehose::Error;
use crate::firehose::pattern::{HTTPS_URL, LINE, SECRET_ARN, TEXT};
use crate::firehose::values::{
    ANY_BOOLEAN, ContentEncoding, HttpEndpointS3BackupMode, LINE_SHAPE, ROLE_ARN_SHAPE, STRING,
};
use crate::macros::both;
use crate::parse::{Parse, Structure as _};
use crate::validate::{Kind, Shape};

const URL_SHAPE: Shape = STRING.min(1).max(1_000).pattern(&HTTPS_URL);
const NAME_SHAPE: Shape = STRING.min(1).max(256).pattern(&TEXT);
const ACCESS_KEY_SHAPE: Shape = STRING.min(0).max(4_096).pattern(&LINE);
const ATTRIBUTES_SHAPE: Shape = Shape::new(Kind::List(&HttpEndpointCommonAttribute::SHAPE))
    .min(0)
    .max(50);
const SECRET_ARN_SHAPE: Shape = STRING.min(1).max(2_048).pattern(&SECRET_ARN);

const MB_DEFAULT: u32 = 5;

/// A secret that every request carries. It is kept and sent, but neither described nor logged.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey(String);

impl AccessKey {
    /// The secret.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(..)")
    }
}

impl Encode for AccessKey {
    fn encode(&self, to: &mut Encoder) {
        self.0.encode(to);
    }
}

impl Parse for AccessKey {
    fn parse(value: Value<'_>, body: &Bytes) -> Option<Self> {
        String::parse(value, body).map(Self)
    }
}

both! {
    /// The endpoint.
    HttpEndpointConfiguration {
        /// Its address.
        url: String = "Url" is URL_SHAPE,
        /// What it is called.
        name: Option<String> = "Name" is NAME_SHAPE,
        /// The secret that it knows callers by.
        access_key: Option<AccessKey> = "AccessKey" is ACCESS_KEY_SHAPE,
    }
}

impl Describe for HttpEndpointConfiguration {
    fn describe(&self, to: &mut Encoder) {
        to.begin_map();
        to.member("Url", &self.url);
        to.member("Name", &self.name);
        to.end_map();
    }
}

both! {
    /// What every request says.
    HttpEndpointCommonAttribute {
        /// Of what.
        name: String = "AttributeName" is NAME_SHAPE,
        /// This.
        value: String = "AttributeValue" is LINE_SHAPE,
    }
}

both! {
    /// How requests look.
    HttpEndpointRequestConfiguration {
        /// How their bodies are compressed.
        content_encoding: Option<ContentEncoding> = "ContentEncoding" is ContentEncoding::SHAPE,
        /// What every one of them says.
        common_attributes: Option<Vec<HttpEndpointCommonAttribute>> = "CommonAttributes" is ATTRIBUTES_SHAPE,
    }
}

both! {
    /// The secret that is used instead of the access key.
    SecretsManagerConfiguration {
        /// The secret.
        secret_arn: Option<String> = "SecretARN" is SECRET_ARN_SHAPE,
        /// The role that reads it.
        role_arn: Option<String> = "RoleARN" is ROLE_ARN_SHAPE,
        /// Whether it is used.
        enabled: bool = "Enabled" is ANY_BOOLEAN,
    }
}

destination! {
    /// An HTTP endpoint, and a bucket for what it does not take.
    HttpEndpointDestinationConfiguration
    /// Changes of an [`HttpEndpointDestinationConfiguration`].
    ///
    /// A new endpoint replaces the old one with its access key, so that the key of one is never sent to
    /// another.
    HttpEndpointDestinationUpdate
    must {}
    may {
        /// How much is collected for one request.
        buffering_hints: HttpEndpointBufferingHints = "BufferingHints" is HttpEndpointBufferingHints::SHAPE,
        /// Where faults are told.
        cloud_watch_logging_options: CloudWatchLoggingOptions = "CloudWatchLoggingOptions" is CloudWatchLoggingOptions::SHAPE,
        /// How requests look.
        request: HttpEndpointRequestConfiguration = "RequestConfiguration" is HttpEndpointRequestConfiguration::SHAPE,
        /// What is done with records on their way.
        processing: ProcessingConfiguration = "ProcessingConfiguration" is ProcessingConfiguration::SHAPE,
        /// The role that delivers.
        role_arn: String = "RoleARN" is ROLE_ARN_SHAPE,
        /// For how long a delivery is tried again.
        retry_options: RetryOptions = "RetryOptions" is RetryOptions::SHAPE,
        /// What is also kept in the bucket.
        s3_backup_mode: HttpEndpointS3BackupMode = "S3BackupMode" is HttpEndpointS3BackupMode::SHAPE,
        /// The secret that is used instead of the access key.
        secrets_manager: SecretsManagerConfiguration = "SecretsManagerConfiguration" is SecretsManagerConfiguration::SHAPE,
    }
    nested {
        /// The endpoint.
        endpoint: HttpEndpointConfiguration = "EndpointConfiguration" is HttpEndpointConfiguration::SHAPE,
            changed by HttpEndpointConfiguration = "EndpointConfiguration" is HttpEndpointConfiguration::SHAPE,
            described as "EndpointConfiguration";
        /// The bucket.
        s3: S3DestinationConfiguration = "S3Configuration" is S3DestinationConfiguration::SHAPE,
            changed by S3DestinationUpdate = "S3Update" is S3DestinationUpdate::SHAPE,
            described as "S3DestinationDescription";
    }
}

impl HttpEndpointDestinationConfiguration {
    /// As [`S3DestinationConfiguration::completed`].
    pub(super) fn completed(self) -> Result<Self, Error> {
        let hints = HttpEndpointBufferingHints::completed(self.buffering_hints, MB_DEFAULT)?;
        Ok(Self {
            buffering_hints: Some(hints),
            cloud_watch_logging_options: self
                .cloud_watch_logging_options
                .or(Some(CloudWatchLoggingOptions::OFF)),
            request: self.request.or(Some(HttpEndpointRequestConfiguration {
                content_encoding: Some(ContentEncoding::None),
                common_attributes: None,
            })),
            retry_options: Some(RetryOptions::completed(self.retry_options)),
            s3_backup_mode: self
                .s3_backup_mode
                .or(Some(HttpEndpointS3BackupMode::FailedDataOnly)),
            s3: self.s3.completed()?,
            ..self
        })
    }
}
