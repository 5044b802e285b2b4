//! HTTP endpoints that take records in requests, as those that Firehose delivers to.
//!
//! # Shape
//! A request is to an endpoint what an object is to a bucket: a part of a batch whose records are framed in a
//! file of the spool ([`request`]), with its id in the intent. It is sent until it is taken, refused for good,
//! or was repeated for as long as the settings say; then its records become an error object.
//!
//! # Invariants
//! - A request has the same id and the same records whenever it is sent. An endpoint that took it and whose
//!   answer was lost gets it again, and knows it by its id: it is delivered at least once.
//! - Once a request is given up its error object is durable in the spool before it is written anywhere, and the
//!   request is not sent any more.
//! - A delivery stream reaches only what the operator allowed.

mod reply;
mod request;
mod sending;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use afflux_engine::random;
use afflux_types::{Error, Result};
use bytes::Bytes;
use reqwest::{Client, Url};

pub use settings::{ContentEncoding, EndpointSettings};

pub(crate) use request::{FRAMES_BYTES_MAX, RECORDS_MAX, Refusal, Request, frame};
pub(crate) use sending::Sender;

use super::http;

const BACK_OFF_MIN: Duration = Duration::from_secs(1);
const BACK_OFF_MAX: Duration = Duration::from_secs(120);
/// By how much a wait differs from what it should be, at most, in percent.
const JITTER_PERCENT: u32 = 15;

/// Where delivery streams may send requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedEndpoint {
    /// What the URLs of endpoints begin with: the same host and port, and the beginning of a path.
    pub url: String,
    /// How long a request may take, with its answer.
    pub timeout: Duration,
}

/// The endpoints of a server; a cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Endpoints(Arc<[Allowed]>);

#[derive(Debug)]
struct Allowed {
    url: Url,
    client: Client,
}

impl Endpoints {
    /// The endpoints of these settings. Nothing is sent yet.
    ///
    /// # Errors
    /// `Invalid` for settings that cannot be those of an endpoint.
    pub fn new(endpoints: &[AllowedEndpoint]) -> Result<Self> {
        let open = |allowed: &AllowedEndpoint| {
            let unusable = |error: &dyn std::error::Error| {
                let message = format!("endpoint {:?} cannot be used: {error}", allowed.url);
                Error::invalid(message)
            };
            let url = http::parse(&allowed.url).map_err(|error| unusable(&error))?;
            let client = http::client(&url, allowed.timeout).map_err(|error| unusable(&error))?;
            Ok(Allowed { url, client })
        };
        let endpoints = endpoints.iter().map(open).collect::<Result<Vec<_>>>()?;
        Ok(Self(endpoints.into()))
    }

    /// The client for a URL.
    ///
    /// # Errors
    /// `Invalid` for what is no URL, `NotFound` for one that is not allowed.
    pub(crate) fn find(&self, url: &str) -> Result<(Url, Client)> {
        let parsed = http::parse(url)?;
        let allows = |allowed: &&Allowed| {
            parsed.origin() == allowed.url.origin() && parsed.path().starts_with(allowed.url.path())
        };
        match self.0.iter().find(allows) {
            Some(allowed) => Ok((parsed, allowed.client.clone())),
            None => Err(Error::not_found(format!(
                "{url:?} is not among the [[endpoints]] of the server's configuration"
            ))),
        }
    }

    /// Sends a request once.
    pub(crate) async fn send(
        &self,
        request: &Request,
        source: &str,
        body: Bytes,
    ) -> Result<Result<(), Refusal>> {
        let (url, client) = self.find(&request.endpoint.url)?;
        let mut sending = client.post(url).body(body);
        for (name, value) in request.headers(source) {
            sending = sending.header(name, value);
        }
        Ok(match sending.send().await {
            Ok(response) => reply::check(response, &request.id).await,
            Err(error) => Err(error.into()),
        })
    }
}

/// Waits between attempts: longer after each, and not all at the same time.
#[derive(Debug)]
pub(crate) struct Waits(Duration);

impl Waits {
    pub(crate) fn new() -> Self {
        Self(BACK_OFF_MIN)
    }

    pub(crate) fn next(&mut self) -> Result<Duration> {
        let wait = self.0;
        self.0 = wait.saturating_mul(2).min(BACK_OFF_MAX);
        let mut roll = [0; 1];
        random(&mut roll)?;
        let percent = 100 - JITTER_PERCENT + u32::from(roll[0]) * (2 * JITTER_PERCENT) / 255;
        Ok(wait * percent / 100)
    }
}

#[cfg(test)]
mod tests;
