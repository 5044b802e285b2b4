//! What a player asks for in the query of a URL.

use afflux_aws::video::Error;

use super::answer::invalid;

/// What a query says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) token: Option<String>,
    pub(super) track: Option<usize>,
    pub(super) number: Option<u64>,
    pub(super) init: Option<u32>,
    pub(super) part: Option<usize>,
    /// The segment, and the part of it, that a playlist must have.
    pub(super) wait_segment: Option<u64>,
    pub(super) wait_part: Option<u64>,
}

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let mut query = Self::default();
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                // Sealed text has no character that needs an escape, but for padding of none.
                "SessionToken" => query.token = Some(value.to_owned()),
                "TrackNumber" => query.track = Some(number(name, value)?),
                "FragmentNumber" => query.number = Some(number(name, value)?),
                "SequenceNumber" => query.init = Some(number(name, value)?),
                "PartNumber" => query.part = Some(number(name, value)?),
                "_HLS_msn" => query.wait_segment = Some(number(name, value)?),
                "_HLS_part" => query.wait_part = Some(number(name, value)?),
                _ => {}
            }
        }
        Ok(query)
    }
}

fn number<N: std::str::FromStr>(name: &str, value: &str) -> Result<N, Error> {
    value
        .parse()
        .map_err(|_| invalid(format!("{name} is not a number that can be used.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_and_numbers_checked() {
        let query =
            Query::parse("SessionToken=a-b_c&TrackNumber=2&_HLS_msn=7&_HLS_part=1&x").unwrap();
        assert_eq!(query.token.as_deref(), Some("a-b_c"));
        assert_eq!((query.track, query.wait_segment), (Some(2), Some(7)));
        for query in [
            "TrackNumber=",
            "FragmentNumber=-1",
            "_HLS_msn=99999999999999999999",
        ] {
            assert!(Query::parse(query).is_err(), "{query}");
        }
    }
}
