//! Payloads that arrive compressed.

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;

use super::Failure;
use crate::ErrorOutput;

/// What a payload may be when it is decompressed: ten times what it may be compressed.
const PLAIN_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// Decompresses gzip of one or more members.
///
/// # Errors
/// If it is damaged, or has more than [`PLAIN_BYTES_MAX`] in it; no more is ever in memory.
pub(super) fn gzip(data: &[u8]) -> Result<Bytes, Failure> {
    gzip_within(data, PLAIN_BYTES_MAX)
}

fn gzip_within(data: &[u8], max: u64) -> Result<Bytes, Failure> {
    let failure = |message: String| Failure {
        output: ErrorOutput::Decompression,
        code: "Decompression.Failed",
        message,
    };
    let mut plain = Vec::new();
    let mut decoder = MultiGzDecoder::new(data).take(max + 1);
    let length = decoder
        .read_to_end(&mut plain)
        .map_err(|error| failure(format!("The record is not in the GZIP format: {error}")))?;
    if u64::try_from(length).is_ok_and(|length| length > max) {
        return Err(failure(format!(
            "The record is larger than {max} bytes when it is decompressed"
        )));
    }
    Ok(plain.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn pack(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn members_are_joined() {
        let two = [pack(b"one "), pack(b"two")].concat();
        assert_eq!(gzip(&two).unwrap(), "one two");
        assert_eq!(gzip(&pack(b"")).unwrap(), "");
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = pack(&[0; 100_000]);
        assert_eq!(gzip_within(&bomb, 100_000).unwrap().len(), 100_000);
        for max in [99_999, 10] {
            let failure = gzip_within(&bomb, max).unwrap_err();
            assert_eq!(failure.output, ErrorOutput::Decompression);
            let named = failure
                .message
                .contains(&format!("larger than {max} bytes"));
            assert!(named, "{}", failure.message);
        }
    }

    #[test]
    fn damage_is_noticed() {
        let whole = pack(b"some text");
        for bad in [&b"plain"[..], &whole[..whole.len() - 1], &whole[..5], b""] {
            assert!(gzip(bad).is_err(), "{bad:?} was accepted");
        }
        let mut flipped = whole;
        flipped[12] ^= 1;
        assert!(gzip(&flipped).is_err());
    }
}
