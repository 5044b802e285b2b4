//! The server's settings: one TOML file, environment variables and flags, merged key by key.
//!
//! Precedence is flag, environment (`AFFLUX_<SECTION>_<KEY>`), file, default. Each source is a layer
//! of optional values; the merge happens once, in [`Config::load`], on values and not on texts.

#[macro_use]
mod section;
mod bucket;
mod catalog;
mod credential;
mod endpoint;
mod function;
mod kafka;
mod keys;
mod role;
mod table;
mod timeout;
mod token;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use afflux_types::{Error, Result};
use serde::Deserialize;

pub use bucket::Bucket;
pub use catalog::Catalog;
pub(crate) use credential::read_secret;
pub use credential::{Credential, Secret};
pub use endpoint::Endpoint;
pub use function::Function;
pub use kafka::Kafka;
pub use keys::{Aws, Delivery, Encryption, Http, Kinesis, Limits, Log, Quic, Storage, Tls, Video};
pub use role::RoleAlias;
pub use section::{HttpTls, LogFormat};
pub use table::Table;
pub use token::{Right, Token};

use keys::{
    AwsLayer, DeliveryLayer, EncryptionLayer, HttpLayer, KinesisLayer, LimitsLayer, LogLayer,
    QuicLayer, StorageLayer, TlsLayer, VideoLayer,
};
use section::Key;

/// The settings of a server, complete and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The directory for all data; made if it does not exist. One server at a time may use it.
    pub data_dir: PathBuf,
    /// The native protocol.
    pub quic: Quic,
    /// HTTP.
    pub http: Http,
    /// What the AWS-compatible APIs say of themselves.
    pub aws: Aws,
    /// Kinesis Data Streams.
    pub kinesis: Kinesis,
    /// Kinesis Video Streams.
    pub video: Video,
    /// Delivery streams.
    pub delivery: Delivery,
    /// Certificates.
    pub tls: Tls,
    /// What clients may take.
    pub limits: Limits,
    /// The log on disk.
    pub storage: Storage,
    /// Keys for what is encrypted on disk.
    pub encryption: Encryption,
    /// Log lines.
    pub log: Log,
    /// Who may do what. Without tokens, credentials and `tls.client_ca`, everybody may do everything,
    /// on loopback only.
    pub tokens: Vec<Token>,
    /// Who may do what through the AWS-compatible APIs.
    pub credentials: Vec<Credential>,
    /// What devices get temporary keys for.
    pub role_aliases: Vec<RoleAlias>,
    /// Where delivery streams may write.
    pub buckets: Vec<Bucket>,
    /// What delivery streams may have their records changed by.
    pub functions: Vec<Function>,
    /// Where delivery streams may send records.
    pub endpoints: Vec<Endpoint>,
    /// Kafka clusters that delivery streams may send records to.
    pub kafka: Vec<Kafka>,
    /// The columns of converted records.
    pub tables: Vec<Table>,
    /// To whose tables delivery streams may append.
    pub catalogs: Vec<Catalog>,
}

/// What the command line says; comes before everything else.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// [`Config::data_dir`].
    pub data_dir: Option<PathBuf>,
    /// `quic.listen`.
    pub quic: Option<SocketAddr>,
    /// `http.listen`.
    pub http: Option<SocketAddr>,
}

/// What one source says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Layer {
    data_dir: Option<PathBuf>,
    quic: QuicLayer,
    http: HttpLayer,
    aws: AwsLayer,
    kinesis: KinesisLayer,
    video: VideoLayer,
    delivery: DeliveryLayer,
    tls: TlsLayer,
    limits: LimitsLayer,
    storage: StorageLayer,
    encryption: EncryptionLayer,
    log: LogLayer,
    tokens: Option<Vec<Token>>,
    credentials: Option<Vec<Credential>>,
    role_aliases: Option<Vec<RoleAlias>>,
    buckets: Option<Vec<Bucket>>,
    functions: Option<Vec<Function>>,
    endpoints: Option<Vec<Endpoint>>,
    kafka: Option<Vec<Kafka>>,
    tables: Option<Vec<Table>>,
    catalogs: Option<Vec<Catalog>>,
}

const DATA_DIR_DEFAULT: &str = "data";
const ENVIRONMENT_PREFIX: &str = "AFFLUX_";

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: DATA_DIR_DEFAULT.into(),
            quic: Quic::default(),
            http: Http::default(),
            aws: Aws::default(),
            kinesis: Kinesis::default(),
            video: Video::default(),
            delivery: Delivery::default(),
            tls: Tls::default(),
            limits: Limits::default(),
            storage: Storage::default(),
            encryption: Encryption::default(),
            log: Log::default(),
            tokens: Vec::new(),
            credentials: Vec::new(),
            role_aliases: Vec::new(),
            buckets: Vec::new(),
            functions: Vec::new(),
            endpoints: Vec::new(),
            kafka: Vec::new(),
            tables: Vec::new(),
            catalogs: Vec::new(),
        }
    }
}

