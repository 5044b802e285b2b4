//! What a client needs to know to reach its server.

use std::fmt;
use std::time::Duration;

use afflux_types::Clock;
use afflux_wire::transport::Profile;

/// How to reach a server and how to behave when it cannot be reached.
#[derive(Clone, Debug)]
pub struct Config {
    /// `host:port`; a name is looked up at every connect.
    pub server: String,
    /// The name that the server's certificate must carry, and that is sent to it; the host of
    /// `server` if `None`. [`Trust::Fingerprint`] does not compare it.
    pub server_name: Option<String>,
    /// Which certificate to accept.
    pub trust: Trust,
    /// A bearer token, if the server wants one.
    pub token: Option<Token>,
    /// A certificate to show to the server, if it wants one.
    pub certificate: Option<ClientCertificate>,
    /// How to use the network; packets to a server on this machine are larger
    /// ([`Profile::on_loopback`]).
    pub transport: Profile,
    /// How long to try.
    pub retry: Retry,
    /// Where time comes from.
    pub clock: Clock,
}

impl Config {
    /// A configuration with the defaults for everything but the server and its certificate.
    #[must_use]
    pub fn new(server: impl Into<String>, trust: Trust) -> Self {
        Self {
            server: server.into(),
            server_name: None,
            trust,
            token: None,
            certificate: None,
            transport: Profile::default(),
            retry: Retry::default(),
            clock: Clock::system(),
        }
    }
}

/// Which server certificate to accept.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The one with this SHA-256 of its DER form, whatever names and dates it carries.
    Fingerprint([u8; 32]),
    /// One signed by a certificate authority in this PEM text, with the right name and dates.
    Authority(String),
    /// Any, but only from an address of this machine.
    LoopbackAny,
}

/// A bearer token. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Wraps a token.
    #[must_use]
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A certificate chain and its private key, as PEM text. The key is never printed.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The chain, the client's own certificate first.
    pub chain_pem: String,
    /// The private key.
    pub key_pem: String,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("chain_pem", &self.chain_pem)
            .finish_non_exhaustive()
    }
}

/// How long and how often to try when the server cannot be reached or says `Unavailable`.
///
/// The pause doubles from `pause_min` to `pause_max`; each is shortened by a random part of up to
/// one half, so that many clients do not come back at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The first pause.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// A connection attempt without an answer for this long has failed.
    pub connect_timeout: Duration,
    /// Without any progress for this long, give up. [`Duration::MAX`] never does.
    pub give_up_after: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            pause_min: Duration::from_millis(50),
            pause_max: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(5),
            give_up_after: Duration::from_secs(120),
        }
    }
}
