//! The functions that a query has.
//!
//! Functions whose work is the product of two values pay for that, and those that panic on numbers out of range
//! check them first: the originals get other names, and definitions of [`GUARDS`] stand before them.

use jaq_core::box_iter::box_once;
use jaq_core::native::{Fun, bome, v};
use jaq_core::{Cv, Error, Native};
use jaq_json::{Num, Val, ValR};

use super::meter::Jq;
use super::number;

/// Passes on what it gets, and pays for it.
pub(super) const TICK: &str = "afflux_tick";
/// Multiplies two values.
pub(super) const MUL: &str = "afflux_mul";
/// Subtracts two values.
pub(super) const SUB: &str = "afflux_sub";

/// Turns a number into text, and passes on anything else.
pub(super) const TEXT: &str = "afflux_text";

/// Functions that a query must not have: they look at the world, stop it, or are replaced below.
const REFUSED: &[&str] = &[
    "env",
    "now",
    "halt",
    "debug_empty",
    "stderr_empty",
    "strflocaltime",
    "localtime",
    "fromjson",
    "tobytes",
];

/// Functions that are reached through a definition of [`GUARDS`] only.
const GUARDED: &[(&str, &str)] = &[
    ("contains", "afflux_contains"),
    ("indices", "afflux_indices"),
    ("matches", "afflux_matches"),
    ("split_matches", "afflux_split_matches"),
    ("split_", "afflux_split"),
    ("strftime", "afflux_strftime"),
    ("gmtime", "afflux_gmtime"),
    ("mktime", "afflux_mktime"),
];

/// Definitions that stand before all others.
pub(super) const GUARDS: &str = r#"
def contains($x): afflux_pair($x) | afflux_contains($x);
def indices($x): afflux_pair($x) | afflux_indices($x);
def matches($re; $flags): afflux_regex($re) | afflux_matches($re; $flags);
def split_matches($re; $flags): afflux_regex($re) | afflux_split_matches($re; $flags);
def split_($re; $flags): afflux_regex($re) | afflux_split($re; $flags);
def strftime($format): afflux_time | afflux_strftime($format);
def gmtime: afflux_time | afflux_gmtime;
def mktime: afflux_time | afflux_mktime;
def getpath($path): if ($path | length) > 100 then "the path is too long" | error_empty as $x | .
  else reduce $path[] as $p (.; .[$p]) end;
"#;

/// The functions that queries have, but those that are defined in jq itself.
pub(super) fn all() -> impl Iterator<Item = Fun<Jq>> {
    let all = jaq_core::funs::<Jq>()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs());
    let kept = all.filter(|(name, ..)| !REFUSED.contains(name));
    let guarded = kept.map(|(name, arguments, native)| {
        let guarded = GUARDED.iter().find(|(from, _)| *from == name);
        (guarded.map_or(name, |(_, to)| *to), arguments, native)
    });
    guarded.chain(own())
}

/// Functions of our own.
fn own() -> [Fun<Jq>; 9] {
    [
        (TICK, v(0), tick()),
        (TEXT, v(0), Native::new(|cv| bome(Ok(text(cv.1))))),
        (MUL, v(2), Native::new(|cv| bome(multiply(cv)))),
        (SUB, v(2), Native::new(|cv| bome(subtract(cv)))),
        ("afflux_pair", v(1), Native::new(|cv| bome(pair(cv)))),
        ("afflux_regex", v(1), Native::new(|cv| bome(regex(cv)))),
        (
            "now",
            v(0),
            Native::new(|cv| bome(Ok(cv.0.data().now().into()))),
        ),
        (
            "afflux_time",
            v(0),
            Native::new(|cv| bome(check_time(cv.1))),
        ),
        ("fromjson", v(0), Native::new(|cv| bome(from_json(&cv.1)))),
    ]
}

/// Passes on what it gets, also as a path and in an assignment, and pays for it.
fn tick() -> Native<Jq> {
    Native::<Jq>::new(|cv| bome(cv.0.data().pay_for(&cv.1, 0).map(|()| cv.1)))
        .with_paths(|cv| {
            let paid = cv.0.data().pay_for(&cv.1.0, 0);
            box_once(paid.map(|()| cv.1).map_err(Into::into))
        })
        .with_update(|cv, update| match cv.0.data().pay_for(&cv.1, 0) {
            Ok(()) => update(cv.1),
            Err(error) => box_once(Err(error.into())),
        })
}

fn text(value: Val) -> Val {
    match value {
        Val::Num(number) => Val::utf8_str(number::text(&number).into_bytes()),
        value => value,
    }
}

fn multiply(mut cv: Cv<'_, Jq>) -> ValR {
    let right = cv.0.pop_var();
    let left = cv.0.pop_var();
    cv.0.data().multiply(left, right)
}

fn subtract(mut cv: Cv<'_, Jq>) -> ValR {
    let right = cv.0.pop_var();
    let left = cv.0.pop_var();
    cv.0.data().pay_pair(&left, &right, 1)?;
    left - right
}

fn pair(mut cv: Cv<'_, Jq>) -> ValR {
    let other = cv.0.pop_var();
    cv.0.data().pay_pair(&cv.1, &other, 1)?;
    Ok(cv.1)
}

/// Pays for a match: each state of the expression may look at each byte of the text.
fn regex(mut cv: Cv<'_, Jq>) -> ValR {
    let expression = cv.0.pop_var();
    let repeats = jaq_std::ValT::as_bytes(&expression).map_or(1, repeats);
    cv.0.data().pay_pair(&cv.1, &expression, repeats)?;
    Ok(cv.1)
}

/// How often the counts in a regular expression repeat its parts, if all are nested: `(a{2,3}){4}` has 12.
fn repeats(expression: &[u8]) -> u64 {
    let counts = expression.split(|byte| *byte == b'{').skip(1).map(|rest| {
        let count = rest.split(|byte| *byte == b'}').next().unwrap_or_default();
        let numbers = count.split(|byte| !byte.is_ascii_digit());
        let number = |digits: &[u8]| {
            let digits = digits.iter().map(|digit| u64::from(digit - b'0'));
            digits.fold(0_u64, |number, digit| {
                number.saturating_mul(10).saturating_add(digit)
            })
        };
        numbers.map(number).max().unwrap_or(1).max(1)
    });
    counts.fold(1, u64::saturating_mul)
}

fn from_json(value: &Val) -> ValR {
    let text = jaq_std::ValT::as_utf8_bytes(value);
    let text = text.ok_or_else(|| Error::typ(value.clone(), "string"))?;
    serde_json::from_slice(text)
        .map_err(|error| Error::str(format_args!("cannot parse JSON: {error}")))
}

/// Checks a time: what it is multiplied with later must not overflow.
fn check_time(value: Val) -> ValR {
    let fits = |number: f64, limit: f64| number.abs() <= limit;
    let right = match &value {
        // Years -9999 to 9999 in seconds.
        Val::Num(number) => fits(number_value(number), 4e11),
        Val::Arr(fields) => {
            fields.iter().all(|field| match field {
                Val::Num(number) => fits(number_value(number), 1e5),
                _ => true,
            }) && match fields.get(1) {
                Some(Val::Num(month)) => (0.0..12.0).contains(&number_value(month)),
                _ => true,
            }
        }
        _ => true,
    };
    if right {
        return Ok(value);
    }
    Err(Error::str(format_args!("{value} is not a time")))
}

fn number_value(number: &Num) -> f64 {
    jaq_std::ValT::as_f64(&Val::Num(number.clone())).unwrap_or(f64::NAN)
}
