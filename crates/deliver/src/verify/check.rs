//! Checks one shard's archive: its manifest, and each file against its line.

use std::collections::BTreeSet;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use afflux_types::{Position, ServerTime, ShardId, StreamName};
use md5::{Digest, Md5};

use super::lines::{Lines, file_span};
use super::records::{ArchivedRecord, FileRecords};
use super::{ArchivedGap, ShardSummary};
use crate::fault::{Fault, Result};
use crate::fs::FileSystem;
use crate::manifest::{FileLine, Totals, What};
use crate::names::{Format, Hour, OPEN, file_path};
use crate::write::hex;

/// Directories above a file: year, month, day, hour.
const DEPTH: u32 = 4;

pub(super) fn check_shard(
    fs: &dyn FileSystem,
    stream: StreamName,
    shard: ShardId,
    directory: &Path,
) -> Result<ShardSummary> {
    let mut summary = ShardSummary {
        stream,
        shard,
        start: Position::ZERO,
        end: Position::ZERO,
        totals: Totals::default(),
        gaps: Vec::new(),
        closed: false,
        unlisted: Vec::new(),
    };
    let mut listed = BTreeSet::new();
    for line in Lines::open(fs, directory, shard)? {
        let line = line?;
        summary.end = Position::new(line.end_position);
        summary.totals = line.totals;
        match line.what {
            What::Start(start) => summary.start = Position::new(start.position),
            What::Closed(_) => summary.closed = true,
            What::Gap(gap) => summary.gaps.push(ArchivedGap {
                from: Position::new(gap.from_position),
                to: Position::new(gap.to_position),
                reason: gap.reason,
            }),
            What::File(file) => {
                check_file(fs, &summary, directory, &file)?;
                listed.insert(directory.join(&file.path));
            }
        }
    }
    find_unlisted(fs, directory, DEPTH, &listed, &mut summary.unlisted)?;
    Ok(summary)
}

fn check_file(
    fs: &dyn FileSystem,
    shard: &ShardSummary,
    directory: &Path,
    line: &FileLine,
) -> Result<()> {
    let path = directory.join(&line.path);
    let damaged = |reason: String| Fault::File {
        path: path.clone(),
        reason,
    };
    let (first, _) = file_span(line, shard.shard).map_err(damaged)?;
    let arrival: ServerTime = line
        .first_arrival_time
        .parse()
        .map_err(|_| damaged("its first arrival is no time".into()))?;
    let format =
        Format::of(&line.path).ok_or_else(|| damaged("its name has no known ending".into()))?;
    let expected = file_path(Hour::of(arrival), shard.shard, first, format);
    if line.path != expected {
        return Err(damaged(format!("its name should be {expected}")));
    }
    let (bytes, md5) = digest(fs, &path)?;
    if bytes != line.bytes || md5 != line.md5 {
        return Err(damaged(format!(
            "it has {bytes} bytes with the MD5 {md5}; the manifest says {} and {}",
            line.bytes, line.md5
        )));
    }
    match format {
        Format::JsonLines(_) => check_records(fs, shard, &path, line),
        Format::Mp4 => check_video(fs, &path, line),
    }
}

fn digest(fs: &dyn FileSystem, path: &Path) -> Result<(u64, String)> {
    let mut file = fs.read_at(path, 0).map_err(Fault::io("open", path))?;
    let (mut digest, mut bytes, mut buffer) = (Md5::new(), 0, vec![0; 64 << 10]);
    loop {
        let count = file.read(&mut buffer).map_err(Fault::io("read", path))?;
        if count == 0 {
            return Ok((bytes, hex(&digest.finalize())));
        }
        digest.update(buffer.get(..count).unwrap_or_default());
        bytes += u64::try_from(count).unwrap_or(u64::MAX);
    }
}

/// Checks the records of a file: each one, in order, and nothing else.
fn check_records(
    fs: &dyn FileSystem,
    shard: &ShardSummary,
    path: &Path,
    line: &FileLine,
) -> Result<()> {
    let damaged = |reason: String| Fault::File {
        path: path.to_owned(),
        reason,
    };
    let (first, last) = file_span(line, shard.shard).map_err(damaged)?;
    let mut records = FileRecords::open(fs, path)?;
    let mut place = Place {
        next: first,
        part: None,
        lines: 0,
    };
    let (mut first_arrival, mut last_arrival) = (None, None);
    for record in records.by_ref() {
        let record = record?;
        let number = record.sequence_number;
        if record.stream != shard.stream || number.shard() != shard.shard {
            return Err(damaged(format!(
                "it has a record of {}, {}",
                record.stream,
                number.shard()
            )));
        }
        place.take(&record, last).map_err(damaged)?;
        first_arrival.get_or_insert(record.arrival_time);
        if last_arrival.replace(record.arrival_time) > Some(record.arrival_time) {
            return Err(damaged(format!(
                "arrival times go backwards before {}",
                place.next
            )));
        }
    }
    place.end(line, last).map_err(damaged)?;
    if records.bytes() != line.uncompressed_bytes {
        return Err(damaged(format!(
            "it has {} bytes uncompressed; the manifest says {}",
            records.bytes(),
            line.uncompressed_bytes
        )));
    }
    let text = |time: Option<ServerTime>| time.map(|time| time.to_string()).unwrap_or_default();
    if text(first_arrival) != line.first_arrival_time
        || text(last_arrival) != line.last_arrival_time
    {
        return Err(damaged(
            "its arrival times are not those of the manifest".into(),
        ));
    }
    Ok(())
}

