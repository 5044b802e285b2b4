//! Inputs about stored media.

use std::collections::BTreeMap;

use afflux_types::ServerTime;

use crate::macros::input;
use crate::video::values::{
    ANY_BOOLEAN, ANY_INTEGER, ANY_TIME, ARN_SHAPE, CONTINUATION_SHAPE, ContainerFormat,
    DiscontinuityMode, Display, EXPIRES_SHAPE, FORMAT_CONFIG_SHAPE, FRAGMENT_NUMBER_SHAPE,
    FRAGMENT_NUMBERS_SHAPE, FRAGMENT_PAGE_SHAPE, Format, FragmentSelectorType, HEIGHT_SHAPE,
    IMAGE_PAGE_SHAPE, MEDIA_ARN_SHAPE, MEDIA_TOKEN_SHAPE, PLAYLIST_SHAPE, PlaybackMode,
    STREAM_NAME_SHAPE, StartSelectorType, TAGS_SHAPE, WIDTH_SHAPE,
};

input! {
    /// Where media begins. Times are in milliseconds, by the clock that the type says.
    StartSelector {
        /// What says where.
        start_selector_type: StartSelectorType = "StartSelectorType" is StartSelectorType::SHAPE,
        /// The fragment before the first.
        after_fragment_number: Option<String> = "AfterFragmentNumber" is FRAGMENT_NUMBER_SHAPE,
        /// The time.
        start_timestamp: Option<ServerTime> = "StartTimestamp" is ANY_TIME,
        /// The token of another answer.
        continuation_token: Option<String> = "ContinuationToken" is CONTINUATION_SHAPE,
    }
}

input! {
    /// Input of `GetMedia`.
    GetMediaInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is MEDIA_ARN_SHAPE,
        /// Where to begin.
        start_selector: StartSelector = "StartSelector" is StartSelector::SHAPE,
    }
}

input! {
    /// From a time to another, by the clock that the selector says.
    TimestampRange {
        /// The first time.
        start_timestamp: ServerTime = "StartTimestamp" is ANY_TIME,
        /// The last time.
        end_timestamp: ServerTime = "EndTimestamp" is ANY_TIME,
    }
}

input! {
    /// Which fragments.
    FragmentSelector {
        /// Whose clock the times are by.
        fragment_selector_type: FragmentSelectorType = "FragmentSelectorType" is FragmentSelectorType::SHAPE,
        /// Of which time.
        timestamp_range: TimestampRange = "TimestampRange" is TimestampRange::SHAPE,
    }
}

input! {
    /// Input of `GetClip`.
    GetClipInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
        /// Which fragments.
        clip_fragment_selector: FragmentSelector = "ClipFragmentSelector" is FragmentSelector::SHAPE,
        /// Whether exactly the range is shown, and not whole fragments; not in the service's model.
        exact: Option<bool> = "Exact" is ANY_BOOLEAN,
    }
}

input! {
    /// From a time, to another if there is one, by the clock that the selector says.
    PlaybackRange {
        /// The first time.
        start_timestamp: Option<ServerTime> = "StartTimestamp" is ANY_TIME,
        /// The last time.
        end_timestamp: Option<ServerTime> = "EndTimestamp" is ANY_TIME,
    }
}

input! {
    /// Which fragments a session shows.
    PlaybackSelector {
        /// Whose clock the times are by.
        fragment_selector_type: Option<FragmentSelectorType> = "FragmentSelectorType" is FragmentSelectorType::SHAPE,
        /// Of which time.
        timestamp_range: Option<PlaybackRange> = "TimestampRange" is PlaybackRange::SHAPE,
    }
}

