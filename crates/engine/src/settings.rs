//! A small durable store for what others must remember: deliveries, tokens.
//!
//! The engine does not look at the values. It keeps them in its catalog so that a data directory has
//! one transactional file, not two.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use afflux_types::{Error, ErrorKind, Result};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::catalog::{Catalog, Table, Write, damaged, key};

/// Bytes in the name of a namespace.
const NAMESPACE_BYTES_MAX: usize = 64;
/// Bytes in a key.
const KEY_BYTES_MAX: usize = 512;
/// Bytes in a value: settings are read whole, into memory.
const VALUE_BYTES_MAX: usize = 1 << 20;
/// Rows that are read at once.
const PAGE: usize = 1_000;

/// What lies in a setting.
pub trait Row: Sized + Send + Sync {
    /// The value of the setting.
    ///
    /// # Errors
    /// If it has no form.
    fn to_row(&self) -> Result<Vec<u8>, RowError>;

    /// Reads the value of a setting.
    ///
    /// # Errors
    /// If it is not what [`Row::to_row`] writes.
    fn from_row(row: &[u8]) -> Result<Self, RowError>;
}

/// Why a row could not be written or read.
pub type RowError = Box<dyn StdError + Send + Sync>;

/// The settings of a data directory; a cheap handle.
#[derive(Clone)]
pub struct Settings {
    catalog: Arc<Catalog>,
}

impl Settings {
    pub(crate) fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog }
    }

    /// Inserts or replaces a value, durably.
    ///
    /// # Shape
    /// A namespace of 1 to 64 bytes and a key of up to 512, both without zero bytes; a value of up to
    /// 1 MiB.
    ///
    /// # Errors
    /// `Invalid` or `LimitExceeded` for a name or a value out of its bounds.
    pub async fn put(&self, namespace: &str, key: &str, value: &[u8]) -> Result<()> {
        let key = checked(namespace, key)?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!(
                    "a setting of {} bytes was given; the limit is {VALUE_BYTES_MAX}",
                    value.len()
                ),
            ));
        }
        let write = Write::Put {
            table: Table::Settings,
            key,
            value: value.to_vec(),
        };
        self.catalog.commit(vec![write], |_| ()).await
    }

    /// Deletes a value, durably; nothing happens if there is none.
    ///
    /// # Errors
    /// As [`Settings::put`].
    pub async fn delete(&self, namespace: &str, key: &str) -> Result<()> {
        let write = Write::Delete {
            table: Table::Settings,
            key: checked(namespace, key)?,
        };
        self.catalog.commit(vec![write], |_| ()).await
    }

    /// A value, if there is one.
    ///
    /// # Errors
    /// As [`Settings::put`].
    pub fn get(&self, namespace: &str, key: &str) -> Result<Option<Vec<u8>>> {
        self.catalog.get(Table::Settings, &checked(namespace, key)?)
    }

    /// At most `limit` keys after `after` with their values, in the order of the keys.
    ///
    /// # Errors
    /// As [`Settings::put`].
    pub fn list(
        &self,
        namespace: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        check_namespace(namespace)?;
        let prefix = key::namespace(namespace);
        let after = after.map(|after| checked(namespace, after)).transpose()?;
        let rows = self
            .catalog
            .scan(Table::Settings, &prefix, after.as_deref(), limit)?;
        rows.into_iter()
            .map(|(key, value)| {
                let key = key.get(prefix.len()..).unwrap_or_default();
                let key = std::str::from_utf8(key).map_err(|_| damaged("the key of a setting"))?;
                Ok((key.to_owned(), value))
            })
            .collect()
    }

    /// Every key with its value, in the order of the keys.
    ///
    /// # Errors
    /// As [`Settings::put`].
    pub fn rows(&self, namespace: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let mut rows: Vec<(String, Vec<u8>)> = Vec::new();
        loop {
            let after = rows.last().map(|(key, _)| key.as_str());
            let page = self.list(namespace, after, PAGE)?;
            if page.is_empty() {
                return Ok(rows);
            }
            rows.extend(page);
        }
    }

    /// Inserts or replaces a row, durably.
    ///
    /// # Errors
    /// As [`Settings::put`]; `Internal` if the row has no form.
    pub async fn put_row(&self, namespace: &str, key: &str, row: &impl Row) -> Result<()> {
        let value = row.to_row();
        let value = value.map_err(|error| {
            Error::internal(format!("write the setting {key:?} of {namespace}")).with_source(error)
        })?;
        self.put(namespace, key, &value).await
    }

    /// A random value that is made the first time that somebody asks for it.
    ///
    /// # Errors
    /// As [`Settings::put`]; `Unavailable` if the system has no random bytes.
    pub async fn secret(&self, namespace: &str, key: &str) -> Result<[u8; 32]> {
        let stored = self.get(namespace, key)?;
        if let Some(secret) = stored.and_then(|stored| stored.try_into().ok()) {
            return Ok(secret);
        }
        let mut secret = [0; 32];
        random(&mut secret)?;
        self.put(namespace, key, &secret).await?;
        Ok(secret)
    }
}

/// Reads a row that [`Settings::rows`] gave.
///
/// # Errors
/// `DataLoss` if it cannot be read.
pub fn read_row<R: Row>(namespace: &str, key: &str, row: &[u8]) -> Result<R> {
    R::from_row(row).map_err(|error| {
        let message = format!("the setting {key:?} of {namespace} is damaged");
        Error::new(ErrorKind::DataLoss, message).with_source(error)
    })
}

/// Fills `bytes` with random ones.
///
/// # Errors
/// `Unavailable` if the system has none.
pub fn random(bytes: &mut [u8]) -> Result<()> {
    let filled = SystemRandom::new().fill(bytes);
    filled.map_err(|_| Error::unavailable("the system has no random bytes"))
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

fn checked(namespace: &str, key: &str) -> Result<Vec<u8>> {
    check_namespace(namespace)?;
    if key.len() > KEY_BYTES_MAX || key.contains('\0') {
        return Err(Error::invalid(format!(
            "the key of a setting has {} bytes; up to {KEY_BYTES_MAX} without a zero byte are possible",
            key.len()
        )));
    }
    Ok(key::setting(namespace, key))
}

fn check_namespace(namespace: &str) -> Result<()> {
    if namespace.is_empty() || namespace.len() > NAMESPACE_BYTES_MAX || namespace.contains('\0') {
        return Err(Error::invalid(format!(
            "the namespace of a setting has {} bytes; 1 to {NAMESPACE_BYTES_MAX} without a zero byte are possible",
            namespace.len()
        )));
    }
    Ok(())
}
