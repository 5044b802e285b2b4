//! Amazon resource names of delivery streams and of buckets.

use std::fmt;
use std::str::FromStr;

use afflux_types::StreamName;

use super::{Code, Error};
use crate::arn::{self, Place, split};

/// Characters of the name of a delivery stream.
pub const NAME_CHARS_MAX: usize = 64;

/// `arn:aws:firehose:REGION:ACCOUNT:deliverystream/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::module_name_repetitions,
    reason = "a bare DeliveryStream would be taken for the delivery stream"
)]
pub struct DeliveryStreamArn {
    /// The partition, the region and the account.
    pub place: Place,
    /// The name of the delivery stream, of at most [`NAME_CHARS_MAX`] characters.
    pub name: StreamName,
}

impl fmt::Display for DeliveryStreamArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = format_args!("deliverystream/{}", self.name);
        arn::write(f, "firehose", &self.place, resource)
    }
}

impl FromStr for DeliveryStreamArn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let read = || {
            let (place, resource) = split(text, "firehose")?;
            let name = resource.strip_prefix("deliverystream/")?;
            let short = name.len() <= NAME_CHARS_MAX;
            let name = short.then(|| name.parse().ok()).flatten()?;
            Some(Self { place, name })
        };
        read().ok_or_else(|| {
            Error::new(
                Code::InvalidArgument,
                format!("{text:?} is not the ARN of a delivery stream."),
            )
        })
    }
}

/// The name of the bucket that an ARN means: `arn:aws:s3:::NAME`.
///
/// # Errors
/// `InvalidArgumentException` if it is the ARN of something else, or the name holds more than letters,
/// digits, dots, hyphens and underscores, or is `.` or `..`: a bucket may be a directory.
pub fn bucket(text: &str) -> Result<&str, Error> {
    let read = || {
        let (partition, name) = text.strip_prefix("arn:")?.split_once(":s3:::")?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let sound = partition.starts_with("aws")
            && (1..=255).contains(&name.len())
            && name.bytes().all(plain)
            && !matches!(name, "." | "..");
        sound.then_some(name)
    };
    read().ok_or_else(|| {
        Error::new(
            Code::InvalidArgument,
            format!("{text:?} is not the ARN of a bucket."),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_read_as_it_was_written() {
        let text = "arn:aws:firehose:us-west-2:123456789012:deliverystream/to-the.lake_1";
        let arn: DeliveryStreamArn = text.parse().unwrap();
        assert_eq!(arn.name.as_str(), "to-the.lake_1");
        assert_eq!(arn.place.region, "us-west-2");
        assert_eq!(arn.to_string(), text);
    }

    #[test]
    fn other_text_is_refused() {
        let long = "a".repeat(65);
        for resource in [
            "stream/a",
            "deliverystream/",
            "deliverystream/a/b",
            "deliverystream/..",
            "a",
        ] {
            let text = format!("arn:aws:firehose:us-west-2:123456789012:{resource}");
            let error = text.parse::<DeliveryStreamArn>().unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{text}");
        }
        for text in [
            "arn:aws:kinesis:us-west-2:123456789012:deliverystream/a",
            "arn:aws:firehose:us-west-2:1234:deliverystream/a",
            &format!("arn:aws:firehose:us-west-2:123456789012:deliverystream/{long}"),
        ] {
            assert!(text.parse::<DeliveryStreamArn>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_bucket_has_the_last_part_of_its_arn_as_name() {
        assert_eq!(bucket("arn:aws:s3:::the.lake-1"), Ok("the.lake-1"));
        assert_eq!(bucket("arn:aws-cn:s3:::a"), Ok("a"));
        for text in [
            "the.lake-1",
            "arn:aws:s3:::",
            "arn:aws:s3:::..",
            "arn:aws:s3:::a/b",
            "arn:aws:s3:us-east-1:123456789012:accesspoint/a",
            "arn:aws:s3:::a:s3:::b",
        ] {
            assert_eq!(
                bucket(text).unwrap_err().code(),
                Code::InvalidArgument,
                "{text}"
            );
        }
    }
}
