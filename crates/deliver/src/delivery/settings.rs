//! What a user may choose about a delivery stream, checked once and kept as JSON in the engine.

use std::path::{Component, Path, PathBuf};

use afflux_transform::{
    Compression, Conversion, Partitioning, Prefix, Processor, Schema, Steps, check_extension,
    time_zone,
};
use afflux_types::{Error, Result, StreamName};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::endpoint::{Receiver, within};
use super::tables::TableSettings;

/// Size of an object unless the settings say otherwise: 5 MiB.
pub const BUFFER_BYTES_DEFAULT: u64 = 5 << 20;
/// Largest size of an object that can be asked for: 128 MiB. One record may exceed it.
pub const BUFFER_BYTES_MAX: u64 = 128 << 20;
/// Smallest size of an object that can be asked for: 1 MiB.
pub const BUFFER_BYTES_MIN: u64 = 1 << 20;
/// How long records wait for an object to fill unless the settings say otherwise: 300 s.
pub const BUFFER_SECONDS_DEFAULT: u64 = 300;
/// The longest that records may wait for an object to fill: 900 s.
pub const BUFFER_SECONDS_MAX: u64 = 900;

/// What a delivery stream does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is chosen by itself, and kept under its name"
)]
pub struct DeliverySettings {
    /// Where its records come from.
    pub source: DeliverySource,
    /// What is done to each record, in AWS's order whatever the order here.
    pub processors: Vec<Processor>,
    /// Where what comes out goes.
    pub objects: ObjectSettings,
    /// Whether what comes out is grouped by the keys that the processors find in it.
    pub partitioned: bool,
    /// Whether each record becomes a line of JSON that says where it comes from, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enveloped: bool,
    /// Whether each batch leaves a manifest with its objects.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub manifests: bool,
    /// Where every record of the source goes too, as it came.
    pub backup: Option<ObjectSettings>,
    /// Who takes what comes out, if it does not go to `objects`; these have what it does not take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<Receiver>,
    /// Whether `objects` are Parquet files, which have what fits into their columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion: Option<Conversion>,
    /// The Iceberg table that what comes out is appended to; `objects` have what does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<TableSettings>,
}

/// Where the records of a delivery stream come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliverySource {
    /// From those who put them into the delivery stream.
    Direct,
    /// From a stream of records or of video.
    Stream {
        /// Its name.
        name: String,
        /// Where in it the delivery begins.
        from: Start,
        /// The delivery ends before the first record that arrived at this time or later; it must be over.
        ///
        /// # Units
        /// Milliseconds since 1970-01-01 UTC.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<i64>,
    },
}

impl DeliverySource {
    /// The name of the stream, or `direct`.
    pub(crate) fn name<'a>(&'a self, direct: &'a str) -> &'a str {
        match self {
            Self::Direct => direct,
            Self::Stream { name, .. } => name,
        }
    }
}

/// Where in a stream a delivery begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// With the oldest record.
    TrimHorizon,
    /// Behind the newest record.
    Latest,
    /// With the first record that arrived at this time or later.
    ///
    /// # Units
    /// Milliseconds since 1970-01-01 UTC.
    At(i64),
}

/// A place for objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A bucket of the server's configuration.
    Bucket(String),
    /// An existing directory of the server's machine.
    Directory(PathBuf),
}

/// Objects that are written: where, under which names, how large and in which form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectSettings {
    /// Where they are written.
    pub place: Place,
    /// What the names of objects begin with: text and `!{…}` expressions.
    pub prefix: String,
    /// What the names of objects with records that failed begin with.
    pub error_prefix: String,
    /// The time zone of the names: a name of the IANA database.
    pub time_zone: String,
    /// What names end with, instead of what the compression says.
    pub extension: Option<String>,
    /// How they are compressed.
    pub compression: Compression,
    /// An object is complete when it has this many bytes before compression.
    pub buffer_bytes: u64,
    /// An object is complete this long after its first record.
    ///
    /// # Units
    /// Whole seconds; with zero, records are delivered as soon as they come.
    pub buffer_seconds: u64,
}

impl ObjectSettings {
    /// Objects in `place` with every default.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self {
            place,
            prefix: String::new(),
            error_prefix: String::new(),
            time_zone: "UTC".to_owned(),
            extension: None,
            compression: Compression::default(),
            buffer_bytes: BUFFER_BYTES_DEFAULT,
            buffer_seconds: BUFFER_SECONDS_DEFAULT,
        }
    }
}

