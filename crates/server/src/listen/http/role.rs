//! Temporary keys for devices with a certificate, at the path where AWS has them.

use afflux_aws::document::{Encode, Encoder, Format};
use bytes::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::{Device, Endpoint};
use crate::auth::{Lent, Refused};

const PREFIX: &str = "/role-aliases/";
const SUFFIX: &str = "/credentials";
/// What a device says it is called.
const THING: &str = "x-amzn-iot-thingname";

/// The alias that a path names.
pub(super) fn alias(path: &str) -> Option<&str> {
    path.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)
}

/// Answers a request for keys. Bodies are not read: a connection that sends one is closed.
pub(super) fn answer(
    alias: &str,
    head: &Parts,
    device: Option<&Device>,
    endpoint: &Endpoint,
) -> Response<Bytes> {
    if head.method != Method::GET {
        let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, "keys are got with GET");
        let methods = HeaderValue::from_static("GET");
        response.headers_mut().insert(ALLOW, methods);
        return response;
    }
    let thing = match head.headers.get(THING).map(HeaderValue::to_str) {
        None => None,
        Some(Ok(thing)) => Some(thing),
        Some(Err(_)) => return refuse(StatusCode::BAD_REQUEST, "the name of the thing is no text"),
    };
    let access = &endpoint.state.access;
    let certificate = device.map(|device| &**device);
    match access.lend(alias, thing, certificate, endpoint.clock.wall()) {
        Ok(lent) => {
            tracing::info!(alias, key = lent.access_key_id, "lent a key to a device");
            document(StatusCode::OK, &Credentials(&lent))
        }
        Err(refused) => {
            tracing::info!(alias, ?thing, %refused, "lent no key");
            let status = match refused {
                Refused::Alias => StatusCode::NOT_FOUND,
                Refused::Certificate | Refused::Thing => StatusCode::FORBIDDEN,
            };
            refuse(status, &refused.to_string())
        }
    }
}

fn refuse(status: StatusCode, why: &str) -> Response<Bytes> {
    document(status, &Problem(why))
}

fn document(status: StatusCode, content: &impl Encode) -> Response<Bytes> {
    let mut response = Response::new(Encoder::to_bytes(Format::Json, 512, content));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

struct Problem<'a>(&'a str);

impl Encode for Problem<'_> {
    fn encode(&self, to: &mut Encoder) {
        to.begin_map();
        to.member("message", self.0);
        to.end_map();
    }
}

struct Credentials<'a>(&'a Lent);

impl Encode for Credentials<'_> {
    fn encode(&self, to: &mut Encoder) {
        let lent = self.0;
        to.begin_map();
        to.name("credentials");
        to.begin_map();
        to.member("accessKeyId", &lent.access_key_id);
        to.member("secretAccessKey", &lent.secret);
        to.member("sessionToken", &lent.session_token);
        // The AWS SDK for C reads seconds without a fraction.
        let expires = lent.expires.to_string();
        let seconds = expires.split('.').next().unwrap_or_default();
        to.member("expiration", &format!("{seconds}Z"));
        to.end_map();
        to.end_map();
    }
}
