//! Reads from a request who says to have signed it, when, for what, and which headers.

use afflux_types::ServerTime;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;

use super::canonical::{decode, hex};
use super::{ALGORITHM, EXPIRES_SECONDS_MAX, Error, Request};

const STAMP_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// A signature with what it claims; not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    form: Form,
    credential: Credential,
    /// Semicolons between the names.
    signed_headers: String,
    signature: Vec<u8>,
    time: ServerTime,
    stamp: String,
    session_token: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Header,
    Query { expires: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Credential {
    access_key_id: String,
    day: String,
    region: String,
    service: String,
    terminator: String,
}

impl Claim {
    /// Reads the claim from the `Authorization` header or from the query.
    ///
    /// # Errors
    /// If there is none, if there are two, or if it is incomplete: with all that is missing.
    pub fn find(request: &Request<'_>) -> Result<Self, Error> {
        let authorization = header(request, "authorization");
        let in_query = parameter(request, "X-Amz-Algorithm").is_some();
        match (authorization, in_query) {
            (Some(_), true) => Err(Error::Invalid(
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP \
                 header."
                    .to_owned(),
            )),
            (None, false) => Err(Error::Missing),
            (Some(text), false) => Self::from_header(request, &text),
            (None, true) => Self::from_query(request),
        }
    }

    fn from_header(request: &Request<'_>, authorization: &str) -> Result<Self, Error> {
        let authorization = authorization.trim();
        let (algorithm, rest) = authorization
            .split_once([' ', '\t'])
            .unwrap_or((authorization, ""));
        if algorithm != ALGORITHM {
            return Err(Error::Incomplete(format!(
                "Unsupported AWS 'algorithm': '{algorithm}'. Authorization={authorization}"
            )));
        }
        let (mut credential, mut signature, mut signed_headers) = (None, None, None);
        for part in rest.split([',', ' ', '\t']).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| {
                Error::Incomplete(format!(
                    "'{part}' not a valid key=value pair (missing equal-sign) in Authorization \
                     header: '{authorization}'."
                ))
            })?;
            match name {
                "Credential" => credential = Some(value),
                "Signature" => signature = Some(value),
                "SignedHeaders" => signed_headers = Some(value),
                _ => {}
            }
        }
        let date = header(request, "x-amz-date").or_else(|| header(request, "date"));
        let mut missing = String::new();
        for (name, value) in [
            ("Credential", credential),
            ("Signature", signature),
            ("SignedHeaders", signed_headers),
        ] {
            if value.is_none_or(str::is_empty) {
                missing.push_str(&format!(
                    "Authorization header requires '{name}' parameter. "
                ));
            }
        }
        if date.is_none() {
            missing.push_str(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' \
                 header. ",
            );
        }
        let (Some(credential), Some(signature), Some(signed_headers), Some(date), true) = (
            credential,
            signature,
            signed_headers,
            date,
            missing.is_empty(),
        ) else {
            return Err(Error::Incomplete(format!(
                "{missing}Authorization={authorization}"
            )));
        };
        let time = parse_time(&date)?;
        Ok(Self {
            form: Form::Header,
            credential: Credential::parse(credential)?,
            signed_headers: signed_headers.to_owned(),
            signature: decode_hex(signature),
            time,
            stamp: stamp(time),
            session_token: header(request, "x-amz-security-token"),
        })
    }

    fn from_query(request: &Request<'_>) -> Result<Self, Error> {
        const NAMES: [&str; 5] = [
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Signature",
            "X-Amz-SignedHeaders",
            "X-Amz-Date",
        ];
        let found = NAMES.map(|name| parameter(request, name).filter(|value| !value.is_empty()));
        let [
            Some(algorithm),
            Some(credential),
            Some(signature),
            Some(signed_headers),
            Some(date),
        ] = &found
        else {
            let missing: String = NAMES
                .iter()
                .zip(&found)
                .filter(|(_, value)| value.is_none())
                .map(|(name, _)| format!("AWS query-string parameters must include '{name}'. "))
                .collect();
            return Err(Error::Incomplete(format!(
                "{missing}Re-examine the query-string parameters."
            )));
        };
        if algorithm != ALGORITHM {
            return Err(Error::Incomplete(format!(
                "Unsupported AWS 'algorithm': '{algorithm}'."
            )));
        }
        let expires = match parameter(request, "X-Amz-Expires") {
            Some(text) => parse_expires(&text)?,
            None => super::CLOCK_SKEW_MAX.as_secs(),
        };
        let time = parse_time(date)?;
        Ok(Self {
            form: Form::Query { expires },
            credential: Credential::parse(credential)?,
            signed_headers: signed_headers.clone(),
            signature: decode_hex(signature),
            time,
            stamp: stamp(time),
            session_token: parameter(request, "X-Amz-Security-Token"),
        })
    }

    /// The access key that the request says to be signed with.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.credential.access_key_id
    }

    /// The region that the signature is made for.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.credential.region
    }

    /// The service that the signature is made for.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.credential.service
    }

    /// The session token of temporary credentials.
    #[must_use]
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    /// When the request was signed, by the client's clock.
    #[must_use]
    pub fn time(&self) -> ServerTime {
        self.time
    }

    /// Whether the signature stands in the query.
    #[must_use]
    pub fn is_in_query(&self) -> bool {
        matches!(self.form, Form::Query { .. })
    }

    /// The names of the signed headers, in the client's order.
    pub fn signed_headers(&self) -> impl Iterator<Item = &str> {
        self.signed_headers.split(';')
    }

    pub(super) fn day(&self) -> &str {
        &self.credential.day
    }

    pub(super) fn terminator(&self) -> &str {
        &self.credential.terminator
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }

    pub(super) fn stamp(&self) -> &str {
        &self.stamp
    }

    /// Seconds that a signature in the query is good.
    pub(super) fn expires(&self) -> Option<u64> {
        match self.form {
            Form::Header => None,
            Form::Query { expires } => Some(expires),
        }
    }
}

