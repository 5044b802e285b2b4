//! Collects the broken constraints of a document.

use std::fmt::{self, Write as _};

use super::coerce::{QUOTED_CHARS_MAX, quoted};
use super::{Kind, Member, Shape};
use crate::document::{self, Value};

/// Violations that one answer lists.
pub const VIOLATIONS_MAX: usize = 10;

/// The broken constraints of a request; `Display` is the service's message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations(Vec<String>);

impl Violations {
    /// One sentence for each broken constraint.
    #[must_use]
    pub fn sentences(&self) -> &[String] {
        &self.0
    }

    fn push(&mut self, path: &Path<'_>, value: &str, constraint: &str) {
        if self.0.len() < VIOLATIONS_MAX {
            self.0.push(format!(
                "Value {value} at '{path}' failed to satisfy constraint: {constraint}"
            ));
        }
    }

    fn is_full(&self) -> bool {
        self.0.len() >= VIOLATIONS_MAX
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        let sentences = self.0.join("; ");
        write!(
            f,
            "{} validation error{plural} detected: {sentences}",
            self.0.len()
        )
    }
}

impl std::error::Error for Violations {}

/// Holds a document against the constraints of a shape; the types are right already.
///
/// # Errors
/// The first ten broken constraints.
pub fn check(value: &Value<'_>, shape: &Shape) -> Result<(), Violations> {
    let mut found = Violations::default();
    descend(value, shape, None, &mut found);
    if found.0.is_empty() {
        Ok(())
    } else {
        Err(found)
    }
}

/// Where a value stands; written out only for a message.
#[derive(Clone, Copy)]
struct Path<'p> {
    parent: Option<&'p Self>,
    step: Step,
}

#[derive(Clone, Copy)]
enum Step {
    Member(&'static str),
    Item(usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        match self.step {
            Step::Member(name) => {
                let mut letters = name.chars();
                if let Some(first) = letters.next() {
                    f.write_char(first.to_ascii_lowercase())?;
                }
                f.write_str(letters.as_str())
            }
            Step::Item(i) => write!(f, "{}.member", i + 1),
        }
    }
}

fn descend(value: &Value<'_>, shape: &Shape, path: Option<&Path<'_>>, found: &mut Violations) {
    if let Some(path) = path {
        constraints(value, shape, path, found);
    }
    match (shape.kind, value) {
        (Kind::Structure(_, members), Value::Map(entries)) => {
            for member in members {
                let value = entries.iter().find(|(name, _)| name == member.name);
                let value = value.map(|(_, value)| value);
                check_member(value, member, path, found);
            }
        }
        (Kind::List(inner), Value::List(items)) => {
            for (i, item) in items.iter().enumerate() {
                if found.is_full() {
                    return;
                }
                let here = Path {
                    parent: path,
                    step: Step::Item(i),
                };
                if matches!(item, Value::Null) {
                    found.push(&here, "null", "Member must not be null");
                } else if matches!(inner.kind, Kind::Structure(..)) {
                    descend(item, inner, Some(&here), found);
                }
            }
        }
        _ => {}
    }
}

fn check_member(
    value: Option<&Value<'_>>,
    member: &Member,
    parent: Option<&Path<'_>>,
    found: &mut Violations,
) {
    let path = Path {
        parent,
        step: Step::Member(member.name),
    };
    match value {
        Some(value) => descend(value, member.shape, Some(&path), found),
        None if member.required => found.push(&path, "null", "Member must not be null"),
        None => {}
    }
}

fn constraints(value: &Value<'_>, shape: &Shape, path: &Path<'_>, found: &mut Violations) {
    if let Some(pattern) = shape.pattern.filter(|_| breaks_pattern(value, shape)) {
        let text = format!(
            "Member must satisfy regular expression pattern: {}",
            pattern.text()
        );
        found.push(path, &shown(value, shape), &text);
    }
    let size = Size::of(value, shape);
    if let Some(min) = shape.min.filter(|&min| size.is_below(min)) {
        let text = format!(
            "Member must have {} greater than or equal to {min}",
            size.what
        );
        found.push(path, &shown(value, shape), &text);
    }
    if let Some(max) = shape.max.filter(|&max| size.is_above(max)) {
        let text = format!("Member must have {} less than or equal to {max}", size.what);
        found.push(path, &shown(value, shape), &text);
    }
    if breaks_values(value, shape) {
        found.push(path, &shown(value, shape), &value_set(shape));
    }
    inner_constraints(value, shape, path, found);
}

/// Constraints on the simple values of a list or map are reported at the list or map.
fn inner_constraints(value: &Value<'_>, shape: &Shape, path: &Path<'_>, found: &mut Violations) {
    let breaks = |value: &Value<'_>, shape: &Shape| {
        let size = Size::of(value, shape);
        breaks_pattern(value, shape)
            || breaks_values(value, shape)
            || shape.min.is_some_and(|min| size.is_below(min))
            || shape.max.is_some_and(|max| size.is_above(max))
    };
    match (shape.kind, value) {
        (Kind::List(inner), Value::List(items)) => {
            let simple = !matches!(inner.kind, Kind::Structure(..));
            if simple && items.iter().any(|item| breaks(item, inner)) {
                let text = format!("Member must satisfy constraint: {}", summary(inner));
                found.push(path, &shown(value, shape), &text);
            }
        }
        (Kind::Map(key, inner), Value::Map(entries)) => {
            let broken_key = entries
                .iter()
                .any(|(name, _)| breaks(&Value::Str(name.as_ref().into()), key));
            if broken_key {
                let text = format!("Map keys must satisfy constraint: {}", summary(key));
                found.push(path, &shown(value, shape), &text);
            }
            if entries.iter().any(|(_, value)| breaks(value, inner)) {
                let text = format!("Map value must satisfy constraint: {}", summary(inner));
                found.push(path, &shown(value, shape), &text);
            }
        }
        _ => {}
    }
}

