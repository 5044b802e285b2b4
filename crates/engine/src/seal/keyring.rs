//! Master keys in a directory of files.
//!
//! # Shape
//! `<key id>.key` holds 32 bytes, in hex or Base64. The file `aliases`, if there is one, holds a line
//! `alias/<name> <key id>` for each alias; empty lines and lines that start with `#` are skipped. Files
//! are read when they are needed, so keys can be added while the server runs.
//!
//! # Invariants
//! A key that other users of the machine can read, or could have put there, is refused. No name leads
//! out of the directory.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind as IoKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use afflux_types::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use zeroize::Zeroizing;

use super::error::KeyFault;

/// Bytes of a key.
pub(super) const KEY_LEN: usize = 32;
/// Characters of a key's id; at AWS it is a UUID of 36.
const KEY_ID_CHARS_MAX: usize = 128;
/// Characters of an alias after `alias/`, as at AWS.
const ALIAS_CHARS_MAX: usize = 250;
const KEY_FILE_BYTES_MAX: u64 = 1_024;
const ALIASES_FILE_BYTES_MAX: u64 = 1 << 20;
const ALIASES: &str = "aliases";

/// What others may not do with a key's file.
const OTHERS_ANY: u32 = 0o077;
/// What others may not do where a key could be put or pointed to.
const OTHERS_WRITE: u32 = 0o022;

/// A directory of master keys; a cheap handle. The keys stay on disk until they are needed.
#[derive(Clone)]
pub struct Keyring {
    dir: Arc<Path>,
}

/// A master key.
pub(crate) struct MasterKey {
    pub(crate) id: String,
    secret: Zeroizing<[u8; KEY_LEN]>,
}

enum Name<'a> {
    Id(&'a str),
    Alias(&'a str),
}

impl Keyring {
    /// The keyring in a directory, which is not to be the data directory: keys beside what they seal
    /// protect nothing.
    ///
    /// # Errors
    /// `Invalid` if it is no directory or others can write to it.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self> {
        let dir = dir.into();
        let fail = |why: String| Error::invalid(format!("keyring {}: {why}", dir.display()));
        let meta = std::fs::metadata(&dir).map_err(|error| fail(error.to_string()))?;
        if !meta.is_dir() {
            return Err(fail("it is not a directory".to_owned()));
        }
        let mode = meta.permissions().mode() & 0o7777;
        if mode & OTHERS_WRITE != 0 {
            return Err(fail(format!(
                "other users can write to it (mode {mode:04o}); it needs mode 0700"
            )));
        }
        Ok(Self { dir: dir.into() })
    }

    /// Where the keys are.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The key behind a key id, an alias or an ARN. May block.
    pub(crate) fn find(&self, name: &str) -> Result<MasterKey, KeyFault> {
        match parse(name)? {
            Name::Id(id) => self.key(id),
            Name::Alias(alias) => self.key(&self.resolve(alias)?),
        }
    }

    /// The key with an id. May block.
    pub(crate) fn key(&self, id: &str) -> Result<MasterKey, KeyFault> {
        if !is_key_id(id) {
            return Err(KeyFault::Name {
                name: id.to_owned(),
            });
        }
        let path = self.dir.join(format!("{id}.key"));
        let text = self.read(&path, KEY_FILE_BYTES_MAX, OTHERS_ANY, id)?;
        let secret = parse_secret(text.trim_ascii()).ok_or(KeyFault::Malformed {
            path,
            expected: "32 bytes in hex or Base64",
        })?;
        Ok(MasterKey {
            id: id.to_owned(),
            secret,
        })
    }

    fn resolve(&self, alias: &str) -> Result<String, KeyFault> {
        let path = self.dir.join(ALIASES);
        let bytes = self.read(&path, ALIASES_FILE_BYTES_MAX, OTHERS_WRITE, alias)?;
        let malformed = || KeyFault::Malformed {
            path: path.clone(),
            expected: "lines of an alias/<name> and a key id",
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| malformed())?;
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, id) = line.split_once(char::is_whitespace).ok_or_else(malformed)?;
            if name == alias {
                return Ok(id.trim_start().to_owned());
            }
        }
        Err(self.not_found(alias))
    }

    /// A file's bytes, if others may not do what `forbidden` says; `key` is looked for in it.
    fn read(
        &self,
        path: &Path,
        bytes_max: u64,
        forbidden: u32,
        key: &str,
    ) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
        let fail = |source: std::io::Error| match source.kind() {
            IoKind::NotFound => self.not_found(key),
            _ => KeyFault::Io {
                path: path.to_owned(),
                source,
            },
        };
        let file = File::open(path).map_err(fail)?;
        // Of the open file, which nobody can exchange any more.
        let mode = file.metadata().map_err(fail)?.permissions().mode() & 0o7777;
        if mode & forbidden != 0 {
            return Err(KeyFault::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        // Room for everything from the start: a vector that grows leaves copies behind.
        let room = usize::try_from(bytes_max.min(KEY_FILE_BYTES_MAX)).unwrap_or_default();
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        file.take(bytes_max).read_to_end(&mut bytes).map_err(fail)?;
        Ok(bytes)
    }

    fn not_found(&self, key: &str) -> KeyFault {
        KeyFault::NotFound {
            key: key.to_owned(),
            dir: self.dir.to_path_buf(),
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.dir).finish()
    }
}

impl MasterKey {
    /// What wraps data keys.
    pub(super) fn cipher(&self) -> LessSafeKey {
        let key = UnboundKey::new(&AES_256_GCM, self.secret.as_slice());
        LessSafeKey::new(key.expect("a master key has the cipher's length"))
    }
}

