use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use proptest::prelude::*;

use super::vectors::{SECRET, VECTORS};
use super::*;

const NOW_SECONDS: u64 = 1_440_938_160;
const KINESIS: Scope<'_> = Scope {
    region: Some("us-east-1"),
    service: "kinesis",
};

fn now() -> ServerTime {
    ServerTime::from_millis(1_440_938_160_000)
}

/// A request that owns its parts, so that tests can change them.
#[derive(Clone, Debug)]
struct Owned {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Owned {
    fn check(&self, secret: &Secret<'_>, scope: &Scope<'_>, now: ServerTime) -> Result<(), Error> {
        self.check_payload(Payload::Whole(&self.body), secret, scope, now)
    }

    fn check_payload(
        &self,
        payload: Payload<'_>,
        secret: &Secret<'_>,
        scope: &Scope<'_>,
        now: ServerTime,
    ) -> Result<(), Error> {
        let headers: Vec<(&str, &[u8])> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let request = Request {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &headers,
            payload,
        };
        Claim::find(&request)?.verify(&request, secret, scope, now)
    }

    fn verify(&self) -> Result<(), Error> {
        self.check(&secret(), &KINESIS, now())
    }

    fn header(&mut self, name: &str) -> &mut String {
        let found = self.headers.iter_mut().find(|(found, _)| found == name);
        &mut found.unwrap().1
    }
}

fn secret() -> Secret<'static> {
    Secret {
        key: SECRET,
        session_token: None,
    }
}

fn plain() -> Owned {
    let headers = [
        ("host", "localhost:4567"),
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", "Kinesis_20131202.ListStreams"),
    ];
    Owned {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        headers: headers.map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
        body: b"{}".to_vec(),
    }
}

/// How the reference signs.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
struct How {
    in_query: bool,
    unsigned_payload: bool,
    /// Whether a header says what the hash of the body is.
    declared: bool,
    session_token: Option<&'static str>,
}

const HEADER: How = How {
    in_query: false,
    unsigned_payload: false,
    declared: true,
    session_token: None,
};

fn signed(mut request: Owned, how: How) -> Owned {
    let token = how.session_token.map(str::to_owned);
    let identity = Credentials::new("AKIDEXAMPLE", SECRET, token, None, "test").into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = match how.declared {
        true => PayloadChecksumKind::XAmzSha256,
        false => PayloadChecksumKind::NoHeader,
    };
    if how.in_query {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(60));
    }
    let params = SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("kinesis")
        .time(UNIX_EPOCH + Duration::from_secs(NOW_SECONDS))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let uri = format!("http://localhost:4567{}?{}", request.path, request.query);
    let headers = request.headers.clone();
    let body = request.body.clone();
    let body = match how.unsigned_payload {
        true => SignableBody::UnsignedPayload,
        false => SignableBody::Bytes(&body),
    };
    let headers = headers.iter().map(|(a, b)| (a.as_str(), b.as_str()));
    let signable = SignableRequest::new(&request.method, uri, headers, body).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    for (name, value) in instructions.headers() {
        request.headers.push((name.to_owned(), value.to_owned()));
    }
    for (name, value) in instructions.params() {
        let mut encoded = String::new();
        for byte in value.bytes() {
            let _ = write!(encoded, "%{byte:02X}");
        }
        request.query.push_str(&format!("&{name}={encoded}"));
    }
    request
}

#[test]
fn the_published_vectors_verify() {
    for vector in VECTORS {
        let (path, query) = vector.target.split_once('?').unwrap_or((vector.target, ""));
        let mut request = Owned {
            method: vector.method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: vec![
                ("Host".to_owned(), "example.amazonaws.com".to_owned()),
                ("X-Amz-Date".to_owned(), "20150830T123600Z".to_owned()),
            ],
            body: vector.body.as_bytes().to_vec(),
        };
        let extra = vector.headers.iter();
        let owned = extra.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        request.headers.extend(owned);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders={}, Signature={}",
            vector.signed, vector.signature
        );
        request
            .headers
            .push(("Authorization".to_owned(), authorization));
        let token = vector
            .headers
            .iter()
            .find(|(name, _)| *name == "X-Amz-Security-Token");
        let secret = Secret {
            key: SECRET,
            session_token: token.map(|(_, value)| *value),
        };
        let scope = Scope {
            region: Some("us-east-1"),
            service: "service",
        };
        assert_eq!(
            request.check(&secret, &scope, now()),
            Ok(()),
            "{}",
            vector.name
        );
        request.body.push(b'x');
        assert!(
            request.check(&secret, &scope, now()).is_err(),
            "{}",
            vector.name
        );
    }
}

