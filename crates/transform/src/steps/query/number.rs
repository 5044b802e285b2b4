//! Numbers as jq 1.6 writes them, with the fewest digits that tell them from their neighbours.

use jaq_json::Num;

/// The text of a number. Not a number is `null`, and infinities are the largest numbers.
pub(super) fn text(number: &Num) -> String {
    match number {
        Num::Float(value) if value.is_nan() => "null".to_owned(),
        Num::Float(value) => float(value.clamp(f64::MIN, f64::MAX)),
        Num::Int(_) | Num::BigInt(_) | Num::Dec(_) => number.to_string(),
    }
}

fn float(value: f64) -> String {
    let shortest = format!("{:e}", value.abs());
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let digits = digits.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let text = if exponent < -4 || exponent > count + 14 {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let (direction, size) = (
            if exponent < 0 { '-' } else { '+' },
            exponent.unsigned_abs(),
        );
        format!("{first}{point}{rest}e{direction}{size:02}")
    } else if exponent < 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
        format!("0.{zeros}{digits}")
    } else {
        let whole = usize::try_from(exponent + 1).unwrap_or(0);
        match digits.split_at_checked(whole) {
            Some((digits, "")) => digits.to_owned(),
            Some((whole, rest)) => format!("{whole}.{rest}"),
            None => format!("{digits:0<whole$}"),
        }
    };
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_by_jq() {
        // What jq 1.6 writes for each of them.
        for (value, expected) in [
            (1.0, "1"),
            (1e3, "1000"),
            (1.10, "1.1"),
            (1e20, "1e+20"),
            (1e17, "1e+17"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000"),
            (1.5e300, "1.5e+300"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (12_345_678_901_234_567_890.0, "12345678901234567000"),
            (0.1, "0.1"),
            (3.14e-10, "3.14e-10"),
            (2e22, "2e+22"),
            (-0.0, "-0"),
            (-2.5, "-2.5"),
            (f64::INFINITY, "1.7976931348623157e+308"),
            (f64::NAN, "null"),
        ] {
            assert_eq!(text(&Num::Float(value)), expected);
        }
        assert_eq!(text(&Num::Int(9_007_199_254_740_993)), "9007199254740993");
    }
}