fn parse(name: &str) -> Result<Name<'_>, KeyFault> {
    let refused = || KeyFault::Name {
        name: name.chars().take(KEY_ID_CHARS_MAX).collect(),
    };
    let resource = match name.strip_prefix("arn:") {
        Some(arn) => {
            let mut fields = arn.splitn(5, ':');
            if fields.nth(1) != Some("kms") {
                return Err(refused());
            }
            fields.nth(2).ok_or_else(refused)?
        }
        None => name,
    };
    if let Some(alias) = resource.strip_prefix("alias/") {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-');
        if alias.is_empty() || alias.len() > ALIAS_CHARS_MAX || !alias.chars().all(known) {
            return Err(refused());
        }
        return Ok(Name::Alias(resource));
    }
    let id = if name.starts_with("arn:") {
        resource.strip_prefix("key/").ok_or_else(refused)?
    } else {
        resource
    };
    if is_key_id(id) {
        Ok(Name::Id(id))
    } else {
        Err(refused())
    }
}

/// No dot and no slash: an id is a file's name and nothing more.
fn is_key_id(id: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    !id.is_empty() && id.len() <= KEY_ID_CHARS_MAX && id.chars().all(known)
}

fn parse_secret(text: &[u8]) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    let mut secret = Zeroizing::new([0; KEY_LEN]);
    if text.len() == 2 * KEY_LEN {
        for (byte, pair) in secret.iter_mut().zip(text.as_chunks::<2>().0) {
            let [high, low] = *pair;
            *byte = hex(high)? << 4 | hex(low)?;
        }
        return Some(secret);
    }
    let bytes = Zeroizing::new(BASE64.decode(text).ok()?);
    secret.copy_from_slice(
        bytes
            .first_chunk::<KEY_LEN>()
            .filter(|_| bytes.len() == KEY_LEN)?,
    );
    Some(secret)
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn write(dir: &Path, name: &str, text: &str, mode: u32) {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn keyring() -> (tempfile::TempDir, Keyring) {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "one.key", &format!("{HEX}\n"), 0o600);
        let base64 = BASE64.encode((0..32).collect::<Vec<u8>>());
        write(dir.path(), "two.key", &base64, 0o400);
        let aliases = "# names\n\nalias/aws/kinesis two\nalias/bad ../one\n";
        write(dir.path(), "aliases", aliases, 0o644);
        let keyring = Keyring::open(dir.path()).unwrap();
        (dir, keyring)
    }

    #[test]
    fn a_key_is_found_by_id_alias_and_arn() {
        let (_dir, keyring) = keyring();
        for (name, id) in [
            ("one", "one"),
            ("two", "two"),
            ("alias/aws/kinesis", "two"),
            ("arn:aws:kms:us-east-1:000000000000:key/one", "one"),
            ("arn:aws-cn:kms:cn-north-1:1:alias/aws/kinesis", "two"),
        ] {
            let key = keyring.find(name).unwrap();
            assert_eq!(key.id, id);
            assert_eq!(key.secret.as_slice(), (0..32).collect::<Vec<u8>>());
        }
    }

    #[test]
    fn names_that_are_not_names_or_lead_elsewhere_are_refused() {
        let (_dir, keyring) = keyring();
        let long = "a".repeat(KEY_ID_CHARS_MAX + 1);
        for name in [
            "",
            ".",
            "../one",
            "a/b",
            "one.key",
            "alias/",
            "alias/../one",
            "alias/bad",
            "arn:aws:kms:r:a:one",
            "arn:aws:s3:r:a:key/one",
            "arn:aws:kms:key/one",
            "arn:aws:kms:r:a:key/../one",
            &long,
        ] {
            let fault = keyring.find(name).err().unwrap();
            assert!(matches!(fault, KeyFault::Name { .. }), "{name}: {fault:?}");
        }
        for name in ["three", "alias/three"] {
            let fault = keyring.find(name).err().unwrap();
            assert!(
                matches!(&fault, KeyFault::NotFound { key, .. } if key == name),
                "{fault:?}"
            );
        }
    }

    #[test]
    fn files_that_are_open_to_others_or_hold_something_else_are_refused() {
        let (dir, keyring) = keyring();
        write(dir.path(), "open.key", HEX, 0o640);
        let fault = keyring.find("open").err().unwrap();
        assert!(
            matches!(fault, KeyFault::Exposed { mode: 0o640, .. }),
            "{fault:?}"
        );
        let cut = &HEX[..62];
        let other = BASE64.encode([7; 33]);
        let not_hex = HEX.replace('f', "g");
        for text in ["", "hello", cut, &other, &not_hex] {
            write(dir.path(), "bad.key", text, 0o600);
            let fault = keyring.find("bad").err().unwrap();
            assert!(
                matches!(fault, KeyFault::Malformed { .. }),
                "{text}: {fault:?}"
            );
        }
        write(dir.path(), "aliases", "alias/x one\n", 0o666);
        let fault = keyring.find("alias/x").err().unwrap();
        assert!(matches!(fault, KeyFault::Exposed { .. }), "{fault:?}");
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mode =
            |mode| std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode));
        mode(0o770).unwrap();
        let error = Keyring::open(dir.path()).unwrap_err();
        assert!(error.message().contains("mode 0770"), "{error:?}");
        mode(0o755).unwrap();
        Keyring::open(dir.path()).unwrap();
        Keyring::open(dir.path().join("none")).unwrap_err();
    }
}
