//! The buckets that delivery streams may write to, as the operator configures them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use afflux_types::{Error, Result};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use tokio::task::JoinSet;

use super::probe::{BucketReport, Probed, probe};
use super::settings::{Place, check_directory};

/// How long one request may take: an object of the largest size over a slow line.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A bucket that delivery streams may write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketSettings {
    /// The bucket's name.
    pub name: String,
    /// What it really is.
    pub home: BucketHome,
}

/// What a bucket really is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketHome {
    /// An existing directory of the server's machine.
    Directory(PathBuf),
    /// The bucket of that name in an S3-compatible object store.
    Store(StoreSettings),
}

/// An S3-compatible object store.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// Its URL; that of AWS if it is empty.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The access key id; requests are not signed if it is empty.
    pub access_key_id: String,
    /// The secret of that key.
    pub secret_access_key: String,
}

impl fmt::Debug for StoreSettings {
    /// Leaves the secret out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// The buckets of a server; a cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Stores(Arc<BTreeMap<String, Target>>);

/// Where objects are written.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// As files below this directory.
    Directory(PathBuf),
    /// By the requests of a store.
    Store(Store),
}

/// A bucket in an object store, and what is known of it; a cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) probed: Arc<Probed>,
}

impl Stores {
    /// The buckets of these settings. Nothing is asked yet.
    ///
    /// # Errors
    /// `Invalid` for settings that cannot be those of a bucket.
    pub fn new(buckets: &[BucketSettings]) -> Result<Self> {
        let mut stores = BTreeMap::new();
        for BucketSettings { name, home } in buckets {
            let target = match home {
                BucketHome::Directory(directory) => {
                    check_directory(directory)?;
                    Target::Directory(directory.clone())
                }
                BucketHome::Store(store) => Target::Store(Store {
                    objects: Arc::new(open(name, store)?),
                    probed: Arc::default(),
                }),
            };
            if stores.insert(name.clone(), target).is_some() {
                let message = format!("bucket {name} is configured twice");
                return Err(Error::invalid(message));
            }
        }
        Ok(Self(Arc::new(stores)))
    }

    /// Finds out in the background what each store does, until all have answered or what is returned is
    /// dropped.
    pub(crate) fn probe_all(&self) -> JoinSet<()> {
        let mut probes = JoinSet::new();
        for (name, Store { objects, probed }) in self.stores() {
            probes.spawn(probe(
                name.to_owned(),
                Arc::clone(objects),
                Arc::clone(probed),
            ));
        }
        probes
    }

    /// What is known of the buckets in object stores, in the order of their names.
    pub(crate) fn report(&self) -> Vec<BucketReport> {
        let report = |(name, store): (&str, &Store)| BucketReport {
            name: name.to_owned(),
            state: store.probed.state(),
        };
        self.stores().map(report).collect()
    }

    fn stores(&self) -> impl Iterator<Item = (&str, &Store)> {
        self.0.iter().filter_map(|(name, target)| match target {
            Target::Directory(_) => None,
            Target::Store(store) => Some((name.as_str(), store)),
        })
    }

    /// Where a place really is.
    ///
    /// # Errors
    /// `NotFound` for a bucket that is not configured.
    pub(crate) fn target(&self, place: &Place) -> Result<Target> {
        match place {
            Place::Directory(directory) => Ok(Target::Directory(directory.clone())),
            Place::Bucket(name) => self.0.get(name).cloned().ok_or_else(|| {
                let message = format!(
                    "bucket {name} is not among the [[buckets]] of the server's configuration"
                );
                Error::not_found(message)
            }),
        }
    }
}

/// Chooses the library for TLS: there is one in the program; who has chosen it before has chosen the same.
pub(super) fn choose_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn open(name: &str, settings: &StoreSettings) -> Result<AmazonS3> {
    choose_tls();
    // Failed writes are repeated by the delivery, which shows what failed while it does.
    let retry = RetryConfig {
        max_retries: 0,
        ..RetryConfig::default()
    };
    let client = ClientOptions::new()
        .with_timeout(REQUEST_TIMEOUT)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_allow_http(settings.endpoint.starts_with("http://"));
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(name)
        .with_region(&settings.region)
        .with_retry(retry)
        // Some stores cannot delete many objects with one request, and here are never many.
        .with_disable_bulk_delete(true)
        .with_client_options(client);
    if !settings.endpoint.is_empty() {
        builder = builder.with_endpoint(&settings.endpoint);
    }
    builder = match settings.access_key_id.is_empty() {
        true => builder.with_skip_signature(true),
        false => builder
            .with_access_key_id(&settings.access_key_id)
            .with_secret_access_key(&settings.secret_access_key),
    };
    let built = builder.build();
    built
        .map_err(|error| Error::invalid(format!("bucket {name} cannot be used")).with_source(error))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bucket(name) => write!(f, "bucket {name}"),
            Self::Directory(directory) => write!(f, "directory {}", directory.display()),
        }
    }
}
