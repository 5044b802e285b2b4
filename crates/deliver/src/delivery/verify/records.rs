//! Reads delivered records back.

use std::borrow::Cow;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use afflux_transform::Compression;
use afflux_types::{HashKey, Result as PublicResult, SequenceNumber, ServerTime};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use super::{manifests, object_path, read};
use crate::delivery::manifest::{Holds, Listed};
use crate::fault::{Fault, Result};
use crate::fs::FileSystem;

/// Longest line that is read: a record of the largest size whose every byte is escaped in six.
const LINE_BYTES_MAX: usize = 6 * (afflux_types::limits::RECORD_BYTES_MAX + 4_096);

/// A record in its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredRecord {
    /// The stream, or the delivery stream that it was put into.
    pub stream: String,
    /// The shard and the position.
    pub sequence_number: SequenceNumber,
    /// The place inside an aggregated record that was taken apart.
    pub sub_sequence: Option<u64>,
    /// Decided the shard, by its hash, unless the record was inside another.
    pub partition_key: Option<String>,
    /// Overrode the hash of the partition key.
    pub explicit_hash_key: Option<HashKey>,
    /// When the server took the record in.
    pub arrival_time: ServerTime,
    /// The payload.
    pub data: Bytes,
}

/// Delivered records; made by [`records`](super::records()).
#[derive(Debug)]
pub struct Records {
    fs: Arc<dyn FileSystem>,
    directory: PathBuf,
    manifests: std::vec::IntoIter<PathBuf>,
    objects: std::vec::IntoIter<Listed>,
    object: Option<Lines>,
    failed: bool,
}

impl Records {
    pub(crate) fn open(fs: Arc<dyn FileSystem>, directory: &Path) -> Result<Self> {
        let manifests: Vec<_> = manifests(&*fs, directory)?.into_iter().flatten().collect();
        Ok(Self {
            fs,
            directory: directory.to_owned(),
            manifests: manifests.into_iter(),
            objects: Vec::new().into_iter(),
            object: None,
            failed: false,
        })
    }

    fn read(&mut self) -> Result<Option<DeliveredRecord>> {
        loop {
            if let Some(lines) = &mut self.object
                && let Some(record) = lines.read()?
            {
                return Ok(Some(record));
            }
            self.object = None;
            let is_read = |object: &Listed| object.holds == Holds::Envelopes;
            if let Some(object) = self.objects.find(is_read) {
                self.object = Some(Lines::open(&*self.fs, &self.directory, &object)?);
                continue;
            }
            let Some(path) = self.manifests.next() else {
                return Ok(None);
            };
            let manifest = read(&*self.fs, &self.directory, &path)?;
            self.objects = manifest.objects.into_iter();
        }
    }
}

impl Iterator for Records {
    type Item = PublicResult<DeliveredRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let record = self.read().map_err(Into::into).transpose();
        self.failed = !matches!(record, Some(Ok(_)));
        record
    }
}

/// The lines of an object.
struct Lines {
    path: PathBuf,
    lines: BufReader<Box<dyn Read + Send>>,
    bytes: u64,
}

impl Lines {
    fn open(fs: &dyn FileSystem, directory: &Path, object: &Listed) -> Result<Self> {
        let path = object_path(directory, object)?;
        let file = fs.read_at(&path, 0).map_err(Fault::io("open", &path))?;
        let lines: Box<dyn Read + Send> = match object.compression {
            Compression::None => file,
            Compression::Gzip => Box::new(MultiGzDecoder::new(BufReader::new(file))),
            Compression::Zstd => {
                Box::new(zstd::Decoder::new(file).map_err(Fault::io("open", &path))?)
            }
            other => {
                let reason = format!("records compressed as {other:?} are not read back here");
                return Err(Fault::File { path, reason });
            }
        };
        Ok(Self {
            path,
            lines: BufReader::new(lines),
            bytes: 0,
        })
    }

    fn read(&mut self) -> Result<Option<DeliveredRecord>> {
        let mut line = Vec::new();
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        let mut rest = self.lines.by_ref().take(limit);
        let count = rest.read_until(b'\n', &mut line);
        if count.map_err(Fault::io("read", &self.path))? == 0 {
            return Ok(None);
        }
        let record = match line.strip_suffix(b"\n") {
            Some(text) => parse(text),
            None => Err("its last line has no end".into()),
        };
        let record = record.map_err(|reason| Fault::File {
            path: self.path.clone(),
            reason: format!("{reason}, at byte {} uncompressed", self.bytes),
        })?;
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
        Ok(Some(record))
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines")
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
    #[serde(borrow, default)]
    partition_key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    explicit_hash_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arrival_time: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data_base64: Option<Cow<'a, str>>,
}

fn parse(text: &[u8]) -> Result<DeliveredRecord, String> {
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
    Ok(DeliveredRecord {
        stream: line.stream.into_owned(),
        sequence_number,
        sub_sequence: line.sub_sequence_number,
        partition_key: line.partition_key.map(Cow::into_owned),
        explicit_hash_key: hash_key
            .map_err(|error| error.to_string())?
            .map(HashKey::new),
        arrival_time: line.arrival_time.parse().map_err(said)?,
        data,
    })
}
