//! JSON that ends with the CRC-32C of what is before it: what was cut or has changed is not taken for it.

use afflux_entry::crc32c;
use serde::{Serialize, de::DeserializeOwned};

/// `,"crc32c":"01234567"}`
const SEAL_BYTES: usize = 21;

/// `value`, which becomes a JSON object, with a checksum and a line feed at its end.
pub(crate) fn seal(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).expect("plain structs with string keys are JSON");
    let brace = text.pop();
    debug_assert_eq!(brace, Some('}'), "only objects are sealed");
    let checksum = crc32c(text.as_bytes());
    text.push_str(&format!(",\"crc32c\":\"{checksum:08x}\"}}\n"));
    text
}

/// Reads what [`seal`] wrote, without its line feed.
pub(crate) fn unseal<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let (body, end) = text
        .len()
        .checked_sub(SEAL_BYTES)
        .and_then(|at| text.split_at_checked(at))
        .ok_or_else(|| format!("it has {} bytes, too few for a checksum", text.len()))?;
    let expected = format!(",\"crc32c\":\"{:08x}\"}}", crc32c(body));
    if end != expected.as_bytes() {
        return Err(format!(
            "it ends with {:?} where its checksum is {expected:?}",
            String::from_utf8_lossy(end)
        ));
    }
    let mut json = body.to_vec();
    json.push(b'}');
    serde_json::from_slice(&json).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Value {
        text: String,
        number: u64,
    }

    fn value() -> Value {
        Value {
            text: "a \"b\"".into(),
            number: 7,
        }
    }

    #[test]
    fn what_is_sealed_has_one_form_and_reads_back() {
        let text = seal(&value());
        assert_eq!(
            text,
            "{\"text\":\"a \\\"b\\\"\",\"number\":7,\"crc32c\":\"324a3488\"}\n"
        );
        assert_eq!(unseal::<Value>(text.trim_end().as_bytes()), Ok(value()));
    }

    proptest! {
        #[test]
        fn a_change_anywhere_is_noticed(at in 0_usize..200, bit in 0_u8..8) {
            let text = seal(&value());
            let mut bytes = text.trim_end().as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert!(unseal::<Value>(&bytes).is_err());
            bytes[at] ^= 1 << bit;
            prop_assert!(unseal::<Value>(&bytes[..at]).is_err());
        }

        #[test]
        fn other_bytes_are_refused_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(unseal::<Value>(&bytes).is_err());
        }
    }
}
