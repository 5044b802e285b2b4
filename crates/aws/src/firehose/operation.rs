//! The operations of the service, by name.

use super::Code;
use crate::macros::{operations, targets};

/// The group that an operation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Delivery streams and their settings.
    Control,
    /// Records.
    Data,
}

operations! {
    /// An operation of the service model.
    Data: PutRecord PutRecordBatch;
    Control: CreateDeliveryStream DeleteDeliveryStream DescribeDeliveryStream ListDeliveryStreams
        ListTagsForDeliveryStream StartDeliveryStreamEncryption StopDeliveryStreamEncryption
        TagDeliveryStream UntagDeliveryStream UpdateDestination;
}

targets!("Firehose_20150804", Json);

impl Operation {
    /// The name as policies write it.
    #[must_use]
    pub fn action(self) -> String {
        format!("firehose:{}", self.name())
    }
}
