//! Temporary keys for devices that prove themselves with a certificate.
//!
//! # Shape
//! Nothing is kept of a key that was lent: its session token is sealed and holds everything, so that
//! devices without number cost no memory and a restart forgets none of them.
//!
//! # Invariants
//! - A key is lent for a name that the device's certificate has, which the authority that the operator
//!   trusts has signed; it is good for what the alias says then, not for what it said when it was lent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use afflux_aws::policy::Principal;
use afflux_aws::token::{Sealer, take_text, take_time, write_text};
use afflux_types::{Error, Result, ServerTime};
use rand::RngCore as _;
use rustls_pki_types::CertificateDer;

use super::key::{Key, Origin};
use super::pattern::Pattern;
use crate::config::{RoleAlias, Secret};

/// What session tokens are sealed as.
const LABEL: &str = "lent";
/// What stands for the name of the device.
const THING: &str = "${thing}";
const NAME_CHARS_MAX: usize = 128;
const SECONDS_MIN: u64 = 900;
const SECONDS_MAX: u64 = 43_200;
/// Random characters of an access key id, behind what AWS's own begin with.
const ID_CHARS: usize = 16;
const ID_PREFIX: &str = "ASIA";
const SECRET_CHARS: usize = 40;

/// What keys are lent for.
#[derive(Debug)]
pub(super) struct Lender {
    roles: BTreeMap<Box<str>, Role>,
    account: String,
}

/// One alias.
#[derive(Debug)]
struct Role {
    actions: Vec<Pattern>,
    streams: Vec<String>,
    good_for: Duration,
}

/// A key that is lent, as its borrower gets it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Lent {
    pub(crate) access_key_id: String,
    pub(crate) secret: String,
    pub(crate) session_token: String,
    pub(crate) expires: ServerTime,
}

/// Why no key is lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("there is no such role alias")]
    Alias,
    #[error("a client certificate is needed")]
    Certificate,
    #[error("the certificate does not have the name of the thing")]
    Thing,
}

