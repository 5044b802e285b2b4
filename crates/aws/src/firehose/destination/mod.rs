//! Where a delivery stream delivers to.
//!
//! # Shape
//! A [`Destination`] is complete: where the caller of `CreateDeliveryStream` said nothing, it has what the
//! service assumes. It can be kept, as [`encode`](super::encode) writes it and
//! [`Decode`](crate::Decode) reads it.

mod change;
mod conversion;
mod hints;
mod http_endpoint;
mod iceberg;
mod opensearch;
mod processing;
mod s3;

pub use change::Described;
pub use conversion::{
    DataFormatConversionConfiguration, Deserializer, HiveJsonSerDe, InputFormatConfiguration,
    OpenXJsonSerDe, OrcSerDe, OutputFormatConfiguration, ParquetSerDe, SchemaConfiguration,
    Serializer,
};
pub use hints::{BufferingHints, HttpEndpointBufferingHints, OpenSearchBufferingHints};
pub use http_endpoint::{
    AccessKey, HttpEndpointCommonAttribute, HttpEndpointConfiguration,
    HttpEndpointDestinationConfiguration, HttpEndpointDestinationUpdate,
    HttpEndpointRequestConfiguration, SecretsManagerConfiguration,
};
#[expect(clippy::module_name_repetitions, reason = "the service calls it so")]
pub use iceberg::DestinationTableConfiguration;
pub use iceberg::{
    CatalogConfiguration, IcebergDestinationConfiguration, IcebergDestinationUpdate,
    PartitionField, PartitionSpec, SchemaEvolutionConfiguration, TableCreationConfiguration,
};
pub use opensearch::{
    DocumentIdOptions, OpenSearchDestinationConfiguration, OpenSearchDestinationUpdate,
    VpcConfiguration,
};
pub use processing::{
    CloudWatchLoggingOptions, ProcessingConfiguration, Processor, ProcessorParameter, RetryOptions,
};
pub use s3::{
    DynamicPartitioningConfiguration, EncryptionConfiguration, ExtendedS3DestinationConfiguration,
    ExtendedS3DestinationUpdate, KmsEncryptionConfig, S3DestinationConfiguration,
    S3DestinationUpdate,
};

use bytes::Bytes;

use super::input::{CreateDeliveryStreamInput, Unserved, UpdateDestinationInput};
use super::output::DestinationDescription;
use super::{Code, Error};
use crate::document::{Encode, Encoder, Value};
use crate::parse::{Members, Parse, Structure};
use crate::validate::{Kind, Member, Shape};
use change::Change as _;

/// Where a delivery stream delivers to.
#[derive(Clone, Debug, PartialEq)]
pub enum Destination {
    /// Objects in a bucket.
    ExtendedS3(Box<ExtendedS3DestinationConfiguration>),
    /// Requests to an HTTP endpoint.
    HttpEndpoint(Box<HttpEndpointDestinationConfiguration>),
    /// Documents of an `OpenSearch` cluster.
    OpenSearch(Box<OpenSearchDestinationConfiguration>),
    /// Documents of an Elasticsearch cluster.
    Elasticsearch(Box<OpenSearchDestinationConfiguration>),
    /// Rows of an Iceberg table.
    Iceberg(Box<IcebergDestinationConfiguration>),
}

impl Destination {
    /// The destination of a new delivery stream.
    ///
    /// # Errors
    /// `InvalidArgumentException` if there is not exactly one, if it is one that is not served, or if one
    /// buffering hint is given without the other.
    pub fn of(input: &CreateDeliveryStreamInput) -> Result<Self, Error> {
        let unserved = [
            (&input.redshift, "RedshiftDestinationConfiguration"),
            (&input.splunk, "SplunkDestinationConfiguration"),
            (
                &input.opensearch_serverless,
                "AmazonOpenSearchServerlessDestinationConfiguration",
            ),
            (&input.snowflake, "SnowflakeDestinationConfiguration"),
        ];
        let s3 = input.s3.clone();
        let extended_s3 = input.extended_s3.clone();
        let http_endpoint = input.http_endpoint.clone();
        let opensearch = input.opensearch.clone();
        let elasticsearch = input.elasticsearch.clone();
        let served = [
            s3.map(|s3| Ok(Self::ExtendedS3(Box::new((*s3).into())))),
            extended_s3.map(|s3| Ok(Self::ExtendedS3(s3))),
            http_endpoint.map(|http| Ok(Self::HttpEndpoint(http))),
            opensearch.map(|cluster| Ok(Self::OpenSearch(cluster))),
            elasticsearch.map(|cluster| Ok(Self::Elasticsearch(cluster))),
            input.iceberg.clone().map(|table| Ok(Self::Iceberg(table))),
        ];
        only(served, unserved)?.completed()
    }

