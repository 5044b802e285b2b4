use std::io::Read;

use proptest::prelude::*;

use super::*;

const ID: [u8; 16] = *b"0123456789abcdef";

const ALL: [Compression; 6] = [
    Compression::None,
    Compression::Gzip,
    Compression::Zip,
    Compression::Snappy,
    Compression::HadoopSnappy,
    Compression::Zstd,
];

/// Bytes that compress, longer than a block of Snappy.
fn text() -> Vec<u8> {
    let lines = (0..5_000).map(|n| format!("{{\"number\":{n},\"square\":{}}}\n", n * n));
    lines.collect::<String>().into_bytes()
}

fn encode(compression: Compression, pieces: &[&[u8]]) -> Vec<u8> {
    let mut encoder = Encoder::new(compression, Vec::new(), ID).unwrap();
    for piece in pieces {
        encoder.write_all(piece).unwrap();
    }
    encoder.finish().unwrap()
}

fn decode(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match compression {
        Compression::None => plain.extend_from_slice(bytes),
        Compression::Gzip => {
            flate2::read::GzDecoder::new(bytes)
                .read_to_end(&mut plain)
                .unwrap();
        }
        Compression::Zip => {
            let mut archive = zip::ZipArchive::new(io::Cursor::new(bytes)).unwrap();
            assert_eq!(archive.len(), 1);
            archive
                .by_index(0)
                .unwrap()
                .read_to_end(&mut plain)
                .unwrap();
        }
        Compression::Snappy => {
            let blocks = bytes
                .strip_prefix(b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01")
                .unwrap();
            unblock(blocks, false, &mut plain);
        }
        Compression::HadoopSnappy => unblock(bytes, true, &mut plain),
        Compression::Zstd => plain = zstd::decode_all(bytes).unwrap(),
    }
    plain
}

fn unblock(mut bytes: &[u8], has_plain_length: bool, plain: &mut Vec<u8>) {
    let length = |bytes: &mut &[u8]| {
        let (length, rest) = bytes.split_first_chunk::<4>().unwrap();
        *bytes = rest;
        u32::from_be_bytes(*length) as usize
    };
    while !bytes.is_empty() {
        let expected = has_plain_length.then(|| length(&mut bytes));
        let compressed = length(&mut bytes);
        let (block, rest) = bytes.split_at(compressed);
        let block = snap::raw::Decoder::new().decompress_vec(block).unwrap();
        assert!(expected.is_none_or(|expected| expected == block.len()));
        plain.extend_from_slice(&block);
        bytes = rest;
    }
}

#[test]
fn every_compression_gives_back_what_went_in() {
    for compression in ALL {
        for plain in [Vec::new(), b"x".to_vec(), text()] {
            let bytes = encode(compression, &[&plain]);
            assert_eq!(decode(compression, &bytes), plain, "{compression:?}");
        }
    }
}

#[test]
fn an_empty_object_of_snappy_java_has_a_header() {
    assert_eq!(
        encode(Compression::Snappy, &[]),
        b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"
    );
    assert!(encode(Compression::HadoopSnappy, &[]).is_empty());
}

#[test]
fn the_entry_of_an_archive_is_named_by_the_object_id() {
    let bytes = encode(Compression::Zip, &[b"a"]);
    let mut archive = zip::ZipArchive::new(io::Cursor::new(bytes)).unwrap();
    let entry = archive.by_index(0).unwrap();
    assert_eq!(
        entry.name().unwrap(),
        "30313233-3435-3637-3839-616263646566"
    );
    assert_eq!(entry.compression(), CompressionMethod::Deflated);
}

#[test]
fn a_writer_that_fails_fails_the_encoder() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for compression in ALL {
        let encoder = Encoder::new(compression, Full, ID);
        let result = encoder.and_then(|mut encoder| {
            encoder.write_all(&text())?;
            encoder.finish().map(drop)
        });
        let error = result.expect_err("a full disk took everything");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{compression:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn the_calls_do_not_change_the_bytes(
        plain in proptest::collection::vec(0_u8..4, 0..80_000),
        cut in 0_usize..100_000,
    ) {
        let (left, right) = plain.split_at(cut.min(plain.len()));
        for compression in ALL {
            let mut encoder = Encoder::new(compression, Vec::new(), ID).unwrap();
            encoder.write_all(left).unwrap();
            encoder.flush().unwrap();
            encoder.write_all(right).unwrap();
            prop_assert_eq!(
                encoder.finish().unwrap(),
                encode(compression, &[&plain]),
                "{:?}",
                compression
            );
        }
    }
}
