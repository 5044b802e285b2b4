//! What all HTTP requests of delivery streams have in common: who is reached, how long that may take, and how
//! much is taken of an answer.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Error, Response, Url};

use super::stores::choose_tls;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A URL of HTTP, or why it is none.
pub(super) fn parse(url: &str) -> afflux_types::Result<Url> {
    let parsed = Url::parse(url).map_err(|error| {
        afflux_types::Error::invalid("the URL cannot be read").with_source(error)
    })?;
    match parsed.scheme() {
        "http" | "https" if parsed.host().is_some() => Ok(parsed),
        _ => Err(afflux_types::Error::invalid(
            "the URL is neither http nor https",
        )),
    }
}

/// A client for requests to `url` that take no longer than `timeout`, with their answers.
pub(super) fn client(url: &Url, timeout: Duration) -> Result<Client, Error> {
    choose_tls();
    let client = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
        // What requests may reach is what the operator wrote, not what an answer or the environment says.
        .redirect(Policy::none())
        .no_proxy();
    match url.scheme() {
        // Which needs no authorities: a machine may have none.
        "http" => client.tls_certs_only([]).build(),
        _ => client.build(),
    }
}

/// The body of an answer; none if it has more than it may have, and no more than that is ever in memory.
pub(super) async fn read(
    mut response: Response,
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, Error> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > bytes_max {
            return Ok(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body))
}
