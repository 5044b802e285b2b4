//! Where files stand in an archive. Names depend on positions and arrival times only.

use std::fmt;
use std::path::{Path, PathBuf};

use afflux_types::{Position, ServerTime, ShardId, StreamName};

use crate::settings::Compression;

/// The manifest, in the shard's directory.
pub(crate) const MANIFEST: &str = "manifest.jsonl";
/// The hidden directory for what is not finished, in the shard's directory.
pub(crate) const OPEN: &str = ".open";
/// The line that is about to enter the manifest, in [`OPEN`].
pub(crate) const INTENT: &str = "intent";
/// The last codec initialisation that was seen, in [`OPEN`].
pub(crate) const INIT: &str = "init";
/// Held locked while an archive writes, in the stream's directory.
pub(crate) const LOCK: &str = ".lock";

const HOUR_MS: i64 = 3_600_000;

/// An hour of server time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hour(i64);

impl Hour {
    pub(crate) fn of(arrival: ServerTime) -> Self {
        Self(arrival.as_millis().div_euclid(HOUR_MS))
    }
}

impl fmt::Display for Hour {
    /// Writes `yyyy/mm/dd/hh`, in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = jiff::Timestamp::from_millisecond(self.0.saturating_mul(HOUR_MS));
        match start {
            Ok(start) => write!(f, "{}", start.strftime("%Y/%m/%d/%H")),
            // Beyond year 9999, where only a broken clock leads.
            Err(_) => write!(f, "hour/{}", self.0),
        }
    }
}

/// What a file holds, as its name's end says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    JsonLines(Compression),
    Mp4,
}

impl Format {
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::JsonLines(Compression::Gzip) => "jsonl.gz",
            Self::JsonLines(Compression::Zstd) => "jsonl.zst",
            Self::JsonLines(Compression::None) => "jsonl",
            Self::Mp4 => "mp4",
        }
    }

    /// The format of the file of that name, by its end.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let all = [
            Self::JsonLines(Compression::Gzip),
            Self::JsonLines(Compression::Zstd),
            Self::JsonLines(Compression::None),
            Self::Mp4,
        ];
        let (_, extension) = name.rsplit('/').next()?.split_once('.')?;
        all.into_iter()
            .find(|format| format.extension() == extension)
    }
}

/// The name of a file without directories.
pub(crate) fn file_name(shard: ShardId, first: Position, format: Format) -> String {
    format!("{shard}-{:020}.{}", first.get(), format.extension())
}

/// The path of a finished file from the shard's directory, with `/` between its parts.
pub(crate) fn file_path(hour: Hour, shard: ShardId, first: Position, format: Format) -> String {
    format!("{hour}/{}", file_name(shard, first, format))
}

/// The paths of one shard's archive.
#[derive(Clone, Debug)]
pub(crate) struct ShardPaths {
    /// The archive's directory, which must exist.
    pub(crate) root: PathBuf,
    /// `<stream>/<shard>`, below `root`.
    pub(crate) relative: PathBuf,
}

impl ShardPaths {
    pub(crate) fn new(root: &Path, stream: &StreamName, shard: ShardId) -> Self {
        Self {
            root: root.to_owned(),
            relative: Path::new(stream.as_str()).join(shard.to_string()),
        }
    }

    pub(crate) fn shard(&self) -> PathBuf {
        self.root.join(&self.relative)
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.shard().join(MANIFEST)
    }

    pub(crate) fn open(&self) -> PathBuf {
        self.shard().join(OPEN)
    }

    pub(crate) fn intent(&self) -> PathBuf {
        self.open().join(INTENT)
    }

    pub(crate) fn init(&self) -> PathBuf {
        self.open().join(INIT)
    }

    pub(crate) fn temporary(&self, name: &str) -> PathBuf {
        self.open().join(format!("{name}.tmp"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_hour_its_shard_and_its_first_position() {
        let arrival: ServerTime = "2026-03-01T23:59:59.999Z".parse().unwrap();
        let gzip = Format::JsonLines(Compression::Gzip);
        let path = |arrival, format| {
            file_path(
                Hour::of(arrival),
                ShardId::new(7),
                Position::new(1_234),
                format,
            )
        };
        assert_eq!(
            path(arrival, gzip),
            "2026/03/01/23/shardId-000000000007-00000000000000001234.jsonl.gz"
        );
        assert_eq!(
            path(ServerTime::from_millis(-1), Format::Mp4),
            "1969/12/31/23/shardId-000000000007-00000000000000001234.mp4"
        );
    }

    #[test]
    fn a_name_tells_the_format() {
        for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
            let format = Format::JsonLines(compression);
            let name = file_name(ShardId::new(0), Position::ZERO, format);
            assert_eq!(Format::of(&format!("2026/01/01/00/{name}")), Some(format));
        }
        assert_eq!(Format::of("a/b.mp4"), Some(Format::Mp4));
        assert_eq!(Format::of("a.mp4/b"), None);
    }
}
