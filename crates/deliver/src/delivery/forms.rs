//! How and where a delivery stream's objects are written: their places, names and forms.

use afflux_transform::{
    Compression, Delivery, ErrorOutput, PartitionKeys, Schema, Values, hour_name, hour_start,
    object_name,
};
use afflux_types::{Result as AffluxResult, ServerTime};

use super::batch::Group;
use super::endpoint::{Receiver, Request};
use super::settings::{Names, ObjectSettings, Place};
use super::tables::file_name;
use super::unique::Unique;
use super::video::Hour;
use super::work::Plan;
use crate::fault::{Fault, Result};

/// What names of objects of video end with, unless the settings say otherwise.
const MP4: &str = ".mp4";
/// What the names of Parquet files end with, unless the settings say otherwise.
const PARQUET: &str = ".parquet";
/// What names of objects with envelopes have before what their compression says.
const JSON_LINES: &str = ".jsonl";

/// How and where a delivery stream's objects are written.
#[derive(Debug)]
pub(crate) struct Forms {
    name: String,
    id: u64,
    version: u64,
    /// Of what comes out of the processors, and of what fails.
    pub(super) output: Form,
    pub(super) backup: Option<Form>,
    pub(super) video: Form,
    /// Who takes the output instead.
    receiver: Option<Receiver>,
    /// Whether the output is lines with envelopes.
    pub(super) is_enveloped: bool,
    /// What the output is converted to, and the form of that.
    pub(super) converted: Option<(Schema, Form)>,
}

/// The form of some objects.
#[derive(Debug)]
pub(crate) struct Form {
    pub(super) place: Place,
    names: Names,
    pub(super) compression: Compression,
}

/// What the name of an object tells of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    pub(super) oldest: ServerTime,
    pub(super) keys: &'a PartitionKeys,
    pub(super) error: Option<ErrorOutput>,
}

impl Forms {
    pub(crate) fn of(plan: &Plan) -> AffluxResult<Self> {
        let settings = &plan.settings;
        let (objects, partitioned) = (&settings.objects, settings.partitioned);
        let backup = settings.backup.as_ref();
        let schema = settings.schema()?;
        // What fails is not in such files.
        let extension = objects.extension.clone().filter(|_| schema.is_none());
        let lines = || format!("{JSON_LINES}{}", objects.compression.extension());
        let output = ObjectSettings {
            extension: extension.or_else(|| settings.enveloped.then(lines)),
            ..objects.clone()
        };
        let converted = schema.map(|schema| {
            let form = Form::ending(objects, partitioned, PARQUET)?;
            Ok::<_, afflux_types::Error>((schema, form))
        });
        Ok(Self {
            name: plan.name.clone(),
            id: plan.id,
            version: plan.version,
            output: Form::of(&output, partitioned)?,
            backup: backup.map(|backup| Form::of(backup, false)).transpose()?,
            video: Form::ending(objects, partitioned, MP4)?,
            receiver: settings.receiver.clone(),
            is_enveloped: settings.enveloped,
            converted: converted.transpose()?,
        })
    }

    /// The names of what comes out of the processors.
    pub(crate) fn output(&self) -> &Names {
        &self.output.names
    }

    /// The request that a group's part becomes, if it becomes none of the objects.
    pub(super) fn request(
        &self,
        group: &Group,
        id: [u8; 16],
        newest: ServerTime,
    ) -> Option<Request> {
        let receiver = self.receiver.as_ref()?;
        matches!(group, Group::Output(_))
            .then(|| Request::new(id, newest, receiver.clone(), self.output.compression))
    }

    /// What is random in a batch's part, the same whenever it is asked for.
    pub(super) fn unique(&self, batch: u64, part: u32) -> Unique {
        Unique::new(self.id, batch, part)
    }

    /// The name of a table's data file that is a batch's part.
    pub(super) fn file_name(&self, batch: u64, part: u32) -> String {
        file_name(self.id, batch, part)
    }

    /// The hour of what arrived then.
    pub(crate) fn hour(&self, arrival: ServerTime) -> Result<Hour> {
        let Form { place, names, .. } = &self.video;
        let facts = Facts {
            oldest: hour_start(arrival, &names.zone),
            keys: &PartitionKeys::default(),
            error: None,
        };
        // No batch has an object zero: these are the hour's own random strings.
        let hour = facts.oldest.as_millis().cast_unsigned();
        let prefix = names.evaluate(facts, &mut self.unique(hour, 0))?;
        let name = hour_name(&self.name, arrival, &names.zone);
        Ok(Hour {
            place: place.clone(),
            key: format!("{prefix}{name}"),
        })
    }

    /// The name of the object of video that is a batch's part.
    pub(crate) fn video_key(&self, batch: u64, part: u32, oldest: ServerTime) -> Result<String> {
        let facts = Facts {
            oldest,
            keys: &PartitionKeys::default(),
            error: None,
        };
        self.key(&self.video, facts, &mut self.unique(batch, part))
    }

    /// The name of an object: the same whenever it is asked for, and no other object's.
    pub(super) fn key(&self, form: &Form, facts: Facts<'_>, unique: &mut Unique) -> Result<String> {
        let names = &form.names;
        let id = unique.id();
        let prefix = names.evaluate(facts, unique)?;
        let delivery = Delivery {
            name: &self.name,
            version: self.version,
            extension: &names.extension,
        };
        let name = object_name(&delivery, facts.oldest, &names.zone, id);
        Ok(format!("{prefix}{name}"))
    }
}

impl Form {
    fn of(settings: &ObjectSettings, partitioned: bool) -> AffluxResult<Self> {
        Ok(Self {
            place: settings.place.clone(),
            names: Names::of(settings, partitioned)?,
            compression: settings.compression,
        })
    }

    /// Of objects that are compressed inside; their names end with `ending` unless the settings say otherwise.
    fn ending(settings: &ObjectSettings, partitioned: bool, ending: &str) -> AffluxResult<Self> {
        let extension = settings.extension.clone();
        let settings = ObjectSettings {
            extension: Some(extension.unwrap_or_else(|| ending.to_owned())),
            compression: Compression::None,
            ..settings.clone()
        };
        Self::of(&settings, partitioned)
    }
}

impl Names {
    /// The prefix of an object.
    fn evaluate(&self, facts: Facts<'_>, unique: &mut Unique) -> Result<String> {
        let prefix = match facts.error {
            None => &self.prefix,
            Some(_) => &self.error_prefix,
        };
        let mut random = || unique.next();
        let mut values = Values {
            arrival: facts.oldest,
            zone: &self.zone,
            random: &mut random,
            keys: facts.keys,
            error: facts.error,
        };
        prefix.evaluate(&mut values).map_err(|fault| Fault::Name {
            reason: fault.to_string(),
        })
    }
}
