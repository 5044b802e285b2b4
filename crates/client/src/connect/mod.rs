//! The connection: one for everything that a client does, made again when it breaks.

mod backoff;
mod config;
mod stream;
mod tls;
mod trouble;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use afflux_quic::{Side, transport_config};
use afflux_types::{Error, ErrorKind, Result};
use afflux_wire::EntryLimits;
use afflux_wire::message::Activity;
use afflux_wire::transport::Profile;
use quinn::EndpointConfig;
use tokio::sync::Mutex;

pub(crate) use backoff::Backoff;
pub use config::{ClientCertificate, Config, Retry, Token, Trust};
pub(crate) use stream::{NO_ERROR, Reader, Stream, Writer, Written};
pub(crate) use trouble::Trouble;

/// A client of one server. Clones share one connection.
///
/// The connection is made again when it breaks: producers, consumers and uploaders go on where they
/// were; a single request is repeated only if it had not left.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    config: Config,
    server_name: String,
    network: quinn::ClientConfig,
    loopback: quinn::ClientConfig,
    /// Held while dialing, so that many activities share one attempt.
    link: Mutex<Link>,
    /// Counts attempts to connect.
    attempts: AtomicU64,
}

#[derive(Default)]
struct Link {
    endpoint: Option<quinn::Endpoint>,
    connection: Option<quinn::Connection>,
    /// Why the last attempt failed.
    failure: Option<(ErrorKind, String)>,
}

impl Client {
    /// Connects to a server.
    ///
    /// # Errors
    /// `Invalid` if the configuration is not usable, `Denied` if the server's certificate is not
    /// trusted, `Unavailable` if the server cannot be reached. There is one attempt.
    pub async fn connect(config: Config) -> Result<Self> {
        let client = Self::new(config)?;
        client.connection().await.map_err(Trouble::into_error)?;
        Ok(client)
    }

    /// A client that connects when it first has to.
    ///
    /// # Errors
    /// `Invalid` if the configuration is not usable.
    pub fn new(config: Config) -> Result<Self> {
        let host = config
            .server
            .rsplit_once(':')
            .map(|(host, _)| host)
            .ok_or_else(|| {
                Error::invalid(format!("server {:?} is not host:port", config.server))
            })?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let server_name = config
            .server_name
            .clone()
            .unwrap_or_else(|| host.to_owned());
        let tls = Arc::new(tls::client_config(&config)?);
        let quic = |profile: &Profile| {
            let mut quic = quinn::ClientConfig::new(Arc::clone(&tls) as _);
            quic.transport_config(Arc::new(transport_config(profile, Side::Client)?));
            Ok::<_, Error>(quic)
        };
        Ok(Self(Arc::new(Inner {
            network: quic(&config.transport)?,
            loopback: quic(&config.transport.on_loopback())?,
            config,
            server_name,
            link: Mutex::default(),
            attempts: AtomicU64::new(0),
        })))
    }

    /// Closes the connection; everything that still uses it ends with an error or connects again.
    pub async fn close(&self) {
        let mut link = self.0.link.lock().await;
        if let Some(connection) = link.connection.take() {
            connection.close(NO_ERROR, b"");
        }
        if let Some(endpoint) = link.endpoint.take() {
            endpoint.wait_idle().await;
        }
    }

