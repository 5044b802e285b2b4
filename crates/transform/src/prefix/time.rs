//! Writes times by a pattern, in English as it is written in the United States.

use std::fmt::Write as _;

use jiff::Zoned;
use jiff::civil::{Date, Weekday};

use super::pattern::{Item, Pattern};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

const QUARTERS: [&str; 4] = ["1st quarter", "2nd quarter", "3rd quarter", "4th quarter"];

/// The day before the first of the modified Julian calendar.
const JULIAN_START: Date = Date::constant(1858, 11, 17);

/// How a name is written.
#[derive(Clone, Copy)]
enum Form {
    Short,
    Full,
    Narrow,
}

pub(super) fn write(out: &mut String, pattern: &Pattern, time: &Zoned) {
    for item in &pattern.items {
        match item {
            Item::Text(text) => out.push_str(text),
            Item::Field(letter, width) => field(out, *letter, *width, time),
        }
    }
}

fn field(out: &mut String, letter: char, width: usize, time: &Zoned) {
    match letter {
        'X' | 'x' | 'Z' | 'O' => return offset(out, letter, width, time.offset().seconds()),
        'V' => return out.push_str(time.time_zone().iana_name().unwrap_or("Z")),
        'z' => {
            let abbreviation = time.time_zone().to_offset_info(time.timestamp());
            return out.push_str(abbreviation.abbreviation());
        }
        'S' => {
            let digits = format!("{:09}", time.subsec_nanosecond());
            return out.push_str(digits.get(..width).unwrap_or(&digits));
        }
        _ => {}
    }
    match name(letter, width, time) {
        Some(name) => out.push_str(&name),
        None => number(out, number_of(letter, width, time), width),
    }
}

/// The name that stands for a field, if it is not written as a number.
fn name(letter: char, width: usize, time: &Zoned) -> Option<String> {
    let form = match width {
        4 => Form::Full,
        5 => Form::Narrow,
        _ => Form::Short,
    };
    let month = usize::try_from(time.month()).unwrap_or(1).saturating_sub(1);
    let name = match (letter, width) {
        ('M' | 'L', 3..) => cut(MONTHS.get(month)?, form),
        ('E', _) | ('e' | 'c', 3..) => {
            let day = usize::try_from(sunday_based(time.weekday())).ok()?;
            cut(DAYS.get(day)?, form)
        }
        ('Q' | 'q', 3..) => {
            let quarter = month / 3;
            match form {
                Form::Short => format!("Q{}", quarter + 1),
                Form::Full => (*QUARTERS.get(quarter)?).to_owned(),
                Form::Narrow => (quarter + 1).to_string(),
            }
        }
        ('G', _) => era(time.year(), form).to_owned(),
        ('a', _) => if time.hour() < 12 { "AM" } else { "PM" }.to_owned(),
        ('B', _) => part_of_day(time).to_owned(),
        _ => return None,
    };
    Some(name)
}

fn cut(name: &str, form: Form) -> String {
    let length = match form {
        Form::Full => name.len(),
        Form::Short => 3,
        Form::Narrow => 1,
    };
    name.get(..length).unwrap_or(name).to_owned()
}

fn era(year: i16, form: Form) -> &'static str {
    match (form, year > 0) {
        (Form::Short, true) => "AD",
        (Form::Short, false) => "BC",
        (Form::Full, true) => "Anno Domini",
        (Form::Full, false) => "Before Christ",
        (Form::Narrow, true) => "A",
        (Form::Narrow, false) => "B",
    }
}

fn part_of_day(time: &Zoned) -> &'static str {
    match (time.hour(), time.minute()) {
        (0, 0) => "midnight",
        (12, 0) => "noon",
        (6..12, _) => "in the morning",
        (12..18, _) => "in the afternoon",
        (18..21, _) => "in the evening",
        _ => "at night",
    }
}

