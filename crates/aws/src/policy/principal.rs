//! Who a caller is, and whom a statement means.

use super::fault::Fault;
use super::parse::texts;
use crate::document::Value;

/// A user of an account: who signs requests with its credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    arn: String,
    account: String,
    name: String,
}

/// Whom a statement means.
#[derive(Clone, Debug)]
pub(super) enum Who {
    Anybody,
    Named(Vec<Named>),
}

#[derive(Clone, Debug)]
pub(super) enum Named {
    /// All of an account, as far as that allows it to them.
    Account(Box<str>),
    /// A user or role.
    Arn(Box<str>),
}

/// How a statement names a caller; the later one is the stronger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    Account,
    Caller,
}

impl Principal {
    /// The user `name` of an account of twelve digits.
    #[must_use]
    pub fn user(account: &str, name: &str) -> Self {
        Self {
            arn: format!("arn:aws:iam::{account}:user/{name}"),
            account: account.to_owned(),
            name: name.to_owned(),
        }
    }

    /// `arn:aws:iam::ACCOUNT:user/NAME`.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Twelve digits.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The name in its account.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Who {
    /// Reads a `Principal`.
    pub(super) fn read(value: &Value<'_>, at: &str) -> Result<Self, Fault> {
        let wrong = || Fault::Value {
            at: at.to_owned(),
            wanted: "\"*\" or an object with AWS",
        };
        let members = match value {
            Value::Str(text) if text == "*" => return Ok(Self::Anybody),
            Value::Map(members) if !members.is_empty() => members,
            _ => return Err(wrong()),
        };
        let mut named = Vec::new();
        let mut anybody = false;
        for (kind, value) in members {
            let at = format!("{at}.{kind}");
            match kind.as_ref() {
                "AWS" => {}
                "Service" | "Federated" | "CanonicalUser" => {
                    return Err(Fault::Unsupported {
                        at,
                        why: "only AWS principals have credentials here",
                    });
                }
                _ => return Err(Fault::Unknown { at }),
            }
            for text in texts(value, &at)? {
                if text == "*" {
                    anybody = true;
                    continue;
                }
                named.push(Named::read(text).ok_or_else(|| Fault::Principal {
                    at: at.clone(),
                    text: text.to_owned(),
                })?);
            }
        }
        Ok(match anybody {
            true => Self::Anybody,
            false => Self::Named(named),
        })
    }

    /// How the statement names `caller`; none if it does not mean it.
    pub(super) fn find(&self, caller: &Principal) -> Option<Match> {
        match self {
            Self::Anybody => Some(Match::Caller),
            Self::Named(named) => named.iter().filter_map(|one| one.find(caller)).max(),
        }
    }
}

impl Named {
    fn read(text: &str) -> Option<Self> {
        if is_account(text) {
            return Some(Self::Account(text.into()));
        }
        let (partition, rest) = text.strip_prefix("arn:")?.split_once(':')?;
        let (service, rest) = rest.split_once("::")?;
        let (account, who) = rest.split_once(':')?;
        if !partition.starts_with("aws") || !is_account(account) {
            return None;
        }
        if service == "iam" && who == "root" {
            return Some(Self::Account(account.into()));
        }
        let (kind, name) = who.split_once('/')?;
        let known = matches!(
            (service, kind),
            ("iam", "user" | "role") | ("sts", "assumed-role")
        );
        let sound = known && !name.is_empty() && !text.contains(['*', '?', '$', ' ']);
        sound.then(|| Self::Arn(text.into()))
    }

    fn find(&self, caller: &Principal) -> Option<Match> {
        match self {
            Self::Account(account) => (**account == *caller.account).then_some(Match::Account),
            Self::Arn(arn) => (**arn == *caller.arn).then_some(Match::Caller),
        }
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|digit| digit.is_ascii_digit())
}
