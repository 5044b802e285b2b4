//! Conditions of statements: what is known of every request, compared with what the document wants.
//!
//! All keys are always known, so that an operator and the same with `IfExists` are one.

use core::net::IpAddr;
use std::borrow::Cow;

use afflux_types::ServerTime;

use super::fault::Fault;
use super::parse::check_variables;
use super::{Request, matches};
use crate::document::Value;

/// What messages say is supported.
const SUPPORTED: &str = "the String and Arn operators of aws:PrincipalArn, the String operators of \
    aws:PrincipalAccount and aws:username, IpAddress and NotIpAddress of aws:SourceIp, Bool of \
    aws:SecureTransport, and DateLessThan, DateLessThanEquals, DateGreaterThan and \
    DateGreaterThanEquals of aws:CurrentTime";

/// One key of a condition; holds or does not.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    Text {
        fact: Fact,
        how: How,
        /// Whether no value may fit, rather than one must.
        negated: bool,
        values: Vec<Box<str>>,
    },
    Address {
        negated: bool,
        networks: Vec<Network>,
    },
    /// Whether TLS, and whether plain requests fit.
    Encrypted { on: bool, off: bool },
    Time {
        order: Order,
        times: Vec<ServerTime>,
    },
}

/// A text that is known of every caller.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fact {
    Arn,
    Account,
    Name,
}

/// How texts are compared.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    Equals,
    EqualsIgnoreCase,
    Like,
}

/// How times are compared.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Before,
    Until,
    After,
    Since,
}

/// Addresses with the same first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    bits: u32,
}

/// What a condition does, before its key is known.
#[derive(Clone, Copy)]
enum Operator {
    Text(How, bool),
    Arn(bool),
    Address(bool),
    Bool,
    Date(Order),
}

impl Condition {
    /// Reads a `Condition`, an object of operators, each an object of keys.
    pub(super) fn read(value: &Value<'_>, at: &str) -> Result<Vec<Self>, Fault> {
        let wrong = || Fault::Value {
            at: at.to_owned(),
            wanted: "an object of operators, each an object of keys",
        };
        let Value::Map(operators) = value else {
            return Err(wrong());
        };
        let mut conditions = Vec::new();
        for (operator, keys) in operators {
            let Value::Map(keys) = keys else {
                return Err(wrong());
            };
            for (key, operands) in keys {
                conditions.push(Self::one(operator, key, operands, at)?);
            }
        }
        Ok(conditions)
    }

    fn one(operator: &str, key: &str, operands: &Value<'_>, at: &str) -> Result<Self, Fault> {
        let at = format!("{at}.{operator}.{key}");
        let unsupported = || Fault::Condition {
            at: at.clone(),
            operator: operator.to_owned(),
            key: key.to_owned(),
            supported: SUPPORTED,
        };
        let known = Operator::find(operator).ok_or_else(unsupported)?;
        let fact = match key.to_ascii_lowercase().as_str() {
            "aws:principalarn" => Some(Fact::Arn),
            "aws:principalaccount" => Some(Fact::Account),
            "aws:username" => Some(Fact::Name),
            _ => None,
        };
        let is = |name: &str| key.eq_ignore_ascii_case(name);
        let operands = scalars(operands, &at)?;
        match (known, fact) {
            (Operator::Text(how, negated), Some(fact)) => text(fact, how, negated, &operands, &at),
            (Operator::Arn(negated), Some(fact @ Fact::Arn)) => {
                text(fact, How::Like, negated, &operands, &at)
            }
            (Operator::Address(negated), None) if is("aws:SourceIp") => {
                let networks = each(&operands, &at, Network::read, "an address or a network")?;
                Ok(Self::Address { negated, networks })
            }
            (Operator::Bool, None) if is("aws:SecureTransport") => {
                let read = |text: &str| text.to_ascii_lowercase().parse().ok();
                let values: Vec<bool> = each(&operands, &at, read, "true or false")?;
                Ok(Self::Encrypted {
                    on: values.contains(&true),
                    off: values.contains(&false),
                })
            }
            (Operator::Date(order), None) if is("aws:CurrentTime") => {
                let wanted = "a time such as 2027-01-31T12:00:00Z, or seconds since 1970";
                let times = each(&operands, &at, time, wanted)?;
                Ok(Self::Time { order, times })
            }
            _ => Err(unsupported()),
        }
    }

    pub(super) fn holds(&self, request: &Request<'_>) -> bool {
        match self {
            Self::Text {
                fact,
                how,
                negated,
                values,
            } => {
                let known = match fact {
                    Fact::Arn => request.principal.arn(),
                    Fact::Account => request.principal.account(),
                    Fact::Name => request.principal.name(),
                };
                values.iter().any(|value| how.fits(value, known)) != *negated
            }
            Self::Address { negated, networks } => {
                let address = request.address.to_canonical();
                networks.iter().any(|network| network.holds(address)) != *negated
            }
            Self::Encrypted { on, off } => match request.encrypted {
                true => *on,
                false => *off,
            },
            Self::Time { order, times } => times.iter().any(|time| order.fits(request.now, *time)),
        }
    }
}

