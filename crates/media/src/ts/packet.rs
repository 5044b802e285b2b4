//! Packets of 188 bytes: the tables that say what is in the stream, and PES packets cut to size.
//!
//! Source: ISO/IEC 13818-1, 2.4.3 (packets, PES) and 2.4.4 (tables).

/// Bytes of a packet.
pub(super) const PACKET_BYTES: usize = 188;
const HEADER_BYTES: usize = 4;
const PAYLOAD_BYTES: usize = PACKET_BYTES - HEADER_BYTES;
/// Bits of a time stamp; times wrap.
const TIME_BITS: u32 = 33;

const PAT_PID: u16 = 0;
const PMT_PID: u16 = 0x1000;

/// Flags of an adaptation field.
mod adaptation {
    pub(super) const DISCONTINUITY: u8 = 0x80;
    pub(super) const RANDOM_ACCESS: u8 = 0x40;
    pub(super) const PCR: u8 = 0x10;
}

/// What a program says of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Elementary {
    pub(super) pid: u16,
    pub(super) stream_type: u8,
    pub(super) stream_id: u8,
}

/// When a PES packet is shown and decoded, in 90 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) pts: i128,
    pub(super) dts: i128,
}

/// What the first packet of a PES packet says beside its payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// The program's clock, in 90 kHz.
    pub(super) pcr: Option<i128>,
    pub(super) is_random_access: bool,
}

/// The packets of a segment as they are written.
#[derive(Debug, Default)]
pub(super) struct Packets {
    pub(super) out: Vec<u8>,
    /// The packets of each PID so far, modulo 16.
    counters: Vec<(u16, u8)>,
}

impl Packets {
    /// Writes the tables: one program of these streams, whose clock is in the first.
    pub(super) fn tables(&mut self, streams: &[Elementary]) {
        let [high, low] = PMT_PID.to_be_bytes();
        let pat = section(0, &[0, 1, 0xe0 | high, low]);
        self.section(PAT_PID, &pat);
        let clock = streams.first().map_or(0x1fff, |stream| stream.pid);
        let [high, low] = clock.to_be_bytes();
        let mut program = vec![0xe0 | high, low, 0xf0, 0];
        for stream in streams {
            let [high, low] = stream.pid.to_be_bytes();
            program.extend_from_slice(&[stream.stream_type, 0xe0 | high, low, 0xf0, 0]);
        }
        self.section(PMT_PID, &section(2, &program));
    }

    /// A section that fits one packet.
    fn section(&mut self, pid: u16, section: &[u8]) {
        let mut payload = vec![0];
        payload.extend_from_slice(section);
        // The continuity counter's jump is said by an adaptation field of two bytes.
        payload.resize(PAYLOAD_BYTES - 2, 0xff);
        self.payload(pid, &payload, Marks::default());
    }

    /// Writes one PES packet. `payload` is shorter than 64 KiB unless it is video.
    pub(super) fn pes(&mut self, to: Elementary, times: Times, marks: Marks, payload: &[u8]) {
        let has_dts = times.dts != times.pts;
        let optional: u8 = if has_dts { 10 } else { 5 };
        let length = payload.len() + 3 + usize::from(optional);
        // Zero says "to the next start", which only video may.
        let length = u16::try_from(length).unwrap_or(0);
        let [high, low] = if to.stream_id == 0xe0 { 0 } else { length }.to_be_bytes();
        let mut pes = Vec::with_capacity(payload.len() + 19);
        pes.extend_from_slice(&[0, 0, 1, to.stream_id, high, low]);
        pes.extend_from_slice(&[0x84, if has_dts { 0xc0 } else { 0x80 }, optional]);
        pes.extend_from_slice(&time(if has_dts { 3 } else { 2 }, times.pts));
        if has_dts {
            pes.extend_from_slice(&time(1, times.dts));
        }
        pes.extend_from_slice(payload);
        self.payload(to.pid, &pes, marks);
    }

    fn payload(&mut self, pid: u16, payload: &[u8], marks: Marks) {
        let mut rest = payload;
        let mut is_start = true;
        while is_start || !rest.is_empty() {
            let (counter, is_new) = self.count(pid);
            let field = if is_start {
                first_field(marks, is_new)
            } else {
                Vec::new()
            };
            rest = self.packet(pid, is_start, counter, field, rest);
            is_start = false;
        }
    }

    /// The number of the next packet of a PID, and whether it is the first.
    fn count(&mut self, pid: u16) -> (u8, bool) {
        if let Some((_, counter)) = self.counters.iter_mut().find(|(known, _)| *known == pid) {
            let number = *counter;
            *counter = (*counter + 1) & 15;
            return (number, false);
        }
        self.counters.push((pid, 1));
        (0, true)
    }