/// Where a file of records has been read to.
struct Place {
    next: Position,
    /// Of the line before, which further parts of the same record may follow.
    part: Option<u64>,
    lines: u64,
}

impl Place {
    fn take(&mut self, record: &ArchivedRecord, last: Position) -> Result<(), String> {
        let (position, part) = (record.sequence_number.position(), record.sub_sequence);
        let further = self.part.is_some_and(|before| part == Some(before + 1));
        let expected = match further {
            true => Position::new(self.next.get().saturating_sub(1)),
            false => self.next,
        };
        if position != expected || position > last {
            return Err(format!(
                "it has position {position} where {expected} belongs"
            ));
        }
        if !further && part.is_some_and(|part| part > 0) {
            return Err(format!("it has parts of position {position} out of order"));
        }
        (self.next, self.part) = (position.advance(1), part);
        self.lines += 1;
        Ok(())
    }

    fn end(&self, line: &FileLine, last: Position) -> Result<(), String> {
        if self.next != last.advance(1) {
            return Err(format!(
                "it ends before position {}, not after {last}",
                self.next
            ));
        }
        let lines = line.lines.unwrap_or(line.records);
        if self.lines != lines {
            return Err(format!(
                "it has {} lines; the manifest says {lines}",
                self.lines
            ));
        }
        Ok(())
    }
}

/// Checks that a video file starts with an init and consists of whole boxes.
fn check_video(fs: &dyn FileSystem, path: &Path, line: &FileLine) -> Result<()> {
    let damaged = |reason: String| Fault::File {
        path: path.to_owned(),
        reason,
    };
    let file = fs.read_at(path, 0).map_err(Fault::io("open", path))?;
    let mut file = BufReader::new(file);
    let (mut place, mut init, mut fragments) = (0_u64, false, 0_u64);
    while place < line.bytes {
        let mut head = [0; 8];
        file.read_exact(&mut head)
            .map_err(Fault::io("read", path))?;
        let [a, b, c, d, kind @ ..] = head;
        let size = u64::from(u32::from_be_bytes([a, b, c, d]));
        match &kind {
            b"moov" => init = true,
            b"mdat" if !init => return Err(damaged("it has media before its init".into())),
            b"mdat" => fragments += 1,
            _ => {}
        }
        let body = size
            .checked_sub(8)
            .filter(|_| place.saturating_add(size) <= line.bytes);
        let Some(body) = body else {
            return Err(damaged(format!(
                "a box of {size} bytes does not fit at {place}"
            )));
        };
        std::io::copy(&mut file.by_ref().take(body), &mut std::io::sink())
            .map_err(Fault::io("read", path))?;
        place += size;
    }
    // Each fragment has at least one track, and each track its media.
    if fragments < line.records {
        return Err(damaged(format!(
            "it has the media of {fragments} tracks for {} fragments",
            line.records
        )));
    }
    Ok(())
}

/// Collects the files below the date directories that no line lists.
fn find_unlisted(
    fs: &dyn FileSystem,
    directory: &Path,
    depth: u32,
    listed: &BTreeSet<PathBuf>,
    unlisted: &mut Vec<PathBuf>,
) -> Result<()> {
    for (name, is_dir) in fs.list(directory).map_err(Fault::io("list", directory))? {
        let path = directory.join(&name);
        if is_dir && depth > 0 && name != OPEN {
            find_unlisted(fs, &path, depth - 1, listed, unlisted)?;
        } else if !is_dir && Format::of(&name).is_some() && depth < DEPTH && !listed.contains(&path)
        {
            unlisted.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use afflux_types::SequenceNumber;
    use bytes::Bytes;

    use super::*;

    /// Whether lines of these positions and parts are those of the positions 3 and 4.
    fn fits(lines: &[(u64, Option<u64>)]) -> bool {
        let mut place = Place {
            next: Position::new(3),
            part: None,
            lines: 0,
        };
        let shard = ShardId::new(0);
        let mut taken = lines.iter().map(|&(position, sub_sequence)| {
            let record = ArchivedRecord {
                stream: StreamName::new("s").unwrap(),
                sequence_number: SequenceNumber::new(shard, Position::new(position)),
                sub_sequence,
                partition_key: "k".into(),
                explicit_hash_key: None,
                arrival_time: ServerTime::from_millis(0),
                data: Bytes::new(),
            };
            place.take(&record, Position::new(4)).is_ok()
        });
        taken.all(|fits| fits) && place.next == Position::new(5)
    }

    #[test]
    fn parts_follow_one_another_and_nothing_else() {
        let (whole, first, second, third) = (None, Some(0), Some(1), Some(2));
        assert!(fits(&[(3, whole), (4, whole)]));
        assert!(fits(&[(3, first), (3, second), (3, third), (4, whole)]));
        assert!(fits(&[(3, whole), (4, first), (4, second)]));
        assert!(fits(&[(3, first), (4, first)]));
        assert!(!fits(&[(3, second), (4, whole)]), "no first part");
        assert!(
            !fits(&[(3, first), (3, third), (4, whole)]),
            "a part is missing"
        );
        assert!(
            !fits(&[(3, first), (3, first), (4, whole)]),
            "a part comes twice"
        );
        assert!(
            !fits(&[(3, whole), (3, second), (4, whole)]),
            "a part of a whole"
        );
        assert!(!fits(&[(3, first), (4, second)]), "a part of another");
        assert!(
            !fits(&[(3, whole), (3, whole), (4, whole)]),
            "a record twice"
        );
        assert!(!fits(&[(3, whole), (4, whole), (5, whole)]), "one too many");
        assert!(!fits(&[(3, whole)]), "one too few");
    }
}
