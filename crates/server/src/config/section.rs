//! One definition per key: its type, default, limits and documentation.
//!
//! `section!` turns a list of keys into three things that therefore cannot disagree: the resolved
//! struct that the server uses, the layer of optional values that a file, the environment or a flag
//! may give, and the table that documents the keys.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use afflux_types::{Error, Result};
use serde::Deserialize;

/// What the documentation says of one key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static [&'static str],
    /// As it is written in a file.
    pub(crate) default: String,
    /// Least and most, for numbers.
    pub(crate) range: Option<RangeInclusive<u64>>,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!(
                "{text:?} is not a log format; write \"text\" or \"json\""
            )),
        }
    }
}

/// Who may speak to the HTTP port without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HttpTls {
    /// Clients on this machine.
    Auto,
    /// Everybody.
    Optional,
    /// Nobody.
    Required,
}

impl FromStr for HttpTls {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "optional" => Ok(Self::Optional),
            "required" => Ok(Self::Required),
            _ => Err(format!(
                "{text:?} is not a choice for TLS; write \"auto\", \"optional\" or \"required\""
            )),
        }
    }
}

/// A value that a key can have.
pub(crate) trait Value: Sized {
    /// Reads the text of an environment variable.
    fn from_text(text: &str) -> Result<Self, String>;
    /// Writes the value as TOML.
    fn to_toml(&self) -> String;
}

impl Value for u64 {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("{text:?} is not a whole number"))
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn to_toml(&self) -> String {
        format!("{self:?}")
    }
}

impl Value for PathBuf {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }

    fn to_toml(&self) -> String {
        format!("{:?}", self.to_string_lossy())
    }
}

impl Value for SocketAddr {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("{text:?} is not an address such as 127.0.0.1:4433"))
    }

    fn to_toml(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Value for bool {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("{text:?} is neither true nor false"))
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

impl Value for HttpTls {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn to_toml(&self) -> String {
        match self {
            Self::Auto => "\"auto\"".to_owned(),
            Self::Optional => "\"optional\"".to_owned(),
            Self::Required => "\"required\"".to_owned(),
        }
    }
}

impl Value for LogFormat {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn to_toml(&self) -> String {
        match self {
            Self::Text => "\"text\"".to_owned(),
            Self::Json => "\"json\"".to_owned(),
        }
    }
}

/// Refuses a number outside its limits.
pub(crate) fn check_range(
    section: &str,
    key: &str,
    value: u64,
    range: RangeInclusive<u64>,
) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "configuration key {section}.{key} is {value}; it must be {} to {}",
        range.start(),
        range.end()
    )))
}

/// Defines a section of the configuration; see the module.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $section:literal => $name:ident, $layer:ident {
            $(
                $(#[doc = $doc:literal])+
                $key:ident: $type:ty = $default:expr $(, in $range:expr)?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                pub $key: $type,
            )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $key: $default, )+ }
            }
        }

        /// The keys of the section that one source gives.
        #[derive(Clone, Debug, Default, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct $layer {
            $( pub(crate) $key: Option<$type>, )+
        }

        impl $layer {
            /// These values, and those of `lower` where there is none.
            pub(crate) fn or(self, lower: Self) -> Self {
                Self { $( $key: self.$key.or(lower.$key), )+ }
            }

            /// Sets the key called `name` from text; false if there is no such key.
            pub(crate) fn set(&mut self, name: &str, text: &str) -> Result<bool, String> {
                $(
                    if name == stringify!($key) {
                        self.$key = Some(<$type as $crate::config::section::Value>::from_text(text)?);
                        return Ok(true);
                    }
                )+
                Ok(false)
            }
        }

        impl $name {
            pub(crate) const SECTION: &str = $section;
            pub(crate) const ABOUT: &[&str] = &[$($about),+];

            pub(crate) fn resolve(layer: $layer) -> afflux_types::Result<Self> {
                let resolved = Self { $( $key: layer.$key.unwrap_or_else(|| $default), )+ };
                resolved.check()?;
                Ok(resolved)
            }

            pub(crate) fn check(&self) -> afflux_types::Result<()> {
                $( $( $crate::config::section::check_range($section, stringify!($key), self.$key, $range)?; )? )+
                Ok(())
            }

            pub(crate) fn keys() -> Vec<$crate::config::section::Key> {
                vec![ $(
                    $crate::config::section::Key {
                        name: stringify!($key),
                        doc: &[$($doc),+],
                        default: $crate::config::section::Value::to_toml(&{ let value: $type = $default; value }),
                        range: section!(@range $($range)?),
                    },
                )+ ]
            }
        }
    };
    (@range) => { None };
    (@range $range:expr) => { Some($range) };
}
