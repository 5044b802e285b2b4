//! From the flags of a command to a client.

use std::sync::OnceLock;
use std::time::Duration;

use afflux_client::{Client, Config, Token, Trust};
use anyhow::{Context, Result};

use crate::args::Connection;
use crate::printer::Usage;

/// The one client of this process, for [`close`].
static CLIENT: OnceLock<Client> = OnceLock::new();

/// Says goodbye to the server, so that it need not wait for a sign of life.
pub(crate) async fn close() {
    if let Some(client) = CLIENT.get() {
        client.close().await;
    }
}

/// A client that is connected.
pub(crate) async fn connect(connection: &Connection) -> Result<Client> {
    let client = Client::connect(config(connection)?).await;
    let client = client.with_context(|| format!("connect to {}", connection.server))?;
    Ok(CLIENT.get_or_init(|| client).clone())
}

/// A client that connects when it has to, and never gives up.
pub(crate) fn persistent(connection: &Connection) -> Result<Client> {
    let mut config = config(connection)?;
    config.retry.pause_max = Duration::from_secs(10);
    config.retry.give_up_after = Duration::MAX;
    let client = Client::new(config)?;
    Ok(CLIENT.get_or_init(|| client).clone())
}

fn config(connection: &Connection) -> Result<Config> {
    let mut config = Config::new(&connection.server, trust(connection)?);
    config.token = connection.token.as_deref().map(Token::new);
    Ok(config)
}

fn trust(connection: &Connection) -> Result<Trust> {
    if let Some(file) = &connection.ca {
        let pem = std::fs::read_to_string(file)
            .map_err(|error| Usage(format!("read {}: {error}", file.display())))?;
        return Ok(Trust::Authority(pem));
    }
    let Some(text) = &connection.fingerprint else {
        return Ok(Trust::LoopbackAny);
    };
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    let byte = |i: usize| {
        digits
            .get(2 * i..2 * i + 2)
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
    };
    let bytes: Option<Vec<u8>> = (0..32).map(byte).collect();
    match bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) {
        Some(fingerprint) if digits.len() == 64 => Ok(Trust::Fingerprint(fingerprint)),
        _ => Err(Usage(format!(
            "{text:?} is not a SHA-256 fingerprint of 64 hexadecimal digits"
        ))
        .into()),
    }
}
