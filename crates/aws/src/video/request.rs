//! One type for every request that has a document.

use bytes::Bytes;

use super::input::*;
use super::{Code, Error, Operation};
use crate::document::Format;
use crate::macros::requests;

requests! {
    CreateStream(CreateStreamInput),
    DeleteStream(DeleteStreamInput),
    DescribeImageGenerationConfiguration(DescribeImageGenerationConfigurationInput),
    DescribeMappedResourceConfiguration(DescribeMappedResourceConfigurationInput),
    DescribeNotificationConfiguration(DescribeNotificationConfigurationInput),
    DescribeStream(DescribeStreamInput),
    DescribeStreamStorageConfiguration(DescribeStreamStorageConfigurationInput),
    GetClip(GetClipInput),
    GetDASHStreamingSessionURL(GetDASHStreamingSessionURLInput),
    GetDataEndpoint(GetDataEndpointInput),
    GetHLSStreamingSessionURL(GetHLSStreamingSessionURLInput),
    GetImages(GetImagesInput),
    GetMedia(GetMediaInput),
    GetMediaForFragmentList(GetMediaForFragmentListInput),
    ListFragments(ListFragmentsInput),
    ListStreams(ListStreamsInput),
    ListTagsForResource(ListTagsForResourceInput),
    ListTagsForStream(ListTagsForStreamInput),
    TagResource(TagResourceInput),
    TagStream(TagStreamInput),
    UntagResource(UntagResourceInput),
    UntagStream(UntagStreamInput),
    UpdateDataRetention(UpdateDataRetentionInput),
    UpdateImageGenerationConfiguration(UpdateImageGenerationConfigurationInput),
    UpdateNotificationConfiguration(UpdateNotificationConfigurationInput),
    UpdateStream(UpdateStreamInput),
    UpdateStreamStorageConfiguration(UpdateStreamStorageConfigurationInput),
    ; other
}

impl Request {
    /// Reads and validates the body of a request. An empty one is that of a request without members.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`, or the answer that an operation is not supported.
    pub fn decode(operation: Operation, body: &Bytes) -> Result<Self, Error> {
        let none = Bytes::from_static(b"{}");
        let body = if body.is_empty() { &none } else { body };
        Self::parse(operation, Format::Json, body)
    }
}

macro_rules! streams {
    (by_name_or_arn: $($named:ident)*; by_resource: $($resource:ident)*;) => {
        impl Request {
            /// The name and the ARN by which the request means a stream.
            #[must_use]
            pub fn stream(&self) -> (Option<&str>, Option<&str>) {
                match self {
                    $(Self::$named(input) => {
                        (input.stream_name.as_deref(), input.stream_arn.as_deref())
                    })*
                    $(Self::$resource(input) => (None, Some(&input.resource_arn)),)*
                    Self::CreateStream(input) => (Some(&input.stream_name), None),
                    Self::DeleteStream(input) => (None, Some(&input.stream_arn)),
                    Self::ListStreams(_) => (None, None),
                }
            }
        }
    };
}

streams! {
    by_name_or_arn: DescribeImageGenerationConfiguration DescribeMappedResourceConfiguration
        DescribeNotificationConfiguration DescribeStream DescribeStreamStorageConfiguration GetClip
        GetDASHStreamingSessionURL GetDataEndpoint GetHLSStreamingSessionURL GetImages GetMedia
        GetMediaForFragmentList ListFragments ListTagsForStream TagStream UntagStream
        UpdateDataRetention UpdateImageGenerationConfiguration UpdateNotificationConfiguration
        UpdateStream UpdateStreamStorageConfiguration;
    by_resource: ListTagsForResource TagResource UntagResource;
}
