//! Words and constraints that members have in common.
//!
//! # Invariants
//! - Every shape is that of the service model; a test of the server holds them against it.

use crate::macros::words;
use crate::validate::pattern::{
    DESTINATION_REGION, DESTINATION_URI, DIGITS, FORMAT_WORD, LETTERS, MEDIA_TYPE, NAME, SOMETHING,
    TAG_TEXT, TAG_VALUE, TOKEN, TOKEN_PADDED, VIDEO_ARN, VIDEO_ARN_AWS,
};
use crate::validate::{Kind, Shape};

const STRING: Shape = Shape::new(Kind::String);
const INTEGER: Shape = Shape::new(Kind::Integer);
const LONG: Shape = Shape::new(Kind::Long);

pub(super) const ANY_BOOLEAN: Shape = Shape::new(Kind::Boolean);
pub(super) const ANY_INTEGER: Shape = INTEGER;
pub(super) const ANY_TIME: Shape = Shape::new(Kind::Timestamp);

pub(super) const STREAM_NAME_SHAPE: Shape = STRING.min(1).max(256).pattern(&NAME);
pub(super) const ARN_SHAPE: Shape = STRING.min(1).max(1_024).pattern(&VIDEO_ARN);
/// `GetMedia` takes the ARNs of one partition.
pub(super) const MEDIA_ARN_SHAPE: Shape = STRING.min(1).max(1_024).pattern(&VIDEO_ARN_AWS);
pub(super) const DEVICE_NAME_SHAPE: Shape = STRING.min(1).max(128).pattern(&NAME);
pub(super) const MEDIA_TYPE_SHAPE: Shape = STRING.min(1).max(128).pattern(&MEDIA_TYPE);
pub(super) const KEY_ID_SHAPE: Shape = STRING.min(1).max(2_048).pattern(&SOMETHING);
pub(super) const VERSION_SHAPE: Shape = STRING.min(1).max(64).pattern(&LETTERS);
pub(super) const RETENTION_SHAPE: Shape = INTEGER.min(0);
pub(super) const RETENTION_CHANGE_SHAPE: Shape = INTEGER.min(1);
pub(super) const PAGE_SHAPE: Shape = INTEGER.min(1).max(10_000);
pub(super) const ONE_SHAPE: Shape = INTEGER.min(1).max(1);
pub(super) const NEXT_TOKEN_SHAPE: Shape = STRING.min(0).max(1_024).pattern(&TOKEN);
pub(super) const TAG_KEY_SHAPE: Shape = STRING.min(1).max(128).pattern(&TAG_TEXT);
pub(super) const TAG_VALUE_SHAPE: Shape = STRING.min(0).max(256).pattern(&TAG_VALUE);
pub(super) const TAGS_SHAPE: Shape = Shape::new(Kind::Map(&TAG_KEY_SHAPE, &TAG_VALUE_SHAPE))
    .min(1)
    .max(50);
pub(super) const TAG_KEYS_SHAPE: Shape = Shape::new(Kind::List(&TAG_KEY_SHAPE)).min(1).max(50);
pub(super) const DESTINATION_URI_SHAPE: Shape = STRING.min(1).max(255).pattern(&DESTINATION_URI);
pub(super) const DESTINATION_REGION_SHAPE: Shape =
    STRING.min(9).max(14).pattern(&DESTINATION_REGION);

pub(super) const FRAGMENT_NUMBER_SHAPE: Shape = STRING.min(1).max(128).pattern(&DIGITS);
pub(super) const FRAGMENT_NUMBERS_SHAPE: Shape = Shape::new(Kind::List(&FRAGMENT_NUMBER_SHAPE))
    .min(1)
    .max(1_000);
pub(super) const CONTINUATION_SHAPE: Shape = STRING
    .min(1)
    .max(128)
    .pattern(&crate::validate::pattern::NAME_ANCHORED);
pub(super) const MEDIA_TOKEN_SHAPE: Shape = STRING.min(1).max(4_096).pattern(&TOKEN_PADDED);
pub(super) const FRAGMENT_PAGE_SHAPE: Shape = LONG.min(1).max(1_000);
pub(super) const IMAGE_PAGE_SHAPE: Shape = LONG.min(1).max(100);
pub(super) const PLAYLIST_SHAPE: Shape = LONG.min(1).max(5_000);
pub(super) const EXPIRES_SHAPE: Shape = INTEGER.min(300).max(43_200);
pub(super) const WIDTH_SHAPE: Shape = INTEGER.min(1).max(3_840);
pub(super) const HEIGHT_SHAPE: Shape = INTEGER.min(1).max(2_160);
const FORMAT_KEY_SHAPE: Shape = STRING.values(&["JPEGQuality"]);
const FORMAT_VALUE_SHAPE: Shape = STRING.min(0).max(256).pattern(&FORMAT_WORD);
pub(super) const FORMAT_CONFIG_SHAPE: Shape =
    Shape::new(Kind::Map(&FORMAT_KEY_SHAPE, &FORMAT_VALUE_SHAPE))
        .min(1)
        .max(1);

