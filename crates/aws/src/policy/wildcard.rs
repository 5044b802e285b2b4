//! Patterns with `*` for any characters and `?` for any one.

/// Whether all of `text`, which is ASCII, fits. Takes at most `pattern × text` steps, whatever both hold.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on if the characters after the last star do not fit. Earlier stars need no second
    // chance: what stands between two stars fits best where it fits first.
    let mut retry = None;
    while let Some(c) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                retry = Some((p, t));
            }
            Some(b'?') => {
                p += 1;
                t += 1;
            }
            Some(wanted) if wanted == c => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((after_star, from)) = retry else {
                    return false;
                };
                p = after_star;
                t = from + 1;
                retry = Some((after_star, t));
            }
        }
    }
    pattern.iter().skip(p).all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_stands_for_any_characters_and_a_question_mark_for_one() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("**", "anything", true),
            ("", "", true),
            ("", "a", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?", "a", false),
            ("?*", "", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "acb", false),
            ("*ab*ab", "ababab", true),
            (
                "arn:aws:kinesis:*:*:stream/o-*",
                "arn:aws:kinesis:e:1:stream/o-1",
                true,
            ),
            ("Put*", "GetRecords", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    /// The definition, without a care for its cost.
    fn defined(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), None) => defined(rest, text),
            (Some((b'*', rest)), Some((_, later))) => {
                defined(rest, text) || defined(pattern, later)
            }
            (Some((b'?', rest)), Some((_, later))) => defined(rest, later),
            (Some((wanted, rest)), Some((c, later))) => wanted == c && defined(rest, later),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_is_what_the_definition_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let expected = defined(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(matches(&pattern, &text), expected);
        }
    }
}
