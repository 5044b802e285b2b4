//! Who signed a request.

use afflux_aws::sigv4::{self, Claim, Payload, Scope, Secret};
use hyper::Version;

use super::{Asked, Body, Caller};

/// Headers of a connection, which HTTP/2 does not have. The AWS SDK for C signs them for `PutMedia`
/// before libcurl agrees on HTTP/2 and leaves them out.
const CONNECTION: [(&str, &[u8]); 2] = [
    ("connection", b"keep-alive"),
    ("transfer-encoding", b"chunked"),
];

/// Finds out who signed a request. If nobody needs to prove anything, every signature passes, and none.
///
/// # Errors
/// The service's own, with what is wrong with the signature.
pub(super) fn verify(
    asked: &Asked<'_>,
    region: &str,
    service: &str,
) -> Result<Caller, sigv4::Error> {
    if asked.access.is_open() {
        return Ok(Caller(None));
    }
    let head = asked.head;
    let named = head.headers.iter();
    let mut headers: Vec<(&str, &[u8])> = named
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    // HTTP/2 has no header for the host: most clients sign `host` all the same, some the pseudo-header.
    if let Some(authority) = head.uri.authority() {
        let authority = authority.as_str().as_bytes();
        headers.push((":authority", authority));
        if !head.headers.contains_key(hyper::header::HOST) {
            headers.push(("host", authority));
        }
    }
    if head.version == Version::HTTP_2 {
        headers.extend(CONNECTION);
    }
    let request = sigv4::Request {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        headers: &headers,
        payload: match &asked.body {
            Body::Whole(bytes) => Payload::Whole(bytes),
            Body::Arriving(_) => Payload::Arriving,
        },
    };
    let claim = Claim::find(&request)?;
    let id = claim.access_key_id();
    let lent = || asked.access.lent(id, claim.session_token()?, asked.now);
    let Some(key) = asked.access.key(id).cloned().or_else(lent) else {
        return Err(sigv4::Error::Unrecognized);
    };
    let secret = Secret {
        key: key.secret(),
        session_token: key.session_token(),
    };
    let scope = Scope {
        region: Some(region),
        service,
    };
    claim.verify(&request, &secret, &scope, asked.now)?;
    Ok(Caller(Some(key)))
}
