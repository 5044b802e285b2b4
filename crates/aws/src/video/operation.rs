//! The operations of the services, by name and by path.

use std::fmt;

use super::{Code, Error};

/// The service, or part of one, that an operation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Streams and what is set of them.
    Control,
    /// Stored and live media, out.
    Media,
    /// Media, in: the request has no document.
    Upload,
    /// What runs on devices; known by name only.
    Edge,
    /// Channels of live talks between peers; known by name only.
    Signaling,
}

macro_rules! operations {
    ($($class:ident: $($name:ident = $path:literal,)*;)*) => {
        /// An operation of the service models, or `PutMedia`, which is in none.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $($(#[doc = concat!("`", stringify!($name), "`.")] $name,)*)*
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &[Self] = &[$($(Self::$name),*),*];

            /// The name of the operation, as in policies.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $($(Self::$name => stringify!($name),)*)* }
            }

            /// The path that it is asked at, by `POST`.
            #[must_use]
            pub fn path(self) -> &'static str {
                match self { $($(Self::$name => $path,)*)* }
            }

            /// The operation of a path.
            #[must_use]
            pub fn from_path(path: &str) -> Option<Self> {
                match path {
                    $($($path => Some(Self::$name),)*)*
                    _ => None,
                }
            }

            /// The part of the services that it belongs to.
            #[must_use]
            pub fn class(self) -> Class {
                match self { $($(Self::$name)|* => Class::$class,)* }
            }
        }
    };
}

operations! {
    Control:
        CreateStream = "/createStream",
        DeleteStream = "/deleteStream",
        DescribeImageGenerationConfiguration = "/describeImageGenerationConfiguration",
        DescribeMappedResourceConfiguration = "/describeMappedResourceConfiguration",
        DescribeNotificationConfiguration = "/describeNotificationConfiguration",
        DescribeStream = "/describeStream",
        DescribeStreamStorageConfiguration = "/describeStreamStorageConfiguration",
        GetDataEndpoint = "/getDataEndpoint",
        ListStreams = "/listStreams",
        ListTagsForResource = "/ListTagsForResource",
        ListTagsForStream = "/listTagsForStream",
        TagResource = "/TagResource",
        TagStream = "/tagStream",
        UntagResource = "/UntagResource",
        UntagStream = "/untagStream",
        UpdateDataRetention = "/updateDataRetention",
        UpdateImageGenerationConfiguration = "/updateImageGenerationConfiguration",
        UpdateNotificationConfiguration = "/updateNotificationConfiguration",
        UpdateStream = "/updateStream",
        UpdateStreamStorageConfiguration = "/updateStreamStorageConfiguration",;
    Media:
        GetClip = "/getClip",
        GetDASHStreamingSessionURL = "/getDASHStreamingSessionURL",
        GetHLSStreamingSessionURL = "/getHLSStreamingSessionURL",
        GetImages = "/getImages",
        GetMedia = "/getMedia",
        GetMediaForFragmentList = "/getMediaForFragmentList",
        ListFragments = "/listFragments",;
    Upload:
        PutMedia = "/putMedia",;
    Edge:
        DeleteEdgeConfiguration = "/deleteEdgeConfiguration",
        DescribeEdgeConfiguration = "/describeEdgeConfiguration",
        ListEdgeAgentConfigurations = "/listEdgeAgentConfigurations",
        StartEdgeConfigurationUpdate = "/startEdgeConfigurationUpdate",;
    Signaling:
        CreateSignalingChannel = "/createSignalingChannel",
        DeleteSignalingChannel = "/deleteSignalingChannel",
        DescribeMediaStorageConfiguration = "/describeMediaStorageConfiguration",
        DescribeSignalingChannel = "/describeSignalingChannel",
        GetIceServerConfig = "/v1/get-ice-server-config",
        GetSignalingChannelEndpoint = "/getSignalingChannelEndpoint",
        JoinStorageSession = "/joinStorageSession",
        JoinStorageSessionAsViewer = "/joinStorageSessionAsViewer",
        ListSignalingChannels = "/listSignalingChannels",
        SendAlexaOfferToMaster = "/v1/send-alexa-offer-to-master",
        UpdateMediaStorageConfiguration = "/updateMediaStorageConfiguration",
        UpdateSignalingChannel = "/updateSignalingChannel",;
}

impl Operation {
    /// The answer to an operation that is known by name only.
    #[must_use]
    pub fn unserved(self) -> Option<Error> {
        let things = match self.class() {
            Class::Control | Class::Media | Class::Upload => return None,
            Class::Edge => "edge agents",
            Class::Signaling => "signaling channels",
        };
        Some(Error::new(
            Code::InvalidArgument,
            format!("{self} is not supported: this server has no {things}."),
        ))
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
