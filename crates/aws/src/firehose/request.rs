//! One type for every request.

use bytes::Bytes;

use super::input::*;
use super::{Error, Operation};
use crate::document::Format;
use crate::macros::requests;

requests! {
    CreateDeliveryStream(CreateDeliveryStreamInput),
    DeleteDeliveryStream(DeleteDeliveryStreamInput),
    DescribeDeliveryStream(DescribeDeliveryStreamInput),
    ListDeliveryStreams(ListDeliveryStreamsInput),
    ListTagsForDeliveryStream(ListTagsForDeliveryStreamInput),
    PutRecord(PutRecordInput),
    PutRecordBatch(PutRecordBatchInput),
    StartDeliveryStreamEncryption(StartDeliveryStreamEncryptionInput),
    StopDeliveryStreamEncryption(StopDeliveryStreamEncryptionInput),
    TagDeliveryStream(TagDeliveryStreamInput),
    UntagDeliveryStream(UntagDeliveryStreamInput),
    UpdateDestination(UpdateDestinationInput),
}

impl Request {
    /// Reads and validates the body of a request.
    ///
    /// # Errors
    /// `SerializationException` or `ValidationException`.
    pub fn decode(operation: Operation, body: &Bytes) -> Result<Self, Error> {
        Self::parse(operation, Format::Json, body)
    }
}

macro_rules! named {
    ($($name:ident)*) => {
        impl Request {
            /// The name of the delivery stream that the request means; none for a list of them.
            #[must_use]
            pub fn delivery_stream(&self) -> Option<&str> {
                match self {
                    $(Self::$name(input) => Some(&input.delivery_stream_name),)*
                    Self::ListDeliveryStreams(_) => None,
                }
            }
        }
    };
}

named! {
    CreateDeliveryStream DeleteDeliveryStream DescribeDeliveryStream ListTagsForDeliveryStream PutRecord
    PutRecordBatch StartDeliveryStreamEncryption StopDeliveryStreamEncryption TagDeliveryStream
    UntagDeliveryStream UpdateDestination
}