    /// Moves the connection to a new UDP socket, as a change of network does.
    ///
    /// # Errors
    /// `Unavailable` if there is no connection or no socket.
    pub async fn migrate(&self) -> Result<()> {
        let link = self.0.link.lock().await;
        let (Some(endpoint), Some(connection)) = (&link.endpoint, &link.connection) else {
            return Err(Error::unavailable("there is no connection to move"));
        };
        let address = afflux_quic::local_address(connection.remote_address());
        let buffer_bytes = self.0.config.transport.socket_buffer_bytes;
        afflux_quic::rebind(endpoint, address, buffer_bytes)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn backoff(&self) -> Backoff {
        Backoff::new(self.0.config.retry, self.0.config.clock.clone())
    }

    /// Opens a QUIC stream for `activity`, on a new connection if there is none.
    pub(crate) async fn open(
        &self,
        activity: Activity,
        entries: EntryLimits,
    ) -> Result<Stream, Trouble> {
        let connection = self.connection().await?;
        let token = self.0.config.token.as_ref().map_or("", Token::reveal);
        Stream::open(&connection, token, activity, entries).await
    }

    async fn connection(&self) -> Result<quinn::Connection, Trouble> {
        let before = self.0.attempts.load(Ordering::Acquire);
        let mut link = self.0.link.lock().await;
        if let Some(connection) = &link.connection
            && connection.close_reason().is_none()
        {
            return Ok(connection.clone());
        }
        if self.0.attempts.load(Ordering::Acquire) != before
            && let Some((kind, message)) = &link.failure
        {
            // Someone else's attempt failed while this one waited for its turn.
            return Err(failed(Error::new(*kind, message.clone())));
        }
        link.connection = None;
        let result = self.dial(&mut link).await;
        self.0.attempts.fetch_add(1, Ordering::AcqRel);
        link.failure = match &result {
            Ok(_) => None,
            Err(error) => Some((error.kind(), error.chain())),
        };
        let connection = result.map_err(failed)?;
        link.connection = Some(connection.clone());
        Ok(connection)
    }

    async fn dial(&self, link: &mut Link) -> Result<quinn::Connection> {
        let server = &self.0.config.server;
        let addresses = tokio::net::lookup_host(server).await.map_err(|error| {
            Error::unavailable(format!("look up {server:?}")).with_source(error)
        })?;
        let mut last = Error::unavailable(format!("{server:?} has no address"));
        for address in addresses {
            match self.dial_address(link, address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn dial_address(
        &self,
        link: &mut Link,
        address: SocketAddr,
    ) -> Result<quinn::Connection> {
        let config = &self.0.config;
        if matches!(config.trust, Trust::LoopbackAny) && !address.ip().is_loopback() {
            return Err(Error::new(
                ErrorKind::Denied,
                format!("{address} is not on this machine; give its certificate's fingerprint"),
            ));
        }
        let endpoint = match link.endpoint.take() {
            Some(endpoint) if same_family(&endpoint, address) => endpoint,
            _ => afflux_quic::bind(
                afflux_quic::local_address(address),
                config.transport.socket_buffer_bytes,
                EndpointConfig::default(),
                None,
            )?,
        };
        let endpoint = link.endpoint.insert(endpoint);
        let quic = if address.ip().to_canonical().is_loopback() {
            &self.0.loopback
        } else {
            &self.0.network
        };
        let connecting = endpoint
            .connect_with(quic.clone(), address, &self.0.server_name)
            .map_err(|error| Error::invalid(format!("connect to {address}")).with_source(error))?;
        match tokio::time::timeout(config.retry.connect_timeout, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(refused(address, error)),
            Err(_) => Err(Error::unavailable(format!(
                "{address} did not answer within {:?}",
                config.retry.connect_timeout
            ))),
        }
    }

    /// Pauses before another try.
    ///
    /// # Errors
    /// The trouble as an error if another try makes no sense, or it is time to give up.
    pub(crate) async fn pause(backoff: &mut Backoff, trouble: Trouble) -> Result<()> {
        let pause = trouble
            .retry_after()
            .and_then(|least: Duration| backoff.next(least));
        let error = trouble.into_error();
        let Some(pause) = pause else {
            return Err(error);
        };
        tracing::debug!(error = %error.chain(), ?pause, "try again");
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}

fn failed(error: Error) -> Trouble {
    if error.kind().is_retriable() {
        Trouble::Lost(error)
    } else {
        Trouble::Fatal(error)
    }
}

fn same_family(endpoint: &quinn::Endpoint, address: SocketAddr) -> bool {
    endpoint
        .local_addr()
        .is_ok_and(|local| local.is_ipv4() == address.is_ipv4())
}

/// A handshake that failed. TLS alerts have the transport codes from 0x100 on.
fn refused(address: SocketAddr, error: quinn::ConnectionError) -> Error {
    let kind = match &error {
        quinn::ConnectionError::TransportError(cause)
            if (0x100..0x200).contains(&u64::from(cause.code)) =>
        {
            ErrorKind::Denied
        }
        quinn::ConnectionError::ConnectionClosed(close)
            if (0x100..0x200).contains(&u64::from(close.error_code)) =>
        {
            ErrorKind::Denied
        }
        quinn::ConnectionError::VersionMismatch => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("connect to {address}")).with_source(error)
}
