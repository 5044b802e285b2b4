//! Brings the objects of a complete batch to where they belong, however often that takes.
//!
//! A name is used for one object only, ever, and the bytes of an object are in the spool before its
//! first attempt. So an attempt whose answer was lost may be made again: it finds the object, or writes
//! the same bytes once more. Playlists are replaced, by bytes that are in the spool just so.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use afflux_types::{Error, Result};
use object_store::path::Path as Key;
use object_store::{
    Attribute, AttributeValue, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
};

use super::probe::BucketState;
use super::room::Room;
use super::spool::{Planned, Spool};
use super::stores::{Store, Stores, Target};
use super::video::Hour;
use crate::blocking::blocking;
use crate::fault::{self, Fault};
use crate::fs::{FileSystem, leads_below};

/// Bytes of two files that are compared at once.
const CHUNK_BYTES: u64 = 256 << 10;

/// Writes one object; if it is a file, its name is durable once its directory, which is returned, is
/// synced.
pub(crate) async fn publish(
    spool: &Spool,
    (stores, room): (&Stores, &Room),
    object: Planned,
) -> Result<Option<PathBuf>> {
    match stores.target(&object.place)? {
        Target::Directory(directory) => {
            let spool = spool.clone();
            blocking("deliver an object", move || {
                place(&spool, &directory, &object).map(Some)
            })
            .await
        }
        Target::Store(store) => {
            let (spool, planned) = (spool.clone(), object.clone());
            let _room = room.take(object.bytes).await;
            let bytes = blocking("deliver an object", move || read(&spool, &planned)).await?;
            upload(&store, &object, bytes).await?;
            Ok(None)
        }
    }
}

/// The first number from `number` on whose playlist of an hour is not there, whoever wrote it.
pub(super) async fn free_number(
    fs: &Arc<dyn FileSystem>,
    stores: &Stores,
    (hour, number): (&Hour, u32),
) -> Result<u32> {
    let mut number = number;
    while is_there(fs, stores.target(&hour.place)?, hour.playlist(number)).await? {
        number = number.saturating_add(1);
    }
    Ok(number)
}

async fn is_there(fs: &Arc<dyn FileSystem>, target: Target, key: String) -> Result<bool> {
    match target {
        Target::Directory(directory) => {
            let (fs, path) = (Arc::clone(fs), directory.join(key));
            let len = move || fs.len(&path).map_err(Fault::io("look at", &path));
            Ok(blocking("look for an object", len).await?.is_some())
        }
        Target::Store(store) => match store.objects.head(&parse(&key)?).await {
            Ok(_) => Ok(true),
            // Stores say the second of what is not there to who may only write.
            Err(
                object_store::Error::NotFound { .. } | object_store::Error::PermissionDenied { .. },
            ) => Ok(false),
            Err(error) => {
                let message = format!("look for {key:?}");
                Err(Error::unavailable(message).with_source(error))
            }
        },
    }
}

/// Makes the names in directories durable.
pub(crate) fn sync(fs: &dyn FileSystem, directories: &BTreeSet<PathBuf>) -> fault::Result<()> {
    directories.iter().try_for_each(|directory| {
        fs.sync_dir(directory)
            .map_err(Fault::io("sync directory", directory))
    })
}

/// Moves an object from the spool below a directory, and gives the one that has its name now.
pub(crate) fn place(spool: &Spool, root: &Path, object: &Planned) -> fault::Result<PathBuf> {
    let (fs, from) = (&*spool.fs, spool.path(&object.file));
    let key = Path::new(&object.key);
    if !leads_below(key) {
        // Prefixes and partition keys are checked long before: this would be somebody else's directory.
        let reason = format!("{:?} leads out of {}", object.key, root.display());
        return Err(Fault::Name { reason });
    }
    let to = root.join(key);
    let len = |path: &Path| fs.len(path).map_err(Fault::io("look at", path));
    let parent = key.parent().unwrap_or_else(|| Path::new(""));
    let directory = root.join(parent);
    if len(&from)?.is_none() {
        // It was moved by an attempt that did not live to see it.
        return match len(&to)? {
            Some(found) if found == object.bytes => Ok(directory),
            _ => Err(Fault::File {
                path: from,
                reason: format!("it is gone, and {} is not what it was", to.display()),
            }),
        };
    }
    spool.make_dirs(root, parent)?;
    if !object.is_playlist() && len(&to)?.is_some() {
        // It was copied by an attempt that did not live to remove the file here.
        if !is_same(fs, &from, &to)? {
            return Err(Fault::InTheWay { path: to });
        }
        fs.remove(&from).map_err(Fault::io("remove", &from))?;
        return Ok(directory);
    }
    match fs.rename(&from, &to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            copy(spool, &from, &to)?;
        }
        renamed => renamed.map_err(|error| {
            // Somebody may have removed the directory.
            spool.forget_dirs();
            Fault::io("rename", &from)(error)
        })?,
    }
    Ok(directory)
}

