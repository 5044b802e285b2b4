//! A header from anywhere: never a panic, and what is accepted is written back the same.
#![no_main]

use afflux_entry::{HEADER_LEN, Header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = Header::decode_unstamped(bytes) {
        let again = Header::decode_unstamped(&header.encode()).expect("own header reads");
        assert_eq!(again, header);
    }
    if let Ok(header) = Header::decode_stored(bytes) {
        assert_eq!(Header::decode_stored(&header.encode()).expect("own header reads"), header);
        assert_eq!(Header::decode(bytes).is_ok(), !header.sealed);
    }
    if let Ok(header) = Header::decode(bytes) {
        assert_eq!(Header::decode(&header.encode()).expect("own header reads"), header);
        assert!(bytes.len() >= HEADER_LEN);
    }
});
