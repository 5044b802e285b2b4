//! Times and dates, as the two ways of reading JSON have them. What names no zone is in UTC.

use afflux_types::Result;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};

use super::scalar::{Form, Rest, Scalar, decimal};
use crate::Fault;
use crate::prefix::pattern::{Item, Pattern};

/// A number from which on it counts milliseconds and no seconds: of both in the year 33658 and in 2001.
const MILLIS_FROM: i128 = 1_000_000_000_000;
const DAY_SECONDS: i64 = 86_400;

/// How times are read.
#[derive(Clone, Debug)]
pub(super) enum Times {
    /// ISO 8601, the form of JDBC, and seconds or milliseconds since 1970 as a number or a string.
    OpenX,
    /// By the first of these that fits, or by the form of JDBC if there are none.
    Hive(Vec<Format>),
}

/// One way to write a time.
#[derive(Clone, Debug)]
pub(super) enum Format {
    /// Milliseconds since 1970.
    Millis,
    Pattern(Vec<Item>),
}

impl Times {
    /// Microseconds since 1970.
    pub(super) fn micros(&self, value: &Scalar<'_>) -> Option<i64> {
        let text = &*value.text;
        match (self, value.form) {
            (_, Form::Boolean | Form::Nested) => None,
            (Self::OpenX, Form::Number) => epoch(text),
            (Self::OpenX, Form::String) if text.contains('T') => iso(text),
            (Self::OpenX, Form::String) if text.contains(':') => micros(jdbc(text)?),
            (Self::OpenX, Form::String) => epoch(text),
            (Self::Hive(formats), _) if formats.is_empty() => micros(jdbc(text)?),
            (Self::Hive(formats), _) => formats.iter().find_map(|format| format.micros(text)),
        }
    }

    /// Days since 1970.
    pub(super) fn days(&self, value: &Scalar<'_>) -> Option<i32> {
        if value.form != Form::String {
            return None;
        }
        let by_format = match self {
            Self::Hive(formats) => formats.iter().find_map(|format| format.micros(&value.text)),
            Self::OpenX => None,
        };
        let micros = by_format.or_else(|| micros(date(&value.text)?.into()))?;
        i32::try_from(micros.div_euclid(DAY_SECONDS * 1_000_000)).ok()
    }
}

fn micros(time: DateTime) -> Option<i64> {
    let zoned = time.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_microsecond())
}

fn epoch(text: &str) -> Option<i64> {
    // Read in millionths, whatever they are millionths of.
    let millionths = decimal(text, 30, 6, Rest::Rounded)?;
    let micros = match millionths.abs() < MILLIS_FROM * 1_000_000 {
        true => millionths,
        false => millionths / 1_000,
    };
    i64::try_from(micros).ok()
}

fn iso(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_microsecond());
    }
    text.parse().ok().and_then(micros)
}

/// `yyyy-[M]M-[d]d [H]H:[m]m:[s]s[.f…]`, with nine digits of a fraction at most.
fn jdbc(text: &str) -> Option<DateTime> {
    let (day, time) = text.split_once(' ')?;
    let (time, fraction) = match time.split_once('.') {
        Some((time, fraction)) => (time, nanos(fraction)?),
        None => (time, 0),
    };
    let [hour, minute, second] = numbers(time, ':')?;
    let date = date(day)?;
    let part = |number: i16| i8::try_from(number).ok();
    let time = jiff::civil::Time::new(part(hour)?, part(minute)?, part(second)?, fraction).ok()?;
    Some(date.to_datetime(time))
}

fn date(text: &str) -> Option<Date> {
    let [year, month, day] = numbers(text, '-')?;
    let part = |number: i16| i8::try_from(number).ok();
    Date::new(year, part(month)?, part(day)?).ok()
}

/// Three numbers without signs.
fn numbers(text: &str, between: char) -> Option<[i16; 3]> {
    let mut parts = text.split(between);
    let mut next = || {
        let digits = parts.next()?;
        let is_plain = digits.bytes().all(|c| c.is_ascii_digit());
        is_plain.then(|| digits.parse().ok()).flatten()
    };
    let numbers = [next()?, next()?, next()?];
    parts.next().is_none().then_some(numbers)
}

fn nanos(fraction: &str) -> Option<i32> {
    let is_plain = fraction.bytes().all(|c| c.is_ascii_digit());
    if !is_plain || !(1..=9).contains(&fraction.len()) {
        return None;
    }
    format!("{fraction:0<9}").parse().ok()
}

