//! Every bound of this API, in one place.

use std::time::Duration;

/// Bytes of one fragment: the service's 50 MB.
pub(crate) const FRAGMENT_BYTES_MAX: u64 = 50 << 20;
/// How long one fragment may play, as in the service.
pub(crate) const FRAGMENT_DURATION_MAX: Duration = Duration::from_secs(20);
/// Tracks in one stream of media, as in the service.
pub(crate) const TRACKS_MAX: usize = 3;
/// Tags of a producer's own on one fragment, as in the service.
pub(crate) const FRAGMENT_TAGS_MAX: usize = 10;

/// How long one connection may bring media, as in the service.
pub(crate) const CONNECTION_MAX: Duration = Duration::from_secs(45 * 60);
/// A connection that brings nothing for so long is told that it is idle.
pub(crate) const IDLE_EVERY: Duration = Duration::from_secs(5);
/// A connection that was told so many times is closed: 30 seconds, as in the service.
pub(crate) const IDLE_TIMES: u32 = 6;
/// For how long a connection may wait for the one before to end: its fragment has ended by then, or it is
/// closed because it was idle.
pub(crate) const SEAT_WAIT_MAX: Duration = Duration::from_secs(35);
/// Fragments of one connection that wait for the disk; nothing is read while so many do.
pub(crate) const PENDING_MAX: usize = 64;
/// Acknowledgements of one connection that wait for the client to read them.
pub(crate) const ACKS_MAX: usize = 256;
/// A client that reads none of its acknowledgements for so long is given up.
pub(crate) const ACKS_UNREAD_MAX: Duration = Duration::from_secs(60);

/// Fragments of one stream among which one that comes again is recognised.
pub(crate) const REMEMBERED_MAX: usize = 512;
/// Fragments of the log that are looked through for that after a start.
pub(crate) const REMEMBERED_SCAN: u64 = 128;
/// Streams whose fragments are remembered; those of others are read again when needed.
pub(crate) const REMEMBERED_STREAMS: usize = 4_096;

/// Readers of the live end of one stream.
pub(crate) const MEDIA_READERS_MAX: usize = 100;
/// Fragments that one request may list.
pub(crate) const FRAGMENT_LIST_MAX: usize = 1_000;
/// Bytes of the log that a reader of media takes at once.
pub(crate) const MEDIA_READ_BYTES: usize = 4 << 20;

/// How much time one clip may span, as in the service.
pub(crate) const CLIP_SPAN_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Fragments of one clip, as in the service.
pub(crate) const CLIP_FRAGMENTS_MAX: u64 = 200;
/// Bytes of media of one clip: the service's 100 MB.
pub(crate) const CLIP_BYTES_MAX: u64 = 100 << 20;

/// How much time one request for images may span, as in the service.
pub(crate) const IMAGES_SPAN_MAX: Duration = Duration::from_secs(300);
/// Bytes of one image, as in the service.
pub(crate) const IMAGE_BYTES_MAX: usize = 6 << 20;
/// Bytes of the images in one answer.
pub(crate) const IMAGES_BYTES_MAX: usize = 64 << 20;
/// Pixels of a picture that is decoded: 8K.
pub(crate) const PICTURE_PIXELS_MAX: usize = 7_680 * 4_320;
/// Threads that decode at once, over all requests.
pub(crate) const DECODERS_MAX: usize = 2;

/// Tasks that tell of fragments, and as many that make pictures of them.
pub(crate) const LANES: u32 = 32;
/// Fragments that wait in one of them.
pub(crate) const NOTICES_MAX: usize = 128;
/// Pictures that one fragment may ask for.
pub(crate) const IMAGES_OF_FRAGMENT_MAX: usize = 100;
/// How long telling of one fragment may take.
pub(crate) const NOTICE_TIMEOUT: Duration = Duration::from_secs(10);
