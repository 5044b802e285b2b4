//! Receivers that take records in requests, instead of objects: HTTP endpoints as those that Firehose delivers to,
//! search clusters, and topics of Kafka.
//!
//! # Shape
//! A request is to a receiver what an object is to a bucket: a part of a batch whose records are framed in a
//! file of the spool ([`frames`](super::frames)), with its id in the intent. It is sent ([`sending`]) until it is
//! taken, refused for good, or was repeated for as long as the settings say; then its records become an error
//! object. What a body looks like, and which answer takes what of it, is all that [`http`] and [`opensearch`] know; what
//! goes to Kafka has no body, and [`kafka`] speaks for itself.
//!
//! # Invariants
//! - A request has the same id and the same records whenever it is sent. An endpoint that took it and whose
//!   answer was lost gets it again, and knows it by its id: it is delivered at least once. A cluster knows each
//!   document by an id that follows from the request's: sent again, a document replaces itself. A topic has a mark of
//!   what was committed, and nothing of that is sent again.
//! - Once records are given up their error object is durable in the spool before it is written anywhere, and the
//!   request is not sent any more.
//! - A delivery stream reaches only what the operator allowed.

mod http;
mod kafka;
mod opensearch;
mod receiver;
mod refusal;
mod request;
mod sending;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use afflux_engine::random;
use afflux_types::{Error, Result};
use reqwest::{Client, RequestBuilder, Url};

pub use http::{ContentEncoding, EndpointSettings};
pub use kafka::{KafkaCluster, KafkaClusters, KafkaSettings, MessageKey};
pub use opensearch::ClusterSettings;
pub use receiver::Receiver;

pub(crate) use kafka::Producer;
pub(crate) use receiver::within;
#[cfg(test)]
pub(crate) use refusal::Refusal;
pub(crate) use request::{FRAMES_BYTES_MAX, RECORDS_MAX, Request};
#[cfg(test)]
pub(crate) use request::{GivenUp, records};
pub(crate) use sending::Sender;

use super::http as client;
use refusal::Outcome;

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
    /// Who sends requests, if they are to say so.
    pub login: Option<Login>,
}

/// A user's name and password, which requests show.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    /// Leaves the password out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// The endpoints of a server; a cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Endpoints(Arc<[Allowed]>);

#[derive(Debug)]
pub(crate) struct Allowed {
    url: Url,
    client: Client,
    login: Option<Login>,
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
            let url = client::parse(&allowed.url).map_err(|error| unusable(&error))?;
            let client = client::client(&url, allowed.timeout);
            Ok(Allowed {
                url,
                client: client.map_err(|error| unusable(&error))?,
                login: allowed.login.clone(),
            })
        };
        let endpoints = endpoints.iter().map(open).collect::<Result<Vec<_>>>()?;
        Ok(Self(endpoints.into()))
    }

    /// A URL and who may be sent requests there.
    ///
    /// # Errors
    /// `Invalid` for what is no URL, `NotFound` for one that is not allowed.
    pub(crate) fn find(&self, url: &str) -> Result<(Url, &Allowed)> {
        let parsed = client::parse(url)?;
        let allows = |allowed: &&Allowed| {
            parsed.origin() == allowed.url.origin() && parsed.path().starts_with(allowed.url.path())
        };
        match self.0.iter().find(allows) {
            Some(allowed) => Ok((parsed, allowed)),
            None => Err(Error::not_found(format!(
                "{url:?} is not among the [[endpoints]] of the server's configuration"
            ))),
        }
    }

    /// Sends a request with so many records once.
    async fn send(
        &self,
        request: &Request,
        source: &str,
        body: Vec<u8>,
        records: usize,
    ) -> Result<Outcome> {
        Ok(match &request.receiver {
            Receiver::Http(endpoint) => {
                let (url, allowed) = self.find(&endpoint.url)?;
                let mut sending = allowed.post(url).body(body);
                for (name, value) in http::headers(request, endpoint, source) {
                    sending = sending.header(name, value);
                }
                http::send(sending, &request.id).await
            }
            Receiver::OpenSearch(cluster) => {
                let (url, allowed) = self.find(&cluster.url)?;
                let sending = allowed.post(opensearch::bulk(url)).body(body);
                opensearch::send(sending, records).await
            }
            Receiver::Kafka(_) => return Err(Error::internal("send messages by HTTP")),
        })
    }
}

impl Allowed {
    fn post(&self, url: Url) -> RequestBuilder {
        let request = self.client.post(url);
        match &self.login {
            Some(login) => request.basic_auth(&login.username, Some(&login.password)),
            None => request,
        }
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