impl Format {
    /// Understands `millis`, or a pattern of Joda-Time with the fields that a time is made of.
    ///
    /// # Errors
    /// For a pattern with other fields, which names the field.
    pub(super) fn parse(text: &str) -> Result<Self> {
        if text == "millis" {
            return Ok(Self::Millis);
        }
        let refused = |reason: String| Fault::TimestampFormat {
            format: text.to_owned(),
            reason,
        };
        if text.contains(['[', ']']) {
            return Err(refused("brackets are not understood".to_owned()).into());
        }
        let pattern = Pattern::parse(text).map_err(|error| refused(error.to_string()))?;
        for item in &pattern.items {
            match item {
                Item::Text(_) | Item::Field('y' | 'd' | 'H' | 'm' | 's' | 'S' | 'Z', _) => {}
                Item::Field('M', 1 | 2) => {}
                Item::Field(letter, width) => {
                    let field = letter.to_string().repeat(*width);
                    return Err(refused(format!("{field:?} is not read")).into());
                }
            }
        }
        let has = |wanted| {
            let mut items = pattern.items.iter();
            items.any(|item| matches!(item, Item::Field(letter, _) if *letter == wanted))
        };
        match ['y', 'M', 'd'].into_iter().find(|letter| !has(*letter)) {
            Some(letter) => Err(refused(format!("it has no {letter:?}")).into()),
            None => Ok(Self::Pattern(pattern.items)),
        }
    }

    fn micros(&self, text: &str) -> Option<i64> {
        match self {
            Self::Millis => text.parse::<i64>().ok()?.checked_mul(1_000),
            Self::Pattern(items) => Read::default().all(items, text),
        }
    }
}

/// What was read of a time by a pattern.
#[derive(Default)]
struct Read {
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
    nanos: i32,
    offset_seconds: i32,
}

impl Read {
    fn all(mut self, items: &[Item], text: &str) -> Option<i64> {
        let mut rest = text;
        for (index, item) in items.iter().enumerate() {
            rest = match item {
                Item::Text(text) => rest.strip_prefix(text.as_str())?,
                Item::Field('Z', _) => self.zone(rest)?,
                Item::Field(letter, width) => {
                    // Digits of one field end where its letters do if another field follows at once.
                    let is_fixed = matches!(items.get(index + 1), Some(Item::Field(..)));
                    let max = if is_fixed { *width } else { 9 };
                    let digits = rest
                        .bytes()
                        .take(max)
                        .take_while(u8::is_ascii_digit)
                        .count();
                    let (digits, behind) = rest.split_at_checked(digits)?;
                    self.field(*letter, digits)?;
                    behind
                }
            };
        }
        let date = Date::new(self.year, self.month, self.day).ok()?;
        let time = jiff::civil::Time::new(self.hour, self.minute, self.second, self.nanos).ok()?;
        let offset = Offset::from_seconds(self.offset_seconds).ok()?;
        let time = offset.to_timestamp(date.to_datetime(time)).ok()?;
        rest.is_empty().then(|| time.as_microsecond())
    }

    fn field(&mut self, letter: char, digits: &str) -> Option<()> {
        match letter {
            'y' => self.year = digits.parse().ok()?,
            'M' => self.month = digits.parse().ok()?,
            'd' => self.day = digits.parse().ok()?,
            'H' => self.hour = digits.parse().ok()?,
            'm' => self.minute = digits.parse().ok()?,
            's' => self.second = digits.parse().ok()?,
            _ => self.nanos = nanos(digits)?,
        }
        Some(())
    }

