//! Inputs about streams and what is set of them.

use std::collections::BTreeMap;

use crate::macros::input;
use crate::parse::Structure as _;
use crate::validate::{Kind, Shape};
use crate::video::values::{
    ANY_INTEGER, ARN_SHAPE, ApiName, ComparisonOperator, ConfigurationStatus,
    DESTINATION_REGION_SHAPE, DESTINATION_URI_SHAPE, DEVICE_NAME_SHAPE, DefaultStorageTier,
    FORMAT_CONFIG_SHAPE, Format, HEIGHT_SHAPE, ImageSelectorType, KEY_ID_SHAPE, MEDIA_TYPE_SHAPE,
    NEXT_TOKEN_SHAPE, ONE_SHAPE, PAGE_SHAPE, RETENTION_CHANGE_SHAPE, RETENTION_SHAPE,
    RetentionChange, STREAM_NAME_SHAPE, TAG_KEY_SHAPE, TAG_KEYS_SHAPE, TAG_VALUE_SHAPE, TAGS_SHAPE,
    VERSION_SHAPE, WIDTH_SHAPE,
};

/// Tags as a list, as `TagResource` has them.
const TAG_LIST_SHAPE: Shape = Shape::new(Kind::List(&Tag::SHAPE)).min(1).max(50);

input! {
    /// Where a stream's media is kept.
    StreamStorageConfiguration {
        /// The tier.
        default_storage_tier: DefaultStorageTier = "DefaultStorageTier" is DefaultStorageTier::SHAPE,
    }
}

input! {
    /// Input of `CreateStream`.
    CreateStreamInput {
        /// The device that writes it; kept and shown.
        device_name: Option<String> = "DeviceName" is DEVICE_NAME_SHAPE,
        /// The name of the stream.
        stream_name: String = "StreamName" is STREAM_NAME_SHAPE,
        /// What it holds, as media types; kept and shown.
        media_type: Option<String> = "MediaType" is MEDIA_TYPE_SHAPE,
        /// The key that encrypts it.
        kms_key_id: Option<String> = "KmsKeyId" is KEY_ID_SHAPE,
        /// How long its media is kept; 0: hardly at all.
        data_retention_in_hours: Option<u32> = "DataRetentionInHours" is RETENTION_SHAPE,
        /// Its tags.
        tags: Option<BTreeMap<String, String>> = "Tags" is TAGS_SHAPE,
        /// Where its media is kept.
        stream_storage_configuration: Option<StreamStorageConfiguration> = "StreamStorageConfiguration" is StreamStorageConfiguration::SHAPE,
    }
}

input! {
    /// Input of `DeleteStream`.
    DeleteStreamInput {
        /// The ARN of the stream.
        stream_arn: String = "StreamARN" is ARN_SHAPE,
        /// The version that is meant.
        current_version: Option<String> = "CurrentVersion" is VERSION_SHAPE,
    }
}

input! {
    /// Input of `DescribeStream`.
    DescribeStreamInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
    }
}

input! {
    /// Which streams are listed.
    StreamNameCondition {
        /// How names are compared.
        comparison_operator: Option<ComparisonOperator> = "ComparisonOperator" is ComparisonOperator::SHAPE,
        /// With what.
        comparison_value: Option<String> = "ComparisonValue" is STREAM_NAME_SHAPE,
    }
}

input! {
    /// Input of `ListStreams`.
    ListStreamsInput {
        /// The most that one page holds.
        max_results: Option<u32> = "MaxResults" is PAGE_SHAPE,
        /// Where the last page ended.
        next_token: Option<String> = "NextToken" is NEXT_TOKEN_SHAPE,
        /// Which streams.
        stream_name_condition: Option<StreamNameCondition> = "StreamNameCondition" is StreamNameCondition::SHAPE,
    }
}

input! {
    /// Input of `UpdateStream`.
    UpdateStreamInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
        /// The version that is to be changed.
        current_version: String = "CurrentVersion" is VERSION_SHAPE,
        /// The device that writes it; kept and shown.
        device_name: Option<String> = "DeviceName" is DEVICE_NAME_SHAPE,
        /// What it holds, as media types; kept and shown.
        media_type: Option<String> = "MediaType" is MEDIA_TYPE_SHAPE,
    }
}

input! {
    /// Input of `UpdateDataRetention`.
    UpdateDataRetentionInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
        /// The version that is to be changed.
        current_version: String = "CurrentVersion" is VERSION_SHAPE,
        /// Longer or shorter.
        operation: RetentionChange = "Operation" is RetentionChange::SHAPE,
        /// By how much.
        data_retention_change_in_hours: u32 = "DataRetentionChangeInHours" is RETENTION_CHANGE_SHAPE,
    }
}

input! {
    /// Input of `GetDataEndpoint`.
    GetDataEndpointInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
        /// The operation.
        api_name: ApiName = "APIName" is ApiName::SHAPE,
    }
}

input! {
    /// Input of `ListTagsForResource`.
    ListTagsForResourceInput {
        /// Where the last page ended.
        next_token: Option<String> = "NextToken" is NEXT_TOKEN_SHAPE,
        /// The ARN of the stream.
        resource_arn: String = "ResourceARN" is ARN_SHAPE,
    }
}

