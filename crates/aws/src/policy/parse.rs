//! From a document to statements.

use bytes::Bytes;

use super::condition::Condition;
use super::fault::Fault;
use super::principal::Who;
use super::{Effect, POLICY_BYTES_MAX, Statement, Subject, bit, matches};
use crate::document::{self, Format, Value};

/// Reads the statements of a document.
pub(super) fn read(document: &str, subject: &Subject<'_>) -> Result<Vec<Statement>, Fault> {
    let bytes = document.len();
    if bytes > POLICY_BYTES_MAX {
        return Err(Fault::Length { bytes });
    }
    let body = Bytes::copy_from_slice(document.as_bytes());
    let object = || Fault::Value {
        at: "the policy".to_owned(),
        wanted: "a JSON object",
    };
    let members = match document::decode(Format::Json, &body) {
        Ok(Value::Map(members)) => members,
        Ok(_) | Err(document::Error::NotAMap) => return Err(object()),
        Err(error) => return Err(error.into()),
    };
    let mut statements = None;
    for (name, value) in &members {
        match (name.as_ref(), value) {
            ("Version", Value::Str(version))
                if matches!(version.as_ref(), "2012-10-17" | "2008-10-17") => {}
            ("Version", _) => {
                return Err(Fault::Value {
                    at: "Version".to_owned(),
                    wanted: "\"2012-10-17\" or \"2008-10-17\"",
                });
            }
            ("Id", value) => text(value, "Id").map(drop)?,
            ("Statement", value) => statements = Some(value),
            (other, _) => {
                let at = other.to_owned();
                return Err(Fault::Unknown { at });
            }
        }
    }
    let wrong = || Fault::Value {
        at: "Statement".to_owned(),
        wanted: "an object or a list of objects",
    };
    match statements {
        None => Err(Fault::Missing {
            at: "Statement".to_owned(),
        }),
        Some(one @ Value::Map(_)) => Ok(vec![statement(one, 1, subject)?]),
        Some(Value::List(all)) if !all.is_empty() => (1..)
            .zip(all)
            .map(|(number, one)| statement(one, number, subject))
            .collect(),
        Some(_) => Err(wrong()),
    }
}

/// The text of an element.
fn text<'v>(value: &'v Value<'_>, at: &str) -> Result<&'v str, Fault> {
    match value {
        Value::Str(text) => Ok(text),
        _ => Err(Fault::Value {
            at: at.to_owned(),
            wanted: "a text",
        }),
    }
}

/// The one or more texts of an element.
pub(super) fn texts<'v>(value: &'v Value<'_>, at: &str) -> Result<Vec<&'v str>, Fault> {
    let found: Option<Vec<&str>> = match value {
        Value::Str(text) => Some(vec![text]),
        Value::List(items) => items
            .iter()
            .map(|item| match item {
                Value::Str(text) => Some(text.as_ref()),
                _ => None,
            })
            .collect(),
        _ => None,
    };
    let some = found.filter(|texts| !texts.is_empty());
    some.ok_or_else(|| Fault::Value {
        at: at.to_owned(),
        wanted: "a text or a list of texts",
    })
}

/// Refuses text in which AWS would replace something.
pub(super) fn check_variables(text: &str, at: &str) -> Result<(), Fault> {
    if !text.contains("${") {
        return Ok(());
    }
    Err(Fault::Variable {
        at: at.to_owned(),
        text: text.to_owned(),
    })
}