    /// `Z`, `+hhmm` or `+hh:mm`.
    fn zone<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        if let Some(rest) = text.strip_prefix('Z') {
            return Some(rest);
        }
        let (sign, rest) = text.split_at_checked(1)?;
        let (hours, rest) = rest.split_at_checked(2)?;
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        let (minutes, rest) = rest.split_at_checked(2)?;
        let number = |digits: &str| {
            let is_plain = digits.bytes().all(|c| c.is_ascii_digit());
            is_plain.then(|| digits.parse::<i32>().ok()).flatten()
        };
        let seconds = number(hours)? * 3_600 + number(minutes)? * 60;
        self.offset_seconds = match sign {
            "+" => seconds,
            "-" => -seconds,
            _ => return None,
        };
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Scalar<'_> {
        Scalar::key(text)
    }

    fn number(text: &str) -> Scalar<'_> {
        Scalar {
            form: Form::Number,
            ..Scalar::key(text)
        }
    }

    fn at(text: &str) -> Option<i64> {
        Some(text.parse::<Timestamp>().unwrap().as_microsecond())
    }

    #[test]
    fn open_x_reads_the_documented_forms() {
        let read = |value| Times::OpenX.micros(&value);
        for (text, time) in [
            ("2017-02-07T15:13:01.39256Z", "2017-02-07T15:13:01.39256Z"),
            ("2017-02-07T15:13:01", "2017-02-07T15:13:01Z"),
            ("2017-02-07T15:13:01+02:00", "2017-02-07T13:13:01Z"),
            ("2017-02-07 15:13:01.14", "2017-02-07T15:13:01.14Z"),
            ("2017-2-7 5:3:1", "2017-02-07T05:03:01Z"),
            ("1518033528", "2018-02-07T19:58:48Z"),
            ("1518033528123", "2018-02-07T19:58:48.123Z"),
        ] {
            assert_eq!(read(string(text)), at(time), "{text}");
        }
        for (text, time) in [
            ("1518033528", "2018-02-07T19:58:48Z"),
            ("1518033528123", "2018-02-07T19:58:48.123Z"),
            ("1518033528.123", "2018-02-07T19:58:48.123Z"),
            ("1000000000000", "2001-09-09T01:46:40Z"),
            ("0", "1970-01-01T00:00:00Z"),
            ("-1000", "1969-12-31T23:43:20Z"),
            ("0e1000000000", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(read(number(text)), at(time), "{text}");
        }
        assert_eq!(read(number("999999999999")), Some(999_999_999_999_000_000));
        for text in [
            "2026-9-7T12:00:02Z",
            "2026-02-30 00:00:00",
            "2026-01-01 24:00:00",
            "yesterday",
            "",
            "2026-01-01 00:00:00.1234567890",
            "18446744073709551616",
            "1e1000000000",
            "2026-01-01",
            "+2026-01-01 00:00:00",
        ] {
            assert_eq!(read(string(text)), None, "{text}");
        }
    }

    #[test]
    fn hive_reads_the_form_of_jdbc_or_the_formats_that_it_is_given() {
        let jdbc = Times::Hive(Vec::new());
        assert_eq!(
            jdbc.micros(&string("2017-2-7 5:3:1")),
            at("2017-02-07T05:03:01Z")
        );
        assert_eq!(jdbc.micros(&string("2017-02-07T05:03:01Z")), None);
        assert_eq!(jdbc.micros(&number("1518033528")), None);

        let formats = ["millis", "yyyyMMdd'T'HHmmss.SSSZ", "dd/MM/yyyy HH:mm"];
        let formats = formats.map(|format| Format::parse(format).unwrap());
        let times = Times::Hive(formats.into());
        assert_eq!(
            times.micros(&number("1518033528123")),
            at("2018-02-07T19:58:48.123Z")
        );
        let text = "20180207T195848.123+0100";
        assert_eq!(times.micros(&string(text)), at("2018-02-07T18:58:48.123Z"));
        assert_eq!(
            times.micros(&string("7/2/2018 19:58")),
            at("2018-02-07T19:58:00Z")
        );
        assert_eq!(times.days(&string("2/1/1970 19:58")), Some(1));
        for text in [
            "7/2/2018",
            "7/2/2018 19:58!",
            "20180207T195848.123",
            "31/2/2018 00:00",
        ] {
            assert_eq!(times.micros(&string(text)), None, "{text}");
        }
    }

    #[test]
    fn a_format_that_is_not_honored_is_refused_by_its_field() {
        for (text, says) in [
            ("yyyy-MMM-dd", "\"MMM\" is not read"),
            ("yyyy-MM-dd hh:mm a", "\"hh\" is not read"),
            ("HH:mm:ss", "it has no 'y'"),
            ("yyyy-MM-dd[ HH]", "brackets"),
            ("yyyy-MM-dd 'at", "single quote"),
            ("yyyy-MM-dd b", "'b' is not a pattern letter"),
        ] {
            let error = Format::parse(text).unwrap_err();
            assert!(error.message().contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn dates_are_days() {
        for times in [Times::OpenX, Times::Hive(Vec::new())] {
            assert_eq!(times.days(&string("1970-1-2")), Some(1));
            assert_eq!(times.days(&string("1969-12-31")), Some(-1));
            assert_eq!(times.days(&string("2026-02-30")), None);
            assert_eq!(times.days(&string("2026-01-01 00:00:00")), None);
            assert_eq!(times.days(&number("1")), None);
        }
    }
}
