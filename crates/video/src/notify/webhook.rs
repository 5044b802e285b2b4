//! Posts a message to an address, with TLS or without.
//!
//! Whom TLS trusts is up to the machine: its certificate authorities, or those that the environment
//! names in `SSL_CERT_FILE` and `SSL_CERT_DIR`.

use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use afflux_types::{Error, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where a webhook listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    is_secure: bool,
    /// Host and port as they were written, for the request's head.
    authority: String,
    host: String,
    port: u16,
    path: String,
}

impl FromStr for Address {
    type Err = Error;

    /// Reads `http://host[:port]/path` or the same with `https`.
    fn from_str(text: &str) -> Result<Self> {
        let malformed = || Error::invalid(format!("{text} is not the address of a webhook"));
        let uri: Uri = text
            .parse()
            .map_err(|error| malformed().with_source(error))?;
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(malformed()),
        };
        let authority = uri.authority().ok_or_else(malformed)?;
        if authority.as_str().contains('@') {
            return Err(Error::invalid(format!(
                "{text} holds a user's name, which webhooks are not sent"
            )));
        }
        let after = authority.as_str().strip_prefix(authority.host());
        let port = match after.ok_or_else(malformed)?.strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| malformed())?,
            None if is_secure => 443,
            None => 80,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            is_secure,
            authority: authority.as_str().to_owned(),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port,
            path: path.to_owned(),
        })
    }
}

/// Whom webhooks are believed to be; read when the first one with TLS is set.
#[derive(Debug, Default)]
pub(super) struct Trust(OnceLock<Arc<ClientConfig>>);

impl Trust {
    async fn get(&self) -> Result<Arc<ClientConfig>> {
        if let Some(known) = self.0.get() {
            return Ok(Arc::clone(known));
        }
        let read = tokio::task::spawn_blocking(authorities).await;
        let read = read.map_err(|error| {
            Error::internal("read the certificate authorities").with_source(error)
        })??;
        Ok(Arc::clone(self.0.get_or_init(|| read)))
    }
}

impl Address {
    /// Refuses an address that no message can be sent to, however well it listens.
    ///
    /// # Errors
    /// `Invalid` if there is no certificate authority to trust, or the host has no name in TLS.
    pub(super) async fn check(&self, trust: &Trust) -> Result<()> {
        if self.is_secure {
            self.server_name()?;
            trust.get().await?;
        }
        Ok(())
    }

    /// Posts JSON, and takes any 2xx for an answer.
    ///
    /// # Errors
    /// `Unavailable` if nobody answers there, or with a refusal; as [`Address::check`].
    pub(super) async fn post(&self, trust: &Trust, text: String) -> Result<()> {
        let failed = || Error::unavailable(format!("post to {}", self.authority));
        let request = Request::post(self.path.as_str())
            .header(HOST, self.authority.as_str())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(text)))
            .map_err(|error| failed().with_source(error))?;
        let socket = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|error| failed().with_source(error))?;
        let answered = if self.is_secure {
            let connector = TlsConnector::from(trust.get().await?);
            let socket = connector.connect(self.server_name()?, socket).await;
            exchange(
                socket.map_err(|error| failed().with_source(error))?,
                request,
            )
            .await
        } else {
            exchange(socket, request).await
        };
        let status = answered.map_err(|error| failed().with_source(error))?;
        if status.is_success() {
            return Ok(());
        }
        let problem = format!("{} answered {status}", self.authority);
        Err(Error::unavailable(problem))
    }

    fn server_name(&self) -> Result<ServerName<'static>> {
        ServerName::try_from(self.host.clone()).map_err(|error| {
            Error::invalid(format!("{} is not a host's name", self.host)).with_source(error)
        })
    }
}

/// Sends a request over a fresh connection; the body of the answer is not waited for.
async fn exchange<T>(socket: T, request: Request<Full<Bytes>>) -> hyper::Result<StatusCode>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    let answered = sender.send_request(request);
    tokio::pin!(answered, connection);
    // A connection that ends has said how it went to the request.
    let answer = tokio::select! {
        answer = &mut answered => answer,
        _ = &mut connection => answered.await,
    };
    Ok(answer?.status())
}

fn authorities() -> Result<Arc<ClientConfig>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "read the certificate authorities");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(Error::invalid(
            "this machine has no certificate authorities to know an https:// address by",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder =
        builder.map_err(|error| Error::internal("choose versions of TLS").with_source(error))?;
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_a_host_a_port_and_a_path() {
        let read = |text: &str| text.parse::<Address>();
        for (text, host, port, path) in [
            ("http://hook.example/a?b=c", "hook.example", 80, "/a?b=c"),
            ("https://hook.example", "hook.example", 443, "/"),
            ("https://[::1]:8443/x", "::1", 8443, "/x"),
        ] {
            let address = read(text).unwrap();
            let found = (address.host.as_str(), address.port, address.path.as_str());
            assert_eq!(found, (host, port, path));
            assert_eq!(address.is_secure, text.starts_with("https"));
        }
        for text in [
            "",
            "hook.example",
            "ftp://hook.example/",
            "http://",
            "http://hook.example:99999/",
            "https://user:secret@hook.example/",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
