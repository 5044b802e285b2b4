//! The speed of the packet encryption that QUIC uses here, on one core.
//!
//! It asks rustls for the keys that quinn would use and seals packets in place: AES-128-GCM by ring, with the
//! nonce and the associated data of a real packet, and without header protection.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use rustls::Side;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{Keys, Version};

use super::{Figure, byte_name, len_u64, noise, repeat_for};

/// A short header with an eight-byte connection id and a four-byte packet number.
const HEADER: [u8; 13] = [0x43; 13];

/// The rate of sealing packets of `size` bytes of payload.
///
/// # Errors
/// If the build of rustls has no QUIC keys for the suite, or refuses to seal.
pub(crate) fn seal(size: usize, limit: Duration) -> Result<Figure> {
    let suite = TLS13_AES_128_GCM_SHA256
        .tls13()
        .and_then(|suite| suite.quic_suite())
        .context("rustls has no QUIC keys for AES-128-GCM")?;
    let Keys { local, .. } = suite.keys(&[7; 8], Side::Client, Version::V1);
    let mut payload = noise(size);
    let mut number = 0_u64;
    let mut failed = None;
    let (bytes, took) = repeat_for(limit, || {
        for _ in 0..1_000 {
            number += 1;
            match local
                .packet
                .encrypt_in_place(number, &HEADER, black_box(&mut payload))
            {
                Ok(tag) => _ = black_box(tag),
                Err(error) => failed = Some(error),
            }
        }
        len_u64(size) * 1_000
    });
    if let Some(error) = failed {
        return Err(anyhow!(error).context(format!("seal a packet of {size} bytes")));
    }
    let name = format!("AES-128-GCM {}", byte_name(size));
    Ok(Figure::rate(name, bytes, took).with_note("ring through rustls, one core"))
}