#[test]
fn what_is_missing_is_listed() {
    let mut request = plain();
    let text = |request: &Owned| request.verify().unwrap_err().to_string();
    assert_eq!(request.verify(), Err(Error::Missing));
    request.headers.push((
        "Authorization".to_owned(),
        "AWS4-HMAC-SHA256 Signature=a".to_owned(),
    ));
    assert_eq!(
        text(&request),
        "Authorization header requires 'Credential' parameter. Authorization header requires \
         'SignedHeaders' parameter. Authorization header requires existence of either a \
         'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256 Signature=a"
    );
    *request.header("Authorization") = "AWS4-HMAC-SHA256 Signature".to_owned();
    assert_eq!(
        text(&request),
        "'Signature' not a valid key=value pair (missing equal-sign) in Authorization header: \
         'AWS4-HMAC-SHA256 Signature'."
    );
    request.query = "X-Amz-Algorithm=x".to_owned();
    assert_eq!(
        text(&request),
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
    );
    request.headers.pop();
    assert_eq!(
        text(&request),
        "AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters \
         must include 'X-Amz-Signature'. AWS query-string parameters must include \
         'X-Amz-SignedHeaders'. AWS query-string parameters must include 'X-Amz-Date'. Re-examine \
         the query-string parameters."
    );
}

#[test]
fn a_signature_is_good_for_fifteen_minutes_around_its_time() {
    let request = signed(plain(), HEADER);
    let at = |minutes: i64, millis: i64| {
        let now = ServerTime::from_millis(1_440_938_160_000 + minutes * 60_000 + millis);
        request.check(&secret(), &KINESIS, now)
    };
    assert_eq!(at(15, 0), Ok(()));
    assert_eq!(at(-15, 0), Ok(()));
    assert_eq!(
        at(15, 1_000).unwrap_err().to_string(),
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z \
         (20150830T125101Z - 15 min.)"
    );
    assert_eq!(
        at(-15, -1_000).unwrap_err().to_string(),
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z \
         (20150830T122059Z + 15 min.)"
    );
}

#[test]
fn a_signature_in_the_query_is_good_as_long_as_it_says() {
    let how = How {
        in_query: true,
        ..HEADER
    };
    let request = signed(plain(), how);
    let at = |seconds| {
        request.check(
            &secret(),
            &KINESIS,
            now().plus(Duration::from_secs(seconds)),
        )
    };
    assert_eq!(at(60), Ok(()));
    assert!(at(61).is_err());
}

#[test]
fn a_signature_is_good_for_its_scope_only() {
    let request = signed(plain(), HEADER);
    let check = |region, service| request.check(&secret(), &Scope { region, service }, now());
    assert_eq!(check(None, "kinesis"), Ok(()));
    let error = check(Some("eu-west-1"), "firehose").unwrap_err();
    assert_eq!(
        error.to_string(),
        "Credential should be scoped to a valid region, not 'us-east-1'. Expected 'eu-west-1'. \
         Credential should be scoped to correct service: 'firehose'. "
    );
}

#[test]
fn a_session_token_belongs_to_its_key() {
    let temporary = signed(
        plain(),
        How {
            session_token: Some("token+/="),
            ..HEADER
        },
    );
    let with = |session_token| Secret {
        key: SECRET,
        session_token,
    };
    assert_eq!(
        temporary.check(&with(Some("token+/=")), &KINESIS, now()),
        Ok(())
    );
    for token in [None, Some("other"), Some("")] {
        let result = temporary.check(&with(token), &KINESIS, now());
        assert_eq!(result, Err(Error::Unrecognized), "{token:?}");
    }
    let lasting = signed(plain(), HEADER);
    let result = lasting.check(&with(Some("token")), &KINESIS, now());
    assert_eq!(result, Err(Error::Unrecognized));
}