impl Operator {
    fn find(name: &str) -> Option<Self> {
        Some(match name.strip_suffix("IfExists").unwrap_or(name) {
            "StringEquals" => Self::Text(How::Equals, false),
            "StringNotEquals" => Self::Text(How::Equals, true),
            "StringEqualsIgnoreCase" => Self::Text(How::EqualsIgnoreCase, false),
            "StringNotEqualsIgnoreCase" => Self::Text(How::EqualsIgnoreCase, true),
            "StringLike" => Self::Text(How::Like, false),
            "StringNotLike" => Self::Text(How::Like, true),
            "ArnEquals" | "ArnLike" => Self::Arn(false),
            "ArnNotEquals" | "ArnNotLike" => Self::Arn(true),
            "IpAddress" => Self::Address(false),
            "NotIpAddress" => Self::Address(true),
            "Bool" => Self::Bool,
            "DateLessThan" => Self::Date(Order::Before),
            "DateLessThanEquals" => Self::Date(Order::Until),
            "DateGreaterThan" => Self::Date(Order::After),
            "DateGreaterThanEquals" => Self::Date(Order::Since),
            _ => return None,
        })
    }
}

impl How {
    fn fits(self, value: &str, known: &str) -> bool {
        match self {
            Self::Equals => value == known,
            Self::EqualsIgnoreCase => value.eq_ignore_ascii_case(known),
            Self::Like => matches(value, known),
        }
    }
}

impl Order {
    fn fits(self, now: ServerTime, time: ServerTime) -> bool {
        match self {
            Self::Before => now < time,
            Self::Until => now <= time,
            Self::After => now > time,
            Self::Since => now >= time,
        }
    }
}

impl Network {
    /// Reads an address, alone or with the number of its first bits that count.
    fn read(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most: u32 = if address.is_ipv4() { 32 } else { 128 };
        let bits: u32 = match bits {
            None => most,
            Some(bits) if bits.bytes().all(|digit| digit.is_ascii_digit()) => bits.parse().ok()?,
            Some(_) => return None,
        };
        if bits > most {
            return None;
        }
        // Of an IPv4 address in an IPv6 one, the first 96 bits are always the same.
        let (address, bits) = match (address.to_canonical(), bits.checked_sub(96)) {
            (inner @ IpAddr::V4(_), Some(bits)) if address.is_ipv6() => (inner, bits),
            _ => (address, bits),
        };
        Some(Self { address, bits })
    }

    fn holds(self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(this), IpAddr::V4(other)) => {
                let differ = this.to_bits() ^ other.to_bits();
                differ.leading_zeros() >= self.bits
            }
            (IpAddr::V6(this), IpAddr::V6(other)) => {
                let differ = this.to_bits() ^ other.to_bits();
                differ.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

fn text(
    fact: Fact,
    how: How,
    negated: bool,
    operands: &[Cow<'_, str>],
    at: &str,
) -> Result<Condition, Fault> {
    for operand in operands {
        check_variables(operand, at)?;
    }
    let values = operands.iter().map(|text| text.as_ref().into());
    Ok(Condition::Text {
        fact,
        how,
        negated,
        values: values.collect(),
    })
}

fn time(text: &str) -> Option<ServerTime> {
    let seconds = text.bytes().all(|digit| digit.is_ascii_digit());
    let millis = if seconds {
        text.parse::<i64>().ok()?.checked_mul(1_000)?
    } else {
        text.parse::<jiff::Timestamp>().ok()?.as_millisecond()
    };
    Some(ServerTime::from_millis(millis))
}

fn each<T>(
    operands: &[Cow<'_, str>],
    at: &str,
    read: impl Fn(&str) -> Option<T>,
    wanted: &'static str,
) -> Result<Vec<T>, Fault> {
    let read = |text: &Cow<'_, str>| {
        read(text).ok_or_else(|| Fault::Operand {
            at: at.to_owned(),
            text: text.to_string(),
            wanted,
        })
    };
    operands.iter().map(read).collect()
}

/// The one or more values of a key, as text.
fn scalars<'v>(value: &'v Value<'_>, at: &str) -> Result<Vec<Cow<'v, str>>, Fault> {
    let scalar = |value: &'v Value<'_>| match value {
        Value::Str(text) => Some(Cow::Borrowed(text.as_ref())),
        Value::Bool(flag) => Some(Cow::Owned(flag.to_string())),
        Value::Int(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    };
    let found: Option<Vec<_>> = match value {
        Value::List(items) => items.iter().map(scalar).collect(),
        one => scalar(one).map(|one| vec![one]),
    };
    let some = found.filter(|values| !values.is_empty());
    some.ok_or_else(|| Fault::Value {
        at: at.to_owned(),
        wanted: "a value or a list of values",
    })
}
