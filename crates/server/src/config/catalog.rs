//! The catalogs of a configuration file: to whose tables delivery streams may append.

use std::path::PathBuf;

use afflux_deliver::{CatalogLogin, CatalogSettings};
use afflux_types::Result;
use serde::Deserialize;

use super::credential::{Secret, read_secret};
use super::timeout::timeout;

const TIMEOUT_SECONDS_MAX: u64 = 300;

/// A REST catalog of Apache Iceberg to whose tables delivery streams may append.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// What delivery streams call it.
    pub name: String,
    /// Its URL, without `/v1`.
    pub uri: String,
    /// The warehouse, if the catalog has several.
    pub warehouse: Option<String>,
    /// An existing directory below which its tables may have their files.
    pub directory: Option<PathBuf>,
    /// How long a request may take, with its answer.
    #[serde(default = "timeout_default")]
    pub timeout_seconds: u64,
    /// The client whose id and secret OAuth gives a token for.
    pub client_id: Option<String>,
    /// Where tokens are asked for; without, the catalog itself.
    pub oauth_uri: Option<String>,
    /// For what tokens are asked for; without, `catalog`.
    pub scope: Option<String>,
    /// The client's secret, or without a client the token itself.
    pub secret: Option<Secret>,
    /// A file with the secret; white space around it is ignored.
    pub secret_file: Option<PathBuf>,
    /// An environment variable with the secret.
    pub secret_env: Option<String>,
}

impl Catalog {
    /// What the delivery is told.
    ///
    /// # Errors
    /// `Invalid` if the timeout is out of its bounds, if there is a client without a secret, or the secret cannot be
    /// read.
    pub(crate) fn settings(&self) -> Result<CatalogSettings> {
        let what = format!("catalog {:?}", self.name);
        let timeout = timeout(&what, self.timeout_seconds, TIMEOUT_SECONDS_MAX)?;
        Ok(CatalogSettings {
            name: self.name.clone(),
            uri: self.uri.clone(),
            warehouse: self.warehouse.clone(),
            login: self.login(&what)?,
            directory: self.directory.clone(),
            timeout,
        })
    }

    fn login(&self, what: &str) -> Result<CatalogLogin> {
        let (secret, file, variable) = (&self.secret, &self.secret_file, &self.secret_env);
        let has_secret = secret.is_some() || file.is_some() || variable.is_some();
        if self.client_id.is_none() && !has_secret {
            return Ok(CatalogLogin::None);
        }
        let secret = read_secret(what, secret.as_ref(), file.as_deref(), variable.as_deref())?;
        Ok(match &self.client_id {
            None => CatalogLogin::Token(secret.expose().to_owned()),
            Some(client) => CatalogLogin::Credential {
                credential: format!("{client}:{}", secret.expose()),
                uri: self.oauth_uri.clone(),
                scope: self.scope.clone(),
            },
        })
    }
}

fn timeout_default() -> u64 {
    60
}

/// What the generated file says about catalogs.
pub(super) const DOCUMENTATION: &str = r#"# Catalogs: REST catalogs of Apache Iceberg, to whose tables delivery streams may append. One that is not here
# does not exist for them. Only a program that was built with --features iceberg can use them.
#
# name             as delivery streams know it: that of arn:aws:glue:REGION:ACCOUNT:catalog/NAME.
# uri              its URL, without /v1.
# warehouse        the warehouse, if the catalog has several. Default: none.
# directory        an existing directory below which tables may have their files. Those of tables in s3://BUCKET are
#                  in the bucket of that name above, whatever the catalog says of credentials. Default: none.
# timeout_seconds  how long a request may take, 1 to 300. Default: 60.
# client_id        the client that OAuth gives tokens to; its secret is that below. Default: none.
# oauth_uri        where tokens are asked for. Default: the catalog itself.
# scope            for what they are asked for. Default: "catalog".
# secret           the client's secret, or without a client the token itself. Default: none. Better
# secret_file      a file with the secret; or
# secret_env       an environment variable with the secret.
#
#[[catalogs]]
#name = "lake"
#uri = "https://catalog.example.com/iceberg"
"#;
