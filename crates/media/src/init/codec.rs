//! Sample entries: what a track is coded with, as the text that players ask for.
//!
//! Source: RFC 6381; ISO/IEC 14496-15 annex E (avc1, hvc1); AV1 in ISOBMFF 1.2 section 5;
//! VP9 in ISOBMFF 1.0.

use std::fmt::Write as _;

use mp4_atom::Esds;

use crate::bmff::{Boxed, Boxes, FourCc, Reader, kind};
use crate::error::Result;

/// Bytes of fixed fields in a visual sample entry, before its boxes.
const VISUAL_ENTRY_BYTES: usize = 78;
/// Bytes of an ES descriptor that is looked into: descriptors nest, and this bounds the depth.
const ESDS_BYTES_MAX: usize = 1_024;

/// What a sample entry says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SampleEntry {
    pub(super) codec: String,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) sample_rate: u32,
    pub(super) channels: u16,
}

/// Reads a visual sample entry.
pub(super) fn visual(entry: &Boxed<'_>) -> Result<SampleEntry> {
    let mut reader = entry.reader();
    let mut fixed = Reader::new(entry.kind, reader.bytes(VISUAL_ENTRY_BYTES)?);
    fixed.skip(24)?;
    let (width, height) = (fixed.u16()?, fixed.u16()?);
    let mut codec = plain(entry.kind);
    for child in Boxes::new(entry.kind, reader.rest()) {
        let child = child?;
        let found = match &child.kind.0 {
            b"avcC" => avc(entry.kind, child.reader())?,
            b"hvcC" => hevc(entry.kind, child.reader())?,
            b"av1C" => av1(entry.kind, child.reader())?,
            b"vpcC" => vp9(entry.kind, child.reader())?,
            _ => continue,
        };
        codec = found;
    }
    Ok(SampleEntry {
        codec,
        width: u32::from(width),
        height: u32::from(height),
        ..SampleEntry::default()
    })
}

/// Reads an audio sample entry.
pub(super) fn audio(entry: &Boxed<'_>) -> Result<SampleEntry> {
    let mut reader = entry.reader();
    reader.skip(8)?;
    let version = reader.u16()?;
    reader.skip(6)?;
    // Many writers say two whatever there is; the codec's own box knows better.
    let mut channels = reader.u16()?;
    reader.skip(6)?;
    // 16.16 fixed point: rates above 65,535 Hz are written as zero or wrapped.
    let mut sample_rate = reader.u32()? >> 16;
    // QuickTime's longer forms of the entry.
    reader.skip(match version {
        1 => 16,
        2 => 36,
        _ => 0,
    })?;
    let mut codec = plain(entry.kind);
    for child in Boxes::new(entry.kind, reader.rest()) {
        let child = child?;
        match &child.kind.0 {
            b"esds" => {
                let found = mpeg4_audio(&child)?;
                codec = found.0;
                channels = found.1.unwrap_or(channels);
            }
            b"dOps" => {
                let mut dops = child.reader();
                dops.skip(1)?;
                channels = u16::from(dops.u8()?);
                dops.skip(2)?;
                sample_rate = dops.u32()?;
            }
            _ => {}
        }
    }
    Ok(SampleEntry {
        codec,
        sample_rate,
        channels,
        ..SampleEntry::default()
    })
}

/// The codec string of an entry whose name says everything: `Opus` is `opus`, `fLaC` is `flac`.
pub(super) fn plain(entry: FourCc) -> String {
    entry
        .0
        .escape_ascii()
        .to_string()
        .trim_end()
        .to_ascii_lowercase()
}

/// `avc1.PPCCLL`: profile, constraints and level in hexadecimal.
fn avc(entry: FourCc, mut config: Reader<'_>) -> Result<String> {
    let [_version, profile, constraints, level] = config.array::<4>()?;
    Ok(format!(
        "{}.{profile:02x}{constraints:02x}{level:02x}",
        plain(entry)
    ))
}

/// `hvc1.A1.6.L93.B0`: profile, reversed compatibility flags, tier and level, constraints.
fn hevc(entry: FourCc, mut config: Reader<'_>) -> Result<String> {
    let [_version, profile] = config.array::<2>()?;
    let compatibility = config.u32()?.reverse_bits();
    let constraints = config.array::<6>()?;
    let level = config.u8()?;
    let space = match profile >> 6 {
        0 => "",
        1 => "A",
        2 => "B",
        _ => "C",
    };
    let tier = if profile & 0x20 == 0 { 'L' } else { 'H' };
    let mut codec = format!(
        "{}.{space}{}.{compatibility:X}.{tier}{level}",
        plain(entry),
        profile & 0x1f
    );
    // Zero bytes at the end are left out.
    let used = constraints
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    for byte in constraints.iter().take(used) {
        let _ = write!(codec, ".{byte:X}");
    }
    Ok(codec)
}

/// `av01.P.LLT.DD`: profile, level, tier and bit depth.
fn av1(entry: FourCc, mut config: Reader<'_>) -> Result<String> {
    let [_version, profile_level, rest] = config.array::<3>()?;
    let (profile, level) = (profile_level >> 5, profile_level & 0x1f);
    let tier = if rest & 0x80 == 0 { 'M' } else { 'H' };
    let depth = match (rest & 0x40 != 0, rest & 0x20 != 0) {
        (false, _) => 8,
        (true, false) => 10,
        (true, true) => 12,
    };
    Ok(format!(
        "{}.{profile}.{level:02}{tier}.{depth:02}",
        plain(entry)
    ))
}

/// `vp09.PP.LL.DD`: profile, level and bit depth.
fn vp9(entry: FourCc, mut config: Reader<'_>) -> Result<String> {
    config.version_and_flags(1)?;
    let [profile, level, depth] = config.array::<3>()?;
    Ok(format!(
        "{}.{profile:02}.{level:02}.{:02}",
        plain(entry),
        depth >> 4
    ))
}

/// `mp4a.40.2`: object type in hexadecimal and, for MPEG-4 audio, the kind of audio object; and how
/// many channels there are, if that is said.
fn mpeg4_audio(esds: &Boxed<'_>) -> Result<(String, Option<u16>)> {
    debug_assert_eq!(esds.kind, kind::ESDS);
    if esds.body.len() > ESDS_BYTES_MAX {
        return Ok(("mp4a".to_owned(), None));
    }
    let config = esds.decode::<Esds>()?.es_desc.dec_config;
    let object_type = config.object_type_indication;
    Ok(match (object_type, config.dec_specific) {
        (0x40, Some(specific)) => {
            let channels = match specific.chan_conf {
                few @ 1..=6 => Some(u16::from(few)),
                7 => Some(8),
                _ => None,
            };
            (format!("mp4a.40.{}", specific.profile), channels)
        }
        _ => (format!("mp4a.{object_type:02x}"), None),
    })
}