/// What the bounds of a shape count.
struct Size {
    what: &'static str,
    count: Count,
}

enum Count {
    /// There is nothing to count.
    Nothing,
    Whole(i64),
    /// A number with a fraction, between two whole ones.
    Between(i64, i64),
}

impl Size {
    fn of(value: &Value<'_>, shape: &Shape) -> Self {
        let length = |length: usize| Self {
            what: "length",
            count: Count::Whole(i64::try_from(length).unwrap_or(i64::MAX)),
        };
        match value {
            Value::Int(value) => Self {
                what: "value",
                count: Count::Whole(*value),
            },
            Value::Float(value) => Self {
                what: "value",
                count: Count::Between(document::floor(*value), document::floor(value.ceil())),
            },
            // Every character has at least one byte, so that only long text is counted.
            Value::Str(text) => {
                let bytes = length(text.len());
                let short = shape.max.is_none_or(|max| !bytes.is_above(max))
                    && shape.min.is_none_or(|min| min <= 1);
                if short {
                    bytes
                } else {
                    length(text.chars().count())
                }
            }
            Value::Blob(bytes) => length(bytes.len()),
            Value::List(items) => length(items.len()),
            Value::Map(entries) => length(entries.len()),
            _ => Self {
                what: "length",
                count: Count::Nothing,
            },
        }
    }

    fn is_below(&self, min: i64) -> bool {
        match self.count {
            Count::Nothing => false,
            Count::Whole(size) | Count::Between(size, _) => size < min,
        }
    }

    fn is_above(&self, max: i64) -> bool {
        match self.count {
            Count::Nothing => false,
            Count::Whole(size) | Count::Between(_, size) => size > max,
        }
    }
}

fn breaks_pattern(value: &Value<'_>, shape: &Shape) -> bool {
    match (value, shape.pattern) {
        (Value::Str(text), Some(pattern)) => !pattern.matches(text),
        _ => false,
    }
}

fn breaks_values(value: &Value<'_>, shape: &Shape) -> bool {
    match value {
        Value::Str(text) => !shape.values.is_empty() && !shape.values.contains(&text.as_ref()),
        _ => false,
    }
}

fn value_set(shape: &Shape) -> String {
    format!(
        "Member must satisfy enum value set: [{}]",
        shape.values.join(", ")
    )
}

/// Every constraint of a simple shape, as the service lists them for the values inside a list or map.
fn summary(shape: &Shape) -> String {
    let mut all = Vec::new();
    if let Some(max) = shape.max {
        all.push(format!(
            "Member must have length less than or equal to {max}"
        ));
    }
    if let Some(min) = shape.min {
        all.push(format!(
            "Member must have length greater than or equal to {min}"
        ));
    }
    if let Some(pattern) = shape.pattern {
        all.push(format!(
            "Member must satisfy regular expression pattern: {}",
            pattern.text()
        ));
    }
    if !shape.values.is_empty() {
        all.push(value_set(shape));
    }
    format!("[{}]", all.join(", "))
}

/// A value in quotes, as Java prints it.
fn shown(value: &Value<'_>, shape: &Shape) -> String {
    let mut text = String::from("'");
    show(value, shape, &mut text);
    text.push('\'');
    text
}

fn show(value: &Value<'_>, shape: &Shape, to: &mut String) {
    // Writing to a string cannot fail.
    let _ = match (value, shape.kind) {
        (Value::Str(text), _) => write!(to, "{}", quoted(text)),
        (Value::Int(number), _) => write!(to, "{number}"),
        (Value::Float(number), _) => write!(to, "{number:?}"),
        (Value::Bool(truth), _) => write!(to, "{truth}"),
        (Value::Blob(bytes), _) => {
            let length = bytes.len();
            write!(
                to,
                "java.nio.HeapByteBuffer[pos=0 lim={length} cap={length}]"
            )
        }
        (Value::List(items), Kind::List(inner)) => {
            to.push('[');
            show_all(items.iter().map(|item| (None, item)), inner, to);
            write!(to, "]")
        }
        (Value::Map(entries), Kind::Map(_, inner)) => {
            to.push('{');
            let entries = entries
                .iter()
                .map(|(key, value)| (Some(key.as_ref()), value));
            show_all(entries, inner, to);
            write!(to, "}}")
        }
        // An object's address; any will do.
        (_, Kind::Structure(name, _)) => {
            write!(to, "com.amazonaws.kinesis.v20131202.{name}@c965e310")
        }
        _ => write!(to, "null"),
    };
}

fn show_all<'v>(
    values: impl Iterator<Item = (Option<&'v str>, &'v Value<'v>)>,
    inner: &Shape,
    to: &mut String,
) {
    for (i, (key, value)) in values.enumerate() {
        if to.len() > QUOTED_CHARS_MAX {
            break;
        }
        if i > 0 {
            to.push_str(", ");
        }
        if let Some(key) = key {
            to.push_str(quoted(key));
            to.push('=');
        }
        show(value, inner, to);
    }
}
