//! AAC packets with a header each, as MPEG-TS carries them.
//!
//! Source: ISO/IEC 14496-3, 1.6.2 (`AudioSpecificConfig`) and 1.A.2 (ADTS).

use crate::error::{Error, Result};
use crate::init::Track;

/// Bytes of the header.
pub(super) const HEADER_BYTES: usize = 7;
/// Bytes that a packet's length can say, header included.
const PACKET_BYTES_MAX: usize = (1 << 13) - 1;

/// Writes the header of one track's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Adts {
    track_id: u32,
    profile: u8,
    rate_index: u8,
    channels: u8,
}

impl Adts {
    /// For a track of AAC; `None` for others.
    pub(super) fn of(track: &Track) -> Result<Option<Self>> {
        if !track.codec().starts_with("mp4a.40.") {
            return Ok(None);
        }
        let track_id = track.id();
        let config = track.config().ok_or(Error::CodecConfig {
            track_id,
            reason: "it is missing",
        })?;
        let parsed = parse(&config).ok_or(Error::CodecConfig {
            track_id,
            reason: "it says no AAC that a transport stream can carry",
        })?;
        Ok(Some(Self { track_id, ..parsed }))
    }

    /// The header of a packet.
    pub(super) fn header(&self, packet: &[u8]) -> Result<[u8; HEADER_BYTES]> {
        let length = u16::try_from(packet.len() + HEADER_BYTES)
            .ok()
            .filter(|length| usize::from(*length) <= PACKET_BYTES_MAX)
            .ok_or(Error::SampleDamaged {
                track_id: self.track_id,
                reason: "a packet of AAC is longer than 8184 bytes",
            })?;
        let [high, low] = (length << 5).to_be_bytes();
        let top = u8::try_from(length >> 11).unwrap_or(0);
        Ok([
            0xff,
            // MPEG-4, no checksum.
            0xf1,
            self.profile << 6 | self.rate_index << 2 | self.channels >> 2,
            (self.channels & 3) << 6 | top,
            high,
            // The buffer's fullness is unknown: all ones.
            low | 0x1f,
            0xfc,
        ])
    }
}

/// Reads an `AudioSpecificConfig`. What extends AAC backward-compatibly is left to the decoder.
fn parse(config: &[u8]) -> Option<Adts> {
    let mut bits = Bits {
        bytes: config,
        at: 0,
    };
    let mut object = bits.object()?;
    let mut rate_index = bits.rate()?;
    let channels = bits.take(4)?;
    if object == 5 || object == 29 {
        // Spectral band replication, said in front: the core's own kind comes behind.
        bits.rate()?;
        object = bits.object()?;
    }
    if !(1..=4).contains(&object) || !(1..=7).contains(&channels) {
        return None;
    }
    rate_index = rate_index.min(12);
    Some(Adts {
        track_id: 0,
        profile: object - 1,
        rate_index,
        channels,
    })
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// Up to eight bits.
    fn take(&mut self, count: usize) -> Option<u8> {
        (0..count).try_fold(0, |value, _| {
            let byte = self.bytes.get(self.at / 8)?;
            let bit = byte >> (7 - self.at % 8) & 1;
            self.at += 1;
            Some(value << 1 | bit)
        })
    }

    fn object(&mut self) -> Option<u8> {
        match self.take(5)? {
            31 => self.take(6).map(|more| more + 32),
            object => Some(object),
        }
    }

    /// The index of a sample rate; one that is spelled out has none.
    fn rate(&mut self) -> Option<u8> {
        self.take(4).filter(|index| *index != 15)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_what_the_configuration_says() {
        // AAC-LC, 48 kHz, stereo.
        let adts = parse(&[0x11, 0x90]).unwrap();
        assert_eq!((adts.profile, adts.rate_index, adts.channels), (1, 3, 2));
        let header = adts.header(&[0; 300]).unwrap();
        assert_eq!(header, [0xff, 0xf1, 0x4c, 0x80, 0x26, 0x7f, 0xfc]);
        // 307 bytes: 13 bits from the last two of the fourth byte on.
        let length =
            u32::from(header[3] & 3) << 11 | u32::from(header[4]) << 3 | u32::from(header[5] >> 5);
        assert_eq!(length, 307);
        // HE-AAC, said in front: the core is AAC-LC at 24 kHz.
        let adts = parse(&[0x2b, 0x11, 0x88, 0x00]).unwrap();
        assert_eq!((adts.profile, adts.rate_index), (1, 6));
    }

    #[test]
    fn long_packets_and_unknown_configurations_are_refused() {
        let adts = parse(&[0x11, 0x90]).unwrap();
        assert!(adts.header(&[0; 8_184]).is_ok());
        assert!(adts.header(&[0; 8_185]).is_err());
        for config in [&[][..], &[0x11], &[0xf8, 0, 0, 0], &[0x17, 0x90]] {
            assert_eq!(parse(config), None, "{config:?}");
        }
    }
}
