//! Answers.

use std::collections::BTreeMap;

use afflux_types::{ProducerTime, ServerTime};
use bytes::Bytes;

use super::values::{
    ConfigurationStatus, DefaultStorageTier, Format, ImageError, ImageSelectorType, Status,
};
use crate::macros::output;

output! {
    /// Answer of `CreateStream`.
    CreateStreamOutput {
        /// The ARN.
        stream_arn: String = "StreamARN",
    }
}

output! {
    /// A stream.
    StreamInfo {
        /// The device that writes it.
        device_name: Option<String> = "DeviceName",
        /// The name.
        stream_name: String = "StreamName",
        /// The ARN.
        stream_arn: String = "StreamARN",
        /// What it holds.
        media_type: Option<String> = "MediaType",
        /// The key that encrypts it; none if nothing does.
        kms_key_id: Option<String> = "KmsKeyId",
        /// Changes with every change of its settings.
        version: String = "Version",
        /// The state.
        status: Status = "Status",
        /// When it was made.
        creation_time: ServerTime = "CreationTime",
        /// How long its media is kept.
        data_retention_in_hours: u32 = "DataRetentionInHours",
    }
}

output! {
    /// Answer of `DescribeStream`.
    DescribeStreamOutput {
        /// The stream.
        stream_info: StreamInfo = "StreamInfo",
    }
}

output! {
    /// Answer of `ListStreams`.
    ListStreamsOutput {
        /// A page of streams, by name.
        stream_info_list: Vec<StreamInfo> = "StreamInfoList",
        /// Where the next page starts.
        next_token: Option<String> = "NextToken",
    }
}

output! {
    /// Answer of `GetDataEndpoint`.
    GetDataEndpointOutput {
        /// A URL without a path.
        data_endpoint: String = "DataEndpoint",
    }
}

output! {
    /// Answer of `ListTagsForStream` and `ListTagsForResource`.
    ListTagsOutput {
        /// Where the next page starts.
        next_token: Option<String> = "NextToken",
        /// A page of tags.
        tags: BTreeMap<String, String> = "Tags",
    }
}

output! {
    /// Who is told.
    NotificationDestinationConfig {
        /// Where to.
        uri: String = "Uri",
    }
}

output! {
    /// Whether and whom fragments are told to.
    NotificationConfiguration {
        /// Whether.
        status: ConfigurationStatus = "Status",
        /// Whom.
        destination_config: NotificationDestinationConfig = "DestinationConfig",
    }
}

output! {
    /// Answer of `DescribeNotificationConfiguration`.
    DescribeNotificationConfigurationOutput {
        /// None if there never was one.
        notification_configuration: Option<NotificationConfiguration> = "NotificationConfiguration",
    }
}

output! {
    /// Where pictures go.
    ImageGenerationDestinationConfig {
        /// The place.
        uri: String = "Uri",
        /// Its region.
        destination_region: String = "DestinationRegion",
    }
}

output! {
    /// Whether pictures are made, and which.
    ImageGenerationConfiguration {
        /// Whether.
        status: ConfigurationStatus = "Status",
        /// Whose clock intervals are by.
        image_selector_type: ImageSelectorType = "ImageSelectorType",
        /// Where they go.
        destination_config: ImageGenerationDestinationConfig = "DestinationConfig",
        /// Milliseconds between two.
        sampling_interval: i32 = "SamplingInterval",
        /// The format.
        format: Format = "Format",
        /// Settings of the format.
        format_config: Option<BTreeMap<String, String>> = "FormatConfig",
        /// The width.
        width_pixels: Option<u32> = "WidthPixels",
        /// The height.
        height_pixels: Option<u32> = "HeightPixels",
    }
}

output! {
    /// Answer of `DescribeImageGenerationConfiguration`.
    DescribeImageGenerationConfigurationOutput {
        /// None if there never was one.
        image_generation_configuration: Option<ImageGenerationConfiguration> = "ImageGenerationConfiguration",
    }
}

output! {
    /// Where a stream's media is kept.
    StreamStorageConfiguration {
        /// The tier.
        default_storage_tier: DefaultStorageTier = "DefaultStorageTier",
    }
}

output! {
    /// Answer of `DescribeStreamStorageConfiguration`.
    DescribeStreamStorageConfigurationOutput {
        /// The name.
        stream_name: String = "StreamName",
        /// The ARN.
        stream_arn: String = "StreamARN",
        /// The configuration.
        stream_storage_configuration: StreamStorageConfiguration = "StreamStorageConfiguration",
    }
}

output! {
    /// Something that a stream stores the media of.
    MappedResource {
        /// What it is.
        kind: String = "Type",
        /// Its ARN.
        arn: String = "ARN",
    }
}

output! {
    /// Answer of `DescribeMappedResourceConfiguration`.
    DescribeMappedResourceConfigurationOutput {
        /// A page of them.
        mapped_resource_configuration_list: Vec<MappedResource> = "MappedResourceConfigurationList",
        /// Where the next page starts.
        next_token: Option<String> = "NextToken",
    }
}

output! {
    /// Answer of `GetDASHStreamingSessionURL`.
    GetDASHStreamingSessionURLOutput {
        /// The URL of the manifest.
        dash_streaming_session_url: String = "DASHStreamingSessionURL",
    }
}

output! {
    /// Answer of `GetHLSStreamingSessionURL`.
    GetHLSStreamingSessionURLOutput {
        /// The URL of the master playlist.
        hls_streaming_session_url: String = "HLSStreamingSessionURL",
    }
}

output! {
    /// A picture of a time, or why there is none.
    Image {
        /// The time, by the clock that the request says.
        time_stamp: ServerTime = "TimeStamp",
        /// Why there is none.
        error: Option<ImageError> = "Error",
        /// The picture.
        image_content: Option<Bytes> = "ImageContent",
    }
}

output! {
    /// Answer of `GetImages`.
    GetImagesOutput {
        /// A page of pictures.
        images: Vec<Image> = "Images",
        /// Where the next page starts.
        next_token: Option<String> = "NextToken",
    }
}

output! {
    /// What a producer says of a fragment.
    FragmentTag {
        /// The name.
        name: String = "Name",
        /// The value.
        value: String = "Value",
    }
}

output! {
    /// A stored fragment. Its tags are not in the service's model.
    Fragment {
        /// The number.
        fragment_number: String = "FragmentNumber",
        /// Its size with everything that belongs to it.
        fragment_size_in_bytes: u64 = "FragmentSizeInBytes",
        /// When it begins, by the producer's clock.
        producer_timestamp: ProducerTime = "ProducerTimestamp",
        /// When it arrived.
        server_timestamp: ServerTime = "ServerTimestamp",
        /// How long it plays.
        fragment_length_in_milliseconds: u64 = "FragmentLengthInMilliseconds",
        /// What the producer says of it; none if it says nothing.
        tags: Option<Vec<FragmentTag>> = "Tags",
    }
}

output! {
    /// Answer of `ListFragments`.
    ListFragmentsOutput {
        /// A page of fragments.
        fragments: Vec<Fragment> = "Fragments",
        /// Where the next page starts.
        next_token: Option<String> = "NextToken",
    }
}
