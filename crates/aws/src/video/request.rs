//! One type for every request that has a document.

use bytes::Bytes;

use super::input::*;
use super::{Code, Error, Operation};
use crate::document::{self, Format};
use crate::parse::{Parse, Structure};
use crate::validate::{self, Shape};

macro_rules! requests {
    ($($name:ident($input:ident)),* $(,)?) => {
        /// An operation with its input.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $(#[doc = concat!("`", stringify!($name), "`.")] $name($input),)*
        }

        impl Request {
            /// The operation.
            #[must_use]
            pub fn operation(&self) -> Operation {
                match self { $(Self::$name(_) => Operation::$name,)* }
            }

            /// The name and the ARN by which the request means a stream.
            #[must_use]
            pub fn stream(&self) -> (Option<&str>, Option<&str>) {
                match self { $(Self::$name(input) => input.stream(),)* }
            }

            /// Reads and validates the body of a request. An empty one is that of a request without
            /// members.
            ///
            /// # Errors
            /// `SerializationException`, `ValidationException`, or the answer that an operation is not
            /// supported.
            pub fn decode(operation: Operation, body: &Bytes) -> Result<Self, Error> {
                match operation {
                    $(Operation::$name => parse(body).map(Self::$name),)*
                    other => Err(other
                        .unserved()
                        .unwrap_or_else(|| Error::bare(Code::UnknownOperation))),
                }
            }

            /// The members of an operation's input and their constraints; `None` for an operation
            /// that has no document or is known by name only.
            #[must_use]
            pub fn shape(operation: Operation) -> Option<Shape> {
                match operation {
                    $(Operation::$name => Some($input::SHAPE),)*
                    _ => None,
                }
            }
        }
    };
}

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
}

/// How an input names its stream.
trait Names {
    fn stream(&self) -> (Option<&str>, Option<&str>);
}

macro_rules! names {
    ($($input:ident)*) => {
        $(impl Names for $input {
            fn stream(&self) -> (Option<&str>, Option<&str>) {
                (self.stream_name.as_deref(), self.stream_arn.as_deref())
            }
        })*
    };
}

names! {
    DescribeImageGenerationConfigurationInput DescribeMappedResourceConfigurationInput
    DescribeNotificationConfigurationInput DescribeStreamInput DescribeStreamStorageConfigurationInput
    GetClipInput GetDASHStreamingSessionURLInput GetDataEndpointInput
    GetHLSStreamingSessionURLInput GetImagesInput GetMediaInput GetMediaForFragmentListInput
    ListFragmentsInput ListTagsForStreamInput TagStreamInput UntagStreamInput
    UpdateDataRetentionInput UpdateImageGenerationConfigurationInput
    UpdateNotificationConfigurationInput UpdateStreamInput UpdateStreamStorageConfigurationInput
}

impl Names for CreateStreamInput {
    fn stream(&self) -> (Option<&str>, Option<&str>) {
        (Some(&self.stream_name), None)
    }
}

impl Names for DeleteStreamInput {
    fn stream(&self) -> (Option<&str>, Option<&str>) {
        (None, Some(&self.stream_arn))
    }
}

impl Names for ListStreamsInput {
    fn stream(&self) -> (Option<&str>, Option<&str>) {
        (None, None)
    }
}

macro_rules! resources {
    ($($input:ident)*) => {
        $(impl Names for $input {
            fn stream(&self) -> (Option<&str>, Option<&str>) {
                (None, Some(&self.resource_arn))
            }
        })*
    };
}

resources! { ListTagsForResourceInput TagResourceInput UntagResourceInput }

fn parse<T: Structure>(body: &Bytes) -> Result<T, Error> {
    let none = Bytes::from_static(b"{}");
    let body = if body.is_empty() { &none } else { body };
    let value = validate::read(Format::Json, body, &T::SHAPE)?;
    // Unreachable while tables and fields agree.
    <T as Parse>::parse(value, body).ok_or_else(|| document::Error::NotAMap.into())
}
