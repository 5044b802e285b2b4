//! Who a client is and what it may do.
//!
//! A client proves itself with a token's secret in the first frame of each QUIC stream, or with a
//! client certificate that names a token. What that token allows is checked per activity and name.
//! Requests of the AWS-compatible APIs are signed with the secret of a key instead.
//!
//! Invariants: without any credentials configured everybody may do everything, and then
//! [`check_addresses`] allows loopback only; a secret is compared by its SHA-256 in constant time.

mod key;
mod lend;
mod pattern;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use afflux_aws::token::Sealer;
use afflux_types::{Error, ErrorKind, Result, ServerTime, StreamName};
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::config::{Config, Right, Token};
use pattern::Pattern;

use key::Keys;
pub(crate) use key::{Key, Origin};
use lend::Lender;
pub(crate) use lend::{Lent, Refused};

const SECRET_CHARS_MIN: usize = 16;
const SHA256_BYTES: usize = 32;

/// Everybody who may use the server.
#[derive(Debug)]
pub(crate) struct Access {
    /// Empty only if nobody needs to prove anything.
    grants: Vec<Arc<Grant>>,
    keys: Keys,
    lender: Lender,
    /// Seals what is lent; set when the server has its certificate.
    sealer: OnceLock<Sealer>,
    open: bool,
}

/// One token, ready for comparison.
#[derive(Debug)]
struct Grant {
    name: String,
    digest: Option<[u8; SHA256_BYTES]>,
    rights: Vec<Right>,
    streams: Vec<Pattern>,
}

/// A client that has proved who it is.
#[derive(Clone, Debug)]
pub(crate) struct Identity(Option<Arc<Grant>>);

impl Access {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let certificates = !config.tls.client_ca.as_os_str().is_empty();
        let mut grants: Vec<Arc<Grant>> = Vec::with_capacity(config.tokens.len());
        for token in &config.tokens {
            let grant = Grant::new(token, certificates)?;
            if grants.iter().any(|other| other.name == grant.name) {
                return Err(Error::invalid(format!(
                    "two tokens have the name {:?}",
                    grant.name
                )));
            }
            grants.push(Arc::new(grant));
        }
        let keys = Keys::new(&config.credentials, &config.aws.account)?;
        Ok(Self {
            open: grants.is_empty() && keys.is_empty() && !certificates,
            lender: Lender::new(&config.role_aliases, &config.aws.account)?,
            sealer: OnceLock::new(),
            grants,
            keys,
        })
    }

    /// Whether nobody needs to prove anything.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// The key that requests are signed with under this id.
    pub(crate) fn key(&self, id: &str) -> Option<&Arc<Key>> {
        self.keys.get(id)
    }

    /// Has temporary keys sealed with `secret`.
    pub(crate) fn lend_under(&self, secret: &[u8; 32]) {
        let sealer = Sealer::new(secret, rand::random());
        // There is one certificate in the life of a server.
        let _ = self.sealer.set(sealer);
    }

    /// Whether devices can get temporary keys.
    pub(crate) fn lends(&self) -> bool {
        !self.lender.is_empty()
    }

    /// Lends a temporary key to the device of a certificate that the handshake has verified.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn lend(
        &self,
        alias: &str,
        thing: Option<&str>,
        certificate: Option<&CertificateDer<'_>>,
        now: ServerTime,
    ) -> Result<Lent, Refused> {
        let sealer = self.sealer.get().ok_or(Refused::Alias)?;
        self.lender.lend(sealer, alias, thing, certificate, now)
    }

    /// The temporary key of an id and a session token.
    pub(crate) fn lent(&self, id: &str, token: &str, now: ServerTime) -> Option<Arc<Key>> {
        self.lender.lent(self.sealer.get()?, id, token, now)
    }

    /// Whether clients need a certificate because no token has a secret.
    pub(crate) fn needs_certificate(&self) -> bool {
        self.grants.iter().all(|grant| grant.digest.is_none())
    }

    /// Finds out who a client is, from a secret (which may be empty) and its certificates.
    ///
    /// # Errors
    /// `Denied` if it proves nothing.
    pub(crate) fn identify(
        &self,
        secret: &str,
        certificates: Option<&[CertificateDer<'static>]>,
    ) -> Result<Identity> {
        if self.open {
            return Ok(Identity(None));
        }
        if !secret.is_empty() {
            return self
                .by_secret(secret)
                .ok_or_else(|| denied("the token is not known"));
        }
        let Some([certificate, ..]) = certificates else {
            return Err(denied(
                "the server asks for a token or a client certificate",
            ));
        };
        self.by_certificate(certificate)
            .ok_or_else(|| denied("no DNS name of the client certificate is the name of a token"))
    }

    /// Compares with every token, so that the time does not tell which one was close.
    fn by_secret(&self, secret: &str) -> Option<Identity> {
        let digest: [u8; SHA256_BYTES] = Sha256::digest(secret.as_bytes()).into();
        let mut found = None;
        for grant in &self.grants {
            let same = grant
                .digest
                .map_or_else(|| Choice::from(0), |known| known.ct_eq(&digest));
            if bool::from(same) {
                found = Some(Identity(Some(Arc::clone(grant))));
            }
        }
        found
    }

    /// The handshake has verified the certificate's signature and dates.
    fn by_certificate(&self, certificate: &CertificateDer<'_>) -> Option<Identity> {
        let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
        let mut names = certificate.valid_dns_names();
        let grant = names.find_map(|name| self.grants.iter().find(|grant| grant.name == name))?;
        Some(Identity(Some(Arc::clone(grant))))
    }
}

