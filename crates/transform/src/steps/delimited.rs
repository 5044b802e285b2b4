//! Payloads with several records and a delimiter between them.

use bytes::Bytes;
use memchr::memmem;

/// The parts between delimiters, without empty ones; `None` if there are more than `max`.
pub(super) fn split(data: &Bytes, delimiter: &[u8], max: usize) -> Option<Vec<Bytes>> {
    let mut parts = Vec::new();
    let mut start = 0;
    let ends = memmem::find_iter(data, delimiter).chain([data.len()]);
    for end in ends {
        if end > start {
            if parts.len() == max {
                return None;
            }
            parts.push(data.slice(start..end));
        }
        start = end + delimiter.len();
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(data: &str, delimiter: &str) -> Vec<String> {
        let data = Bytes::copy_from_slice(data.as_bytes());
        let parts = split(&data, delimiter.as_bytes(), 500).unwrap();
        let text = |part: Bytes| String::from_utf8(part.to_vec()).unwrap();
        parts.into_iter().map(text).collect()
    }

    #[test]
    fn parts_stand_between_delimiters() {
        assert_eq!(parts("a####b####c", "####"), ["a", "b", "c"]);
        assert_eq!(parts("one", "####"), ["one"]);
        // The delimiter is found from the left and never overlaps itself.
        assert_eq!(parts("a###b", "##"), ["a", "#b"]);
    }

    #[test]
    fn empty_parts_vanish() {
        assert_eq!(parts("\na\n\nb\n", "\n"), ["a", "b"]);
        assert!(parts("\n\n", "\n").is_empty());
        assert!(parts("", "\n").is_empty());
    }

    #[test]
    fn a_record_with_too_many_parts_stays_whole() {
        let data = Bytes::from("a\n".repeat(501));
        assert_eq!(split(&data, b"\n", 500), None);
        assert_eq!(split(&data.slice(2..), b"\n", 500).unwrap().len(), 500);
    }
}
