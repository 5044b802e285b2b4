//! The files of tables, in the buckets and directories that the server's configuration names.
//!
//! # Shape
//! The library asks for files by their locations (`s3://lake/orders/metadata/…`) and finds them in the same stores to
//! which objects are delivered: with the same credentials, timeouts and rules. What a catalog says of credentials and
//! stores is not looked at, so that a table is nowhere that the operator did not allow. A bucket may be a directory
//! here; a location of a file system lies below the directory of its catalog.
//!
//! # Invariants
//! - No file is ever replaced or removed.
//! - Metadata that is larger than [`BYTES_MAX`] is refused, not read.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::iceberg::ErrorKind;
use ::iceberg::io::{
    FileMetadata, FileRead, FileWrite, InputFile, OutputFile, Storage, StorageConfig,
    StorageFactory,
};
use afflux_types::{Error, Result};
use async_trait::async_trait;
use bytes::Bytes;
use object_store::ObjectStoreExt as _;
use object_store::path::Path as Key;
use serde::{Deserialize, Serialize};

use crate::blocking::blocking;
use crate::delivery::publish::upload;
use crate::delivery::settings::Place;
use crate::delivery::spool::Planned;
use crate::delivery::stores::{Store, Target};
use crate::delivery::tables::Access;
use crate::fault::{self, Fault};
use crate::fs::{FileSystem, leads_below, make_dirs};

/// Bytes of a list of manifests, or of a manifest: of one with hundreds of thousands of files.
const BYTES_MAX: u64 = 64 << 20;

/// The files of one catalog's tables; a cheap handle. The library wants it to have a form to be sent in, which here is
/// empty: nothing sends it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Files {
    #[serde(skip)]
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
struct Inner {
    access: Access,
    /// Below which locations of a file system are.
    directory: Option<PathBuf>,
}

impl Files {
    pub(super) fn new(access: &Access, directory: Option<PathBuf>) -> Self {
        let inner = Inner {
            access: access.clone(),
            directory,
        };
        Self {
            inner: Some(Arc::new(inner)),
        }
    }

    pub(super) fn factory(&self) -> Arc<dyn StorageFactory> {
        Arc::new(self.clone())
    }

    /// The place and the name in it of a location.
    ///
    /// # Errors
    /// `Invalid` for a location that is in no store of the configuration, which names it.
    pub(super) fn find(&self, location: &str) -> Result<(Place, String)> {
        let inner = self.inner()?;
        let outside = |reason: &str| Error::invalid(format!("a table has {location:?}: {reason}"));
        let (scheme, rest) = location.split_once(':').unwrap_or(("file", location));
        let path = rest.strip_prefix("//").unwrap_or(rest);
        match scheme {
            "s3" | "s3a" | "s3n" => {
                let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
                // A bucket may be a directory here.
                if key.split('/').any(|part| matches!(part, "." | "..")) {
                    return Err(outside("it leads out of its bucket"));
                }
                let place = Place::Bucket(bucket.to_owned());
                let found = inner.access.stores.target(&place);
                found.map_err(|error| outside(error.message()))?;
                Ok((place, key.to_owned()))
            }
            "file" => {
                let Some(directory) = &inner.directory else {
                    return Err(outside("its catalog has no directory in the configuration"));
                };
                let below = Path::new(path).strip_prefix(directory).ok();
                let below = below.filter(|below| leads_below(below));
                let key = below.and_then(Path::to_str).ok_or_else(|| {
                    let directory = directory.display();
                    outside(&format!(
                        "that is not below {directory}, the catalog's directory"
                    ))
                })?;
                Ok((Place::Directory(directory.clone()), key.to_owned()))
            }
            _ => Err(outside("only s3 and file are known")),
        }
    }

    fn inner(&self) -> Result<&Inner> {
        let inner = self.inner.as_deref();
        inner.ok_or_else(|| Error::internal("the files of a table were sent"))
    }

    async fn get(&self, location: &str) -> Result<Bytes> {
        let (place, key) = self.find(location)?;
        let Access { stores, fs, .. } = &self.inner()?.access;
        match stores.target(&place)? {
            Target::Directory(directory) => {
                let (fs, path) = (Arc::clone(fs), directory.join(key));
                blocking("read metadata", move || read_file(&*fs, &path)).await
            }
            Target::Store(store) => get_object(&store, &key, location).await,
        }
    }

    async fn put(&self, location: &str, bytes: Bytes) -> Result<()> {
        let (place, key) = self.find(location)?;
        let Access { stores, fs, .. } = &self.inner()?.access;
        match stores.target(&place)? {
            Target::Directory(directory) => {
                let fs = Arc::clone(fs);
                blocking("write metadata", move || {
                    write_file(&*fs, &directory, Path::new(&key), &bytes)
                })
                .await
            }
            Target::Store(store) => {
                let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                upload(&store, &Planned::plain(place, key, size), bytes).await
            }
        }
    }
}