fn statement(value: &Value<'_>, number: usize, subject: &Subject<'_>) -> Result<Statement, Fault> {
    let at = |element: &str| format!("Statement {number}: {element}");
    let Value::Map(members) = value else {
        return Err(Fault::Value {
            at: format!("Statement {number}"),
            wanted: "an object",
        });
    };
    let (mut effect, mut who, mut actions, mut about) = (None, None, None, false);
    let mut conditions = Vec::new();
    for (name, value) in members {
        let at = at(name);
        match name.as_ref() {
            "Sid" => text(value, &at).map(drop)?,
            "Effect" => effect = Some(read_effect(value, at)?),
            "Principal" => who = Some(Who::read(value, &at)?),
            "NotPrincipal" => {
                return Err(Fault::Unsupported {
                    at,
                    why: "name those who are meant in Principal",
                });
            }
            "Action" | "NotAction" => {
                let negated = name == "NotAction";
                let read = read_actions(value, &at, negated, subject)?;
                if actions.replace(read).is_some() {
                    return Err(Fault::Twice { at });
                }
            }
            "Resource" | "NotResource" => {
                check_resources(value, &at, name == "NotResource", subject)?;
                if std::mem::replace(&mut about, true) {
                    return Err(Fault::Twice { at });
                }
            }
            "Condition" => conditions = Condition::read(value, &at)?,
            _ => return Err(Fault::Unknown { at }),
        }
    }
    let missing = |element| Fault::Missing { at: at(element) };
    if !about {
        return Err(missing("Resource"));
    }
    Ok(Statement {
        effect: effect.ok_or_else(|| missing("Effect"))?,
        who: who.ok_or_else(|| missing("Principal"))?,
        actions: actions.ok_or_else(|| missing("Action"))?,
        conditions,
    })
}

fn read_effect(value: &Value<'_>, at: String) -> Result<Effect, Fault> {
    match value {
        Value::Str(text) if text == "Allow" => Ok(Effect::Allow),
        Value::Str(text) if text == "Deny" => Ok(Effect::Deny),
        _ => Err(Fault::Value {
            at,
            wanted: "\"Allow\" or \"Deny\"",
        }),
    }
}

/// The set of the subject's actions that are meant.
fn read_actions(
    value: &Value<'_>,
    at: &str,
    negated: bool,
    subject: &Subject<'_>,
) -> Result<u64, Fault> {
    let mut named = 0;
    for text in texts(value, at)? {
        let found = actions_of(text, subject);
        // What is not shared need not be held back.
        if found == Some(0) && negated {
            continue;
        }
        named |= found.filter(|found| *found != 0).ok_or_else(|| {
            let service = subject.service;
            let actions = subject.actions.iter();
            let actions: Vec<_> = actions.map(|name| format!("{service}:{name}")).collect();
            Fault::Action {
                at: at.to_owned(),
                text: text.to_owned(),
                actions: actions.join(", "),
            }
        })?;
    }
    let all = (0..subject.actions.len()).fold(0, |all, index| all | bit(index));
    Ok(if negated { all & !named } else { named })
}

/// The set of the subject's actions that a pattern names; none if it is not one of the service's.
fn actions_of(text: &str, subject: &Subject<'_>) -> Option<u64> {
    let operations = match text.split_once(':') {
        None if text == "*" => "*",
        Some((service, operations)) if service.eq_ignore_ascii_case(subject.service) => operations,
        _ => return None,
    };
    let pattern = operations.to_ascii_lowercase();
    let fits = |name: &str| matches(&pattern, &name.to_ascii_lowercase());
    let named = (0..).zip(subject.actions);
    let named = named.filter(|(_, name)| fits(name));
    Some(named.fold(0, |set, (index, _)| set | bit(index)))
}

/// Whether the statement is about what carries the policy.
fn check_resources(
    value: &Value<'_>,
    at: &str,
    negated: bool,
    subject: &Subject<'_>,
) -> Result<(), Fault> {
    let patterns = texts(value, at)?;
    for pattern in &patterns {
        check_variables(pattern, at)?;
    }
    let named = patterns
        .iter()
        .any(|pattern| matches(pattern, subject.resource));
    if named != negated {
        return Ok(());
    }
    Err(Fault::Resource {
        at: at.to_owned(),
        resource: subject.resource.to_owned(),
    })
}
