//! The speed of copies and of checksums on one core.

use std::hint::black_box;
use std::time::Duration;

use crc_fast::{CrcAlgorithm, checksum};

use super::{Figure, byte_name, len_u64, noise, repeat_for};

/// Larger than the caches of common servers, so that each copy ends in memory.
const DESTINATION_BYTES: usize = 256 << 20;

/// The rate of copying pieces of `size` bytes out of the cache into memory.
///
/// # Panics
/// If `size` is zero.
pub(crate) fn copy(size: usize, limit: Duration) -> Figure {
    let source = noise(size);
    // Written once before the clock starts: page faults are another figure.
    let mut destination = vec![1_u8; DESTINATION_BYTES];
    let (bytes, took) = repeat_for(limit, || {
        let mut copied = 0;
        for piece in destination.chunks_exact_mut(size) {
            piece.copy_from_slice(black_box(&source));
            copied += len_u64(size);
        }
        black_box(&mut destination);
        copied
    });
    let name = format!("memcpy {}", byte_name(size));
    Figure::rate(name, bytes, took).with_note("cache to memory, one core")
}

/// The rate of CRC-32C over pieces of `size` bytes that stay in the cache.
pub(crate) fn crc(size: usize, limit: Duration) -> Figure {
    let source = noise(size);
    let (bytes, took) = repeat_for(limit, || {
        for _ in 0..1_000 {
            black_box(checksum(CrcAlgorithm::Crc32Iscsi, black_box(&source)));
        }
        len_u64(size) * 1_000
    });
    Figure::rate(format!("CRC-32C {}", byte_name(size)), bytes, took)
        .with_note("in cache, one core")
}