impl Lender {
    pub(super) fn new(aliases: &[RoleAlias], account: &str) -> Result<Self> {
        let mut roles = BTreeMap::new();
        for alias in aliases {
            let name = alias.name.as_str();
            let about = |what: String| Error::invalid(format!("role alias {name:?} {what}"));
            let allowed = |c: char| c.is_ascii_alphanumeric() || "_-=,@".contains(c);
            if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(allowed) {
                return Err(Error::invalid(format!(
                    "{name:?} is not the name of a role alias: 1 to {NAME_CHARS_MAX} letters, digits, \
                     '_', '-', '=', ',' and '@'"
                )));
            }
            if alias.actions.is_empty() {
                return Err(about("has no actions".to_owned()));
            }
            let seconds = alias.seconds;
            if !(SECONDS_MIN..=SECONDS_MAX).contains(&seconds) {
                return Err(about(format!(
                    "has keys for {seconds} seconds; {SECONDS_MIN} to {SECONDS_MAX} are possible"
                )));
            }
            // A pattern that is none without a device is none with one.
            for stream in &alias.streams {
                Pattern::new(&stream.replace(THING, "thing"))?;
            }
            let actions = alias.actions.iter().map(|text| Pattern::action(text));
            let role = Role {
                actions: actions.collect::<Result<_>>()?,
                streams: alias.streams.clone(),
                good_for: Duration::from_secs(seconds),
            };
            if roles.insert(name.into(), role).is_some() {
                return Err(Error::invalid(format!(
                    "two role aliases have the name {name:?}"
                )));
            }
        }
        Ok(Self {
            roles,
            account: account.to_owned(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.roles.is_empty()
    }

    /// Lends a key to the device of a certificate, which the handshake has verified.
    pub(super) fn lend(
        &self,
        sealer: &Sealer,
        alias: &str,
        thing: Option<&str>,
        certificate: Option<&CertificateDer<'_>>,
        now: ServerTime,
    ) -> Result<Lent, Refused> {
        let role = self.roles.get(alias).ok_or(Refused::Alias)?;
        let certificate = certificate.ok_or(Refused::Certificate)?;
        let certificate =
            webpki::EndEntityCert::try_from(certificate).map_err(|_| Refused::Certificate)?;
        // A name with a star would be a pattern of streams.
        let mut names = certificate
            .valid_dns_names()
            .filter(|name| !name.contains('*'));
        let thing = match thing {
            Some(thing) => names.find(|name| *name == thing),
            None => names.next(),
        };
        let thing = thing.ok_or(Refused::Thing)?;
        let access_key_id = format!("{ID_PREFIX}{}", random_text(ID_CHARS, ID_DIGITS));
        let secret = random_text(SECRET_CHARS, SECRET_DIGITS);
        let expires = now.plus(role.good_for);
        let mut content = expires.as_millis().to_be_bytes().to_vec();
        for text in [access_key_id.as_str(), &secret, alias, thing] {
            write_text(&mut content, text);
        }
        Ok(Lent {
            session_token: sealer.seal_url(LABEL, content),
            access_key_id,
            secret,
            expires,
        })
    }

    /// The key of an id and its session token, unless it has expired or its alias is no more.
    pub(super) fn lent(
        &self,
        sealer: &Sealer,
        id: &str,
        token: &str,
        now: ServerTime,
    ) -> Option<Arc<Key>> {
        let content = sealer.open_url(LABEL, token)?;
        let content = &mut content.as_slice();
        let expires = take_time(content)?;
        let same = take_text(content)? == id;
        let secret = take_text(content)?.to_owned();
        let alias = take_text(content)?;
        let thing = take_text(content)?;
        if !same || now >= expires {
            return None;
        }
        let role = self.roles.get(alias)?;
        let streams = role.streams.iter();
        let streams = streams.map(|text| Pattern::new(&text.replace(THING, thing)).ok());
        Some(Arc::new(Key {
            id: id.into(),
            principal: Principal::user(&self.account, &format!("{alias}/{thing}")),
            origin: Origin::Home,
            secret: Secret::from(secret),
            session_token: Some(Secret::from(token.to_owned())),
            actions: role.actions.clone(),
            // A name that makes no pattern opens no stream.
            streams: streams.flatten().collect(),
        }))
    }
}

const ID_DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SECRET_DIGITS: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Random digits. The number of digits is a power of two, so that each is as likely as any other.
fn random_text(length: usize, digits: &[u8]) -> String {
    let mut random = vec![0; length];
    rand::rng().fill_bytes(&mut random);
    let digit = |byte: &u8| char::from(digits[usize::from(*byte) % digits.len()]);
    random.iter().map(digit).collect()
}

impl std::fmt::Debug for Lent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lent")
            .field("access_key_id", &self.access_key_id)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(change: impl FnOnce(&mut RoleAlias)) -> RoleAlias {
        let mut alias = RoleAlias {
            name: "cameras".to_owned(),
            actions: vec!["kinesisvideo:Put*".to_owned()],
            streams: vec!["${thing}".to_owned(), "all-${thing}-*".to_owned()],
            seconds: 900,
        };
        change(&mut alias);
        alias
    }

    fn lender() -> Lender {
        Lender::new(&[alias(|_| {})], "000000000000").unwrap()
    }

    fn certificate(names: &[&str]) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        made.cert.der().clone()
    }

    fn at(seconds: i64) -> ServerTime {
        ServerTime::from_millis(1_795_262_400_000 + seconds * 1_000)
    }

    #[test]
    fn a_device_gets_a_key_for_its_own_streams_for_a_while() {
        let (lender, sealer) = (lender(), Sealer::new(&[7; 32], 1));
        let device = certificate(&["door", "gate"]);
        let lend = |thing| lender.lend(&sealer, "cameras", thing, Some(&device), at(0));
        let lent = lend(Some("gate")).unwrap();
        assert_eq!(lent.expires, at(900));
        let key = |now| lender.lent(&sealer, &lent.access_key_id, &lent.session_token, now);
        let found = key(at(899)).unwrap();
        assert_eq!(
            (found.secret(), found.session_token()),
            (lent.secret.as_str(), Some(lent.session_token.as_str()))
        );
        let put = "kinesisvideo:PutMedia";
        for (stream, allowed) in [("gate", true), ("all-gate-2", true), ("door", false)] {
            assert_eq!(found.allows(put, Some(stream)), allowed, "{stream}");
        }
        assert!(!found.allows("kinesisvideo:GetMedia", Some("gate")));
        assert!(key(at(900)).is_none());
        assert_ne!(lent, lend(Some("gate")).unwrap());
        let first = lend(None).unwrap();
        let first = lender.lent(&sealer, &first.access_key_id, &first.session_token, at(0));
        assert!(first.unwrap().allows(put, Some("door")));
    }

    #[test]
    fn nobody_else_gets_one() {
        let (lender, sealer) = (lender(), Sealer::new(&[7; 32], 1));
        let device = certificate(&["*.example.org", "door"]);
        let lend = |alias, thing, device| lender.lend(&sealer, alias, thing, device, at(0));
        for (name, thing, device, refused) in [
            ("others", None, Some(&device), Refused::Alias),
            ("cameras", None, None, Refused::Certificate),
            ("cameras", Some("gate"), Some(&device), Refused::Thing),
            (
                "cameras",
                Some("*.example.org"),
                Some(&device),
                Refused::Thing,
            ),
            ("cameras", None, Some(&certificate(&[])), Refused::Thing),
        ] {
            assert_eq!(lend(name, thing, device), Err(refused));
        }
    }

    #[test]
    fn a_token_that_was_not_lent_under_this_id_opens_nothing() {
        let (lender, sealer) = (lender(), Sealer::new(&[7; 32], 1));
        let device = certificate(&["door"]);
        let lent = lender
            .lend(&sealer, "cameras", None, Some(&device), at(0))
            .unwrap();
        let (id, token) = (lent.access_key_id.as_str(), lent.session_token.as_str());
        assert!(lender.lent(&sealer, "ASIAOTHER", token, at(0)).is_none());
        let other = Sealer::new(&[8; 32], 1);
        assert!(lender.lent(&other, id, token, at(0)).is_none());
        for token in ["", "AAAA", token.get(1..).unwrap()] {
            assert!(lender.lent(&sealer, id, token, at(0)).is_none());
        }
        let gone = Lender::new(&[alias(|alias| alias.name = "new".to_owned())], "0").unwrap();
        assert!(gone.lent(&sealer, id, token, at(0)).is_none());
    }

    #[test]
    fn aliases_that_make_no_sense_are_refused() {
        for (broken, what) in [
            (alias(|alias| alias.name = "a/b".to_owned()), "a/b"),
            (alias(|alias| alias.actions.clear()), "no actions"),
            (alias(|alias| alias.actions = vec!["Put".to_owned()]), "Put"),
            (
                alias(|alias| alias.streams = vec!["${x}".to_owned()]),
                "${x}",
            ),
            (alias(|alias| alias.seconds = 899), "899"),
        ] {
            let error = Lender::new(&[broken], "0").unwrap_err();
            assert!(error.message().contains(what), "{error}");
        }
        assert!(Lender::new(&[alias(|_| {}), alias(|_| {})], "0").is_err());
    }
}