input! {
    /// Input of `ListTagsForStream`.
    ListTagsForStreamInput {
        /// Where the last page ended.
        next_token: Option<String> = "NextToken" is NEXT_TOKEN_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
    }
}

input! {
    /// A tag.
    Tag {
        /// The key.
        key: String = "Key" is TAG_KEY_SHAPE,
        /// The value.
        value: String = "Value" is TAG_VALUE_SHAPE,
    }
}

input! {
    /// Input of `TagResource`.
    TagResourceInput {
        /// The ARN of the stream.
        resource_arn: String = "ResourceARN" is ARN_SHAPE,
        /// The tags.
        tags: Vec<Tag> = "Tags" is TAG_LIST_SHAPE,
    }
}

input! {
    /// Input of `TagStream`.
    TagStreamInput {
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The tags.
        tags: BTreeMap<String, String> = "Tags" is TAGS_SHAPE,
    }
}

input! {
    /// Input of `UntagResource`.
    UntagResourceInput {
        /// The ARN of the stream.
        resource_arn: String = "ResourceARN" is ARN_SHAPE,
        /// The keys of the tags.
        tag_key_list: Vec<String> = "TagKeyList" is TAG_KEYS_SHAPE,
    }
}

input! {
    /// Input of `UntagStream`.
    UntagStreamInput {
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The keys of the tags.
        tag_key_list: Vec<String> = "TagKeyList" is TAG_KEYS_SHAPE,
    }
}

input! {
    /// Who is told.
    NotificationDestinationConfig {
        /// Where to.
        uri: String = "Uri" is DESTINATION_URI_SHAPE,
    }
}

input! {
    /// Whether and whom fragments are told to.
    NotificationConfiguration {
        /// Whether.
        status: ConfigurationStatus = "Status" is ConfigurationStatus::SHAPE,
        /// Whom.
        destination_config: NotificationDestinationConfig = "DestinationConfig" is NotificationDestinationConfig::SHAPE,
    }
}

input! {
    /// Input of `DescribeNotificationConfiguration`.
    DescribeNotificationConfigurationInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
    }
}

input! {
    /// Input of `UpdateNotificationConfiguration`.
    UpdateNotificationConfigurationInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
        /// The configuration; none removes it.
        notification_configuration: Option<NotificationConfiguration> = "NotificationConfiguration" is NotificationConfiguration::SHAPE,
    }
}

input! {
    /// Where pictures go.
    ImageGenerationDestinationConfig {
        /// The place.
        uri: String = "Uri" is DESTINATION_URI_SHAPE,
        /// Its region.
        destination_region: String = "DestinationRegion" is DESTINATION_REGION_SHAPE,
    }
}

input! {
    /// Whether pictures are made, and which.
    ImageGenerationConfiguration {
        /// Whether.
        status: ConfigurationStatus = "Status" is ConfigurationStatus::SHAPE,
        /// Whose clock intervals are by.
        image_selector_type: ImageSelectorType = "ImageSelectorType" is ImageSelectorType::SHAPE,
        /// Where they go.
        destination_config: ImageGenerationDestinationConfig = "DestinationConfig" is ImageGenerationDestinationConfig::SHAPE,
        /// Milliseconds between two.
        sampling_interval: i32 = "SamplingInterval" is ANY_INTEGER,
        /// The format.
        format: Format = "Format" is Format::SHAPE,
        /// Settings of the format.
        format_config: Option<BTreeMap<String, String>> = "FormatConfig" is FORMAT_CONFIG_SHAPE,
        /// The width.
        width_pixels: Option<u32> = "WidthPixels" is WIDTH_SHAPE,
        /// The height.
        height_pixels: Option<u32> = "HeightPixels" is HEIGHT_SHAPE,
    }
}

input! {
    /// Input of `DescribeImageGenerationConfiguration`.
    DescribeImageGenerationConfigurationInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
    }
}

input! {
    /// Input of `UpdateImageGenerationConfiguration`.
    UpdateImageGenerationConfigurationInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
        /// The configuration; none removes it.
        image_generation_configuration: Option<ImageGenerationConfiguration> = "ImageGenerationConfiguration" is ImageGenerationConfiguration::SHAPE,
    }
}

input! {
    /// Input of `DescribeStreamStorageConfiguration`.
    DescribeStreamStorageConfigurationInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
    }
}

input! {
    /// Input of `UpdateStreamStorageConfiguration`.
    UpdateStreamStorageConfigurationInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
        /// The version that is to be changed.
        current_version: String = "CurrentVersion" is VERSION_SHAPE,
        /// Where its media is kept.
        stream_storage_configuration: StreamStorageConfiguration = "StreamStorageConfiguration" is StreamStorageConfiguration::SHAPE,
    }
}

input! {
    /// Input of `DescribeMappedResourceConfiguration`.
    DescribeMappedResourceConfigurationInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
        /// The most that one page holds.
        max_results: Option<u32> = "MaxResults" is ONE_SHAPE,
        /// Where the last page ended.
        next_token: Option<String> = "NextToken" is NEXT_TOKEN_SHAPE,
    }
}
