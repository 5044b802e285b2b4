//! The operations of the services, by name and by path.

use super::{Code, Error};
use crate::macros::operations;

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

/// The operations, each with the path that it is asked at.
macro_rules! paths {
    ($($class:ident: $($name:ident = $path:literal,)*;)*) => {
        operations! {
            /// An operation of the service models, or `PutMedia`, which is in none.
            $($class: $($name)*;)*
        }

        impl Operation {
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
        }
    };
}

paths! {
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
