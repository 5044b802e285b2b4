//! Reads back what deliveries with manifests wrote into a directory, and checks every promise that these make.
//!
//! Needs the directory only, neither the stream nor the server that wrote it.

mod records;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use afflux_types::{Position, Result as PublicResult, ShardId};
use sha2::{Digest as _, Sha256};

use super::manifest::{DIRECTORY, EXTENSION, Listed, Manifest, ShardRange, VERSION};
use super::output::hex;
use crate::fault::{Fault, Result};
use crate::fs::{Disk, FileSystem, leads_below};
use crate::seal::unseal;

pub use records::{DeliveredRecord, Records};

/// The longest manifest that is read: many times what a batch has objects for.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;
/// Bytes of an object that are read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// What a delivery stream wrote into a directory, found to be as its manifests say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedDelivery {
    /// Its name.
    pub name: String,
    /// Tells delivery streams of one name apart: sixteen hexadecimal digits.
    pub id: String,
    /// Where its records came from; none if they were put into it.
    pub stream: Option<String>,
    /// The first batch that has a manifest here.
    pub first_batch: u64,
    /// Batches that have one.
    pub batches: u64,
    /// Records of the source. An aggregated record is one, and a fragment of video.
    pub records: u64,
    /// Records that failed.
    pub failed: u64,
    /// Objects that were checked.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that are in other places and were not looked at.
    pub elsewhere: u64,
    /// What of each shard is accounted for, without a gap between two batches.
    pub shards: BTreeMap<ShardId, VerifiedShard>,
}

/// What of a shard is accounted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedShard {
    /// The first position.
    pub from: Position,
    /// The position behind the last.
    pub to: Position,
    /// Positions between them that are in no object, because retention deleted them or nobody can play them.
    pub missing: u64,
    /// Whether nothing of the shard follows.
    pub closed: bool,
}

/// Checks everything that the manifests in `directory` list: the size and the SHA-256 of every object, that no
/// batch is left out, that batches begin where those before them ended, and that the counts add up.
///
/// # Errors
/// `DataLoss` with the file and the reason where something is not as a manifest says; `NotFound` or `Denied` if
/// there are no manifests, or they or an object cannot be read. Blocks.
pub fn verify(directory: &Path) -> PublicResult<Vec<VerifiedDelivery>> {
    verify_in(&Disk, directory).map_err(Into::into)
}

/// The records in the objects with envelopes that the manifests in `directory` list: by delivery stream, in the
/// order of its batches; of each shard in its order.
///
/// Objects that are not compressed, or with gzip or zstd. Blocks while it reads; holds one record in memory.
///
/// # Errors
/// As [`verify()`] for the manifests; each record can fail by itself, and then ends the iteration.
pub fn records(directory: &Path) -> PublicResult<Records> {
    Records::open(Arc::new(Disk), directory).map_err(Into::into)
}

/// [`verify()`] in any file system.
pub(crate) fn verify_in(fs: &dyn FileSystem, directory: &Path) -> Result<Vec<VerifiedDelivery>> {
    let mut deliveries = Vec::new();
    for paths in manifests(fs, directory)? {
        let mut verified: Option<VerifiedDelivery> = None;
        for path in paths {
            let manifest = read(fs, directory, &path)?;
            let damaged = |reason: String| Fault::File {
                path: path.clone(),
                reason,
            };
            let delivery = verified.get_or_insert_with(|| VerifiedDelivery::before(&manifest));
            delivery.take(&manifest).map_err(damaged)?;
            for object in &manifest.objects {
                delivery.check(fs, directory, object)?;
            }
        }
        deliveries.extend(verified);
    }
    Ok(deliveries)
}

/// The paths of manifests, those of a delivery stream together and in the order of its batches.
fn manifests(fs: &dyn FileSystem, directory: &Path) -> Result<Vec<Vec<PathBuf>>> {
    let list = |path: &Path| fs.list(path).map_err(Fault::io("list", path));
    let root = directory.join(DIRECTORY);
    let mut deliveries = Vec::new();
    for (name, _) in list(&root)?.into_iter().filter(|(_, is_dir)| *is_dir) {
        let delivery = root.join(name);
        let files = list(&delivery)?.into_iter();
        let files = files.filter(|(name, is_dir)| !is_dir && name.ends_with(EXTENSION));
        let files = files.filter(|(name, _)| !name.starts_with('.'));
        deliveries.push(files.map(|(name, _)| delivery.join(name)).collect());
    }
    Ok(deliveries)
}

