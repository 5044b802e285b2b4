//! What a column reads from one value of JSON that is not taken apart.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// A value with the text that it has in JSON: of a string what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scalar<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) form: Form,
}

/// How a value is written in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    String,
    Number,
    Boolean,
    /// An object or an array.
    Nested,
}

impl<'a> Scalar<'a> {
    /// Understands a value; none for `null`.
    pub(super) fn of(raw: &'a RawValue) -> Result<Option<Self>, serde_json::Error> {
        let text = raw.get();
        let form = match text.as_bytes().first() {
            Some(b'"') => Form::String,
            Some(b'{' | b'[') => Form::Nested,
            Some(b't' | b'f') => Form::Boolean,
            Some(b'n') => return Ok(None),
            _ => Form::Number,
        };
        let text = match form {
            Form::String => unquoted(text)?,
            Form::Number | Form::Boolean | Form::Nested => Cow::Borrowed(text),
        };
        Ok(Some(Self { text, form }))
    }

    /// A key of an object, which is a string whatever it stands for.
    pub(super) fn key(text: &'a str) -> Self {
        Self {
            text: Cow::Borrowed(text),
            form: Form::String,
        }
    }

    /// The text, if it can be that of a number: strings can unless it is read strictly.
    pub(super) fn number(&self, is_strict: bool) -> Option<&str> {
        match self.form {
            Form::Number => Some(&self.text),
            Form::String if !is_strict => Some(&self.text),
            Form::String | Form::Boolean | Form::Nested => None,
        }
    }

    /// As [`number`](Self::number) for truth values.
    pub(super) fn boolean(&self, is_strict: bool) -> Option<bool> {
        let is_text = match self.form {
            Form::Boolean => true,
            Form::String => !is_strict,
            Form::Number | Form::Nested => false,
        };
        let is = |word| is_text && self.text.eq_ignore_ascii_case(word);
        match (is("true"), is("false")) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }

    /// The text, which objects and arrays have too unless they are read strictly.
    pub(super) fn text(&self, is_strict: bool) -> Option<&str> {
        (self.form != Form::Nested || !is_strict).then_some(&self.text)
    }
}

fn unquoted(text: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    let inner = text.get(1..text.len() - 1).unwrap_or_default();
    match memchr::memchr(b'\\', inner.as_bytes()) {
        None => Ok(Cow::Borrowed(inner)),
        Some(_) => serde_json::from_str(text).map(Cow::Owned),
    }
}

/// A whole number, however it is written.
pub(super) fn integer<T: std::str::FromStr + TryFrom<i128>>(text: &str) -> Option<T> {
    let exact = || {
        let wide = decimal(text, 38, 0, Rest::Refused)?;
        T::try_from(wide).ok()
    };
    text.parse().ok().or_else(exact)
}

/// What becomes of digits behind the last that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Half a unit and more is rounded up, away from zero.
    Rounded,
    /// They must be zeros.
    Refused,
}

/// The number in units of 10 to the power of `-scale`, if it has `precision` digits at most.
///
/// What is written is never written out: `1e1000000000` costs its twelve characters.
pub(super) fn decimal(text: &str, precision: u8, scale: u8, rest: Rest) -> Option<i128> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (text.get(..at)?, exponent(text.get(at + 1..)?)?),
        None => (text, 0),
    };
    let is_negative = mantissa.starts_with('-');
    let digits = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digit = |c: u8| c.is_ascii_digit();
    if whole.len() + fraction.len() == 0 || !(whole.bytes().chain(fraction.bytes())).all(is_digit) {
        return None;
    }
    let count = i64::try_from(whole.len() + fraction.len()).ok()?;
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let kept = point.checked_add(i64::from(scale))?;
    let limit = 10_i128.checked_pow(u32::from(precision))?;
    let mut units = 0_i128;
    let mut digits = whole.bytes().chain(fraction.bytes()).map(|c| c - b'0');
    for digit in digits.by_ref().take(usize::try_from(kept).unwrap_or(0)) {
        units = units.checked_mul(10)?.checked_add(i128::from(digit))?;
        if units >= limit {
            return None;
        }
    }
    if kept > count && units > 0 {
        let zeros = u32::try_from(kept - count).ok()?;
        units = units.checked_mul(10_i128.checked_pow(zeros)?)?;
    }
    units += match rest {
        Rest::Refused if digits.any(|digit| digit > 0) => return None,
        Rest::Refused => 0,
        // With a negative `kept` the first digit is not the next one.
        Rest::Rounded => i128::from(kept >= 0 && digits.next().is_some_and(|digit| digit >= 5)),
    };
    (units < limit).then_some(if is_negative { -units } else { units })
}

fn exponent(text: &str) -> Option<i64> {
    // Far beyond every number of digits, far within the range of what is added to it.
    const MAX: i64 = 1 << 40;
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse().unwrap_or(MAX).min(MAX);
    Some(if text.starts_with('-') { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_and_rounded_half_up() {
        let read = |text| decimal(text, 6, 2, Rest::Rounded);
        for (text, units) in [
            ("12.34", 1_234),
            ("-12.34", -1_234),
            ("12.345", 1_235),
            ("-12.345", -1_235),
            ("0.005", 1),
            ("0.0049", 0),
            ("0.05e-1", 1),
            ("1.2e3", 120_000),
            ("123E-2", 123),
            ("+7", 700),
            (".5", 50),
            ("5.", 500),
            ("0e1000000000000000000000", 0),
            ("1e-1000000000", 0),
            ("9999.99", 999_999),
            ("0000000000000001", 100),
        ] {
            assert_eq!(read(text), Some(units), "{text}");
        }
        for text in [
            "",
            ".",
            "-",
            "1e",
            "e1",
            "1.2.3",
            "1e1.5",
            "0x1",
            "NaN",
            "10000",
            "9999.995",
            "1e1000000000",
            "1e99999999999999999999",
            "1 ",
            "٣",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        let widest = "99999999999999999999999999999999999999";
        assert_eq!(decimal(widest, 38, 0, Rest::Rounded), widest.parse().ok());
        assert_eq!(decimal(&format!("{widest}.5"), 38, 0, Rest::Rounded), None);
        assert_eq!(decimal(&"9".repeat(100_000), 38, 0, Rest::Rounded), None);
    }

    #[test]
    fn integers_may_be_written_with_a_point_and_must_fit() {
        assert_eq!(integer::<i8>("-128"), Some(-128));
        assert_eq!(integer::<i8>("1.0"), Some(1));
        assert_eq!(integer::<i64>("1e3"), Some(1_000));
        for text in ["128", "1.5", "1e-1", "", "one", "1e400", "0x10"] {
            assert_eq!(integer::<i8>(text), None, "{text}");
        }
    }
}
