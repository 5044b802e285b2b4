//! What the Amazon resource names of all services have in common.

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
