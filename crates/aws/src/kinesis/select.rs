//! Which stream a request means: by name, by ARN, or by both.

use afflux_types::StreamName;

use super::arn::{Place, StreamArn};
use super::{Code, Error};

/// The stream that a request names by `StreamName`, `StreamARN`, or both.
///
/// # Errors
/// `InvalidArgumentException` if neither is there, if they disagree, or if the ARN is of another
/// partition or service form; `ResourceNotFoundException` if it is of another account or region.
pub fn select(name: Option<&str>, arn: Option<&str>, place: &Place) -> Result<StreamName, Error> {
    let invalid = |text: String| Error::new(Code::InvalidArgument, text);
    let name = name
        .map(str::parse::<StreamName>)
        .transpose()
        .map_err(|error| invalid(format!("{error}.")))?;
    let Some(arn) = arn else {
        return name.ok_or_else(|| {
            invalid("Either StreamName or StreamARN should be provided.".to_owned())
        });
    };
    let arn: StreamArn = arn.parse()?;
    if name.is_some_and(|name| name != arn.stream) {
        return Err(invalid(
            "StreamName and StreamARN do not name the same stream.".to_owned(),
        ));
    }
    check_place(&arn, place)?;
    Ok(arn.stream)
}

/// Whether a stream's ARN is of the account and region that are served here.
///
/// # Errors
/// `ResourceNotFoundException`.
pub fn check_place(arn: &StreamArn, place: &Place) -> Result<(), Error> {
    let same = arn.place.account == place.account && arn.place.region == place.region;
    if same {
        return Ok(());
    }
    Err(Error::new(
        Code::ResourceNotFound,
        format!(
            "Stream {} under account {} not found.",
            arn.stream, arn.place.account
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            partition: "aws".to_owned(),
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
        }
    }

    #[test]
    fn a_stream_is_named_in_three_ways() {
        let arn = place().stream("a".parse().unwrap()).to_string();
        assert_eq!(arn, "arn:aws:kinesis:us-east-1:000000000000:stream/a");
        let pick = |name, arn| select(name, arn, &place());
        for (name, arn) in [
            (Some("a"), None),
            (None, Some(arn.as_str())),
            (Some("a"), Some(&arn)),
        ] {
            assert_eq!(pick(name, arn).unwrap().as_str(), "a");
        }
        for (name, arn) in [(None, None), (Some("b"), Some(arn.as_str()))] {
            assert_eq!(pick(name, arn).unwrap_err().code(), Code::InvalidArgument);
        }
        let elsewhere = arn.replace("us-east-1", "eu-west-1");
        let error = pick(None, Some(&elsewhere)).unwrap_err();
        assert_eq!(error.code(), Code::ResourceNotFound);
    }
}