impl Config {
    /// Merges flags, environment, the file if one is named, and the defaults.
    ///
    /// # Errors
    /// `Invalid` if the file cannot be read or understood, or a value is outside its limits; the
    /// message names the key.
    pub fn load(
        flags: Flags,
        environment: impl IntoIterator<Item = (String, String)>,
        file: Option<&Path>,
    ) -> Result<Self> {
        let flags = Layer {
            data_dir: flags.data_dir,
            quic: QuicLayer {
                listen: flags.quic,
                ..QuicLayer::default()
            },
            http: HttpLayer {
                listen: flags.http,
                ..HttpLayer::default()
            },
            ..Layer::default()
        };
        let environment = Layer::from_environment(environment)?;
        let file = file.map(Layer::from_file).transpose()?.unwrap_or_default();
        Self::resolve(flags.or(environment).or(file))
    }

    /// The documented defaults as a configuration file in which every key is commented out.
    #[must_use]
    pub fn documented_toml() -> String {
        let mut text = String::from(
            "# The configuration of an Afflux server. Every key shows its default; uncomment to change it.\n\
             # A flag comes before the environment variable AFFLUX_<SECTION>_<KEY>, that before this file.\n\n\
             # The directory for all data; made if it does not exist. One server at a time may use it.\n",
        );
        // Writing to a string cannot fail.
        let _ = writeln!(text, "#data_dir = {DATA_DIR_DEFAULT:?}");
        document(&mut text, Quic::SECTION, Quic::ABOUT, Quic::keys());
        document(&mut text, Http::SECTION, Http::ABOUT, Http::keys());
        document(&mut text, Aws::SECTION, Aws::ABOUT, Aws::keys());
        document(&mut text, Kinesis::SECTION, Kinesis::ABOUT, Kinesis::keys());
        document(&mut text, Video::SECTION, Video::ABOUT, Video::keys());
        document(
            &mut text,
            Delivery::SECTION,
            Delivery::ABOUT,
            Delivery::keys(),
        );
        document(&mut text, Tls::SECTION, Tls::ABOUT, Tls::keys());
        document(&mut text, Limits::SECTION, Limits::ABOUT, Limits::keys());
        document(&mut text, Storage::SECTION, Storage::ABOUT, Storage::keys());
        document(
            &mut text,
            Encryption::SECTION,
            Encryption::ABOUT,
            Encryption::keys(),
        );
        document(&mut text, Log::SECTION, Log::ABOUT, Log::keys());
        text.push('\n');
        text.push_str(token::DOCUMENTATION);
        text.push('\n');
        text.push_str(credential::DOCUMENTATION);
        text.push('\n');
        text.push_str(role::DOCUMENTATION);
        text.push('\n');
        text.push_str(bucket::DOCUMENTATION);
        text.push('\n');
        text.push_str(function::DOCUMENTATION);
        text.push('\n');
        text.push_str(endpoint::DOCUMENTATION);
        text.push('\n');
        text.push_str(kafka::DOCUMENTATION);
        text.push('\n');
        text.push_str(table::DOCUMENTATION);
        text.push('\n');
        text.push_str(catalog::DOCUMENTATION);
        text
    }

    /// Checks a configuration that was made in code.
    ///
    /// # Errors
    /// `Invalid` if a value is outside its limits or two keys contradict each other.
    pub fn check(&self) -> Result<()> {
        self.quic.check()?;
        self.http.check()?;
        self.aws.check()?;
        self.kinesis.check()?;
        self.video.check()?;
        self.delivery.check()?;
        self.limits.check()?;
        self.storage.check()?;
        let Storage {
            segment_bytes_min: min,
            segment_bytes_max: max,
            ..
        } = self.storage;
        if min > max {
            return Err(Error::invalid(format!(
                "configuration key storage.segment_bytes_min is {min}, more than \
                 storage.segment_bytes_max, which is {max}"
            )));
        }
        let Aws { region, account } = &self.aws;
        if account.len() != 12 || !account.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(Error::invalid(format!(
                "configuration key aws.account is {account:?}; it must be twelve digits"
            )));
        }
        let in_region = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if region.is_empty() || region.len() > 32 || !region.bytes().all(in_region) {
            return Err(Error::invalid(format!(
                "configuration key aws.region is {region:?}; it must be 1 to 32 small letters, \
                 digits and '-'"
            )));
        }
        let given = |path: &Path| !path.as_os_str().is_empty();
        if given(&self.tls.certificate) != given(&self.tls.key) {
            return Err(Error::invalid(
                "configuration keys tls.certificate and tls.key must be given together",
            ));
        }
        Ok(())
    }

    fn resolve(layer: Layer) -> Result<Self> {
        let config = Self {
            data_dir: layer.data_dir.unwrap_or_else(|| DATA_DIR_DEFAULT.into()),
            quic: Quic::resolve(layer.quic)?,
            http: Http::resolve(layer.http)?,
            aws: Aws::resolve(layer.aws)?,
            kinesis: Kinesis::resolve(layer.kinesis)?,
            video: Video::resolve(layer.video)?,
            delivery: Delivery::resolve(layer.delivery)?,
            tls: Tls::resolve(layer.tls)?,
            limits: Limits::resolve(layer.limits)?,
            storage: Storage::resolve(layer.storage)?,
            encryption: Encryption::resolve(layer.encryption)?,
            log: Log::resolve(layer.log)?,
            tokens: layer.tokens.unwrap_or_default(),
            credentials: layer.credentials.unwrap_or_default(),
            role_aliases: layer.role_aliases.unwrap_or_default(),
            buckets: layer.buckets.unwrap_or_default(),
            functions: layer.functions.unwrap_or_default(),
            endpoints: layer.endpoints.unwrap_or_default(),
            kafka: layer.kafka.unwrap_or_default(),
            tables: layer.tables.unwrap_or_default(),
            catalogs: layer.catalogs.unwrap_or_default(),
        };
        config.check()?;
        Ok(config)
    }
}

