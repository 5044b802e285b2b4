//! A batch that has ended: it becomes files of the spool and an intent, while the next one fills.

use std::sync::Arc;

use afflux_engine::random;
use afflux_transform::{Compression, Delivery, Values, object_id, object_name};
use afflux_types::{Result as AffluxResult, ServerTime};

use super::batch::{Batch, Group, Part};
use super::endpoint::{Receiver, Request};
use super::settings::{DeliverySettings, Names, ObjectSettings, Place};
use super::spool::{Intent, Planned, Spool};
use super::state::{DeliveryTotals, Places};
use super::unique::Unique;
use super::work::Plan;
use crate::fault::{Fault, Result};

/// How and where a delivery stream's objects are written.
#[derive(Debug)]
pub(crate) struct Forms {
    name: String,
    id: u64,
    version: u64,
    output: Form,
    backup: Option<Form>,
    /// Who takes the output instead.
    receiver: Option<Receiver>,
    /// Random: what ids of requests begin with that nobody else makes. An intent keeps those that were sent.
    run: [u8; 16],
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
}

impl Forms {
    pub(crate) fn of(plan: &Plan) -> AffluxResult<Self> {
        let DeliverySettings {
            objects,
            backup,
            partitioned,
            receiver,
            ..
        } = &plan.settings;
        let backup = backup.as_ref();
        let mut run = [0; 16];
        random(&mut run)?;
        Ok(Self {
            name: plan.name.clone(),
            id: plan.id,
            version: plan.version,
            output: Form::of(objects, *partitioned)?,
            backup: backup.map(|backup| Form::of(backup, false)).transpose()?,
            receiver: receiver.clone(),
            run,
        })
    }

    /// The names of what comes out of the processors.
    pub(crate) fn output(&self) -> &Names {
        &self.output.names
    }

    /// The request that a group's part becomes, if it becomes none of the objects.
    fn request(&self, group: &Group, object: [u8; 16], newest: ServerTime) -> Option<Request> {
        let receiver = self.receiver.as_ref()?;
        matches!(group, Group::Output(_)).then(|| {
            let id = object_id(&[&self.run, &object]);
            let compression = self.output.compression;
            Request::new(id, object, newest, receiver.clone(), compression)
        })
    }

    /// The name of an object: the same whenever it is asked for, and no other object's.
    fn key(&self, form: &Form, group: &Group, part: &Part, unique: &mut Unique) -> Result<String> {
        let names = &form.names;
        let (prefix, error) = match group {
            Group::Output(_) | Group::Backup => (&names.prefix, None),
            Group::Failed(output) => (&names.error_prefix, Some(*output)),
        };
        let id = unique.id();
        let mut random = || unique.next();
        let mut values = Values {
            arrival: part.oldest,
            zone: &names.zone,
            random: &mut random,
            keys: &part.keys,
            error,
        };
        let prefix = prefix.evaluate(&mut values).map_err(|fault| Fault::Name {
            reason: fault.to_string(),
        })?;
        let delivery = Delivery {
            name: &self.name,
            version: self.version,
            extension: &names.extension,
        };
        let name = object_name(&delivery, part.oldest, &names.zone, id);
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
        } = self;
        let number = batch.number;
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
        _ => &forms.output,
    };
    let mut unique = Unique::new(forms.id, batch, part.index());
    let request = forms.request(group, unique.id(), newest);
    let (named, compression) = match &request {
        // As an object it is one of records that failed.
        Some(request) => {
            let output = request.receiver.error_output();
            (&Group::Failed(output), Compression::None)
        }
        None => (group, form.compression),
    };
    let key = forms.key(form, named, &part, &mut unique)?;
    let (file, bytes) = part.write(spool, batch, (compression, unique.id()))?;
    Ok(Planned {
        place: form.place.clone(),
        key,
        file,
        bytes,
        encoding: form.compression.content_encoding().map(str::to_owned),
        request,
    })
}
