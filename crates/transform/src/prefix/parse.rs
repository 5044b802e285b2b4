//! Takes prefixes apart, and says which expression may stand where.

use afflux_types::ServerTime;
use jiff::tz::TimeZone;

use super::pattern::Pattern;
use super::{Field, Part, Partitioning, Prefix, time};
use crate::Fault;

const DEFAULT_TIME: &str = "yyyy/MM/dd/HH/";

pub(super) fn output(text: &str, partitioning: Partitioning) -> Result<Prefix, Fault> {
    let mut prefix = parts(text, Field::Output)?;
    if prefix.has(|part| matches!(part, Part::ErrorOutput)) {
        return Err(Fault::ErrorTypeInPrefix);
    }
    match (partitioning, prefix.is_partitioned()) {
        (Partitioning::Off, true) => return Err(Fault::PartitionDisabled),
        (Partitioning::Dynamic, false) => return Err(Fault::PartitionMissing),
        _ => {}
    }
    // Partitions have their own idea of time, as the documented examples show.
    if !prefix.is_partitioned() && !prefix.has(|part| matches!(part, Part::Time(_))) {
        prefix.parts.push(default_time());
    }
    prefix.check()
}

pub(super) fn error(text: &str, output: &str) -> Result<Prefix, Fault> {
    let text = if text.is_empty() {
        if parts(output, Field::Output)?.has_expressions() {
            return Err(Fault::ErrorPrefixMissing);
        }
        output
    } else {
        text
    };
    let mut prefix = parts(text, Field::Error)?;
    if prefix.is_partitioned() {
        return Err(Fault::PartitionInErrorPrefix);
    }
    if !prefix.has_expressions() {
        prefix.parts.push(Part::ErrorOutput);
        prefix.parts.push(Part::Text("/".to_owned()));
        prefix.parts.push(default_time());
    } else if !prefix.has(|part| matches!(part, Part::ErrorOutput)) {
        return Err(Fault::ErrorTypeMissing);
    }
    prefix.check()
}

fn default_time() -> Part {
    Part::Time(Pattern::parse(DEFAULT_TIME).expect("the default pattern is one"))
}

/// Takes a prefix apart at its expressions.
fn parts(text: &str, field: Field) -> Result<Prefix, Fault> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("!{") {
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        let malformed = || Fault::Expression {
            field: field.name(),
        };
        let (expression, behind) = behind.split_once('}').ok_or_else(malformed)?;
        let (namespace, value) = expression.split_once(':').ok_or_else(malformed)?;
        if value.is_empty() || expression.contains('{') {
            return Err(malformed());
        }
        parts.push(part(namespace, value, field)?);
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(Prefix {
        field,
        parts,
        for_files: false,
    })
}

fn part(namespace: &str, value: &str, field: Field) -> Result<Part, Fault> {
    let fault = |reason: String| Fault::Value {
        field: field.name(),
        reason,
    };
    match (namespace, value) {
        ("timestamp", _) => {
            let pattern = Pattern::parse(value).map_err(|error| fault(error.to_string()))?;
            Ok(Part::Time(pattern))
        }
        ("firehose", "error-output-type") => Ok(Part::ErrorOutput),
        ("firehose", "random-string") => Ok(Part::Random),
        ("firehose", _) => Err(fault(format!(
            "{value:?} is neither error-output-type nor random-string"
        ))),
        ("partitionKeyFromQuery", _) => Ok(Part::Query(value.to_owned())),
        ("partitionKeyFromLambda", _) => Ok(Part::Transformer(value.to_owned())),
        _ => Err(Fault::Namespace {
            namespace: namespace.to_owned(),
        }),
    }
}

impl Prefix {
    fn has(&self, which: impl Fn(&Part) -> bool) -> bool {
        self.parts.iter().any(which)
    }

    fn has_expressions(&self) -> bool {
        self.has(|part| !matches!(part, Part::Text(_)))
    }

    /// Refuses a prefix that is too long, or cannot be in a name, whatever records bring.
    fn check(self) -> Result<Self, Fault> {
        let chars = self.parts.iter().map(Part::chars_max).sum();
        let text = |part: &Part| match part {
            Part::Text(text) => text.len(),
            _ => part.chars_max(),
        };
        self.check_length(chars, self.parts.iter().map(text).sum())?;
        let sample = self.sample();
        // Behind the last slash comes the name of the object.
        let (directories, _) = sample.rsplit_once('/').unwrap_or_default();
        let mut names = directories
            .strip_prefix('/')
            .unwrap_or(directories)
            .split('/');
        let is_wrong = |name: &str| matches!(name, "" | "." | "..");
        let has_control = sample.contains(|c: char| c.is_ascii_control());
        if has_control || (!directories.is_empty() && names.any(is_wrong)) {
            return Err(Fault::Name {
                field: self.field.name(),
                sample,
            });
        }
        Ok(self)
    }

    /// What it may look like.
    fn sample(&self) -> String {
        let time = crate::name::local(ServerTime::from_millis(0), &TimeZone::UTC);
        let mut sample = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => sample.push_str(text),
                Part::Time(pattern) => time::write(&mut sample, pattern, &time),
                _ => sample.push('x'),
            }
        }
        sample
    }
}