input! {
    /// Input of `GetDASHStreamingSessionURL`.
    GetDASHStreamingSessionURLInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
        /// What the session shows.
        playback_mode: Option<PlaybackMode> = "PlaybackMode" is PlaybackMode::SHAPE,
        /// Whether each fragment's time is shown.
        display_fragment_timestamp: Option<Display> = "DisplayFragmentTimestamp" is Display::SHAPE,
        /// Whether each fragment's number is shown.
        display_fragment_number: Option<Display> = "DisplayFragmentNumber" is Display::SHAPE,
        /// Which fragments.
        dash_fragment_selector: Option<PlaybackSelector> = "DASHFragmentSelector" is PlaybackSelector::SHAPE,
        /// Seconds that the session is good.
        expires: Option<u32> = "Expires" is EXPIRES_SHAPE,
        /// The most fragments of a manifest.
        max_manifest_fragment_results: Option<u32> = "MaxManifestFragmentResults" is PLAYLIST_SHAPE,
    }
}

input! {
    /// Input of `GetHLSStreamingSessionURL`.
    GetHLSStreamingSessionURLInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
        /// What the session shows.
        playback_mode: Option<PlaybackMode> = "PlaybackMode" is PlaybackMode::SHAPE,
        /// Which fragments.
        hls_fragment_selector: Option<PlaybackSelector> = "HLSFragmentSelector" is PlaybackSelector::SHAPE,
        /// What segments are.
        container_format: Option<ContainerFormat> = "ContainerFormat" is ContainerFormat::SHAPE,
        /// Where discontinuities are announced.
        discontinuity_mode: Option<DiscontinuityMode> = "DiscontinuityMode" is DiscontinuityMode::SHAPE,
        /// Whether each fragment's time is shown.
        display_fragment_timestamp: Option<Display> = "DisplayFragmentTimestamp" is Display::SHAPE,
        /// Seconds that the session is good.
        expires: Option<u32> = "Expires" is EXPIRES_SHAPE,
        /// The most fragments of a playlist.
        max_media_playlist_fragment_results: Option<u32> = "MaxMediaPlaylistFragmentResults" is PLAYLIST_SHAPE,
    }
}

input! {
    /// Input of `GetImages`.
    GetImagesInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
        /// Whose clock the times are by.
        image_selector_type: FragmentSelectorType = "ImageSelectorType" is FragmentSelectorType::SHAPE,
        /// The first time.
        start_timestamp: ServerTime = "StartTimestamp" is ANY_TIME,
        /// The last time.
        end_timestamp: ServerTime = "EndTimestamp" is ANY_TIME,
        /// Milliseconds between two pictures.
        sampling_interval: Option<i32> = "SamplingInterval" is ANY_INTEGER,
        /// The format.
        format: Format = "Format" is Format::SHAPE,
        /// Settings of the format.
        format_config: Option<BTreeMap<String, String>> = "FormatConfig" is FORMAT_CONFIG_SHAPE,
        /// The width.
        width_pixels: Option<u32> = "WidthPixels" is WIDTH_SHAPE,
        /// The height.
        height_pixels: Option<u32> = "HeightPixels" is HEIGHT_SHAPE,
        /// The most that one page holds.
        max_results: Option<u32> = "MaxResults" is IMAGE_PAGE_SHAPE,
        /// Where the last page ended.
        next_token: Option<String> = "NextToken" is MEDIA_TOKEN_SHAPE,
    }
}

input! {
    /// Input of `GetMediaForFragmentList`.
    GetMediaForFragmentListInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
        /// The numbers of the fragments.
        fragments: Vec<String> = "Fragments" is FRAGMENT_NUMBERS_SHAPE,
    }
}

input! {
    /// Input of `ListFragments`.
    ListFragmentsInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is ARN_SHAPE,
        /// The most that one page holds.
        max_results: Option<u32> = "MaxResults" is FRAGMENT_PAGE_SHAPE,
        /// Where the last page ended.
        next_token: Option<String> = "NextToken" is MEDIA_TOKEN_SHAPE,
        /// Which fragments.
        fragment_selector: Option<FragmentSelector> = "FragmentSelector" is FragmentSelector::SHAPE,
        /// The tags that fragments must have, any value for an empty one; not in the service's model.
        fragment_tags: Option<BTreeMap<String, String>> = "FragmentTags" is TAGS_SHAPE,
    }
}
