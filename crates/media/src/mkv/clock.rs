//! Ticks of Matroska as ticks of MP4 and back.
//!
//! Matroska counts in multiples of a number of nanoseconds; MP4 counts in fractions of a second.
//! Pictures get a timescale in which every tick of Matroska is a whole number, so that nothing is
//! lost; sound gets its sample rate, because that is what its packets are long.

/// Nanoseconds in a second.
const SECOND_NS: u64 = 1_000_000_000;

/// The timescale in which ticks of `scale` nanoseconds are whole numbers; `scale` is at least one
/// and at most a second.
pub(crate) fn timescale(scale: u64) -> u32 {
    let (mut a, mut b) = (SECOND_NS, scale.max(1));
    while b > 0 {
        (a, b) = (b, a % b);
    }
    u32::try_from(SECOND_NS / a).unwrap_or(u32::MAX)
}

/// Ticks of `scale` nanoseconds in a timescale, to the nearest; `None` if that is no 64-bit number.
pub(crate) fn to_timescale(ticks: i64, scale: u64, timescale: u32) -> Option<i64> {
    nearest(
        i128::from(ticks) * i128::from(scale) * i128::from(timescale),
        i128::from(SECOND_NS),
    )
}

/// Ticks of a timescale in ticks of `scale` nanoseconds, to the nearest; `None` if that is no
/// 64-bit number.
pub(crate) fn to_scale(ticks: i64, timescale: u32, scale: u64) -> Option<i64> {
    nearest(
        i128::from(ticks) * i128::from(SECOND_NS),
        i128::from(timescale.max(1)) * i128::from(scale.max(1)),
    )
}

fn nearest(dividend: i128, divisor: i128) -> Option<i64> {
    i64::try_from((dividend + divisor / 2).div_euclid(divisor)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_scales_have_usual_timescales() {
        assert_eq!(timescale(1_000_000), 1_000);
        assert_eq!(timescale(100_000), 10_000);
        assert_eq!(timescale(1), 1_000_000_000);
        assert_eq!(timescale(1_000_000_000), 1);
        assert_eq!(timescale(1_500_000), 2_000);
    }

    proptest! {
        #[test]
        fn a_time_comes_back_from_its_timescale(
            ticks in -1_000_000_000_000_i64..1_000_000_000_000,
            scale in 1_u64..2_000_000,
        ) {
            let timescale = timescale(scale);
            let there = to_timescale(ticks, scale, timescale).unwrap();
            prop_assert_eq!(to_scale(there, timescale, scale), Some(ticks));
            let whole = i128::from(ticks) * i128::from(scale) * i128::from(timescale);
            prop_assert_eq!(i128::from(there) * 1_000_000_000, whole, "nothing was rounded");
        }
    }
}
