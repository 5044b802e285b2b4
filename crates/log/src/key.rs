//! Which log, how durable, and where its files are.

use std::fmt;
use std::path::{Path, PathBuf};

/// Names one shard's log within a volume. The numbers mean nothing here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogKey {
    /// The stream's number.
    pub stream: u64,
    /// The shard's number within its stream.
    pub shard: u32,
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {:016x} shard {:08x}", self.stream, self.shard)
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an entry must survive before it counts as durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// A power cut: the disk has confirmed it.
    #[default]
    Fsync,
    /// A crash of the process, not a power cut: the operating system has it.
    Os,
}

pub(crate) const LOGS_DIR: &str = "logs";
pub(crate) const JOURNAL_DIR: &str = "journal";
pub(crate) const LOCK_FILE: &str = "LOCK";
pub(crate) const POINTS_FILE: &str = "recovery-points";
const SEGMENT_SUFFIX: &str = ".segment";
const INDEX_SUFFIX: &str = ".index";

pub(crate) fn stream_dir(volume: &Path, stream: u64) -> PathBuf {
    volume.join(LOGS_DIR).join(format!("{stream:016x}"))
}

pub(crate) fn shard_dir(volume: &Path, key: LogKey) -> PathBuf {
    stream_dir(volume, key.stream).join(format!("{:08x}", key.shard))
}

pub(crate) fn segment_path(shard_dir: &Path, ordinal: u64) -> PathBuf {
    shard_dir.join(format!("{ordinal:016x}{SEGMENT_SUFFIX}"))
}

pub(crate) fn index_path(shard_dir: &Path, ordinal: u64) -> PathBuf {
    shard_dir.join(format!("{ordinal:016x}{INDEX_SUFFIX}"))
}

/// The ordinal in the name of a segment, if it is one.
pub(crate) fn segment_ordinal(file_name: &str) -> Option<u64> {
    hex(file_name.strip_suffix(SEGMENT_SUFFIX)?, 16)
}

/// The ordinal in the name of an index, if it is one.
pub(crate) fn index_ordinal(file_name: &str) -> Option<u64> {
    hex(file_name.strip_suffix(INDEX_SUFFIX)?, 16)
}

/// The number in the name of a stream's folder, if it is one.
pub(crate) fn stream_number(file_name: &str) -> Option<u64> {
    hex(file_name, 16)
}

/// The number in the name of a shard's folder, if it is one.
pub(crate) fn shard_number(file_name: &str) -> Option<u32> {
    u32::try_from(hex(file_name, 8)?).ok()
}

/// Reads exactly `digits` lower-case hexadecimal digits, so that every number has one name.
fn hex(text: &str, digits: usize) -> Option<u64> {
    let canonical = text.len() == digits
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    canonical
        .then(|| u64::from_str_radix(text, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_read_back() {
        let dir = shard_dir(
            Path::new("data"),
            LogKey {
                stream: 7,
                shard: 0xab,
            },
        );
        assert_eq!(dir, Path::new("data/logs/0000000000000007/000000ab"));
        let path = segment_path(&dir, 0x1f);
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, "000000000000001f.segment");
        assert_eq!(segment_ordinal(name), Some(0x1f));
        assert_eq!(index_ordinal(name), None);
        for bad in [
            "1f.segment",
            "000000000000001F.segment",
            "+00000000000001f.segment",
        ] {
            assert_eq!(segment_ordinal(bad), None, "{bad}");
        }
    }
}