    /// The destination after a change.
    ///
    /// A change of the same type says what is new: it is applied member by member, what it gives replaces
    /// what was, and what it does not give stays; the bucket of a backup is changed in the same way. A
    /// change of another type must say everything.
    ///
    /// # Errors
    /// `InvalidArgumentException` as for [`Destination::of`], or if something lacks that must be there.
    pub fn updated(&self, input: &UpdateDestinationInput) -> Result<Self, Error> {
        let unserved = [
            (&input.redshift, "RedshiftDestinationUpdate"),
            (&input.splunk, "SplunkDestinationUpdate"),
            (
                &input.opensearch_serverless,
                "AmazonOpenSearchServerlessDestinationUpdate",
            ),
            (&input.snowflake, "SnowflakeDestinationUpdate"),
        ];
        let s3 = input.s3.clone();
        let extended_s3 = input.extended_s3.clone();
        let http_endpoint = input.http_endpoint.clone();
        let opensearch = input.opensearch.clone();
        let elasticsearch = input.elasticsearch.clone();
        let served = [
            s3.map(|update| self.with_s3((*update).into())),
            extended_s3.map(|update| self.with_s3(*update)),
            http_endpoint.map(|update| self.with_http(*update)),
            opensearch.map(|update| self.with_opensearch(*update)),
            elasticsearch.map(|update| self.with_elasticsearch(*update)),
            input
                .iceberg
                .clone()
                .map(|update| self.with_iceberg(*update)),
        ];
        only(served, unserved)?.completed()
    }

    fn with_s3(&self, update: ExtendedS3DestinationUpdate) -> Result<Self, Error> {
        let current = match self {
            Self::ExtendedS3(s3) => Some(s3.as_ref()),
            _ => None,
        };
        let s3 = ExtendedS3DestinationConfiguration::change(
            current,
            update,
            "ExtendedS3DestinationUpdate",
        )?;
        Ok(Self::ExtendedS3(Box::new(s3)))
    }

    fn with_http(&self, update: HttpEndpointDestinationUpdate) -> Result<Self, Error> {
        let current = match self {
            Self::HttpEndpoint(http) => Some(http.as_ref()),
            _ => None,
        };
        let http = HttpEndpointDestinationConfiguration::change(
            current,
            update,
            "HttpEndpointDestinationUpdate",
        )?;
        Ok(Self::HttpEndpoint(Box::new(http)))
    }

    fn with_opensearch(&self, update: OpenSearchDestinationUpdate) -> Result<Self, Error> {
        let current = match self {
            Self::OpenSearch(cluster) => Some(cluster.as_ref()),
            _ => None,
        };
        let member = "AmazonopensearchserviceDestinationUpdate";
        let cluster = OpenSearchDestinationConfiguration::change(current, update, member)?;
        Ok(Self::OpenSearch(Box::new(cluster)))
    }

    fn with_elasticsearch(&self, update: OpenSearchDestinationUpdate) -> Result<Self, Error> {
        let current = match self {
            Self::Elasticsearch(cluster) => Some(cluster.as_ref()),
            _ => None,
        };
        let member = "ElasticsearchDestinationUpdate";
        let cluster = OpenSearchDestinationConfiguration::change(current, update, member)?;
        Ok(Self::Elasticsearch(Box::new(cluster)))
    }

    fn with_iceberg(&self, update: IcebergDestinationUpdate) -> Result<Self, Error> {
        let current = match self {
            Self::Iceberg(table) => Some(table.as_ref()),
            _ => None,
        };
        let member = "IcebergDestinationUpdate";
        let table = IcebergDestinationConfiguration::change(current, update, member)?;
        Ok(Self::Iceberg(Box::new(table)))
    }

    /// With what the service assumes where nothing is said.
    fn completed(self) -> Result<Self, Error> {
        Ok(match self {
            Self::ExtendedS3(s3) => Self::ExtendedS3(Box::new(s3.completed()?)),
            Self::HttpEndpoint(http) => Self::HttpEndpoint(Box::new(http.completed()?)),
            Self::OpenSearch(cluster) => Self::OpenSearch(Box::new(cluster.completed()?)),
            Self::Elasticsearch(cluster) => Self::Elasticsearch(Box::new(cluster.completed()?)),
            Self::Iceberg(table) => Self::Iceberg(Box::new(table.completed()?)),
        })
    }

