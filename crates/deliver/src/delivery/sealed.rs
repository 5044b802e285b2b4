//! A batch that has ended: it becomes files of the spool and an intent, while the next one fills.

use std::sync::Arc;

use afflux_transform::{
    Compression, Delivery, ErrorOutput, PartitionKeys, Values, hour_name, hour_start, object_name,
};
use afflux_types::{Result as AffluxResult, ServerTime};

use super::batch::{Batch, Group, Part};
use super::endpoint::{EndpointSettings, Request};
use super::settings::{DeliverySettings, Names, ObjectSettings, Place};
use super::spool::{Holding, Intent, Planned, Spool};
use super::state::{DeliveryTotals, Places};
use super::unique::Unique;
use super::video::{Hour, Reel};
use super::work::Plan;
use crate::fault::{Fault, Result};

/// What names of objects of video end with, unless the settings say otherwise.
const MP4: &str = ".mp4";

/// How and where a delivery stream's objects are written.
#[derive(Debug)]
pub(crate) struct Forms {
    name: String,
    id: u64,
    version: u64,
    output: Form,
    backup: Option<Form>,
    video: Form,
    /// What takes the output instead.
    endpoint: Option<EndpointSettings>,
}

#[derive(Debug)]
struct Form {
    place: Place,
    names: Names,
    compression: Compression,
}

/// A batch that has ended.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(super) forms: Arc<Forms>,
    pub(super) spool: Spool,
    pub(super) batch: Batch,
    /// Where the shards are behind it.
    pub(super) places: Places,
    /// What is known of it already.
    pub(super) totals: DeliveryTotals,
    /// The playlists that have something of it, in their order; the last one goes on.
    pub(super) reels: Vec<Reel>,
}

/// What the name of an object tells of it.
#[derive(Clone, Copy, Debug)]
struct Facts<'a> {
    oldest: ServerTime,
    keys: &'a PartitionKeys,
    error: Option<ErrorOutput>,
}

impl Forms {
    pub(crate) fn of(plan: &Plan) -> AffluxResult<Self> {
        let DeliverySettings {
            objects,
            backup,
            partitioned,
            endpoint,
            ..
        } = &plan.settings;
        let backup = backup.as_ref();
        Ok(Self {
            name: plan.name.clone(),
            id: plan.id,
            version: plan.version,
            output: Form::of(objects, *partitioned)?,
            video: Form::of_video(objects, *partitioned)?,
            backup: backup.map(|backup| Form::of(backup, false)).transpose()?,
            endpoint: endpoint.clone(),
        })
    }

    /// The names of what comes out of the processors.
    pub(crate) fn output(&self) -> &Names {
        &self.output.names
    }

    /// The request that a group's part becomes, if it becomes none of the objects.
    fn request(&self, group: &Group, id: [u8; 16], newest: ServerTime) -> Option<Request> {
        let endpoint = self.endpoint.as_ref()?;
        matches!(group, Group::Output(_))
            .then(|| Request::new(id, newest, endpoint.clone(), self.output.compression))
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
        let prefix = names.evaluate(facts, &mut Unique::new(self.id, hour, 0))?;
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
        self.key(&self.video, facts, &mut Unique::new(self.id, batch, part))
    }

    /// The name of an object: the same whenever it is asked for, and no other object's.
    fn key(&self, form: &Form, facts: Facts<'_>, unique: &mut Unique) -> Result<String> {
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

    /// Of fragments, which are compressed already.
    fn of_video(settings: &ObjectSettings, partitioned: bool) -> AffluxResult<Self> {
        let extension = settings.extension.clone();
        let settings = ObjectSettings {
            extension: Some(extension.unwrap_or_else(|| MP4.to_owned())),
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

impl Sealed {
    /// Writes the objects and then the intent, all durable.
    pub(crate) fn write(self) -> Result<Intent> {
        let Self {
            forms,
            spool,
            batch,
            places,
            mut totals,
            reels,
        } = self;
        let (number, parts) = (batch.number, batch.parts());
        let newest = batch.newest.unwrap_or_default();
        let mut objects = Vec::new();
        for (group, part) in batch.into_parts() {
            let uncompressed_bytes = part.bytes;
            let object = write_object(&forms, &spool, (number, newest), &group, part)?;
            totals = totals.plus(DeliveryTotals {
                objects: object.request.is_none().into(),
                bytes: object.bytes,
                uncompressed_bytes,
                ..DeliveryTotals::default()
            });
            objects.push(object);
        }
        for (index, reel) in (parts + 1..).zip(&reels) {
            objects.push(write_playlist(&spool, number, index, reel)?);
        }
        if let Some(reel) = reels.last() {
            spool.write_reel(number, reel)?;
        }
        spool.sync()?;
        let intent = Intent {
            batch: number,
            places,
            totals,
            newest_arrival: newest.as_millis(),
            objects,
        };
        spool.commit(&intent)?;
        Ok(intent)
    }
}

fn write_object(
    forms: &Forms,
    spool: &Spool,
    (batch, newest): (u64, ServerTime),
    group: &Group,
    part: Part,
) -> Result<Planned> {
    let form = match (group, &forms.backup) {
        (Group::Backup, Some(backup)) => backup,
        (Group::Video, _) => &forms.video,
        _ => &forms.output,
    };
    let mut unique = Unique::new(forms.id, batch, part.index());
    let request = forms.request(group, unique.id(), newest);
    let (error, compression) = match (&request, group) {
        // As an object it is one of records that failed.
        (Some(_), _) => (Some(ErrorOutput::HttpEndpoint), Compression::None),
        (None, Group::Failed(output)) => (Some(*output), form.compression),
        (None, _) => (None, form.compression),
    };
    let facts = Facts {
        oldest: part.oldest,
        keys: &part.keys,
        error,
    };
    let key = forms.key(form, facts, &mut unique)?;
    let (file, bytes) = part.write(spool, batch, (compression, unique.id()))?;
    Ok(Planned {
        holding: match group {
            Group::Video => Holding::Video,
            Group::Output(_) | Group::Failed(_) | Group::Backup => Holding::Records,
        },
        place: form.place.clone(),
        key,
        file,
        bytes,
        encoding: form.compression.content_encoding().map(str::to_owned),
        request,
    })
}

fn write_playlist(spool: &Spool, batch: u64, index: u32, reel: &Reel) -> Result<Planned> {
    // Only ZIP has an id in it.
    let form = (Compression::None, [0; 16]);
    let (file, bytes) = spool.object(batch, index, form, None, reel.text().as_bytes())?;
    Ok(Planned {
        holding: Holding::Playlist,
        place: reel.hour.place.clone(),
        key: reel.key(),
        file,
        bytes,
        encoding: None,
        request: None,
    })
}