/// Copies an object to another file system, under its name only once it is complete.
fn copy(spool: &Spool, from: &Path, to: &Path) -> fault::Result<()> {
    let fs = &*spool.fs;
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let temporary = to.with_file_name(format!(".{name}.tmp"));
    let mut input = fs.read_at(from, 0).map_err(Fault::io("open", from))?;
    let mut output = fs
        .create(&temporary)
        .map_err(Fault::io("create", &temporary))?;
    io::copy(&mut input, &mut output)
        .and_then(|_| output.sync())
        .map_err(Fault::io("write", &temporary))?;
    drop(output);
    fs.rename(&temporary, to)
        .map_err(Fault::io("rename", &temporary))?;
    fs.remove(from).map_err(Fault::io("remove", from))
}

fn is_same(fs: &dyn FileSystem, one: &Path, other: &Path) -> fault::Result<bool> {
    let open = |path: &Path| fs.read_at(path, 0).map_err(Fault::io("open", path));
    let (mut one_file, mut other_file) = (open(one)?, open(other)?);
    loop {
        let (mut chunk, mut same) = (Vec::new(), Vec::new());
        for (path, file, chunk) in [
            (one, &mut one_file, &mut chunk),
            (other, &mut other_file, &mut same),
        ] {
            let mut next = file.take(CHUNK_BYTES);
            next.read_to_end(chunk).map_err(Fault::io("read", path))?;
        }
        if chunk != same || chunk.is_empty() {
            return Ok(chunk == same);
        }
    }
}

/// The bytes of an object.
pub(super) fn read(spool: &Spool, object: &Planned) -> fault::Result<Vec<u8>> {
    let path = spool.path(&object.file);
    let mut bytes = Vec::with_capacity(usize::try_from(object.bytes).unwrap_or(0));
    let mut file = spool
        .fs
        .read_at(&path, 0)
        .map_err(Fault::io("open", &path))?;
    file.read_to_end(&mut bytes)
        .map_err(Fault::io("read", &path))?;
    match u64::try_from(bytes.len()) {
        Ok(found) if found == object.bytes => Ok(bytes),
        _ => Err(Fault::File {
            path,
            reason: format!("it has {} of {} bytes", bytes.len(), object.bytes),
        }),
    }
}

/// Writes an object into a bucket, unless it is there; a playlist in any case.
pub(super) async fn upload(
    store: &Store,
    object: &Planned,
    bytes: impl Into<PutPayload>,
) -> Result<()> {
    let key = parse(&object.key)?;
    let failed = |error: object_store::Error| {
        let place = &object.place;
        Error::unavailable(format!("write {:?} to {place}", object.key)).with_source(error)
    };
    let payload = bytes.into();
    let encoding = object.encoding.iter();
    let encoding = encoding.map(|encoding| {
        (
            Attribute::ContentEncoding,
            AttributeValue::from(encoding.clone()),
        )
    });
    let media_type = object.holding.media_type().into_iter();
    let media_type = media_type.map(|kind| (Attribute::ContentType, AttributeValue::from(kind)));
    let mode = match store.probed.state() {
        // It writes the same bytes under the same name.
        BucketState::Unconditional => PutMode::Overwrite,
        _ if object.is_playlist() => PutMode::Overwrite,
        _ => PutMode::Create,
    };
    let options = PutOptions {
        attributes: encoding.chain(media_type).collect(),
        ..PutOptions::from(mode)
    };
    match store.objects.put_opts(&key, payload, options).await {
        Ok(_) => Ok(()),
        Err(object_store::Error::AlreadyExists { .. }) => {
            let found = store.objects.head(&key).await.map_err(failed)?;
            if found.size == object.bytes {
                return Ok(());
            }
            Err(Error::unavailable(format!(
                "{:?} in {} has {} bytes that are not this server's",
                object.key, object.place, found.size
            )))
        }
        Err(error) => Err(failed(error)),
    }
}

fn parse(key: &str) -> Result<Key> {
    Key::parse(key).map_err(|error| {
        Error::invalid(format!("{key:?} cannot be the name of an object")).with_source(error)
    })
}
