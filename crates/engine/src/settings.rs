//! A small durable store for what others must remember: archives, tokens.
//!
//! The engine does not look at the values. It keeps them in its catalog so that a data directory has
//! one transactional file, not two.

use std::fmt;
use std::sync::Arc;

use afflux_types::{Error, ErrorKind, Result};

use crate::catalog::{Catalog, Table, Write, damaged, key};

/// Bytes in the name of a namespace.
const NAMESPACE_BYTES_MAX: usize = 64;
/// Bytes in a key.
const KEY_BYTES_MAX: usize = 512;
/// Bytes in a value: settings are read whole, into memory.
const VALUE_BYTES_MAX: usize = 1 << 20;

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