#[test]
fn what_decides_the_meaning_is_signed() {
    let mut request = plain();
    request.headers.retain(|(name, _)| name != "x-amz-target");
    let mut request = signed(request, HEADER);
    request.headers.push((
        "X-Amz-Target".to_owned(),
        "Kinesis_20131202.DeleteStream".to_owned(),
    ));
    let error = request.verify().unwrap_err();
    assert_eq!(
        error.to_string(),
        "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization."
    );
}

#[test]
fn a_changed_request_is_refused() {
    let good = signed(plain(), HEADER);
    let mismatch = |change: fn(&mut Owned)| {
        let mut request = good.clone();
        change(&mut request);
        let error = request.verify().unwrap_err().to_string();
        assert!(
            error.starts_with("The request signature we calculated"),
            "{error}"
        );
    };
    mismatch(|request| request.body.push(b' '));
    mismatch(|request| request.method.push('X'));
    mismatch(|request| request.path.push('x'));
    mismatch(|request| request.query.push_str("a=b"));
    mismatch(|request| request.header("x-amz-target").push('X'));
    mismatch(|request| request.header("authorization").push('0'));
    mismatch(|request| request.headers.retain(|(name, _)| name != "content-type"));
    let wrong = Secret {
        key: "wrong",
        session_token: None,
    };
    assert!(good.check(&wrong, &KINESIS, now()).is_err());
}

fn hows() -> impl Strategy<Value = How> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(in_query, unsigned_payload, token)| {
        How {
            in_query,
            unsigned_payload,
            declared: true,
            session_token: token.then_some("to/ken+=="),
        }
    })
}

proptest! {
    #[test]
    fn what_the_reference_signs_verifies(
        how in hows(),
        path in "(/[a-zA-Z0-9._~-]{1,5}|/%[2-7][0-9A-F]){0,3}/?",
        query in "([a-zA-Z0-9._~-]{1,5}=([a-zA-Z0-9._~-]|%[2-7][0-9A-F]){0,5}&){0,3}",
        value in "[a-zA-Z0-9]( {0,3}[!-~]){0,9}",
        body: Vec<u8>,
    ) {
        let mut request = plain();
        request.path = format!("/{}", path.trim_start_matches('/'));
        request.query = query.trim_end_matches('&').to_owned();
        request.headers.push(("x-custom".to_owned(), value));
        request.body = body;
        let request = signed(request, how);
        let secret = Secret { key: SECRET, session_token: how.session_token };
        prop_assert_eq!(request.check(&secret, &KINESIS, now()), Ok(()), "{:?}", request);
    }

    #[test]
    fn hostile_claims_never_panic(
        authorization in "(AWS4-HMAC-SHA256 )?(Credential=[a-z/0-9]*,? ?|SignedHeaders=[a-z;-]*,? ?|Signature=[a-f0-9]*,? ?|\\PC){0,5}",
        query in "(X-Amz-Algorithm=AWS4-HMAC-SHA256&|X-Amz-Credential=[a-z/%0-9]*&|X-Amz-Date=[0-9TZ]*&|X-Amz-Signature=[a-f0-9]*&|X-Amz-SignedHeaders=[a-z;]*&|\\PC){0,6}",
    ) {
        crate::fuzz::sigv4(format!("{authorization}\n{query}").as_bytes());
    }
}

/// The AWS SDK for C and curl sign the hash of nothing, the SDK for Java the words for an unsigned body,
/// others what they say in a header.
#[test]
fn a_body_that_is_still_to_come_is_signed_in_three_ways() {
    let arriving =
        |request: &Owned| request.check_payload(Payload::Arriving, &secret(), &KINESIS, now());
    let undeclared = How {
        declared: false,
        ..HEADER
    };
    let unsigned = How {
        unsigned_payload: true,
        ..HEADER
    };
    let empty = Owned {
        body: Vec::new(),
        ..plain()
    };
    assert_eq!(arriving(&signed(empty, undeclared)), Ok(()));
    for how in [unsigned, HEADER] {
        assert_eq!(arriving(&signed(plain(), how)), Ok(()));
    }
    assert!(arriving(&signed(plain(), undeclared)).is_err());
    let mut other = signed(plain(), HEADER);
    *other.header("x-amz-content-sha256") = "0".repeat(64);
    assert!(arriving(&other).is_err());
}
