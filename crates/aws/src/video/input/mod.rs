//! Typed inputs of every operation that is served.
//!
//! A field that is an `Option` is optional in the service model; any other member must be there.

#![expect(
    clippy::module_name_repetitions,
    reason = "the names are the service's own"
)]

mod archived;
mod control;
mod put;

pub use archived::{
    FragmentSelector, GetClipInput, GetDASHStreamingSessionURLInput,
    GetHLSStreamingSessionURLInput, GetImagesInput, GetMediaForFragmentListInput, GetMediaInput,
    ListFragmentsInput, PlaybackRange, PlaybackSelector, StartSelector, TimestampRange,
};
pub use control::{
    CreateStreamInput, DeleteStreamInput, DescribeImageGenerationConfigurationInput,
    DescribeMappedResourceConfigurationInput, DescribeNotificationConfigurationInput,
    DescribeStreamInput, DescribeStreamStorageConfigurationInput, GetDataEndpointInput,
    ImageGenerationConfiguration, ImageGenerationDestinationConfig, ListStreamsInput,
    ListTagsForResourceInput, ListTagsForStreamInput, NotificationConfiguration,
    NotificationDestinationConfig, StreamNameCondition, StreamStorageConfiguration, Tag,
    TagResourceInput, TagStreamInput, UntagResourceInput, UntagStreamInput,
    UpdateDataRetentionInput, UpdateImageGenerationConfigurationInput,
    UpdateNotificationConfigurationInput, UpdateStreamInput, UpdateStreamStorageConfigurationInput,
};
pub use put::{FragmentTimecodeType, PutMediaInput};
