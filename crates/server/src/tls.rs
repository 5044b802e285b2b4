//! The server's certificate and what it asks of its clients'.
//!
//! QUIC and HTTP share the certificate. HTTP asks for client certificates only if there are role aliases,
//! and goes on without: its requests are signed.
//!
//! Without a configured certificate the server makes one at first start and keeps it for good in
//! `data_dir/tls`: `cert.pem`, `key.pem` (readable by its owner only) and `fingerprint`, the SHA-256
//! of the certificate, which clients pin. Nothing else vouches for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use afflux_types::{Error, Result};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use crate::auth::Access;
use crate::config::Config;

/// The SHA-256 of the server's certificate in its DER form; shown as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What lets a restarted server answer the clients of the run before it.
///
/// It follows from the private key, so that it is as secret, as lasting and as much this server's.
pub(crate) struct ResetSecret([u8; 32]);

impl std::fmt::Debug for ResetSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResetSecret(…)")
    }
}

impl ResetSecret {
    fn of(key: &PrivateKeyDer<'_>) -> Self {
        let labelled = Sha256::new().chain_update("afflux stateless reset");
        Self(labelled.chain_update(key.secret_der()).finalize().into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What seals the temporary keys of devices. It follows from the private key too.
fn lending_secret(key: &PrivateKeyDer<'_>) -> [u8; 32] {
    let labelled = Sha256::new().chain_update("afflux temporary keys");
    labelled.chain_update(key.secret_der()).finalize().into()
}

const CERTIFICATE_FILE: &str = "cert.pem";
const KEY_FILE: &str = "key.pem";
const FINGERPRINT_FILE: &str = "fingerprint";

/// The TLS sides of the two endpoints, and what follows from the certificate and its key.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) quic: rustls::ServerConfig,
    pub(crate) http: Arc<rustls::ServerConfig>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) reset_secret: ResetSecret,
}

/// Reads the certificate, making one if there is none.
pub(crate) fn load(config: &Config, access: &Access) -> Result<Loaded> {
    let (chain, key) = if config.tls.certificate.as_os_str().is_empty() {
        own(&config.data_dir.join("tls"))?
    } else {
        (
            read_certificates(&config.tls.certificate)?,
            read_key(&config.tls.key)?,
        )
    };
    let leaf = chain
        .first()
        .ok_or_else(|| Error::invalid("the certificate file is empty"))?;
    let fingerprint = Fingerprint::of(leaf);
    let reset_secret = ResetSecret::of(&key);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    access.lend_under(&lending_secret(&key));
    let http = http_side(
        config,
        access,
        (chain.clone(), key.clone_key()),
        Arc::clone(&provider),
    )?;
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Error::internal("choose TLS 1.3").with_source(error))?;
    let builder = if config.tls.client_ca.as_os_str().is_empty() {
        builder.with_no_client_auth()
    } else {
        builder.with_client_cert_verifier(verifier(
            &config.tls.client_ca,
            access.needs_certificate(),
            provider,
        )?)
    };
    let mut quic = builder.with_single_cert(chain, key).map_err(unfit)?;
    quic.alpn_protocols = vec![afflux_wire::ALPN.to_vec()];
    Ok(Loaded {
        quic,
        http: Arc::new(http),
        fingerprint,
        reset_secret,
    })
}

/// What clients offer as ALPN is only answered: which HTTP they speak shows in their first bytes.
fn http_side(
    config: &Config,
    access: &Access,
    (chain, key): (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
    provider: Arc<CryptoProvider>,
) -> Result<rustls::ServerConfig> {
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| Error::internal("choose TLS 1.3 and 1.2").with_source(error))?;
    let ca = &config.tls.client_ca;
    let builder = match (access.lends(), ca.as_os_str().is_empty()) {
        (true, false) => builder.with_client_cert_verifier(verifier(ca, false, provider)?),
        (true, true) => {
            return Err(Error::invalid(
                "there are [[role_aliases]] and no tls.client_ca that would vouch for devices",
            ));
        }
        (false, _) => builder.with_no_client_auth(),
    };
    let mut http = builder.with_single_cert(chain, key).map_err(unfit)?;
    http.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(http)
}

