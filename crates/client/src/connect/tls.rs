//! TLS: which server certificate is accepted, and which of ours is shown.

use std::sync::Arc;

use afflux_types::{Error, Result};
use afflux_wire::ALPN;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};

use super::config::{ClientCertificate, Config, Trust};

/// The client's side of TLS as quinn takes it.
pub(super) fn client_config(config: &Config) -> Result<QuicClientConfig> {
    let mut provider = ring::default_provider();
    // AES with 128 bits is the fastest on machines with AES instructions, and QUIC needs it anyway.
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite() != rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    let provider = Arc::new(provider);
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Error::internal("set up TLS 1.3").with_source(error))?;
    let builder = match &config.trust {
        Trust::Authority(pem) => builder.with_root_certificates(roots(pem)?),
        Trust::Fingerprint(fingerprint) => builder
            .dangerous()
            .with_custom_certificate_verifier(Pinned::new(Some(*fingerprint), &provider)),
        // The address was checked before dialing.
        Trust::LoopbackAny => builder
            .dangerous()
            .with_custom_certificate_verifier(Pinned::new(None, &provider)),
    };
    let mut tls = match &config.certificate {
        None => builder.with_no_client_auth(),
        Some(certificate) => {
            let (chain, key) = identity(certificate)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                Error::invalid("client certificate and key do not fit").with_source(error)
            })?
        }
    };
    tls.alpn_protocols = vec![ALPN.to_vec()];
    QuicClientConfig::try_from(tls)
        .map_err(|error| Error::internal("set up TLS for QUIC").with_source(error))
}

fn roots(pem: &str) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| {
            Error::invalid("certificate authority is not usable").with_source(error)
        })?;
    }
    Ok(roots)
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| Error::invalid("certificate is not PEM").with_source(error))?;
    if certificates.is_empty() {
        return Err(Error::invalid("PEM text has no certificate"));
    }
    Ok(certificates)
}

fn identity(
    certificate: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = certificates(&certificate.chain_pem)?;
    let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes())
        .map_err(|error| Error::invalid("private key is not PEM").with_source(error))?;
    Ok((chain, key))
}

/// Accepts one certificate by its fingerprint, or any. The handshake's signature is checked, so the
/// peer has the certificate's private key.
#[derive(Debug)]
struct Pinned {
    fingerprint: Option<[u8; 32]>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    fn new(fingerprint: Option<[u8; 32]>, provider: &CryptoProvider) -> Arc<Self> {
        Arc::new(Self {
            fingerprint,
            algorithms: provider.signature_verification_algorithms,
        })
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found: [u8; 32] = Sha256::digest(end_entity).into();
        match self.fingerprint {
            Some(expected) if expected != found => {
                let hex = |bytes: [u8; 32]| bytes.map(|byte| format!("{byte:02x}")).concat();
                Err(rustls::Error::General(format!(
                    "server certificate has the fingerprint {}; {} is trusted",
                    hex(found),
                    hex(expected)
                )))
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