impl Layer {
    fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::invalid(format!("read the configuration file {}", path.display()))
                .with_source(error)
        })?;
        Self::from_toml(&text).map_err(|error| {
            Error::invalid(format!(
                "the configuration file {} is not valid",
                path.display()
            ))
            .with_source(error)
        })
    }

    fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Takes the variables that start with a section's name; others belong to the command line.
    fn from_environment(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let mut layer = Self::default();
        for (name, text) in variables {
            let Some(key) = name.strip_prefix(ENVIRONMENT_PREFIX) else {
                continue;
            };
            let key = key.to_ascii_lowercase();
            let known = match key.split_once('_') {
                Some(("data", "dir")) => {
                    layer.data_dir = Some(text.into());
                    Ok(true)
                }
                Some(("quic", key)) => layer.quic.set(key, &text),
                Some(("http", key)) => layer.http.set(key, &text),
                Some(("aws", key)) => layer.aws.set(key, &text),
                Some(("kinesis", key)) => layer.kinesis.set(key, &text),
                Some(("video", key)) => layer.video.set(key, &text),
                Some(("delivery", key)) => layer.delivery.set(key, &text),
                Some(("tls", key)) => layer.tls.set(key, &text),
                Some(("limits", key)) => layer.limits.set(key, &text),
                Some(("storage", key)) => layer.storage.set(key, &text),
                Some(("encryption", key)) => layer.encryption.set(key, &text),
                Some(("log", key)) => layer.log.set(key, &text),
                _ => continue,
            };
            match known {
                Ok(true) => {}
                Ok(false) => {
                    return Err(Error::invalid(format!(
                        "environment variable {name} names no configuration key"
                    )));
                }
                Err(reason) => {
                    return Err(Error::invalid(format!(
                        "environment variable {name}: {reason}"
                    )));
                }
            }
        }
        Ok(layer)
    }

    /// These values, and those of `lower` where there is none.
    fn or(self, lower: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(lower.data_dir),
            quic: self.quic.or(lower.quic),
            http: self.http.or(lower.http),
            aws: self.aws.or(lower.aws),
            kinesis: self.kinesis.or(lower.kinesis),
            video: self.video.or(lower.video),
            delivery: self.delivery.or(lower.delivery),
            tls: self.tls.or(lower.tls),
            limits: self.limits.or(lower.limits),
            storage: self.storage.or(lower.storage),
            encryption: self.encryption.or(lower.encryption),
            log: self.log.or(lower.log),
            tokens: self.tokens.or(lower.tokens),
            credentials: self.credentials.or(lower.credentials),
            role_aliases: self.role_aliases.or(lower.role_aliases),
            buckets: self.buckets.or(lower.buckets),
            functions: self.functions.or(lower.functions),
            endpoints: self.endpoints.or(lower.endpoints),
            kafka: self.kafka.or(lower.kafka),
            tables: self.tables.or(lower.tables),
            catalogs: self.catalogs.or(lower.catalogs),
        }
    }
}

fn document(text: &mut String, section: &str, about: &[&str], keys: Vec<Key>) {
    text.push('\n');
    for line in about {
        let _ = writeln!(text, "#{line}");
    }
    let _ = writeln!(text, "[{section}]");
    for key in keys {
        text.push('\n');
        for line in key.doc {
            let _ = writeln!(text, "#{line}");
        }
        let range = key
            .range
            .map(|range| format!(" Minimum: {}. Maximum: {}.", range.start(), range.end()))
            .unwrap_or_default();
        let _ = writeln!(text, "# Default: {}.{range}", key.default);
        let _ = writeln!(text, "#{} = {}", key.name, key.default);
    }
}

#[cfg(test)]
mod tests;
