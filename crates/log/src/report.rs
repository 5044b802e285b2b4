//! What a check of a volume found.

use std::fmt;

use crate::LogKey;

/// Whether a check may change files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Only look.
    No,
    /// Cut torn tails and rebuild indexes. Damage below the durable mark is never touched.
    Yes,
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Shards seen.
    pub shards: u64,
    /// Segments seen.
    pub segments: u64,
    /// Entries whose checksums hold.
    pub entries: u64,
    /// Bytes of these entries.
    pub bytes: u64,
    /// Everything that is not as it should be.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether stored data is lost.
    #[must_use]
    pub fn has_damage(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.severity == Severity::Damage)
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Left by a crash; opening the shard, or a repair, puts it right without losing durable data.
    Repairable,
    /// Durable bytes are lost.
    Damage,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The shard; `None` if it concerns the whole volume.
    pub key: Option<LogKey>,
    /// The segment's ordinal, if it concerns one.
    pub segment: Option<u64>,
    /// The byte offset in the file.
    pub offset: Option<u64>,
    /// What was expected and what was found.
    pub message: String,
    /// Whether this check put it right.
    pub repaired: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.severity {
            Severity::Repairable => "repairable: ",
            Severity::Damage => "damage: ",
        })?;
        if let Some(key) = self.key {
            write!(f, "{key} ")?;
        }
        if let Some(segment) = self.segment {
            write!(f, "segment {segment:016x} ")?;
        }
        if let Some(offset) = self.offset {
            write!(f, "offset {offset} ")?;
        }
        f.write_str(&self.message)?;
        if self.repaired {
            f.write_str(" (repaired)")?;
        }
        Ok(())
    }
}
