//! Reads archived records back.

use std::borrow::Cow;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use afflux_types::{
    HashKey, Result as PublicResult, SequenceNumber, ServerTime, ShardId, StreamName,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use super::lines::{Lines, read_line, shard_directories};
use crate::fault::{Fault, Result};
use crate::fs::FileSystem;
use crate::manifest::What;
use crate::names::Format;
use crate::settings::Compression;

/// Longest line that is read: a record of the largest size whose every byte is escaped in six.
const RECORD_LINE_BYTES_MAX: usize = 6 * (afflux_types::limits::RECORD_BYTES_MAX + 4_096);

/// A record as the archive holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedRecord {
    /// The stream.
    pub stream: StreamName,
    /// The shard and the position.
    pub sequence_number: SequenceNumber,
    /// The place inside an aggregated record that was taken apart.
    pub sub_sequence: Option<u64>,
    /// Decided the shard, by its hash, unless the record was inside another.
    pub partition_key: String,
    /// Overrode the hash of the partition key.
    pub explicit_hash_key: Option<HashKey>,
    /// When the server took the record in.
    pub arrival_time: ServerTime,
    /// The payload.
    pub data: Bytes,
}

/// The records of an archive; made by [`records`](super::records()).
#[derive(Debug)]
pub struct Records {
    fs: Arc<dyn FileSystem>,
    shards: std::vec::IntoIter<(StreamName, ShardId, PathBuf)>,
    shard: Option<(PathBuf, Lines)>,
    file: Option<FileRecords>,
    failed: bool,
}

impl Records {
    pub(crate) fn open(fs: Arc<dyn FileSystem>, directory: &Path) -> Result<Self> {
        let shards = shard_directories(&*fs, directory)?.into_iter();
        Ok(Self {
            fs,
            shards,
            shard: None,
            file: None,
            failed: false,
        })
    }

    fn read(&mut self) -> Result<Option<ArchivedRecord>> {
        loop {
            if let Some(record) = self.file.as_mut().and_then(Iterator::next) {
                return record.map(Some);
            }
            self.file = None;
            let line = match &mut self.shard {
                Some((_, lines)) => lines.next().transpose()?,
                None => None,
            };
            match (line, &self.shard) {
                (Some(line), Some((directory, _))) => {
                    self.file = self.open_file(&line.what, directory)?
                }
                _ => {
                    let Some((_, shard, directory)) = self.shards.next() else {
                        return Ok(None);
                    };
                    let lines = Lines::open(&*self.fs, &directory, shard)?;
                    self.shard = Some((directory, lines));
                }
            }
        }
    }

    fn open_file(&self, what: &What, directory: &Path) -> Result<Option<FileRecords>> {
        match what {
            What::File(file) if !matches!(Format::of(&file.path), Some(Format::Mp4)) => {
                FileRecords::open(&*self.fs, &directory.join(&file.path)).map(Some)
            }
            _ => Ok(None),
        }
    }
}

impl Iterator for Records {
    type Item = PublicResult<ArchivedRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let record = self.read().map_err(Into::into).transpose();
        self.failed = !matches!(record, Some(Ok(_)));
        record
    }
}

/// The records of one file.
pub(super) struct FileRecords {
    path: PathBuf,
    lines: BufReader<Box<dyn Read + Send>>,
    bytes: u64,
    failed: bool,
}

impl FileRecords {
    pub(super) fn open(fs: &dyn FileSystem, path: &Path) -> Result<Self> {
        let file = fs.read_at(path, 0).map_err(Fault::io("open", path))?;
        let format = path.to_str().and_then(Format::of);
        let lines: Box<dyn Read + Send> = match format {
            Some(Format::JsonLines(Compression::Gzip)) => {
                Box::new(MultiGzDecoder::new(BufReader::new(file)))
            }
            Some(Format::JsonLines(Compression::Zstd)) => {
                Box::new(zstd::Decoder::new(file).map_err(Fault::io("open", path))?)
            }
            _ => file,
        };
        Ok(Self {
            path: path.to_owned(),
            lines: BufReader::new(lines),
            bytes: 0,
            failed: false,
        })
    }

    /// Bytes of the lines read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read(&mut self) -> Result<Option<ArchivedRecord>> {
        let line = read_line(&mut self.lines, RECORD_LINE_BYTES_MAX)
            .map_err(Fault::io("read", &self.path))?;
        let Some(line) = line else {
            return Ok(None);
        };
        let record = match line.strip_suffix(b"\n") {
            Some(text) => parse(text),
            None => Err("its last line has no end".into()),
        };
        let record = record.map_err(|reason| Fault::File {
            path: self.path.clone(),
            reason: format!("{reason}, at byte {} uncompressed", self.bytes),
        })?;
        self.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
        Ok(Some(record))
    }
}

impl Iterator for FileRecords {
    type Item = Result<ArchivedRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let record = self.read().transpose();
        self.failed = !matches!(record, Some(Ok(_)));
        record
    }
}

impl std::fmt::Debug for FileRecords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileRecords")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordLine<'a> {
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    shard: Cow<'a, str>,
    #[serde(borrow)]
    sequence_number: Cow<'a, str>,
    #[serde(default)]
    sub_sequence_number: Option<u64>,
    #[serde(borrow)]
    partition_key: Cow<'a, str>,
    #[serde(borrow, default)]
    explicit_hash_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arrival_time: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data_base64: Option<Cow<'a, str>>,
}

fn parse(text: &[u8]) -> Result<ArchivedRecord, String> {
    let line: RecordLine<'_> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let said = |error: afflux_types::Error| error.message().to_owned();
    let sequence_number: SequenceNumber = line.sequence_number.parse().map_err(said)?;
    if line.shard != sequence_number.shard().to_string() {
        return Err(format!(
            "{} is not the shard of {sequence_number}",
            line.shard
        ));
    }
    let hash_key = line
        .explicit_hash_key
        .as_deref()
        .map(str::parse::<u128>)
        .transpose();
    let data = match (line.data, line.data_base64) {
        (Some(text), None) => Bytes::from(text.into_owned()),
        (None, Some(text)) => {
            Bytes::from(STANDARD.decode(&*text).map_err(|error| error.to_string())?)
        }
        _ => return Err("a record has not one of data and data_base64".into()),
    };
    Ok(ArchivedRecord {
        stream: StreamName::new(&line.stream).map_err(said)?,
        sequence_number,
        sub_sequence: line.sub_sequence_number,
        partition_key: line.partition_key.into_owned(),
        explicit_hash_key: hash_key
            .map_err(|error| error.to_string())?
            .map(HashKey::new),
        arrival_time: line.arrival_time.parse().map_err(said)?,
        data,
    })
}
