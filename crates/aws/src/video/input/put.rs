//! The head of `PutMedia`, which is in headers; its body is Matroska.

use afflux_types::ProducerTime;

use crate::document::Value;
use crate::macros::words;
use crate::validate::{self, Kind, Member, Shape};
use crate::video::values::{ARN_SHAPE, STREAM_NAME_SHAPE};
use crate::video::{Code, Error};

words! {
    /// What the timecodes of fragments count from.
    FragmentTimecodeType {
        /// From 1970.
        Absolute = "ABSOLUTE",
        /// From the start of the producer.
        Relative = "RELATIVE",
    }
}

/// What a producer says before its media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutMediaInput {
    /// The name of the stream.
    pub stream_name: Option<String>,
    /// The ARN of the stream.
    pub stream_arn: Option<String>,
    /// What timecodes count from.
    pub timecode_type: FragmentTimecodeType,
    /// When the producer started: what relative timecodes count from; none: when the request came.
    pub producer_start: Option<ProducerTime>,
    /// Whether the producer wants acknowledgments, if it says so, as the AWS SDK for C does.
    pub acks: Option<bool>,
}

const STREAM_NAME: &str = "x-amzn-stream-name";
const STREAM_ARN: &str = "x-amzn-stream-arn";
const TIMECODE_TYPE: &str = "x-amzn-fragment-timecode-type";
const PRODUCER_START: &str = "x-amzn-producer-start-timestamp";
const ACKS: &str = "x-amzn-fragment-acknowledgment-required";

/// The headers as members, under the names that messages have for them.
const SHAPE: Shape = Shape::new(Kind::Structure(
    "PutMediaInput",
    &[
        Member {
            name: "StreamName",
            shape: &STREAM_NAME_SHAPE,
            required: false,
        },
        Member {
            name: "StreamARN",
            shape: &ARN_SHAPE,
            required: false,
        },
        Member {
            name: "FragmentTimecodeType",
            shape: &FragmentTimecodeType::SHAPE,
            required: true,
        },
    ],
));

impl PutMediaInput {
    /// Reads the headers; `header` gives the text of one.
    ///
    /// # Errors
    /// `ValidationException` for what breaks a constraint, `InvalidArgumentException` for a start that
    /// is no time.
    pub fn from_headers<'h>(header: impl Fn(&str) -> Option<&'h str>) -> Result<Self, Error> {
        let members = [
            ("StreamName", STREAM_NAME),
            ("StreamARN", STREAM_ARN),
            ("FragmentTimecodeType", TIMECODE_TYPE),
        ];
        let members = members.into_iter().filter_map(|(member, name)| {
            header(name).map(|text| (member.into(), Value::Str(text.into())))
        });
        let checked = validate::check(&Value::Map(members.collect()), &SHAPE);
        checked.map_err(validate::Error::from)?;
        let invalid = |text: String| Error::new(Code::InvalidArgument, text);
        let timecode_type = header(TIMECODE_TYPE).and_then(FragmentTimecodeType::from_word);
        let timecode_type =
            timecode_type.ok_or_else(|| invalid(format!("{TIMECODE_TYPE} is missing.")))?;
        let producer_start = header(PRODUCER_START)
            .map(|text| {
                let time = text.parse::<ProducerTime>().ok();
                // Only what counts seconds is a time here.
                time.filter(|_| text.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
                    .ok_or_else(|| invalid(format!("{PRODUCER_START} {text:?} is not in seconds.")))
            })
            .transpose()?;
        Ok(Self {
            stream_name: header(STREAM_NAME).map(str::to_owned),
            stream_arn: header(STREAM_ARN).map(str::to_owned),
            timecode_type,
            producer_start,
            acks: header(ACKS).map(|text| text != "0"),
        })
    }
}