words! {
    /// What an endpoint is asked for.
    ApiName {
        /// `PutMedia`.
        PutMedia = "PUT_MEDIA",
        /// `GetMedia`.
        GetMedia = "GET_MEDIA",
        /// `ListFragments`.
        ListFragments = "LIST_FRAGMENTS",
        /// `GetMediaForFragmentList`.
        GetMediaForFragmentList = "GET_MEDIA_FOR_FRAGMENT_LIST",
        /// `GetHLSStreamingSessionURL`.
        GetHlsStreamingSessionUrl = "GET_HLS_STREAMING_SESSION_URL",
        /// `GetDASHStreamingSessionURL`.
        GetDashStreamingSessionUrl = "GET_DASH_STREAMING_SESSION_URL",
        /// `GetClip`.
        GetClip = "GET_CLIP",
        /// `GetImages`.
        GetImages = "GET_IMAGES",
    }
}

words! {
    /// The state of a stream.
    Status {
        /// It is being made.
        Creating = "CREATING",
        /// It serves.
        Active = "ACTIVE",
        /// It serves while it is changed.
        Updating = "UPDATING",
        /// It is being deleted.
        Deleting = "DELETING",
    }
}

words! {
    /// How a text is compared.
    ComparisonOperator {
        /// It begins with another.
        BeginsWith = "BEGINS_WITH",
    }
}

words! {
    /// Which way a retention changes.
    RetentionChange {
        /// Longer.
        Increase = "INCREASE_DATA_RETENTION",
        /// Shorter.
        Decrease = "DECREASE_DATA_RETENTION",
    }
}

words! {
    /// Whether something is done.
    ConfigurationStatus {
        /// It is.
        Enabled = "ENABLED",
        /// It is not.
        Disabled = "DISABLED",
    }
}

words! {
    /// Where a stream's media is kept.
    DefaultStorageTier {
        /// Ready at once.
        Hot = "HOT",
        /// Cheaper, for longer.
        Warm = "WARM",
    }
}

words! {
    /// Whose clock times are by.
    FragmentSelectorType {
        /// The producer's.
        ProducerTimestamp = "PRODUCER_TIMESTAMP",
        /// The server's.
        ServerTimestamp = "SERVER_TIMESTAMP",
    }
}

words! {
    /// Whose clock the times of pictures are by, in the order of the control plane.
    ImageSelectorType {
        /// The server's.
        ServerTimestamp = "SERVER_TIMESTAMP",
        /// The producer's.
        ProducerTimestamp = "PRODUCER_TIMESTAMP",
    }
}

words! {
    /// The format of a picture.
    Format {
        /// JPEG.
        Jpeg = "JPEG",
        /// PNG.
        Png = "PNG",
    }
}

words! {
    /// Why there is no picture.
    ImageError {
        /// Nothing is stored of that time.
        NoMedia = "NO_MEDIA",
        /// What is stored cannot be decoded.
        MediaError = "MEDIA_ERROR",
    }
}

words! {
    /// Where `GetMedia` begins.
    StartSelectorType {
        /// After a fragment.
        FragmentNumber = "FRAGMENT_NUMBER",
        /// At a time of the server.
        ServerTimestamp = "SERVER_TIMESTAMP",
        /// At a time of the producer.
        ProducerTimestamp = "PRODUCER_TIMESTAMP",
        /// With the next fragment.
        Now = "NOW",
        /// With the oldest.
        Earliest = "EARLIEST",
        /// Where another answer ended.
        ContinuationToken = "CONTINUATION_TOKEN",
    }
}

words! {
    /// What a playback session shows.
    PlaybackMode {
        /// The newest fragments.
        Live = "LIVE",
        /// Fragments from a time on, as they would have come.
        LiveReplay = "LIVE_REPLAY",
        /// All fragments of a range.
        OnDemand = "ON_DEMAND",
    }
}

words! {
    /// What segments are.
    ContainerFormat {
        /// Fragmented MP4.
        FragmentedMp4 = "FRAGMENTED_MP4",
        /// MPEG transport stream.
        MpegTs = "MPEG_TS",
    }
}

words! {
    /// Between which fragments a discontinuity is announced.
    DiscontinuityMode {
        /// All.
        Always = "ALWAYS",
        /// None.
        Never = "NEVER",
        /// Those with a gap or an overlap between them.
        OnDiscontinuity = "ON_DISCONTINUITY",
    }
}

words! {
    /// Whether something is shown of each fragment.
    Display {
        /// It is.
        Always = "ALWAYS",
        /// It is not.
        Never = "NEVER",
    }
}
