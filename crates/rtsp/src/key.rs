//! Where decoding can start, by the NAL units of a picture.
//!
//! The RTSP library names only IDR pictures. Encoders with open groups of pictures send few of them:
//! H.265 has other random access points beside, H.264 says it in a *recovery point* message.
//!
//! Source: ITU-T H.264 (7.4.1, D.2.8), H.265 (7.4.2.2).

/// Whether an H.265 picture, as NAL units behind lengths of four bytes, is a random access point.
pub(crate) fn is_h265(picture: &[u8]) -> bool {
    let mut types = units(picture)
        .filter_map(|unit| unit.first())
        .map(|byte| (byte >> 1) & 0x3f);
    // All slices of a picture are of one kind.
    types
        .find(|kind| *kind < 32)
        .is_some_and(|kind| (16..=23).contains(&kind))
}

/// Whether an H.264 picture recovers at once from whatever was before it.
pub(crate) fn is_h264(picture: &[u8]) -> bool {
    for unit in units(picture) {
        let Some((header, body)) = unit.split_first() else {
            continue;
        };
        match header & 0x1f {
            5 => return true,
            6 if recovers(body) => return true,
            1..=4 => return false,
            _ => {}
        }
    }
    false
}

/// Whether the messages of an SEI unit have a recovery point without any frames to wait for.
fn recovers(mut messages: &[u8]) -> bool {
    while let Some((kind, length, body)) = message(messages) {
        if kind == 6 {
            // The count of frames is an Exp-Golomb number: zero is the single bit 1.
            return body.first().is_some_and(|byte| byte & 0x80 != 0);
        }
        messages = body.get(length..).unwrap_or_default();
    }
    false
}

/// The kind and the length of the first SEI message, and what follows; the bits that end a unit are
/// too short to be one.
fn message(messages: &[u8]) -> Option<(usize, usize, &[u8])> {
    let (kind, after) = number(messages)?;
    let (length, body) = number(after)?;
    Some((kind, length, body))
}

/// A number of an SEI message: bytes of 255, and one more.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let full = bytes.iter().take_while(|byte| **byte == 0xff).count();
    let last = bytes.get(full)?;
    Some((full * 255 + usize::from(*last), bytes.get(full + 1..)?))
}

/// The NAL units of a picture.
fn units(mut picture: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = picture.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let unit = rest.get(..length)?;
        picture = rest.get(length..)?;
        Some(unit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(units: &[&[u8]]) -> Vec<u8> {
        let one =
            |unit: &&[u8]| [&u32::try_from(unit.len()).unwrap().to_be_bytes(), *unit].concat();
        units.iter().flat_map(one).collect()
    }

    #[test]
    fn every_random_access_point_of_h265_is_one() {
        let of = |kind: u8| picture(&[&[35 << 1, 1], &[39 << 1, 1, 7], &[kind << 1, 1, 0x80]]);
        for kind in 16..=23 {
            assert!(is_h265(&of(kind)), "{kind}");
        }
        for kind in [0, 1, 8, 9, 15, 24, 31, 32] {
            assert!(!is_h265(&of(kind)), "{kind}");
        }
    }

    #[test]
    fn an_idr_or_a_recovery_point_is_where_h264_can_start() {
        assert!(is_h264(&picture(&[&[9, 0xf0], &[0x65, 0x88]])));
        assert!(!is_h264(&picture(&[&[9, 0xf0], &[0x41, 0x9a]])));
        let at_once = [6, 5, 1, 0xaa, 6, 1, 0xc4, 0x80];
        assert!(is_h264(&picture(&[&at_once, &[0x41, 0x9a]])));
        let later = [6, 6, 1, 0x44, 0x80];
        assert!(!is_h264(&picture(&[&later, &[0x41, 0x9a]])));
    }

    #[test]
    fn what_is_damaged_is_no_start() {
        for bytes in [&b""[..], &[0, 0], &[0, 0, 0, 9, 0x65], &[0xff; 40], &[0; 8]] {
            assert!(!is_h264(bytes) && !is_h265(bytes), "{bytes:?}");
        }
        for cut in 1..8 {
            let sei = [6_u8, 0xff, 0xff, 5, 0xff, 6, 1];
            assert!(!is_h264(&picture(&[&sei[..cut.min(sei.len())]])));
        }
    }
}
