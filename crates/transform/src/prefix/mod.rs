//! Prefixes of object keys: text with expressions `!{namespace:value}`.
//!
//! # Shape
//! `parse` takes a prefix apart into [`Part`]s and holds the rules for where an expression may stand, `pattern`
//! reads the patterns of `!{timestamp:…}` and `time` writes times by them.
//!
//! # Invariants
//! - Whatever can be wrong with a prefix is said when it is made; evaluating fails only for what a record
//!   brings: a partition key that is missing, that could lead out of a directory or cannot be in a name, or so
//!   long that the prefix gets too long.
//! - All times in a prefix are of one instant; all random strings are different.

mod parse;
pub(crate) mod pattern;
mod time;

use std::fmt::Write as _;

use afflux_types::{Result, ServerTime};
use jiff::tz::TimeZone;

use crate::{ErrorOutput, Fault, PartitionKeys};
use pattern::Pattern;

pub(crate) use time::week as us_week;

/// Characters of an evaluated prefix.
pub(crate) const EVALUATED_CHARS_MAX: usize = 512;
/// Bytes of an evaluated prefix: names in object stores have 1,024, and what follows the prefix has 270 at most.
const EVALUATED_BYTES_MAX: usize = 754;
/// Bytes of a directory's name.
const DIRECTORY_BYTES_MAX: usize = 255;
/// Of these, what a prefix leaves to the name of a file that follows it.
const FILE_BYTES: usize = 142;

/// What stands before the names of objects, as a template.
#[derive(Clone, Debug)]
pub struct Prefix {
    field: Field,
    parts: Vec<Part>,
    for_files: bool,
}

/// The setting that a prefix is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Output,
    Error,
}

/// A piece of a prefix.
#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Time(Pattern),
    ErrorOutput,
    Random,
    Query(String),
    Transformer(String),
}

/// What an object brings for its prefix.
pub struct Values<'a> {
    /// When the oldest record of the object arrived.
    pub arrival: ServerTime,
    /// The zone of all times.
    pub zone: &'a TimeZone,
    /// Gives the bits of random strings; whoever wants the same key again gives the same bits.
    pub random: &'a mut dyn FnMut() -> u64,
    /// The partition that the object is for.
    pub keys: &'a PartitionKeys,
    /// Why the records of an error object failed. A prefix of output does not ask.
    pub error: Option<ErrorOutput>,
}

impl std::fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Values")
            .field("arrival", &self.arrival)
            .field("keys", &self.keys)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl Prefix {
    /// The prefix of objects; an empty text stands for `!{timestamp:yyyy/MM/dd/HH/}`.
    ///
    /// # Errors
    /// If an expression is malformed or may not stand here, or if partition keys are used without dynamic
    /// partitioning or the other way round.
    pub fn output(text: &str, partitioning: Partitioning) -> Result<Self> {
        Ok(parse::output(text, partitioning)?)
    }

    /// The prefix of error objects. `prefix` is the text of the other one, which is used if this is empty.
    ///
    /// # Errors
    /// If an expression is malformed or may not stand here, or `!{firehose:error-output-type}` is missing.
    pub fn error(text: &str, prefix: &str) -> Result<Self> {
        Ok(parse::error(text, prefix)?)
    }

    /// The same prefix, for objects that are files: what is between two slashes is the name of a directory.
    #[must_use]
    pub fn for_files(self) -> Self {
        Self {
            for_files: true,
            ..self
        }
    }

    /// What the prefix is for one object.
    ///
    /// # Errors
    /// If a partition key is missing, or the prefix would be longer than 512 characters.
    pub fn evaluate(&self, values: &mut Values<'_>) -> Result<String> {
        let time = crate::name::local(values.arrival, values.zone);
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Time(pattern) => time::write(&mut out, pattern, &time),
                Part::ErrorOutput => out.push_str(values.error.map_or("", ErrorOutput::as_str)),
                // Forty-four random bits are eleven digits.
                Part::Random => {
                    write!(out, "{:011x}", (values.random)() >> 20).expect("strings take all text");
                }
                Part::Query(_) | Part::Transformer(_) => {
                    out.push_str(part.partition_key(values.keys)?);
                }
            }
        }
        self.check_length(out.chars().count(), out.len())?;
        // Object stores do not keep it, and for a file it would mean another directory.
        if out.starts_with('/') {
            out.remove(0);
        }
        Ok(out)
    }

    /// The name of the partition that a record belongs to: records with equal names share objects.
    ///
    /// It is the prefix without times and random strings, so that two sets of keys which give one prefix are
    /// one partition.
    ///
    /// Without dynamic partitioning all records are in one partition, whose name is empty.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate): a record that gets through here gets through there.
    pub fn partition(&self, keys: &PartitionKeys) -> Result<String> {
        let mut name = String::new();
        let mut length = Length::default();
        for part in &self.parts {
            match part {
                Part::Query(_) | Part::Transformer(_) => {
                    let value = part.partition_key(keys)?;
                    check_value(value)?;
                    name.push_str(value);
                    length.add(value);
                }
                Part::Text(text) => {
                    name.push_str(text);
                    length.add(text);
                }
                _ => {
                    name.push('\0');
                    length.add_unknown(part.chars_max());
                }
            }
        }
        self.check_length(length.chars, length.bytes)?;
        if self.for_files {
            length.check_files()?;
        }
        Ok(if self.is_partitioned() {
            name
        } else {
            String::new()
        })
    }

    /// Whether partition keys take part in this prefix.
    #[must_use]
    pub fn is_partitioned(&self) -> bool {
        let keyed = |part: &Part| matches!(part, Part::Query(_) | Part::Transformer(_));
        self.parts.iter().any(keyed)
    }

    /// The names of the partition keys that the query must give.
    pub fn query_keys(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Query(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The names of the partition keys that the transformer must give.
    pub fn transformer_keys(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Transformer(name) => Some(name.as_str()),
            _ => None,
        })
    }

    fn check_length(&self, chars: usize, bytes: usize) -> Result<(), Fault> {
        let field = match self.field {
            Field::Output => "prefix",
            Field::Error => "ErrorOutputPrefix",
        };
        if chars > EVALUATED_CHARS_MAX {
            let max = EVALUATED_CHARS_MAX;
            return Err(Fault::TooLong { field, max });
        }
        if bytes > EVALUATED_BYTES_MAX {
            return Err(Fault::TooManyBytes {
                what: field,
                bytes,
                max: EVALUATED_BYTES_MAX,
            });
        }
        Ok(())
    }
}

