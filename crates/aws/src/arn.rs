//! What the Amazon resource names of all services have in common.

use std::fmt;

use afflux_types::StreamName;

use crate::error::{Codes, Error};

/// Where resources live, as far as their names tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// `aws`, unless the service's name says otherwise.
    pub partition: String,
    /// Such as `us-east-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

/// An account that is nobody's, where resources live unless an operator says otherwise.
impl Default for Place {
    fn default() -> Self {
        Self {
            partition: "aws".to_owned(),
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
        }
    }
}

/// The stream of a request that may give its name, the stream of its ARN, or both; none if it gives
/// neither. `no_stream` says that there is none of a name that none can have.
///
/// # Errors
/// `InvalidArgumentException` if the two disagree, or as `no_stream` says.
pub fn stream_name<C: Codes>(
    name: Option<&str>,
    of_arn: Option<StreamName>,
    no_stream: impl FnOnce(&str) -> Error<C>,
) -> Result<Option<StreamName>, Error<C>> {
    match (name, of_arn) {
        (Some(name), Some(of_arn)) if of_arn.as_str() != name => Err(Error::new(
            C::INVALID_ARGUMENT,
            "StreamName and StreamARN do not name the same stream.",
        )),
        (Some(name), None) => match StreamName::new(name) {
            Ok(name) => Ok(Some(name)),
            Err(_) => Err(no_stream(name)),
        },
        (_, of_arn) => Ok(of_arn),
    }
}

/// Writes the ARN of a resource of a service, which [`split`] takes apart.
pub(crate) fn write(
    f: &mut fmt::Formatter<'_>,
    service: &str,
    place: &Place,
    resource: fmt::Arguments<'_>,
) -> fmt::Result {
    let Place {
        partition,
        region,
        account,
    } = place;
    write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
}

/// Splits an ARN of a service into its place and what stands behind the account.
pub(crate) fn split<'t>(text: &'t str, service: &str) -> Option<(Place, &'t str)> {
    let (partition, rest) = text.strip_prefix("arn:")?.split_once(':')?;
    let rest = rest.strip_prefix(service)?.strip_prefix(':')?;
    let (region, rest) = rest.split_once(':')?;
    let (account, resource) = rest.split_once(':')?;
    let place = Place {
        partition: partition.to_owned(),
        region: region.to_owned(),
        account: account.to_owned(),
    };
    let sound = partition.starts_with("aws")
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit());
    sound.then_some((place, resource))
}
