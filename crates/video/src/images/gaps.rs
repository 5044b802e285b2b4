//! Lets the decoder go on where pictures are missing.
//!
//! Cameras leave pictures out between two that they send, and number them all. The decoder refuses
//! everything behind such a gap unless the sequence parameter set says that there may be gaps, so that
//! is what it is told. The picture before the gap stands in for those that are missing.
//!
//! Source: ITU-T H.264, 7.3.2.1.1 (sequence parameter set) and 7.4.1.1 (emulation prevention).

/// Profiles whose parameter sets say more of the samples.
const HIGH_PROFILES: [u32; 13] = [44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244];
const SEQUENCE_PARAMETER_SET: u8 = 7;
/// The most offsets that a cycle of the picture order may have.
const CYCLE_MAX: u32 = 255;

/// Says in every sequence parameter set of a stream of bytes that pictures may be missing.
pub(super) fn allow(annex_b: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = next_nal(annex_b, at) {
        at = found;
        let Some(nal) = annex_b.get_mut(at..) else {
            return;
        };
        if nal.first().map(|first| first & 0x1f) == Some(SEQUENCE_PARAMETER_SET) {
            allow_in_set(nal);
        }
    }
}

/// Where the next NAL unit starts, behind its start code.
fn next_nal(annex_b: &[u8], from: usize) -> Option<usize> {
    let rest = annex_b.get(from..)?;
    let code = rest.windows(3).position(|bytes| bytes == [0, 0, 1])?;
    Some(from + code + 3)
}

fn allow_in_set(nal: &mut [u8]) {
    let Some((at, mask)) = place_of_flag(nal) else {
        return;
    };
    // Behind two bytes of zero stands one that is no content. It would become content.
    let is_escaped = matches!(nal.get(at..), Some([0, 3, ..] | [0, 0, 3, ..]));
    if let Some(byte) = nal.get_mut(at).filter(|_| !is_escaped) {
        *byte |= mask;
    }
}

/// The byte and the bit of `gaps_in_frame_num_value_allowed_flag`; none if the set is damaged.
fn place_of_flag(nal: &[u8]) -> Option<(usize, u8)> {
    let mut bits = Bits {
        nal,
        at: 0,
        bit: 0,
        zeros: 0,
    };
    bits.number(8)?;
    let profile = bits.number(8)?;
    bits.number(16)?;
    bits.exponential()?;
    if HIGH_PROFILES.contains(&profile) {
        let chroma = bits.exponential()?;
        if chroma == 3 {
            bits.number(1)?;
        }
        bits.exponential()?;
        bits.exponential()?;
        bits.number(1)?;
        if bits.number(1)? == 1 {
            bits.skip_matrix(if chroma == 3 { 12 } else { 8 })?;
        }
    }
    bits.exponential()?;
    match bits.exponential()? {
        0 => {
            bits.exponential()?;
        }
        1 => {
            bits.number(1)?;
            bits.exponential()?;
            bits.exponential()?;
            let cycle = bits.exponential().filter(|length| *length <= CYCLE_MAX)?;
            for _ in 0..cycle {
                bits.exponential()?;
            }
        }
        _ => {}
    }
    bits.exponential()?;
    bits.skip_escape();
    Some((bits.at, 0x80 >> bits.bit))
}

/// The bits of a NAL unit, without bytes that are there to tell it from a start code.
struct Bits<'a> {
    nal: &'a [u8],
    at: usize,
    bit: u32,
    /// Bytes of zero before this one.
    zeros: u32,
}

impl Bits<'_> {
    fn skip_escape(&mut self) {
        if self.bit == 0 && self.zeros >= 2 && self.nal.get(self.at) == Some(&3) {
            self.at += 1;
            self.zeros = 0;
        }
    }

    /// An unsigned number of at most 32 bits.
    fn number(&mut self, bits: u32) -> Option<u32> {
        let mut number = 0;
        for _ in 0..bits {
            self.skip_escape();
            let byte = *self.nal.get(self.at)?;
            number = number << 1 | u32::from(byte >> (7 - self.bit) & 1);
            self.bit += 1;
            if self.bit == 8 {
                self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
                (self.at, self.bit) = (self.at + 1, 0);
            }
        }
        Some(number)
    }

    /// An Exp-Golomb code.
    fn exponential(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.number(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.number(zeros)?)
    }

    /// The same, with a sign.
    fn signed(&mut self) -> Option<i64> {
        let code = i64::from(self.exponential()?);
        let half = (code + 1) / 2;
        Some(if code % 2 == 1 { half } else { -half })
    }

    /// Passes over a matrix of so many lists, each of which may be left out.
    fn skip_matrix(&mut self, lists: u32) -> Option<()> {
        for list in 0..lists {
            if self.number(1)? == 1 {
                self.skip_scaling(if list < 6 { 16 } else { 64 })?;
            }
        }
        Some(())
    }

    fn skip_scaling(&mut self, size: u32) -> Option<()> {
        let (mut last, mut next) = (8_i64, 8_i64);
        for _ in 0..size {
            if next != 0 {
                next = (last + self.signed()?).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a camera: High profile, with one picture to refer to.
    const SET: [u8; 14] = [
        0x27, 0x64, 0x00, 0x28, 0xac, 0x2b, 0x40, 0x50, 0x1e, 0xd0, 0x0f, 0x12, 0x26, 0xa0,
    ];

    #[test]
    fn one_bit_of_a_set_changes_and_nothing_else() {
        let delimiter = [0, 0, 0, 1, 0x09, 0xf0, 0, 0, 0, 1];
        let slice = [0, 0, 1, 0x65, 0x88, 0x00, 0x28];
        let sent = [&delimiter[..], &SET, &slice].concat();
        let mut allowed = sent.clone();
        allow(&mut allowed);
        let changed: Vec<(usize, u8)> = (0..)
            .zip(sent.iter().zip(&allowed))
            .filter(|(_, (a, b))| a != b)
            .map(|(at, (a, b))| (at, a ^ b))
            .collect();
        assert_eq!(changed, [(delimiter.len() + 6, 0x10)]);
        let once = allowed.clone();
        allow(&mut allowed);
        assert_eq!(allowed, once);
    }

    #[test]
    fn nothing_that_is_damaged_panics() {
        for cut in 0..SET.len() {
            for byte in [0x00, 0x03, 0x55, 0xff] {
                let mut damaged = [&[0, 0, 1][..], &SET[..cut], &[byte; 40]].concat();
                allow(&mut damaged);
            }
        }
    }
}
