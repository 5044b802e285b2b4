//! Why a connection ends: the numbers that producers act on.
//!
//! After some of them a producer sends the fragment again, after others it drops it, so a wrong number
//! loses data.

use afflux_types::ErrorKind;

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $id:literal, $name:literal;)+) => {
        /// A fault of a connection.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Fault {
            $($(#[$doc])* $variant,)+
        }

        impl Fault {
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$variant,)+];

            /// `ErrorId`.
            pub(super) fn id(self) -> u16 {
                match self { $(Self::$variant => $id,)+ }
            }

            /// `ErrorCode`.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

faults! {
    /// The connection was taken over by another one of the same producer.
    StreamRead = 4000, "STREAM_READ_ERROR";
    /// A fragment has too many bytes, or frames.
    MaxFragmentSize = 4001, "MAX_FRAGMENT_SIZE_REACHED";
    /// A fragment plays too long.
    MaxFragmentDuration = 4002, "MAX_FRAGMENT_DURATION_REACHED";
    /// The connection is too old.
    MaxConnectionDuration = 4003, "MAX_CONNECTION_DURATION_REACHED";
    /// A fragment does not lie after the one before.
    FragmentTimecodeLesserThanPrevious = 4004, "FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS";
    /// The bytes are not Matroska, or not such as is taken.
    InvalidMkvData = 4006, "INVALID_MKV_DATA";
    /// The producer's time is not one.
    InvalidProducerTimestamp = 4007, "INVALID_PRODUCER_TIMESTAMP";
    /// A fragment has too many tags, or too long ones.
    FragmentMetadataLimit = 4009, "FRAGMENT_METADATA_LIMIT_REACHED";
    /// A frame is of a track that was not declared.
    TrackNumberMismatch = 4010, "TRACK_NUMBER_MISMATCH";
    /// A track that was declared has no frame in a fragment.
    FramesMissingForTrack = 4011, "FRAMES_MISSING_FOR_TRACK";
    /// There are too many tracks.
    MoreThanAllowedTracks = 4012, "MORE_THAN_ALLOWED_TRACKS_FOUND";
    /// The stream was deleted.
    StreamDeleted = 4507, "STREAM_DELETED";
    /// A fault of the server.
    Internal = 5000, "INTERNAL_ERROR";
    /// The fragment could not be written.
    Archival = 5001, "ARCHIVAL_ERROR";
}

impl Fault {
    /// The fault in a producer's bytes.
    pub(super) fn of_media(error: &afflux_media::Error) -> Self {
        match afflux_media::mkv::error_id(error) {
            4001 => Self::MaxFragmentSize,
            4002 => Self::MaxFragmentDuration,
            4009 => Self::FragmentMetadataLimit,
            4010 => Self::TrackNumberMismatch,
            4012 => Self::MoreThanAllowedTracks,
            _ => Self::InvalidMkvData,
        }
    }

    /// Why a fragment is not in the log, or may not be.
    pub(super) fn of_log(error: &afflux_types::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::StreamDeleted,
            ErrorKind::Internal => Self::Internal,
            _ => Self::Archival,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_those_of_the_service() {
        let ids: Vec<u16> = Fault::ALL.iter().map(|fault| fault.id()).collect();
        assert_eq!(
            ids,
            [
                4000, 4001, 4002, 4003, 4004, 4006, 4007, 4009, 4010, 4011, 4012, 4507, 5000, 5001
            ]
        );
        let deleted = afflux_types::Error::not_found("stream \"a\" does not exist");
        assert_eq!(Fault::of_log(&deleted), Fault::StreamDeleted);
        let full = afflux_types::Error::unavailable("disk full");
        assert_eq!(Fault::of_log(&full), Fault::Archival);
    }
}
