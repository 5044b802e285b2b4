//! Patterns of times, as Java's `DateTimeFormatter` reads them.
//!
//! # Shape
//! A letter that stands several times is one [`Item`] with a width. Text in single quotes is literal, two
//! single quotes are one, and so is whatever is neither a letter nor reserved. Brackets around optional parts
//! change nothing, since a time has all of its fields.
//!
//! Not understood, because they need names that the time zone database does not have: `v`, `zzzz`. Not
//! understood, because padding with spaces makes no sense in a key: `p`.

/// What a pattern consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) items: Vec<Item>,
}

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Text(String),
    /// A field with the number of its letters.
    Field(char, usize),
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("{0:?} is not a pattern letter")]
    Letter(char),
    #[error("{1} letters {0:?} in a row are not a pattern")]
    Width(char, usize),
    #[error("{0:?} is reserved; write it in single quotes")]
    Reserved(char),
    #[error("the text behind a single quote does not end")]
    Quote,
    #[error("\"]\" without \"[\" before it")]
    Bracket,
}

/// The letters and the widths that each may have.
const FIELDS: &[(&str, std::ops::RangeInclusive<usize>)] = &[
    ("uyYgAnN", 1..=19),
    ("S", 1..=9),
    ("D", 1..=3),
    ("MLQqEeGX", 1..=5),
    ("xZ", 1..=5),
    ("wdhHkKms", 1..=2),
    ("FaW", 1..=1),
    ("z", 1..=3),
];

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut items = Vec::new();
        let mut open = 0_usize;
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                'a'..='z' | 'A'..='Z' => {
                    let mut width = 1;
                    while rest.next_if_eq(&c).is_some() {
                        width += 1;
                    }
                    check(c, width)?;
                    items.push(Item::Field(c, width));
                }
                '\'' => items.push(Item::Text(quoted(&mut rest)?)),
                '[' => open += 1,
                ']' => open = open.checked_sub(1).ok_or(PatternError::Bracket)?,
                '{' | '}' | '#' => return Err(PatternError::Reserved(c)),
                _ => items.push(Item::Text(c.to_string())),
            }
        }
        Ok(Self { items })
    }

    /// The most characters that a time has by this pattern.
    pub(crate) fn chars_max(&self) -> usize {
        let chars = self.items.iter().map(|item| match item {
            Item::Text(text) => text.chars().count(),
            Item::Field(letter, width) => longest(*letter, *width),
        });
        chars.sum()
    }
}

/// Reads up to the closing quote.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, PatternError> {
    let mut text = String::new();
    loop {
        match rest.next().ok_or(PatternError::Quote)? {
            '\'' if rest.next_if_eq(&'\'').is_some() => text.push('\''),
            '\'' => break,
            c => text.push(c),
        }
    }
    // Two quotes with nothing between them are a quote.
    Ok(if text.is_empty() {
        "'".to_owned()
    } else {
        text
    })
}

fn check(letter: char, width: usize) -> Result<(), PatternError> {
    let right = match letter {
        'B' | 'O' => [1, 4].contains(&width) || (letter == 'B' && width == 5),
        'c' => [1, 3, 4, 5].contains(&width),
        'V' => width == 2,
        _ => {
            let field = FIELDS.iter().find(|(letters, _)| letters.contains(letter));
            let (_, widths) = field.ok_or(PatternError::Letter(letter))?;
            widths.contains(&width)
        }
    };
    if right {
        Ok(())
    } else {
        Err(PatternError::Width(letter, width))
    }
}

/// The most characters of a field.
fn longest(letter: char, width: usize) -> usize {
    match letter {
        // The longest name of a zone, and what a user may write as a name.
        'V' => 50,
        // "in the afternoon", "GMT+18:00:00", "3rd quarter", "Anno Domini", "Wednesday", "September".
        'B' => 16,
        'O' | 'X' | 'x' | 'Z' | 'Q' | 'q' | 'G' | 'E' | 'e' | 'c' | 'M' | 'L' => 12,
        'z' => 8,
        // Years to 9999, nanoseconds of a day to fourteen digits.
        _ => width.max(14),
    }
}