/// The number that a field shows.
fn number_of(letter: char, width: usize, time: &Zoned) -> i64 {
    let date = time.date();
    let hour = i64::from(time.hour());
    let year = |year: i64| {
        if width == 2 {
            year.rem_euclid(100)
        } else {
            year
        }
    };
    let of_era = |number: i64| if number > 0 { number } else { 1 - number };
    let second_of_day = hour * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    let nanosecond = i64::from(time.subsec_nanosecond());
    match letter {
        'u' => year(i64::from(date.year())),
        'y' => year(of_era(i64::from(date.year()))),
        'Y' => year(week(date).0),
        'w' => week(date).1,
        'W' => week_of(i64::from(date.day()), date.weekday()),
        'M' | 'L' => i64::from(date.month()),
        'Q' | 'q' => (i64::from(date.month()) + 2) / 3,
        'D' => i64::from(date.day_of_year()),
        'd' => i64::from(date.day()),
        'F' => (i64::from(date.day()) - 1) % 7 + 1,
        'e' | 'c' => sunday_based(date.weekday()) + 1,
        'h' => (hour + 11) % 12 + 1,
        'K' => hour % 12,
        'k' => (hour + 23) % 24 + 1,
        'H' => hour,
        'm' => i64::from(time.minute()),
        's' => i64::from(time.second()),
        'n' => nanosecond,
        'A' => second_of_day * 1_000 + nanosecond / 1_000_000,
        'N' => second_of_day * 1_000_000_000 + nanosecond,
        'g' => i64::from((date - JULIAN_START).get_days()),
        _ => 0,
    }
}

fn number(out: &mut String, number: i64, width: usize) {
    let sign = if number < 0 { "-" } else { "" };
    let digits = number.unsigned_abs();
    write!(out, "{sign}{digits:0width$}").expect("strings take all text");
}

fn sunday_based(day: Weekday) -> i64 {
    i64::from(day.to_sunday_zero_offset())
}

/// The week-based year and the week in it: weeks start on Sundays, and the first has the first of January.
pub(crate) fn week(date: Date) -> (i64, i64) {
    let year = i64::from(date.year());
    let week = week_of(i64::from(date.day_of_year()), date.weekday());
    // The week with the last of December is the first of the next year, if that year has a day in it.
    let left = i64::from(date.days_in_year()) - i64::from(date.day_of_year());
    if left + sunday_based(date.weekday()) < 6 {
        return (year + 1, 1);
    }
    (year, week)
}

/// The number of the week that the n-th day is in, counted from the week of the first day.
fn week_of(day: i64, weekday: Weekday) -> i64 {
    let first_weekday = (sunday_based(weekday) - (day - 1)).rem_euclid(7);
    (day - 1 + first_weekday) / 7 + 1
}

fn offset(out: &mut String, letter: char, width: usize, seconds: i32) {
    let localized = letter == 'O' || (letter == 'Z' && width == 4);
    if localized {
        out.push_str("GMT");
        if seconds == 0 {
            return;
        }
    } else if seconds == 0 && (letter == 'X' || (letter == 'Z' && width == 5)) {
        return out.push('Z');
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes, rest) = {
        let all = seconds.unsigned_abs();
        (all / 3_600, all / 60 % 60, all % 60)
    };
    out.push(sign);
    let text = match (letter, width) {
        ('O', 1) if minutes == 0 => hours.to_string(),
        ('O', 1) => format!("{hours}:{minutes:02}"),
        ('O', _) | ('Z', 4) => format!("{hours:02}:{minutes:02}"),
        ('X' | 'x', 1) if minutes == 0 => format!("{hours:02}"),
        ('X' | 'x', 1 | 2) | ('Z', 1..=3) => format!("{hours:02}{minutes:02}"),
        ('X' | 'x', 4) if rest != 0 => format!("{hours:02}{minutes:02}{rest:02}"),
        ('X' | 'x', 4) => format!("{hours:02}{minutes:02}"),
        ('X' | 'x' | 'Z', 5) if rest != 0 => format!("{hours:02}:{minutes:02}:{rest:02}"),
        _ => format!("{hours:02}:{minutes:02}"),
    };
    out.push_str(&text);
}