/// How long a prefix is, and the names between its slashes.
#[derive(Debug, Default)]
struct Length {
    chars: usize,
    bytes: usize,
    /// Of what is behind the last slash so far.
    last: usize,
    /// Of the longest name before it.
    longest: usize,
}

impl Length {
    fn add(&mut self, text: &str) {
        self.chars += text.chars().count();
        self.bytes += text.len();
        for (index, name) in text.split('/').enumerate() {
            if index > 0 {
                self.longest = self.longest.max(self.last);
                self.last = 0;
            }
            self.last += name.len();
        }
    }

    /// Adds what has so many characters of one byte at most.
    fn add_unknown(&mut self, chars: usize) {
        self.chars += chars;
        self.bytes += chars;
        self.last += chars;
    }

    fn check_files(&self) -> Result<(), Fault> {
        let names = [
            ("a directory's name", self.longest, DIRECTORY_BYTES_MAX),
            (
                "what is before a file's name",
                self.last,
                DIRECTORY_BYTES_MAX - FILE_BYTES,
            ),
        ];
        match names.into_iter().find(|(_, bytes, max)| bytes > max) {
            Some((what, bytes, max)) => Err(Fault::TooManyBytes { what, bytes, max }),
            None => Ok(()),
        }
    }
}

/// Refuses a partition key that could lead out of a directory, or that no name of an object can have.
fn check_value(value: &str) -> Result<(), Fault> {
    // Only dots, because what stands beside them could make `..` of them.
    let is_name = |name: &str| name.bytes().any(|byte| byte != b'.');
    match value.split('/').all(is_name) && !value.contains(|c: char| c.is_ascii_control()) {
        true => Ok(()),
        false => Err(Fault::KeyValue {
            value: value.to_owned(),
        }),
    }
}

/// Whether a delivery stream has dynamic partitioning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitioning {
    /// Each record is put into a partition by its keys.
    Dynamic,
    /// All records go to one place.
    Off,
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Self::Output => "Prefix",
            Self::Error => "ErrorOutputPrefix",
        }
    }
}

impl Part {
    fn partition_key<'a>(&self, keys: &'a PartitionKeys) -> Result<&'a str, Fault> {
        let (name, value) = match self {
            Self::Query(name) => (name, keys.query.get(name)),
            Self::Transformer(name) => (name, keys.transformer.get(name)),
            _ => return Ok(""),
        };
        value
            .map(String::as_str)
            .ok_or_else(|| Fault::KeyMissing { name: name.clone() })
    }

    /// The most characters that this gives, without what records bring.
    fn chars_max(&self) -> usize {
        match self {
            Self::Text(text) => text.chars().count(),
            Self::Time(pattern) => pattern.chars_max(),
            // The longest of them.
            Self::ErrorOutput => ErrorOutput::OpenSearch.as_str().len(),
            Self::Random => 11,
            Self::Query(_) | Self::Transformer(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests;