impl Credential {
    fn parse(text: &str) -> Result<Self, Error> {
        // Only the access key id may hold slashes.
        let mut parts = text.rsplitn(5, '/').map(str::to_owned);
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let (terminator, service, region, day, access_key_id) =
            (part(), part(), part(), part(), part());
        let (Some(terminator), Some(service), Some(region), Some(day), Some(access_key_id)) =
            (terminator, service, region, day, access_key_id)
        else {
            return Err(Error::Incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/term, got '{text}'"
            )));
        };
        Ok(Self {
            access_key_id,
            day,
            region,
            service,
            terminator,
        })
    }
}

/// `20150830T123600Z`.
pub(super) fn stamp(time: ServerTime) -> String {
    let time = Timestamp::from_millisecond(time.as_millis()).unwrap_or_default();
    time.strftime(STAMP_FORMAT).to_string()
}

fn parse_time(text: &str) -> Result<ServerTime, Error> {
    let basic = DateTime::strptime(STAMP_FORMAT, text)
        .and_then(|time| TimeZone::UTC.to_timestamp(time))
        .ok();
    let parsed = basic.or_else(|| {
        let zoned = rfc2822::parse(text).ok()?;
        Some(zoned.timestamp())
    });
    let time = parsed.ok_or_else(|| {
        Error::Incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{text}'. See \
             http://en.wikipedia.org/wiki/ISO_8601"
        ))
    })?;
    Ok(ServerTime::from_millis(time.as_millisecond()))
}

fn parse_expires(text: &str) -> Result<u64, Error> {
    text.parse()
        .ok()
        .filter(|seconds| *seconds <= EXPIRES_SECONDS_MAX)
        .ok_or_else(|| {
            Error::Incomplete(format!(
                "X-Amz-Expires must be a number of seconds up to {EXPIRES_SECONDS_MAX}, got '{text}'."
            ))
        })
}

/// The bytes behind hexadecimal digits; nothing, which matches no signature, for anything else.
fn decode_hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(hex(*high)? << 4 | hex(*low)?),
            _ => None,
        })
        .collect::<Option<_>>()
        .unwrap_or_default()
}

fn header(request: &Request<'_>, name: &str) -> Option<String> {
    let mut headers = request.headers.iter();
    let (_, value) = headers.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
    Some(String::from_utf8_lossy(value).trim().to_owned())
}

fn parameter(request: &Request<'_>, name: &str) -> Option<String> {
    request.query.split('&').find_map(|pair| {
        let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(found) == name.as_bytes())
            .then(|| String::from_utf8_lossy(&decode(value)).into_owned())
    })
}
