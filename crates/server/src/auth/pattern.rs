//! Names, and actions, with `*` for any characters.

use afflux_aws::policy;
use afflux_types::{Error, Result};

/// A pattern for the names of streams or of actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Box<str>);

/// Longer than any name: stars may stand for nothing.
const PATTERN_BYTES_MAX: usize = 256;

impl Pattern {
    /// A pattern for the names of streams.
    pub(crate) fn new(text: &str) -> Result<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '*');
        if is_pattern(text, allowed) {
            return Ok(Self(text.into()));
        }
        Err(Error::invalid(format!(
            "{text:?} is not a pattern for stream names: 1 to {PATTERN_BYTES_MAX} letters, digits, \
             '_', '.', '-' and '*'"
        )))
    }

    /// A pattern for actions, which are a service and an operation with a colon between them.
    pub(crate) fn action(text: &str) -> Result<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '*');
        if is_pattern(text, allowed) && (text == "*" || text.contains(':')) {
            return Ok(Self(text.into()));
        }
        Err(Error::invalid(format!(
            "{text:?} is not a pattern for actions such as \"kinesis:PutRecords\", \"kinesis:*\" or \"*\""
        )))
    }

    /// Whether `name` fits.
    pub(crate) fn matches(&self, name: &str) -> bool {
        policy::matches(&self.0, name)
    }
}

fn is_pattern(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    (1..=PATTERN_BYTES_MAX).contains(&text.len()) && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_stands_for_any_characters() {
        for (pattern, name, fits) in [
            ("*", "anything", true),
            ("orders", "orders", true),
            ("orders", "orders2", false),
            ("camera-*", "camera-7", true),
            ("camera-*", "camera-", true),
            ("camera-*", "camera", false),
            ("*-eu", "orders-eu", true),
            ("*-eu", "orders-eu-2", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "acb", false),
            ("*ab*ab", "ababab", true),
            ("**", "", true),
        ] {
            assert_eq!(
                Pattern::new(pattern).unwrap().matches(name),
                fits,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn patterns_that_fit_no_name_are_refused() {
        for bad in ["", "a/b", "ä", &"*".repeat(257)] {
            assert!(Pattern::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn actions_name_a_service() {
        let puts = Pattern::action("kinesis:Put*").unwrap();
        assert!(puts.matches("kinesis:PutRecords"));
        assert!(!puts.matches("kinesis:GetRecords") && !puts.matches("firehose:PutRecord"));
        assert!(Pattern::action("*").unwrap().matches("kinesis:GetRecords"));
        for bad in ["", "PutRecords", "kinesis:Put-", "Put*"] {
            assert!(Pattern::action(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
