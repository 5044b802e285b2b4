//! The keys that requests of the AWS-compatible APIs are signed with.

use std::collections::BTreeMap;
use std::sync::Arc;

use afflux_aws::policy::Principal;
use afflux_types::{Error, Result};

use super::pattern::Pattern;
use crate::config::{Credential, Secret, read_secret};

const SECRET_CHARS_MIN: usize = 16;
const ID_CHARS_MAX: usize = 128;

/// Every key, by its id.
#[derive(Debug)]
pub(super) struct Keys(BTreeMap<Box<str>, Arc<Key>>);

/// One key and what requests that are signed with it may do.
#[derive(Debug)]
pub(crate) struct Key {
    pub(super) id: Box<str>,
    pub(super) principal: Principal,
    pub(super) origin: Origin,
    pub(super) secret: Secret,
    pub(super) session_token: Option<Secret>,
    pub(super) actions: Vec<Pattern>,
    pub(super) streams: Vec<Pattern>,
}

/// The account of a key, seen from the server's resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The one that they belong to.
    Home,
    Elsewhere,
}

impl Keys {
    /// The keys of a server whose resources belong to the account `home`.
    pub(super) fn new(credentials: &[Credential], home: &str) -> Result<Self> {
        let mut keys = BTreeMap::new();
        for credential in credentials {
            let key = Key::new(credential, home)?;
            if let Some(twice) = keys.insert(key.id.clone(), Arc::new(key)) {
                return Err(Error::invalid(format!(
                    "two credentials have the access key id {:?}",
                    twice.id
                )));
            }
        }
        Ok(Self(keys))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, id: &str) -> Option<&Arc<Key>> {
        self.0.get(id)
    }
}

impl Key {
    fn new(credential: &Credential, home: &str) -> Result<Self> {
        let id = credential.access_key_id.as_str();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if id.is_empty() || id.len() > ID_CHARS_MAX || !id.chars().all(allowed) {
            return Err(Error::invalid(format!(
                "{id:?} is not an access key id: 1 to {ID_CHARS_MAX} letters, digits, '_' and '-'"
            )));
        }
        let account = credential.account.as_deref().unwrap_or(home);
        if account.len() != 12 || !account.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(Error::invalid(format!(
                "credential {id:?} has the account {account:?}; it must be twelve digits"
            )));
        }
        if credential.actions.is_empty() {
            return Err(Error::invalid(format!("credential {id:?} has no actions")));
        }
        let actions = credential.actions.iter().map(|text| Pattern::action(text));
        let streams = credential.streams.iter().map(|text| Pattern::new(text));
        Ok(Self {
            id: id.into(),
            principal: Principal::user(account, id),
            origin: match account == home {
                true => Origin::Home,
                false => Origin::Elsewhere,
            },
            secret: secret(credential)?,
            session_token: credential.session_token.clone(),
            actions: actions.collect::<Result<_>>()?,
            streams: streams.collect::<Result<_>>()?,
        })
    }

    /// What names the key in logs.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Who signs with the key, as policies of resources name it.
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    pub(crate) fn secret(&self) -> &str {
        self.secret.expose()
    }

    /// What requests must send as their session token.
    pub(crate) fn session_token(&self) -> Option<&str> {
        self.session_token.as_ref().map(Secret::expose)
    }

    /// Whether the key allows `action` on `stream`, or on no particular stream.
    pub(crate) fn allows(&self, action: &str, stream: Option<&str>) -> bool {
        let fits = |patterns: &[Pattern], text| patterns.iter().any(|one| one.matches(text));
        fits(&self.actions, action) && stream.is_none_or(|stream| fits(&self.streams, stream))
    }
}

/// The secret from the one place that the credential names.
fn secret(credential: &Credential) -> Result<Secret> {
    let id = &credential.access_key_id;
    let secret = read_secret(
        &format!("credential {id:?}"),
        credential.secret.as_ref(),
        credential.secret_file.as_deref(),
        credential.secret_env.as_deref(),
    )?;
    let chars = secret.expose().len();
    if chars < SECRET_CHARS_MIN {
        return Err(Error::invalid(format!(
            "the secret of credential {id:?} has {chars} characters; it needs at least {SECRET_CHARS_MIN}"
        )));
    }
    Ok(secret)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn credential(id: &str, actions: &[&str], streams: &[&str]) -> Credential {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Credential {
            access_key_id: id.to_owned(),
            secret: Some(Secret::from("a secret of some length".to_owned())),
            secret_file: None,
            secret_env: None,
            session_token: None,
            account: None,
            actions: owned(actions),
            streams: owned(streams),
        }
    }

    const HOME: &str = "000000000000";

    #[test]
    fn a_key_belongs_to_the_account_of_the_server_or_to_another_one() {
        let mut credential = credential("A", &["*"], &["*"]);
        let ours = Key::new(&credential, HOME).unwrap();
        assert_eq!(ours.principal().arn(), "arn:aws:iam::000000000000:user/A");
        credential.account = Some("111122223333".to_owned());
        let other = Key::new(&credential, HOME).unwrap();
        assert_eq!(other.principal().arn(), "arn:aws:iam::111122223333:user/A");
        assert_eq!(
            (ours.origin(), other.origin()),
            (Origin::Home, Origin::Elsewhere)
        );
        credential.account = Some(HOME.to_owned());
        assert_eq!(Key::new(&credential, HOME).unwrap().origin(), Origin::Home);
    }

    #[test]
    fn a_key_allows_its_actions_on_its_streams_and_no_more() {
        let credential = credential("A", &["kinesis:Put*", "kinesis:List*"], &["orders-*"]);
        let key = Key::new(&credential, HOME).unwrap();
        assert!(key.allows("kinesis:PutRecord", Some("orders-eu")));
        assert!(key.allows("kinesis:ListStreams", None));
        assert!(!key.allows("kinesis:PutRecord", Some("invoices")));
        assert!(!key.allows("kinesis:GetRecords", Some("orders-eu")));
    }

    #[test]
    fn credentials_that_prove_nothing_are_refused() {
        let good = credential("A", &["*"], &["*"]);
        let cases = [
            credential("", &["*"], &["*"]),
            credential("a/b", &["*"], &["*"]),
            credential("A", &[], &["*"]),
            credential("A", &["PutRecords"], &["*"]),
            credential("A", &["*"], &["a/b"]),
            Credential {
                account: Some("1111-2222-3333".to_owned()),
                ..good.clone()
            },
            Credential {
                secret: None,
                ..good.clone()
            },
            Credential {
                secret: Some(Secret::from("fifteen chars!!".to_owned())),
                ..good.clone()
            },
            Credential {
                secret_env: Some("BOTH".to_owned()),
                ..good.clone()
            },
            Credential {
                secret: None,
                secret_file: Some("/does/not/exist".into()),
                ..good.clone()
            },
            Credential {
                secret: None,
                secret_env: Some("AFFLUX_TEST_NOT_SET".to_owned()),
                ..good.clone()
            },
        ];
        for case in cases {
            let refused = Keys::new(std::slice::from_ref(&case), HOME);
            assert!(refused.is_err(), "{case:?} was accepted");
        }
        assert!(Keys::new(&[good.clone(), good], HOME).is_err());
    }

    #[test]
    fn secrets_come_from_files_without_their_line_ends() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "sixteen chars!!!\n").unwrap();
        let credential = Credential {
            secret: None,
            secret_file: Some(file.path().into()),
            ..credential("A", &["*"], &["*"])
        };
        let key = Key::new(&credential, HOME).unwrap();
        assert_eq!(key.secret(), "sixteen chars!!!");
    }
}
