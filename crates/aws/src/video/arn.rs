//! Amazon resource names of video streams.

use std::fmt;
use std::str::FromStr;

use afflux_types::{ServerTime, StreamName};

use super::{Code, Error};
use crate::arn::{self, Place, split};

/// `arn:aws:kinesisvideo:REGION:ACCOUNT:stream/NAME/MILLISECONDS`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::module_name_repetitions,
    reason = "a bare Stream would be taken for the stream"
)]
pub struct StreamArn {
    /// The partition, the region and the account.
    pub place: Place,
    /// The stream.
    pub stream: StreamName,
    /// When the stream was made: tells two of one name apart.
    pub created: ServerTime,
}

impl fmt::Display for StreamArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let created = self.created.as_millis();
        let resource = format_args!("stream/{}/{created}", self.stream);
        arn::write(f, "kinesisvideo", &self.place, resource)
    }
}

impl FromStr for StreamArn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let read = || {
            let (place, resource) = split(text, "kinesisvideo")?;
            let (stream, created) = resource.strip_prefix("stream/")?.split_once('/')?;
            let digits = created.bytes().all(|b| b.is_ascii_digit());
            let created = digits.then(|| created.parse().ok()).flatten()?;
            Some(Self {
                place,
                stream: stream.parse().ok()?,
                created: ServerTime::from_millis(created),
            })
        };
        read().ok_or_else(|| {
            Error::new(
                Code::InvalidArgument,
                format!("{text:?} is not the ARN of a stream."),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_read_as_it_was_written() {
        let text = "arn:aws:kinesisvideo:us-west-2:123456789012:stream/door-1/1510861173302";
        let arn: StreamArn = text.parse().unwrap();
        assert_eq!(arn.stream.as_str(), "door-1");
        assert_eq!(arn.created, ServerTime::from_millis(1_510_861_173_302));
        assert_eq!(arn.to_string(), text);
    }

    #[test]
    fn what_is_no_arn_of_a_stream_is_refused() {
        for text in [
            "",
            "arn:aws:kinesisvideo:us-west-2:123456789012:stream/door-1",
            "arn:aws:kinesisvideo:us-west-2:123456789012:channel/door-1/1510861173302",
            "arn:aws:kinesisvideo:us-west-2:123456789012:stream/door-1/-1",
            "arn:aws:kinesisvideo:us-west-2:123456789012:stream/door-1/99999999999999999999",
            "arn:aws:kinesisvideo:us-west-2:12345678901:stream/door-1/1",
            "arn:aws:kinesis:us-west-2:123456789012:stream/door-1/1",
            "arn:aws:kinesisvideo:us-west-2:123456789012:stream/../1",
        ] {
            let error = text.parse::<StreamArn>().unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{text}");
        }
    }
}