/// Reads a manifest, whose name must be its own.
fn read(fs: &dyn FileSystem, directory: &Path, path: &Path) -> Result<Manifest> {
    let damaged = |reason: String| Fault::File {
        path: path.to_owned(),
        reason,
    };
    let mut text = Vec::new();
    let file = fs.read_at(path, 0).map_err(Fault::io("open", path))?;
    file.take(MANIFEST_BYTES_MAX)
        .read_to_end(&mut text)
        .map_err(Fault::io("read", path))?;
    let line = text.strip_suffix(b"\n").unwrap_or(&text);
    let manifest: Manifest = unseal(line).map_err(damaged)?;
    if manifest.version != VERSION {
        let reason = format!("it has version {}, not {VERSION}", manifest.version);
        return Err(damaged(reason));
    }
    if directory.join(manifest.key()) != path {
        return Err(damaged(format!("its name should be {}", manifest.key())));
    }
    Ok(manifest)
}

/// The file of an object that a manifest lists.
fn object_path(directory: &Path, object: &Listed) -> Result<PathBuf> {
    let key = Path::new(&object.key);
    match leads_below(key) {
        true => Ok(directory.join(key)),
        false => Err(Fault::File {
            path: key.to_owned(),
            reason: format!("it is not below {}", directory.display()),
        }),
    }
}

impl VerifiedDelivery {
    /// Positions of all shards that are in no object.
    #[must_use]
    pub fn missing(&self) -> u64 {
        let missing = self.shards.values().map(|shard| shard.missing);
        missing.fold(0, u64::saturating_add)
    }

    fn before(first: &Manifest) -> Self {
        Self {
            name: first.delivery.clone(),
            id: first.delivery_id.clone(),
            stream: first.stream.clone(),
            first_batch: first.batch,
            batches: 0,
            records: 0,
            failed: 0,
            objects: 0,
            bytes: 0,
            elsewhere: 0,
            shards: BTreeMap::new(),
        }
    }

    /// Takes the manifest of the next batch; the error says why it does not follow.
    fn take(&mut self, manifest: &Manifest) -> Result<(), String> {
        expect(
            "batch",
            manifest.batch,
            self.first_batch.saturating_add(self.batches),
        )?;
        if manifest.stream != self.stream {
            return Err(format!("it is of another stream than {:?}", self.stream));
        }
        let mut spanned = 0_u64;
        for range in &manifest.shards {
            spanned = spanned.saturating_add(self.take_range(range)?);
        }
        expect("number of records", manifest.records, spanned)?;
        self.batches += 1;
        self.records = self.records.saturating_add(manifest.records);
        self.failed = self.failed.saturating_add(manifest.failed);
        Ok(())
    }

    /// Takes what a batch has of a shard; gives the count of its records.
    fn take_range(&mut self, range: &ShardRange) -> Result<u64, String> {
        let shard: ShardId = range
            .shard
            .parse()
            .map_err(|error: afflux_types::Error| error.to_string())?;
        let (from, to) = (range.from_position, range.to_position);
        let known = self.shards.entry(shard).or_insert_with(|| VerifiedShard {
            from: Position::new(from),
            to: Position::new(from),
            missing: 0,
            closed: false,
        });
        expect(&format!("beginning in {shard}"), from, known.to.get())?;
        let spanned = to
            .checked_sub(from)
            .filter(|spanned| *spanned >= range.missing);
        let spanned = spanned.ok_or_else(|| {
            format!(
                "it has {} missing between positions {from} and {to} of {shard}",
                range.missing
            )
        })?;
        if known.closed && spanned > 0 {
            return Err(format!("{shard} goes on behind its end"));
        }
        known.to = Position::new(to);
        known.missing = known.missing.saturating_add(range.missing);
        known.closed |= range.closed;
        Ok(spanned - range.missing)
    }

    fn check(&mut self, fs: &dyn FileSystem, directory: &Path, object: &Listed) -> Result<()> {
        if object.place.is_some() {
            self.elsewhere += 1;
            return Ok(());
        }
        let path = object_path(directory, object)?;
        let (bytes, sha256) = digest(fs, &path)?;
        if (bytes, &sha256) != (object.bytes, &object.sha256) {
            let Listed {
                bytes: listed,
                sha256: expected,
                ..
            } = object;
            return Err(Fault::File {
                path,
                reason: format!(
                    "it has {bytes} bytes with the SHA-256 {sha256}; its manifest says {listed} and {expected}"
                ),
            });
        }
        self.objects += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }
}

fn expect<T: PartialEq + Display>(what: &str, found: T, expected: T) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("its {what} is {found} where {expected} belongs")),
    }
}

fn digest(fs: &dyn FileSystem, path: &Path) -> Result<(u64, String)> {
    let mut file = fs.read_at(path, 0).map_err(Fault::io("open", path))?;
    let (mut digest, mut bytes, mut chunk) = (Sha256::new(), 0_u64, vec![0; CHUNK_BYTES]);
    loop {
        let count = file.read(&mut chunk).map_err(Fault::io("read", path))?;
        if count == 0 {
            return Ok((bytes, hex(&digest.finalize())));
        }
        digest.update(chunk.get(..count).unwrap_or_default());
        bytes = bytes.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests;