impl Grant {
    fn new(token: &Token, certificates: bool) -> Result<Self> {
        let name = token.name.clone();
        let about = |what: &str| Error::invalid(format!("token {name:?} {what}"));
        if name.is_empty() || name.len() > 253 {
            return Err(Error::invalid(
                "a token needs a name of 1 to 253 characters",
            ));
        }
        if token.rights.is_empty() {
            return Err(about("has no rights"));
        }
        let digest = match (&token.sha256, &token.secret_file) {
            (Some(_), Some(_)) => return Err(about("has both sha256 and secret_file")),
            (Some(hex), None) => Some(
                digest_from_hex(hex)
                    .ok_or_else(|| about("has a sha256 that is not 64 hexadecimal digits"))?,
            ),
            (None, Some(path)) => Some(digest_from_file(&name, path)?),
            (None, None) if certificates => None,
            (None, None) => return Err(about("has neither sha256 nor secret_file")),
        };
        let streams = token.streams.iter().map(|text| Pattern::new(text));
        Ok(Self {
            digest,
            rights: token.rights.clone(),
            streams: streams.collect::<Result<_>>()?,
            name,
        })
    }
}

impl Identity {
    /// The name for logs.
    pub(crate) fn name(&self) -> &str {
        self.0.as_ref().map_or("anonymous", |grant| &grant.name)
    }

    /// Checks a right that concerns no particular stream.
    ///
    /// # Errors
    /// `Denied` if the client does not have it.
    pub(crate) fn require(&self, right: Right) -> Result<()> {
        match &self.0 {
            Some(grant) if !grant.rights.contains(&right) => Err(denied(&format!(
                "token {:?} lacks the right {right}",
                grant.name
            ))),
            _ => Ok(()),
        }
    }

    /// Checks a right on one stream.
    ///
    /// # Errors
    /// `Denied` if the client does not have it.
    pub(crate) fn require_on(&self, right: Right, stream: &StreamName) -> Result<()> {
        self.require(right)?;
        if self.sees(stream) {
            return Ok(());
        }
        Err(denied(&format!(
            "token {:?} has no rights on stream {stream}",
            self.name()
        )))
    }

    /// Checks that the client has one of two rights on one stream.
    ///
    /// # Errors
    /// `Denied` if it has neither.
    pub(crate) fn require_either(&self, rights: [Right; 2], stream: &StreamName) -> Result<()> {
        let [first, second] = rights;
        self.require_on(first, stream)
            .or_else(|_| self.require_on(second, stream))
    }

    /// Whether the client's rights hold for `stream`.
    pub(crate) fn sees(&self, stream: &StreamName) -> bool {
        let Some(grant) = &self.0 else { return true };
        grant
            .streams
            .iter()
            .any(|pattern| pattern.matches(stream.as_str()))
    }
}

/// Refuses addresses that would open the server to a network without credentials.
///
/// # Errors
/// `Invalid`, with what to configure.
pub(crate) fn check_addresses(config: &Config) -> Result<()> {
    let quic = config.quic.listen;
    let has_tokens = !config.tokens.is_empty();
    let has_ca = !config.tls.client_ca.as_os_str().is_empty();
    if !is_loopback(quic) && !has_tokens && !has_ca {
        return Err(Error::invalid(format!(
            "quic.listen is {quic}, which is not a loopback address, and no credentials are \
             configured; add [[tokens]] or tls.client_ca to the configuration, or listen on 127.0.0.1"
        )));
    }
    let http = config.http.listen;
    let is_metrics = |token: &Token| {
        token.rights.contains(&Right::Metrics)
            && (token.sha256.is_some() || token.secret_file.is_some())
    };
    let signed = !config.credentials.is_empty();
    if !is_loopback(http) && !signed && !config.tokens.iter().any(is_metrics) {
        return Err(Error::invalid(format!(
            "http.listen is {http}, which is not a loopback address, there are no [[credentials]] and \
             no token has a secret and the right \"metrics\"; add one of them to the configuration, \
             or listen on 127.0.0.1"
        )));
    }
    Ok(())
}

/// Whether only this machine reaches the address.
pub(crate) fn is_loopback(address: SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
    }
}

fn denied(message: &str) -> Error {
    Error::new(ErrorKind::Denied, message)
}

fn digest_from_hex(hex: &str) -> Option<[u8; SHA256_BYTES]> {
    let mut digest = [0; SHA256_BYTES];
    if hex.len() != SHA256_BYTES * 2 || !hex.is_ascii() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = pair
            .bytes()
            .all(|digit| digit.is_ascii_hexdigit())
            .then(|| u8::from_str_radix(pair, 16).ok())
            .flatten()?;
    }
    Some(digest)
}

fn digest_from_file(name: &str, path: &Path) -> Result<[u8; SHA256_BYTES]> {
    let secret = std::fs::read_to_string(path).map_err(|error| {
        Error::invalid(format!(
            "read the secret of token {name:?} from {}",
            path.display()
        ))
        .with_source(error)
    })?;
    let secret = secret.trim();
    if secret.len() < SECRET_CHARS_MIN {
        return Err(Error::invalid(format!(
            "the secret of token {name:?} has {} characters; it needs at least {SECRET_CHARS_MIN}",
            secret.len()
        )));
    }
    Ok(Sha256::digest(secret.as_bytes()).into())
}

#[cfg(test)]
mod tests;
