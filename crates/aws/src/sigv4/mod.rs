//! Verification of AWS Signature Version 4, in the `Authorization` header and in the query.
//!
//! # Shape
//! [`Claim::find`] reads who a request says it is from. The caller looks up the secret of
//! [`Claim::access_key_id`] and asks [`Claim::verify`], which rebuilds the canonical request and the
//! string to sign and compares the signatures in constant time.
//!
//! # Invariants
//! - Nothing of the request is believed before [`Claim::verify`] has succeeded.
//! - `host` or `:authority` is signed, and `x-amz-target` where there is one: it decides what a body means.
//! - A request is good for 15 minutes around its time, in the query for as long as it says there.

mod canonical;
mod claim;

use std::fmt::Write as _;
use std::time::Duration;

use afflux_types::ServerTime;
use ring::hmac;
use subtle::ConstantTimeEq as _;

pub use claim::Claim;

/// How far the clocks of a client and of the server may be apart.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(15 * 60);
/// The longest that a signature in a query may be good.
pub const EXPIRES_SECONDS_MAX: u64 = 7 * 24 * 60 * 60;
/// What stands for the hash of a body that is not signed.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";

/// A request as it came over the wire.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, still percent-encoded, without the query.
    pub path: &'a str,
    /// What stands behind the question mark, still percent-encoded; may be empty.
    pub query: &'a str,
    /// Names, in any case, and values of the headers. `host` must be among them, or `:authority`, as
    /// HTTP/2 carries it and the SDK for JavaScript signs it.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The body.
    pub payload: Payload<'a>,
}

/// The body of a request.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// It is there.
    Whole(&'a [u8]),
    /// It is read after the signature was verified. Clients sign the hash of an empty body for it, the
    /// words for an unsigned one, or what their header says that its hash is; nobody holds the bytes
    /// against that.
    Arriving,
}

/// What is known of an access key.
#[derive(Clone, Copy)]
pub struct Secret<'a> {
    /// The secret access key.
    pub key: &'a str,
    /// The session token, if the credentials are temporary.
    pub session_token: Option<&'a str>,
}

impl std::fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// What a signature must be made for.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The region; `None` takes any, for a server that stands for all of them.
    pub region: Option<&'a str>,
    /// The service, such as `kinesis`.
    pub service: &'a str,
}

/// Why a request is not let in; the texts are the service's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither the header nor the query holds a signature.
    #[error("Missing Authentication Token")]
    Missing,
    /// The signature lacks parts or is malformed.
    #[error("{0}")]
    Incomplete(String),
    /// The signature is stale, made for something else, or wrong.
    #[error("{0}")]
    Invalid(String),
    /// There is no such access key, or the session token is not its own.
    #[error("The security token included in the request is invalid.")]
    Unrecognized,
}

impl Claim {
    /// Verifies the signature.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the service's sentence, or [`Error::Unrecognized`] for a session token
    /// that does not belong to the key.
    pub fn verify(
        &self,
        request: &Request<'_>,
        secret: &Secret<'_>,
        scope: &Scope<'_>,
        now: ServerTime,
    ) -> Result<(), Error> {
        self.check_scope(scope)?;
        self.check_signed_headers(request)?;
        self.check_time(now)?;
        let own_token = secret.session_token.unwrap_or_default().as_bytes();
        let token = self.session_token().unwrap_or_default().as_bytes();
        if !bool::from(own_token.ct_eq(token)) {
            return Err(Error::Unrecognized);
        }
        let key = self.signing_key(secret.key);
        for payload_hash in canonical::payload_hashes(request, self.is_in_query()) {
            let Some(canonical) = canonical::request(request, self, &payload_hash) else {
                break;
            };
            let text = self.string_to_sign(&canonical);
            if hmac::verify(&key, text.as_bytes(), self.signature()).is_ok() {
                return Ok(());
            }
        }
        Err(Error::Invalid(
            "The request signature we calculated does not match the signature you provided. Check \
             your AWS Secret Access Key and signing method. Consult the service documentation for \
             details."
                .to_owned(),
        ))
    }

    fn check_scope(&self, scope: &Scope<'_>) -> Result<(), Error> {
        let mut text = String::new();
        if let Some(region) = scope.region.filter(|region| *region != self.region()) {
            let found = self.region();
            let _ = write!(
                text,
                "Credential should be scoped to a valid region, not '{found}'. Expected '{region}'. "
            );
        }
        if scope.service != self.service() {
            let service = scope.service;
            let _ = write!(
                text,
                "Credential should be scoped to correct service: '{service}'. "
            );
        }
        if self.terminator() != TERMINATOR {
            let found = self.terminator();
            let _ = write!(
                text,
                "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{found}'. "
            );
        }
        let stamp = self.stamp();
        let day = stamp.get(..8).unwrap_or_default();
        if self.day() != day {
            let found = self.day();
            let _ = write!(
                text,
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
                 HTTP: '{found}' != '{day}', from '{stamp}'. "
            );
        }
        if text.is_empty() {
            return Ok(());
        }
        Err(Error::Invalid(text))
    }

    fn check_signed_headers(&self, request: &Request<'_>) -> Result<(), Error> {
        let signed = |name: &str| self.signed_headers().any(|found| found == name);
        if !signed("host") && !signed(":authority") {
            return Err(Error::Invalid(
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
                    .to_owned(),
            ));
        }
        let has_target = request
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("x-amz-target"));
        if has_target && !signed("x-amz-target") {
            return Err(Error::Invalid(
                "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization.".to_owned(),
            ));
        }
        Ok(())
    }

    fn check_time(&self, now: ServerTime) -> Result<(), Error> {
        let made = self.time();
        let allowed = self.expires().map_or(CLOCK_SKEW_MAX, Duration::from_secs);
        if now.since(made) > allowed {
            let minutes = allowed.as_secs() / 60;
            return Err(Error::Invalid(format!(
                "Signature expired: {} is now earlier than {} ({} - {minutes} min.)",
                claim::stamp(made),
                claim::stamp(now.minus(allowed)),
                claim::stamp(now),
            )));
        }
        if made.since(now) > CLOCK_SKEW_MAX {
            let minutes = CLOCK_SKEW_MAX.as_secs() / 60;
            return Err(Error::Invalid(format!(
                "Signature not yet current: {} is still later than {} ({} + {minutes} min.)",
                claim::stamp(made),
                claim::stamp(now.plus(CLOCK_SKEW_MAX)),
                claim::stamp(now),
            )));
        }
        Ok(())
    }

    fn string_to_sign(&self, canonical: &str) -> String {
        let (stamp, day) = (self.stamp(), self.day());
        let (region, service) = (self.region(), self.service());
        let hash = canonical::sha256_hex(canonical.as_bytes());
        format!("{ALGORITHM}\n{stamp}\n{day}/{region}/{service}/{TERMINATOR}\n{hash}")
    }

    fn signing_key(&self, secret: &str) -> hmac::Key {
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes());
        for part in [self.day(), self.region(), self.service(), TERMINATOR] {
            let next = hmac::sign(&key, part.as_bytes());
            key = hmac::Key::new(hmac::HMAC_SHA256, next.as_ref());
        }
        key
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
