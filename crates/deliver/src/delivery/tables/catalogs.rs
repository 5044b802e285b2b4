//! The catalogs whose tables delivery streams may append to, as the operator configures them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use afflux_types::{Error, Result};

use crate::delivery::settings::check_directory;

/// An Iceberg REST catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogSettings {
    /// What delivery streams call it.
    pub name: String,
    /// Its URL, without `/v1`.
    pub uri: String,
    /// The warehouse, if the catalog has several.
    pub warehouse: Option<String>,
    /// How requests show who sends them.
    pub login: CatalogLogin,
    /// An existing directory of the server's machine, below which tables may have their files. Those in buckets have
    /// them in buckets of the configuration.
    pub directory: Option<PathBuf>,
    /// How long a request may take, with its answer.
    pub timeout: Duration,
}

/// How requests to a catalog show who sends them.
#[derive(Clone, PartialEq, Eq)]
pub enum CatalogLogin {
    /// Not at all.
    None,
    /// By a token that is there already.
    Token(String),
    /// By a token that OAuth gives for a client's id and secret, with a colon between them.
    Credential {
        /// Both.
        credential: String,
        /// Where tokens are asked for; without, the catalog itself.
        uri: Option<String>,
        /// For what they are asked for; without, `catalog`.
        scope: Option<String>,
    },
}

impl fmt::Debug for CatalogLogin {
    /// Leaves secrets out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token",
            Self::Credential { .. } => "Credential",
        })
    }
}

/// The catalogs of a server; a cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Catalogs(Arc<BTreeMap<String, CatalogSettings>>);

impl Catalogs {
    /// The catalogs of these settings. Nothing is asked yet.
    ///
    /// # Errors
    /// `Invalid` for settings that cannot be those of a catalog.
    pub fn new(catalogs: &[CatalogSettings]) -> Result<Self> {
        let mut all = BTreeMap::new();
        for settings in catalogs {
            let name = &settings.name;
            super::super::http::parse(&settings.uri).map_err(|error| {
                let message = format!("catalog {name} cannot be at {:?}", settings.uri);
                Error::invalid(message).with_source(error)
            })?;
            if let Some(directory) = &settings.directory {
                check_directory(directory)?;
            }
            if all.insert(name.clone(), settings.clone()).is_some() {
                let message = format!("catalog {name} is configured twice");
                return Err(Error::invalid(message));
            }
        }
        Ok(Self(Arc::new(all)))
    }

    /// The catalog of a name.
    ///
    /// # Errors
    /// `NotFound` for one that is not configured.
    #[cfg_attr(
        not(feature = "iceberg"),
        expect(dead_code, reason = "nobody reaches a catalog without the feature")
    )]
    pub(crate) fn find(&self, name: &str) -> Result<&CatalogSettings> {
        self.0.get(name).ok_or_else(|| {
            Error::not_found(format!(
                "catalog {name:?} is not among the [[catalogs]] of the server's configuration"
            ))
        })
    }
}