    /// The destination as the service describes it. A bucket is described twice, the older way too.
    #[must_use]
    pub fn describe<'a>(&'a self, destination_id: &'a str) -> DestinationDescription<'a> {
        let mut described = DestinationDescription {
            destination_id,
            s3: None,
            extended_s3: None,
            elasticsearch: None,
            opensearch: None,
            http_endpoint: None,
            iceberg: None,
        };
        match self {
            Self::ExtendedS3(s3) => {
                described.s3 = Some(s3.plain());
                described.extended_s3 = Some(Described(s3.as_ref()));
            }
            Self::HttpEndpoint(http) => described.http_endpoint = Some(Described(http.as_ref())),
            Self::OpenSearch(cluster) => described.opensearch = Some(Described(cluster.as_ref())),
            Self::Elasticsearch(cluster) => {
                described.elasticsearch = Some(Described(cluster.as_ref()));
            }
            Self::Iceberg(table) => described.iceberg = Some(Described(table.as_ref())),
        }
        described
    }
}

/// The one that is given, if it is served.
fn only<const S: usize, const U: usize>(
    served: [Option<Result<Destination, Error>>; S],
    unserved: [(&Option<Unserved>, &'static str); U],
) -> Result<Destination, Error> {
    let unserved = unserved
        .into_iter()
        .map(|(given, member)| given.as_ref().map(|_| Err(refused(member))));
    let mut given = served.into_iter().chain(unserved).flatten();
    match (given.next(), given.next()) {
        (Some(one), None) => one,
        // The service's own words.
        _ => Err(Error::new(
            Code::InvalidArgument,
            "Exactly one destination configuration is supported for a Firehose",
        )),
    }
}

fn refused(member: &str) -> Error {
    Error::new(
        Code::InvalidArgument,
        format!(
            "{member} is not supported: this server delivers to buckets, HTTP endpoints, clusters of \
             OpenSearch and Elasticsearch, and Iceberg tables."
        ),
    )
}

const EXTENDED_S3: &str = "ExtendedS3DestinationConfiguration";
const HTTP_ENDPOINT: &str = "HttpEndpointDestinationConfiguration";
const OPENSEARCH: &str = "AmazonopensearchserviceDestinationConfiguration";
const ELASTICSEARCH: &str = "ElasticsearchDestinationConfiguration";
const ICEBERG: &str = "IcebergDestinationConfiguration";

impl Encode for Destination {
    fn encode(&self, to: &mut Encoder) {
        to.begin_map();
        match self {
            Self::ExtendedS3(s3) => to.member(EXTENDED_S3, s3),
            Self::HttpEndpoint(http) => to.member(HTTP_ENDPOINT, http),
            Self::OpenSearch(cluster) => to.member(OPENSEARCH, cluster),
            Self::Elasticsearch(cluster) => to.member(ELASTICSEARCH, cluster),
            Self::Iceberg(table) => to.member(ICEBERG, table),
        }
        to.end_map();
    }
}

/// A member that is there if the destination is of its type.
const fn may(name: &'static str, shape: &'static Shape) -> Member {
    Member {
        name,
        shape,
        required: false,
    }
}

impl Structure for Destination {
    const SHAPE: Shape = Shape::new(Kind::Structure(
        "Destination",
        &[
            may(EXTENDED_S3, &ExtendedS3DestinationConfiguration::SHAPE),
            may(HTTP_ENDPOINT, &HttpEndpointDestinationConfiguration::SHAPE),
            may(OPENSEARCH, &OpenSearchDestinationConfiguration::SHAPE),
            may(ELASTICSEARCH, &OpenSearchDestinationConfiguration::SHAPE),
            may(ICEBERG, &IcebergDestinationConfiguration::SHAPE),
        ],
    ));
}

impl Parse for Destination {
    fn parse(value: Value<'_>, body: &Bytes) -> Option<Self> {
        let mut members = Members::new(value, body)?;
        let s3: Option<_> = members.take(EXTENDED_S3)?;
        let http: Option<_> = members.take(HTTP_ENDPOINT)?;
        let opensearch: Option<_> = members.take(OPENSEARCH)?;
        let elasticsearch: Option<_> = members.take(ELASTICSEARCH)?;
        let iceberg: Option<_> = members.take(ICEBERG)?;
        let found = [
            s3.map(Self::ExtendedS3),
            http.map(Self::HttpEndpoint),
            opensearch.map(Self::OpenSearch),
            elasticsearch.map(Self::Elasticsearch),
            iceberg.map(Self::Iceberg),
        ];
        let mut found = found.into_iter().flatten();
        match (found.next(), found.next()) {
            (Some(one), None) => Some(one),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
