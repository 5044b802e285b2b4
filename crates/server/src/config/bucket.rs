//! The buckets of a configuration file: where delivery streams may write.

use std::path::PathBuf;

use afflux_deliver::{BucketHome, BucketSettings, StoreSettings};
use afflux_types::{Error, Result};
use serde::Deserialize;

use super::credential::{Secret, read_secret};

/// A bucket that delivery streams may write to: a directory, or a bucket of an object store.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// The bucket's name, as delivery streams and the object store know it.
    pub name: String,
    /// An existing directory, whose files are the objects.
    pub directory: Option<PathBuf>,
    /// The URL of an S3-compatible object store.
    pub endpoint: Option<String>,
    /// The region that requests to the store are signed for.
    #[serde(default)]
    pub region: String,
    /// The key that requests to the store are signed with.
    #[serde(default)]
    pub access_key_id: String,
    /// The secret itself.
    pub secret: Option<Secret>,
    /// A file with the secret; white space around it is ignored.
    pub secret_file: Option<PathBuf>,
    /// An environment variable with the secret.
    pub secret_env: Option<String>,
}

impl Bucket {
    /// What the delivery is told.
    ///
    /// # Errors
    /// `Invalid` if the bucket has no home or two, or its secret cannot be read.
    pub(crate) fn settings(&self) -> Result<BucketSettings> {
        let name = &self.name;
        let home = match (&self.directory, &self.endpoint) {
            (Some(directory), None) => BucketHome::Directory(directory.clone()),
            (None, Some(endpoint)) => BucketHome::Store(StoreSettings {
                endpoint: endpoint.clone(),
                region: self.region.clone(),
                access_key_id: self.access_key_id.clone(),
                secret_access_key: self.secret()?,
            }),
            _ => {
                return Err(Error::invalid(format!(
                    "bucket {name:?} needs exactly one of directory and endpoint"
                )));
            }
        };
        Ok(BucketSettings {
            name: name.clone(),
            home,
        })
    }

    fn secret(&self) -> Result<String> {
        if self.access_key_id.is_empty() {
            return Ok(String::new());
        }
        let what = format!("bucket {:?}", self.name);
        let secret = read_secret(
            &what,
            self.secret.as_ref(),
            self.secret_file.as_deref(),
            self.secret_env.as_deref(),
        )?;
        Ok(secret.expose().to_owned())
    }
}

/// What the generated file says about buckets.
pub(super) const DOCUMENTATION: &str = r#"# Buckets: where delivery streams may write. A bucket that is not here does not exist for them.
#
# name           as delivery streams and the object store know it.
# directory      an existing directory, whose files are the objects; or
# endpoint       the URL of an S3-compatible object store, such as https://s3.eu-central-1.amazonaws.com,
# region         for which requests to it are signed,
# access_key_id  the key that they are signed with. Default: none, and they are not signed.
# secret         its secret; or better
# secret_file    a file with the secret; or
# secret_env     an environment variable with the secret.
#
# At its start the server finds out whether a store refuses to write over an object that is there, by
# objects below `.afflux-probe/` that it removes: `afflux delivery describe` tells the answer.
#
#[[buckets]]
#name = "lake"
#endpoint = "https://s3.eu-central-1.amazonaws.com"
#region = "eu-central-1"
#access_key_id = "AKIA..."
#secret_file = "/etc/afflux/lake.secret"
"#;