async fn get_object(store: &Store, key: &str, location: &str) -> Result<Bytes> {
    let failed = |error: object_store::Error| {
        Error::unavailable(format!("read {location:?}")).with_source(error)
    };
    let key = Key::parse(key).map_err(|error| {
        Error::invalid(format!("{key:?} cannot be the name of an object")).with_source(error)
    })?;
    let found = store.objects.get(&key).await.map_err(failed)?;
    let size = found.meta.size;
    if size > BYTES_MAX {
        return Err(Error::invalid(format!(
            "{location:?} has {size} bytes; {BYTES_MAX} are read at most: rewrite the table's manifests"
        )));
    }
    found.bytes().await.map_err(failed)
}

fn read_file(fs: &dyn FileSystem, path: &Path) -> fault::Result<Bytes> {
    let len = fs.len(path).map_err(Fault::io("look at", path))?;
    if len.is_some_and(|len| len > BYTES_MAX) {
        return Err(Fault::File {
            path: path.to_owned(),
            reason: format!(
                "more than {BYTES_MAX} bytes are not read: rewrite the table's manifests"
            ),
        });
    }
    let mut bytes = Vec::new();
    let file = fs.read_at(path, 0).map_err(Fault::io("open", path))?;
    let read = file.take(BYTES_MAX).read_to_end(&mut bytes);
    read.map_err(Fault::io("read", path))?;
    Ok(bytes.into())
}

/// Makes a file, under its name only once it is complete.
fn write_file(
    fs: &dyn FileSystem,
    root: &Path,
    relative: &Path,
    bytes: &[u8],
) -> fault::Result<()> {
    let path = root.join(relative);
    if fs
        .len(&path)
        .map_err(Fault::io("look at", &path))?
        .is_some()
    {
        return Err(Fault::InTheWay { path });
    }
    let parent = relative.parent().unwrap_or_else(|| Path::new(""));
    make_dirs(fs, root, parent)?;
    let name = relative.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.tmp"));
    let written = fs.create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync()
    });
    written.map_err(Fault::io("write", &temporary))?;
    fs.rename(&temporary, &path)
        .map_err(Fault::io("rename", &temporary))?;
    let parent = root.join(parent);
    fs.sync_dir(&parent)
        .map_err(Fault::io("sync directory", &parent))
}

fn theirs(error: &Error) -> ::iceberg::Error {
    ::iceberg::Error::new(ErrorKind::Unexpected, error.chain())
}

fn unused<T>() -> ::iceberg::Result<T> {
    let message = "an append reads and writes metadata, and nothing else";
    Err(::iceberg::Error::new(
        ErrorKind::FeatureUnsupported,
        message,
    ))
}

#[async_trait]
#[typetag::serde(name = "AffluxFiles")]
impl Storage for Files {
    async fn read(&self, path: &str) -> ::iceberg::Result<Bytes> {
        self.get(path).await.map_err(|error| theirs(&error))
    }

    async fn write(&self, path: &str, bytes: Bytes) -> ::iceberg::Result<()> {
        self.put(path, bytes).await.map_err(|error| theirs(&error))
    }

    async fn writer(&self, path: &str) -> ::iceberg::Result<Box<dyn FileWrite>> {
        Ok(Box::new(Writing {
            files: self.clone(),
            path: path.to_owned(),
            bytes: Vec::new(),
        }))
    }

    fn new_input(&self, path: &str) -> ::iceberg::Result<InputFile> {
        Ok(InputFile::new(Arc::new(self.clone()), path.to_owned()))
    }

    fn new_output(&self, path: &str) -> ::iceberg::Result<OutputFile> {
        Ok(OutputFile::new(Arc::new(self.clone()), path.to_owned()))
    }

    async fn exists(&self, _: &str) -> ::iceberg::Result<bool> {
        unused()
    }

    async fn metadata(&self, _: &str) -> ::iceberg::Result<FileMetadata> {
        unused()
    }

    async fn reader(&self, _: &str) -> ::iceberg::Result<Box<dyn FileRead>> {
        unused()
    }

    async fn delete(&self, _: &str) -> ::iceberg::Result<()> {
        unused()
    }

    async fn delete_prefix(&self, _: &str) -> ::iceberg::Result<()> {
        unused()
    }

    async fn delete_stream(&self, _: Paths) -> ::iceberg::Result<()> {
        unused()
    }
}

type Paths = std::pin::Pin<Box<dyn futures_core::Stream<Item = String> + Send + 'static>>;

#[typetag::serde(name = "AffluxFiles")]
impl StorageFactory for Files {
    fn build(&self, _: &StorageConfig) -> ::iceberg::Result<Arc<dyn Storage>> {
        Ok(Arc::new(self.clone()))
    }
}

/// A file that is written when it is complete.
struct Writing {
    files: Files,
    path: String,
    bytes: Vec<u8>,
}

#[async_trait]
impl FileWrite for Writing {
    async fn write(&mut self, bytes: Bytes) -> ::iceberg::Result<()> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn close(&mut self) -> ::iceberg::Result<()> {
        let bytes = std::mem::take(&mut self.bytes);
        self.files.write(&self.path, bytes.into()).await
    }
}
