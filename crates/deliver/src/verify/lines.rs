//! Walks an archive's directories and manifests, one line in memory at a time.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use afflux_types::{Position, SequenceNumber, ShardId, StreamName};

use crate::fault::{Fault, Result};
use crate::fs::FileSystem;
use crate::manifest::{FileLine, Line, Totals, VERSION, What};
use crate::names::MANIFEST;

/// Longest line of a manifest that is read.
const LINE_BYTES_MAX: usize = 64 << 10;

/// The shards in an archive's directory: those with a manifest, sorted.
pub(super) fn shard_directories(
    fs: &dyn FileSystem,
    directory: &Path,
) -> Result<Vec<(StreamName, ShardId, PathBuf)>> {
    let mut shards = Vec::new();
    for (name, is_dir) in fs.list(directory).map_err(Fault::io("list", directory))? {
        let Ok(stream) = StreamName::new(&name) else {
            continue;
        };
        if !is_dir {
            continue;
        }
        let path = directory.join(&name);
        for (name, is_dir) in fs.list(&path).map_err(Fault::io("list", &path))? {
            let Ok(shard) = name.parse::<ShardId>() else {
                continue;
            };
            let path = path.join(&name);
            let manifest = path.join(MANIFEST);
            let len = fs
                .len(&manifest)
                .map_err(Fault::io("look for", &manifest))?;
            if is_dir && len.is_some() {
                shards.push((stream.clone(), shard, path));
            }
        }
    }
    Ok(shards)
}

/// The lines of one manifest, each checked to continue the one before.
pub(super) struct Lines {
    path: PathBuf,
    shard: ShardId,
    file: BufReader<Box<dyn Read + Send>>,
    offset: u64,
    /// The line before.
    last: Option<Line>,
    failed: bool,
}

impl Lines {
    pub(super) fn open(fs: &dyn FileSystem, directory: &Path, shard: ShardId) -> Result<Self> {
        let path = directory.join(MANIFEST);
        let file = fs.read_at(&path, 0).map_err(Fault::io("open", &path))?;
        Ok(Self {
            file: BufReader::new(file),
            path,
            shard,
            offset: 0,
            last: None,
            failed: false,
        })
    }

    fn read(&mut self) -> Result<Option<Line>> {
        let Some(text) =
            read_line(&mut self.file, LINE_BYTES_MAX).map_err(Fault::io("read", &self.path))?
        else {
            return Ok(None);
        };
        // A tail without a line feed is being written, or was never completed.
        let Some(text) = text.strip_suffix(b"\n") else {
            if text.len() < LINE_BYTES_MAX {
                return Ok(None);
            }
            return Err(self.damaged(format!("a line is longer than {LINE_BYTES_MAX} bytes")));
        };
        let line = Line::decode(text).map_err(|reason| self.damaged(reason))?;
        self.check(&line).map_err(|reason| self.damaged(reason))?;
        self.offset += u64::try_from(text.len())
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        self.last = Some(line.clone());
        Ok(Some(line))
    }

    fn check(&self, line: &Line) -> Result<(), String> {
        let (from, to) = span(line, self.shard)?;
        let Some(last) = &self.last else {
            return match &line.what {
                What::Start(start) if start.version != VERSION => Err(format!(
                    "it has version {}; version {VERSION} is known",
                    start.version
                )),
                What::Start(_) if line.totals == Totals::default() => Ok(()),
                _ => Err("its first line is not a start".into()),
            };
        };
        match (&last.what, &line.what) {
            (_, What::Start(_)) => return Err("it starts a second time".into()),
            (What::Closed(_), _) => return Err("it goes on after the shard's end".into()),
            _ => {}
        }
        if from.get() != last.end_position {
            return Err(format!(
                "the line begins at position {from}, the one before ends at {}",
                last.end_position
            ));
        }
        if to.get() != line.end_position {
            return Err(format!(
                "the line ends at {}, its content at {to}",
                line.end_position
            ));
        }
        if line.totals != last.totals.with(&line.what) {
            return Err(format!(
                "the sums {:?} are wrong after {:?}",
                line.totals, last.totals
            ));
        }
        Ok(())
    }

    fn damaged(&self, reason: String) -> Fault {
        Fault::Manifest {
            path: self.path.clone(),
            offset: self.offset,
            reason,
        }
    }
}

impl Iterator for Lines {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let line = self.read().transpose();
        self.failed = !matches!(line, Some(Ok(_)));
        line
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The positions that a line accounts for.
fn span(line: &Line, shard: ShardId) -> Result<(Position, Position), String> {
    let end = Position::new(line.end_position);
    match &line.what {
        What::Start(start) if start.shard != shard.to_string() => {
            Err(format!("it is of {}, not of {shard}", start.shard))
        }
        What::Start(start) => Ok((Position::new(start.position), end)),
        What::Closed(_) => Ok((end, end)),
        What::Gap(gap) if gap.from_position >= gap.to_position => Err("a gap is empty".into()),
        What::Gap(gap) => Ok((
            Position::new(gap.from_position),
            Position::new(gap.to_position),
        )),
        What::File(file) => {
            let (first, last) = file_span(file, shard)?;
            let end = last.advance(1);
            if first.advance(file.records) != end || file.records == 0 {
                return Err(format!(
                    "{} has {} records between positions {first} and {end}",
                    file.path, file.records
                ));
            }
            Ok((first, end))
        }
    }
}

/// The positions of the first and the last record of a file.
pub(super) fn file_span(file: &FileLine, shard: ShardId) -> Result<(Position, Position), String> {
    let position = |text: &str| {
        let number = text
            .parse::<SequenceNumber>()
            .map_err(|error| error.message().to_owned())?;
        if number.shard() != shard {
            return Err(format!("sequence number {text} is not of {shard}"));
        }
        Ok(number.position())
    };
    Ok((
        position(&file.first_sequence_number)?,
        position(&file.last_sequence_number)?,
    ))
}

/// The next line with its line feed, which the last one may lack; cut at `bytes_max`.
pub(super) fn read_line(
    reader: &mut impl BufRead,
    bytes_max: usize,
) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let count = reader.take(limit).read_until(b'\n', &mut line)?;
    Ok((count > 0).then_some(line))
}
