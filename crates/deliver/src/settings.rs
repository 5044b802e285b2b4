//! What a user may choose about an archive, checked once and kept as JSON in the engine.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use afflux_types::{Error, Result};
use serde::{Deserialize, Serialize};

/// Smallest bound on a file's size: below it, names and manifests outgrow the data.
pub const FILE_BYTES_MIN: u64 = 1 << 10;
/// Size at which a file is finished unless the settings say otherwise: 64 MiB.
pub const FILE_BYTES_DEFAULT: u64 = 64 << 20;
/// Largest bound on a file's size: 4 GiB. A crash repeats at most the writing of one file.
pub const FILE_BYTES_MAX: u64 = 4 << 30;
/// Age at which a file is finished unless the settings say otherwise: one minute.
pub const FILE_AGE_DEFAULT: Duration = Duration::from_secs(60);
/// Largest bound on a file's age. Files end with the hour anyway when records go on to arrive.
pub const FILE_AGE_MAX: Duration = Duration::from_secs(86_400);

/// How an archive is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveSettings {
    /// An existing directory; the archive makes a directory named after the stream inside it.
    pub directory: PathBuf,
    /// How record files are compressed. Video files never are.
    pub compression: Compression,
    /// A file is finished when it has this many bytes before compression.
    pub file_bytes: u64,
    /// A file is finished this long after its first record was written, also when nothing follows.
    ///
    /// # Units
    /// Whole seconds.
    pub file_seconds: u64,
}

/// How record files are compressed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Readable everywhere.
    #[default]
    Gzip,
    /// Smaller and several times faster.
    Zstd,
    /// As is.
    None,
}

impl ArchiveSettings {
    /// An archive in `directory` with every default.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            compression: Compression::default(),
            file_bytes: FILE_BYTES_DEFAULT,
            file_seconds: FILE_AGE_DEFAULT.as_secs(),
        }
    }

    /// Checks every setting by itself, without looking at the disk.
    ///
    /// # Errors
    /// `Invalid`, naming the setting, its value and the limit.
    pub fn check(&self) -> Result<()> {
        check_directory(&self.directory)?;
        if !(FILE_BYTES_MIN..=FILE_BYTES_MAX).contains(&self.file_bytes) {
            return Err(Error::invalid(format!(
                "file_bytes is {}; allowed are {FILE_BYTES_MIN} to {FILE_BYTES_MAX}",
                self.file_bytes
            )));
        }
        let seconds_max = FILE_AGE_MAX.as_secs();
        if !(1..=seconds_max).contains(&self.file_seconds) {
            return Err(Error::invalid(format!(
                "file_seconds is {}; allowed are 1 to {seconds_max}",
                self.file_seconds
            )));
        }
        Ok(())
    }

    /// The age at which a file is finished.
    #[must_use]
    pub fn file_age(&self) -> Duration {
        Duration::from_secs(self.file_seconds)
    }

    /// The stored form.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|error| Error::internal("encode archive settings").with_source(error))
    }

    /// Reads the stored form.
    pub(crate) fn decode(stored: &[u8]) -> Result<Self> {
        serde_json::from_slice(stored).map_err(|error| {
            Error::new(afflux_types::ErrorKind::DataLoss, "decode archive settings")
                .with_source(error)
        })
    }
}

/// Refuses a directory whose name would mean something else another day, or that cannot be written down.
///
/// # Errors
/// `Invalid`, naming the directory.
pub(crate) fn check_directory(directory: &Path) -> Result<()> {
    let plain = directory
        .components()
        .all(|part| !matches!(part, Component::ParentDir | Component::CurDir));
    if !directory.is_absolute() || !plain {
        return Err(Error::invalid(format!(
            "directory {} is not an absolute path without \"..\"",
            directory.display()
        )));
    }
    // Manifests and statuses name the directory in JSON, which holds only Unicode.
    if directory.to_str().is_none() {
        return Err(Error::invalid(format!(
            "directory {} is not UTF-8",
            directory.display()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_back_what_they_write() {
        let settings = ArchiveSettings {
            compression: Compression::Zstd,
            ..ArchiveSettings::new("/archive")
        };
        let stored = settings.encode().unwrap();
        assert_eq!(ArchiveSettings::decode(&stored).unwrap(), settings);
        assert!(ArchiveSettings::decode(b"{\"directory\":\"/a\"}").is_err());
    }

    #[test]
    fn every_bound_is_named() {
        let base = ArchiveSettings::new("/archive");
        assert!(base.check().is_ok());
        let refused = [
            (
                ArchiveSettings {
                    directory: "archive".into(),
                    ..base.clone()
                },
                "absolute",
            ),
            (
                ArchiveSettings {
                    directory: "/a/../b".into(),
                    ..base.clone()
                },
                "absolute",
            ),
            (
                ArchiveSettings {
                    file_bytes: 1_023,
                    ..base.clone()
                },
                "file_bytes is 1023",
            ),
            (
                ArchiveSettings {
                    file_bytes: FILE_BYTES_MAX + 1,
                    ..base.clone()
                },
                "4294967296",
            ),
            (
                ArchiveSettings {
                    file_seconds: 0,
                    ..base.clone()
                },
                "file_seconds is 0",
            ),
            (
                ArchiveSettings {
                    file_seconds: 86_401,
                    ..base
                },
                "1 to 86400",
            ),
        ];
        for (settings, words) in refused {
            let error = settings.check().unwrap_err();
            assert!(error.message().contains(words), "{}", error.message());
        }
    }
}
