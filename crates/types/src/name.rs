//! Names of streams, consumers and delivery streams: short, printable, safe as a file name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::limits::{CONSUMER_NAME_CHARS_MAX, DELIVERY_NAME_CHARS_MAX, STREAM_NAME_CHARS_MAX};
use crate::{Error, Result};

fn check(what: &str, name: &str, chars_max: usize) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid(format!(
            "{what} is empty; it needs 1 to {chars_max} characters"
        )));
    }
    if name.len() > chars_max {
        return Err(Error::invalid(format!(
            "{what} has {} bytes; the limit is {chars_max}",
            name.len()
        )));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if let Some(c) = name.chars().find(|&c| !allowed(c)) {
        return Err(Error::invalid(format!(
            "{what} {name:?} contains {c:?}; allowed are letters, digits, '_', '.' and '-'"
        )));
    }
    if name == "." || name == ".." {
        return Err(Error::invalid(format!("{what} {name:?} is not allowed")));
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $chars_max:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks and wraps a name.
            ///
            /// # Errors
            /// `Invalid` if it is empty, too long, or has a character outside `[a-zA-Z0-9_.-]`.
            pub fn new(name: &str) -> Result<Self> {
                check($what, name, $chars_max)?;
                Ok(Self(name.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self> {
                Self::new(name)
            }
        }
    };
}

name!(
    /// The name of a stream: 1 to 128 characters of `[a-zA-Z0-9_.-]`.
    StreamName, "stream name", STREAM_NAME_CHARS_MAX
);
name!(
    /// The name of a registered consumer: 1 to 128 characters of `[a-zA-Z0-9_.-]`.
    ConsumerName, "consumer name", CONSUMER_NAME_CHARS_MAX
);

name!(
    /// The name of a delivery stream: 1 to 64 characters of `[a-zA-Z0-9_.-]`.
    DeliveryName, "delivery stream name", DELIVERY_NAME_CHARS_MAX
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_their_edges() {
        assert!(StreamName::new("a").is_ok());
        assert!(StreamName::new(&"x".repeat(128)).is_ok());
        for bad in ["", ".", "..", "a/b", "a b", "ä", &"x".repeat(129)] {
            assert!(StreamName::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn error_names_value_and_limit() {
        let error = StreamName::new(&"x".repeat(129)).unwrap_err();
        assert_eq!(
            error.message(),
            "stream name has 129 bytes; the limit is 128"
        );
    }
}