impl DeliverySettings {
    /// Everything from `source` into `objects`, as it comes.
    #[must_use]
    pub fn new(source: DeliverySource, objects: ObjectSettings) -> Self {
        Self {
            source,
            processors: Vec::new(),
            objects,
            partitioned: false,
            enveloped: false,
            manifests: false,
            backup: None,
            receiver: None,
            conversion: None,
            table: None,
        }
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// `Invalid` if it is none.
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|error| {
            Error::invalid(format!(
                "the settings of a delivery stream are not valid: {error}"
            ))
        })
    }

    /// The JSON form.
    ///
    /// # Errors
    /// `Invalid` for a directory whose name is not Unicode.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::invalid(error.to_string()))
    }

    /// Checks every setting, without looking at what lies behind it.
    ///
    /// # Errors
    /// `Invalid`, naming the setting, its value and the limit.
    pub fn check(&self) -> Result<()> {
        if let DeliverySource::Stream { name, .. } = &self.source {
            StreamName::new(name)?;
        }
        Steps::compile(&self.processors).map_err(invalid)?;
        Names::of(&self.objects, self.partitioned)?;
        self.schema()?;
        if let Some(backup) = &self.backup {
            Names::of(backup, false)?;
        }
        if let Some(receiver) = &self.receiver {
            receiver.check()?;
            if self.partitioned {
                let message = "what goes to an HTTP endpoint or a cluster cannot be partitioned";
                return Err(Error::invalid(message));
            }
            if self.manifests {
                let message = "what goes to an HTTP endpoint or a cluster has no manifests";
                return Err(Error::invalid(message));
            }
        }
        match &self.table {
            Some(table) => self.check_table(table),
            None => Ok(()),
        }
    }

    fn check_table(&self, table: &TableSettings) -> Result<()> {
        table.check()?;
        let others = [
            ("an HTTP endpoint or a cluster", self.receiver.is_some()),
            ("a conversion", self.conversion.is_some()),
            ("partitions", self.partitioned),
            ("manifests beside its own", self.manifests),
        ];
        match others.iter().find(|(_, is_chosen)| *is_chosen) {
            Some((what, _)) => Err(Error::invalid(format!(
                "what is appended to a table goes nowhere else, as its columns say: there cannot be {what}"
            ))),
            None => Ok(()),
        }
    }

    /// The conversion, checked.
    pub(crate) fn schema(&self) -> Result<Option<Schema>> {
        let Some(conversion) = &self.conversion else {
            return Ok(None);
        };
        if self.receiver.is_some() {
            let message = "what goes to an HTTP endpoint or a cluster cannot be converted";
            return Err(Error::invalid(message));
        }
        if self.objects.compression != Compression::None {
            return Err(Error::invalid(format!(
                "what is converted is compressed inside of its files; {:?} is not for them",
                self.objects.compression
            )));
        }
        Schema::of(conversion).map(Some)
    }

    /// Whether the records of the output stay apart until something is made of each of them.
    pub(crate) fn is_framed(&self) -> bool {
        self.receiver.is_some() || self.conversion.is_some() || self.table.is_some()
    }
}

impl DeliverySettings {
    /// Checks what may be chosen about a stream of video, whose fragments are delivered as they are.
    ///
    /// # Errors
    /// `Invalid`, naming the setting.
    pub(crate) fn check_video(&self) -> Result<()> {
        let chosen = [
            ("processors", !self.processors.is_empty()),
            ("partitions", self.partitioned),
            ("envelopes", self.enveloped),
            ("a backup", self.backup.is_some()),
            ("an HTTP endpoint or a cluster", self.receiver.is_some()),
            ("a conversion", self.conversion.is_some()),
            ("a table", self.table.is_some()),
            ("compression", self.objects.compression != Compression::None),
        ];
        match chosen.iter().find(|(_, is_chosen)| *is_chosen) {
            Some((what, _)) => Err(Error::invalid(format!(
                "video is delivered as it is: there cannot be {what}"
            ))),
            None => Ok(()),
        }
    }
}

/// The names that objects get: an [`ObjectSettings`], checked and understood.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) prefix: Prefix,
    pub(crate) error_prefix: Prefix,
    pub(crate) zone: TimeZone,
    pub(crate) extension: String,
}

impl Names {
    pub(crate) fn of(settings: &ObjectSettings, partitioned: bool) -> Result<Self> {
        if let Place::Directory(directory) = &settings.place {
            check_directory(directory)?;
        }
        let limits = [
            (
                "buffer_bytes",
                settings.buffer_bytes,
                BUFFER_BYTES_MIN,
                BUFFER_BYTES_MAX,
            ),
            (
                "buffer_seconds",
                settings.buffer_seconds,
                0,
                BUFFER_SECONDS_MAX,
            ),
        ];
        within("objects", limits)?;
        let partitioning = match partitioned {
            true => Partitioning::Dynamic,
            false => Partitioning::Off,
        };
        let (prefix, error_prefix) = (&settings.prefix, &settings.error_prefix);
        let extension = settings.extension.clone();
        let extension = extension.unwrap_or_else(|| settings.compression.extension().to_owned());
        check_extension(&extension).map_err(invalid)?;
        let is_directory = matches!(settings.place, Place::Directory(_));
        let for_place = |prefix: Prefix| match is_directory {
            true => prefix.for_files(),
            false => prefix,
        };
        let prefixes = (
            Prefix::output(prefix, partitioning).map_err(invalid)?,
            Prefix::error(error_prefix, prefix).map_err(invalid)?,
        );
        Ok(Self {
            prefix: for_place(prefixes.0),
            error_prefix: for_place(prefixes.1),
            zone: time_zone(&settings.time_zone).map_err(invalid)?,
            extension,
        })
    }
}

fn invalid(fault: impl std::error::Error) -> Error {
    Error::invalid(fault.to_string())
}

/// Refuses a directory whose name would mean something else another day, or that cannot be written down.
///
/// # Errors
/// `Invalid`, naming the directory.
pub(crate) fn check_directory(directory: &Path) -> Result<()> {
    let plain = directory
        .components()
        .all(|part| !matches!(part, Component::ParentDir | Component::CurDir));
    if !directory.is_absolute() || !plain {
        return Err(Error::invalid(format!(
            "directory {} is not an absolute path without \"..\"",
            directory.display()
        )));
    }
    // Settings and statuses name the directory in JSON, which holds only Unicode.
    if directory.to_str().is_none() {
        return Err(Error::invalid(format!(
            "directory {} is not UTF-8",
            directory.display()
        )));
    }
    Ok(())
}