    /// Writes a packet with what fits of `payload`; gives the rest. `field` is an adaptation field
    /// without its length.
    fn packet<'p>(
        &mut self,
        pid: u16,
        is_start: bool,
        counter: u8,
        mut field: Vec<u8>,
        payload: &'p [u8],
    ) -> &'p [u8] {
        let taken_by_field = if field.is_empty() { 0 } else { field.len() + 1 };
        let room = PAYLOAD_BYTES - taken_by_field;
        let (taken, rest) = payload.split_at(room.min(payload.len()));
        let mut stuffing = room - taken.len();
        let has_field = !field.is_empty() || stuffing > 0;
        if stuffing > 0 && field.is_empty() {
            // The field's length, and its flags unless one byte is all there is to fill.
            stuffing -= 1;
            if stuffing > 0 {
                field.push(0);
                stuffing -= 1;
            }
        }
        field.resize(field.len() + stuffing, 0xff);
        let [high, low] = pid.to_be_bytes();
        let start = if is_start { 0x40 } else { 0 };
        let control = if has_field { 0x30 } else { 0x10 };
        self.out
            .extend_from_slice(&[0x47, start | high, low, control | counter]);
        if has_field {
            // A field is shorter than a packet.
            self.out.push(u8::try_from(field.len()).unwrap_or(u8::MAX));
            self.out.extend_from_slice(&field);
        }
        self.out.extend_from_slice(taken);
        debug_assert_eq!(self.out.len() % PACKET_BYTES, 0, "a packet is whole");
        rest
    }
}

/// The adaptation field of the first packet of a PES packet, without its length; empty if there is
/// nothing to say.
fn first_field(marks: Marks, is_new: bool) -> Vec<u8> {
    let bit = |set, bit| if set { bit } else { 0 };
    let flags = bit(is_new, adaptation::DISCONTINUITY)
        | bit(marks.is_random_access, adaptation::RANDOM_ACCESS)
        | bit(marks.pcr.is_some(), adaptation::PCR);
    if flags == 0 {
        return Vec::new();
    }
    let mut field = vec![flags];
    if let Some(pcr) = marks.pcr {
        // 33 bits of 90 kHz, six reserved bits, nine bits of 27 MHz.
        let [_, _, pcr @ ..] = (wrap(pcr) << 15 | 0x7e00).to_be_bytes();
        field.extend_from_slice(&pcr);
    }
    field
}

/// A time in 33 bits.
fn wrap(time: i128) -> u64 {
    u64::try_from(time.rem_euclid(1 << TIME_BITS)).unwrap_or(0)
}

/// A time stamp of a PES header.
fn time(kind: u8, time: i128) -> [u8; 5] {
    let time = wrap(time);
    let byte = |shift: u32, mask: u64| u8::try_from(time >> shift & mask).unwrap_or(0);
    [
        kind << 4 | byte(30, 0x07) << 1 | 1,
        byte(22, 0xff),
        byte(15, 0x7f) << 1 | 1,
        byte(7, 0xff),
        byte(0, 0x7f) << 1 | 1,
    ]
}

/// A section of a table: header, content, checksum.
fn section(table: u8, content: &[u8]) -> Vec<u8> {
    // The number of the stream or program, the version, two section numbers; and the checksum.
    let length = u16::try_from(content.len() + 9).unwrap_or(0);
    let [high, low] = length.to_be_bytes();
    let mut section = vec![table, 0xb0 | high, low, 0, 1, 0xc1, 0, 0];
    section.extend_from_slice(content);
    let checksum = checksum(&section);
    section.extend_from_slice(&checksum.to_be_bytes());
    section
}

/// CRC-32/MPEG-2.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(checksum(b"123456789"), 0x0376_e6e7);
    }

    #[test]
    fn times_wrap_and_keep_their_markers() {
        assert_eq!(time(2, 0), [0x21, 0, 1, 0, 1]);
        assert_eq!(time(3, -1), [0x3f, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(time(1, 1 << 33), [0x11, 0, 1, 0, 1]);
    }

    /// The payload of the packets of a PID, read back.
    fn payload(packets: &[u8], pid: u16) -> Vec<u8> {
        let mut payload = Vec::new();
        let mut counter = 0;
        for packet in packets.chunks(PACKET_BYTES) {
            assert_eq!((packet.len(), packet[0]), (PACKET_BYTES, 0x47));
            if u16::from_be_bytes([packet[1] & 0x1f, packet[2]]) != pid {
                continue;
            }
            assert_eq!(packet[3] & 15, counter, "counters are in a row");
            counter = (counter + 1) & 15;
            let skip = if packet[3] & 0x20 == 0 {
                0
            } else {
                usize::from(packet[4]) + 1
            };
            payload.extend_from_slice(&packet[4 + skip..]);
        }
        payload
    }

    proptest! {
        #[test]
        fn payloads_of_every_size_come_back(sizes in prop::collection::vec(0_usize..600, 1..20), pcr: bool) {
            let to = Elementary { pid: 0x100, stream_type: 0x1b, stream_id: 0xe0 };
            let mut packets = Packets::default();
            packets.tables(&[to]);
            let mut expected = Vec::new();
            for size in sizes {
                let body = vec![7; size];
                let marks = Marks { pcr: pcr.then_some(5), is_random_access: size > 300 };
                packets.pes(to, Times { pts: 1, dts: 1 }, marks, &body);
                expected.extend_from_slice(&[0, 0, 1, 0xe0, 0, 0, 0x84, 0x80, 5, 0x21, 0, 1, 0, 3]);
                expected.extend_from_slice(&body);
            }
            prop_assert_eq!(payload(&packets.out, 0x100), expected);
        }
    }
}