fn unfit(error: rustls::Error) -> Error {
    Error::invalid("the certificate and its key do not fit together").with_source(error)
}

fn verifier(
    path: &Path,
    is_needed: bool,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(path)? {
        roots.add(certificate).map_err(|error| {
            Error::invalid(format!("{} holds no certificate authority", path.display()))
                .with_source(error)
        })?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if is_needed {
        builder
    } else {
        builder.allow_unauthenticated()
    };
    builder.build().map_err(|error| {
        Error::invalid(format!("{} cannot verify clients", path.display())).with_source(error)
    })
}

/// Reads the server's own certificate, or makes it.
fn own(dir: &Path) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let (certificate, key) = (dir.join(CERTIFICATE_FILE), dir.join(KEY_FILE));
    if !certificate.exists() {
        make(dir).map_err(|error| {
            Error::unavailable(format!("make a certificate in {}", dir.display()))
                .with_source(error)
        })?;
    }
    let chain = read_certificates(&certificate)?;
    if let Some(leaf) = chain.first() {
        let text = format!("{}\n", Fingerprint::of(leaf));
        let path = dir.join(FINGERPRINT_FILE);
        if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            fs::write(&path, text).map_err(|error| {
                Error::unavailable(format!("write {}", path.display())).with_source(error)
            })?;
        }
    }
    Ok((chain, read_key(&key)?))
}

/// Writes the key before the certificate: a certificate means that both are there.
fn make(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    let names = ["localhost", "127.0.0.1", "::1"]
        .map(str::to_owned)
        .to_vec();
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    write_private(&dir.join(KEY_FILE), &made.signing_key.serialize_pem())?;
    write_private(&dir.join(CERTIFICATE_FILE), &made.cert.pem())?;
    File::open(dir)?.sync_all()
}

/// Writes a file whole or not at all, readable by its owner only.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_extension("new");
    if temporary.exists() {
        fs::remove_file(&temporary)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let unreadable = |error| {
        Error::invalid(format!("read certificates from {}", path.display())).with_source(error)
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    if certificates.is_empty() {
        return Err(Error::invalid(format!(
            "{} holds no certificate",
            path.display()
        )));
    }
    Ok(certificates)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| {
        Error::invalid(format!("read a private key from {}", path.display())).with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn load_in(dir: &Path) -> Result<Fingerprint> {
        let config = Config {
            data_dir: dir.into(),
            ..Config::default()
        };
        Ok(load(&config, &Access::new(&config)?)?.fingerprint)
    }

    #[test]
    fn a_certificate_is_made_once_and_its_key_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let first = load_in(dir.path()).unwrap();
        let second = load_in(dir.path()).unwrap();
        assert_eq!(first, second);
        let tls = dir.path().join("tls");
        let mode = fs::metadata(tls.join(KEY_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let written = fs::read_to_string(tls.join(FINGERPRINT_FILE)).unwrap();
        assert_eq!(written.trim(), first.to_string());
        assert_eq!(first.to_string().len(), 64);
    }

    #[test]
    fn a_crash_between_key_and_certificate_is_repaired() {
        let dir = tempfile::tempdir().unwrap();
        load_in(dir.path()).unwrap();
        fs::remove_file(dir.path().join("tls").join(CERTIFICATE_FILE)).unwrap();
        assert!(load_in(dir.path()).is_ok());
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        load_in(a.path()).unwrap();
        load_in(b.path()).unwrap();
        let mut config = Config {
            data_dir: a.path().into(),
            ..Config::default()
        };
        config.tls.certificate = a.path().join("tls").join(CERTIFICATE_FILE);
        config.tls.key = b.path().join("tls").join(KEY_FILE);
        let error = load(&config, &Access::new(&config).unwrap()).unwrap_err();
        assert!(error.message().contains("do not fit"), "{error}");
        config.tls.key = a.path().join("missing");
        assert!(load(&config, &Access::new(&config).unwrap()).is_err());
    }
}
