//! Control frames: one byte of type, four bytes of length, and a message.

use afflux_types::limits::{CONTROL_FRAME_BYTES_MAX, INIT_BYTES_MAX};
use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

use crate::error::WireError;
use crate::message;

/// Bytes before a control frame's message.
pub const FRAME_HEAD_LEN: usize = 5;

/// The first byte of a raw entry; no frame has this type.
pub(crate) const ENTRY_FIRST_BYTE: u8 = b'A';

/// Room for the tags and lengths around an initialisation of the largest size.
const INIT_FRAME_OVERHEAD: usize = 16;

macro_rules! frames {
    ($($code:literal $name:ident),+ $(,)?) => {
        /// A control frame. The messages are those of [`crate::message`].
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Frame {
            $(
                #[doc = concat!("Type ", stringify!($code), ".")]
                $name(message::$name),
            )+
            /// Type 0x33: a piece of the current fragment.
            ///
            /// Its content is not a message but the bytes themselves; a [`crate::Decoder`] gives
            /// them out as they arrive, so one frame on the wire may become several of these.
            FragmentData(Bytes),
        }

        /// What kind of frame follows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum FrameType {
            $(
                #[doc = concat!("[`Frame::", stringify!($name), "`].")]
                $name = $code,
            )+
            /// [`Frame::FragmentData`].
            FragmentData = 0x33,
        }

        impl FrameType {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+ Self::FragmentData];

            /// The type's name, as FRAMES.md spells it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                    Self::FragmentData => "FragmentData",
                }
            }

            /// The type behind a frame's first byte.
            #[must_use]
            pub fn from_byte(byte: u8) -> Option<Self> {
                match byte {
                    $($code => Some(Self::$name),)+
                    0x33 => Some(Self::FragmentData),
                    _ => None,
                }
            }
        }

        impl Frame {
            /// The frame's type.
            #[must_use]
            pub fn frame_type(&self) -> FrameType {
                match self {
                    $(Self::$name(_) => FrameType::$name,)+
                    Self::FragmentData(_) => FrameType::FragmentData,
                }
            }

            /// Bytes of the frame without its type and length.
            #[must_use]
            pub fn content_len(&self) -> usize {
                match self {
                    $(Self::$name(message) => message.encoded_len(),)+
                    Self::FragmentData(data) => data.len(),
                }
            }

            fn put_content(&self, out: &mut BytesMut) {
                match self {
                    $(Self::$name(message) => message.encode_raw(out),)+
                    Self::FragmentData(data) => out.put_slice(data),
                }
            }

            /// Reads the content of a frame of type `frame_type`; byte fields share its memory.
            ///
            /// # Errors
            /// `Malformed` if the bytes are not the message.
            pub fn decode(frame_type: FrameType, content: Bytes) -> Result<Self, WireError> {
                let decoded = match frame_type {
                    $(FrameType::$name => {
                        message::$name::decode(content).map(Self::$name)
                    })+
                    FrameType::FragmentData => Ok(Self::FragmentData(content)),
                };
                decoded.map_err(|error| WireError::Malformed {
                    frame: frame_type.name(),
                    reason: error.to_string(),
                })
            }
        }

        $(
            impl From<message::$name> for Frame {
                fn from(message: message::$name) -> Self {
                    Self::$name(message)
                }
            }
        )+
    };
}

frames! {
    0x01 Open,
    0x02 Failure,
    0x10 ProduceOpened,
    0x11 Acks,
    0x20 SubscribeOpened,
    0x21 Grant,
    0x22 Progress,
    0x23 Lagged,
    0x24 ShardEnd,
    0x30 UploadOpened,
    0x31 UploadInit,
    0x32 FragmentStart,
    0x34 FragmentEnd,
    0x35 FragmentAck,
    0x50 FetchEnd,
    0x60 AdminResponse,
}

impl FrameType {
    /// The largest content of a frame of this type.
    #[must_use]
    pub fn content_bytes_max(self) -> usize {
        match self {
            Self::UploadInit => INIT_BYTES_MAX + INIT_FRAME_OVERHEAD,
            _ => CONTROL_FRAME_BYTES_MAX,
        }
    }
}

impl Frame {
    /// The frame's bytes.
    ///
    /// # Panics
    /// If the content is longer than 4 GiB.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(FRAME_HEAD_LEN + self.content_len());
        self.encode_into(&mut out);
        out.freeze()
    }

    /// Appends the frame's bytes to `out`.
    ///
    /// # Panics
    /// If the content is longer than 4 GiB.
    pub fn encode_into(&self, out: &mut BytesMut) {
        put_head(out, self.frame_type(), self.content_len());
        self.put_content(out);
    }

    /// The bytes of a [`Frame::FragmentData`] around `data`, which is not copied.
    ///
    /// # Panics
    /// If the data is longer than 4 GiB.
    #[must_use]
    pub fn fragment_data(data: Bytes) -> [Bytes; 2] {
        let mut head = BytesMut::with_capacity(FRAME_HEAD_LEN);
        put_head(&mut head, FrameType::FragmentData, data.len());
        [head.freeze(), data]
    }

    /// The error for a frame that came in the wrong `state`.
    #[must_use]
    pub fn unexpected(&self, state: &'static str) -> WireError {
        WireError::Unexpected {
            frame: self.frame_type().name(),
            state,
        }
    }
}

fn put_head(out: &mut BytesMut, frame_type: FrameType, content_len: usize) {
    out.put_u8(frame_type as u8);
    out.put_u32_le(u32::try_from(content_len).expect("a frame is bounded far below 4 GiB"));
}
