//! A batch that has ended: it becomes files of the spool and an intent, while the next one fills.

use std::io;
use std::sync::Arc;

use afflux_transform::{
    Compression, Converter, Delivery, ErrorOutput, Failed, Misfit, PartitionKeys, Schema, Values,
    failed_line, object_name,
};
use afflux_types::{Result as AffluxResult, ServerTime};
use bytes::Bytes;

use super::batch::{Batch, Group, Part};
use super::endpoint::{Receiver, Request};
use super::frames::{Frames, record};
use super::settings::{Names, ObjectSettings, Place};
use super::spool::{Intent, Planned, Spool};
use super::state::{DeliveryTotals, Places};
use super::unique::Unique;
use super::work::Plan;
use crate::fault::{Fault, Result};

/// What the names of Parquet files end with, unless the settings say otherwise.
const PARQUET: &str = ".parquet";

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
    converted: Option<Converted>,
}

/// What the output is converted to.
#[derive(Debug)]
struct Converted {
    schema: Schema,
    /// What the names of the files end with.
    extension: String,
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
        let settings = &plan.settings;
        let (mut objects, backup) = (settings.objects.clone(), settings.backup.as_ref());
        let converted = settings.schema()?.map(|schema| Converted {
            schema,
            // What fails is not in such files.
            extension: objects.extension.take().unwrap_or_else(|| PARQUET.into()),
        });
        Ok(Self {
            name: plan.name.clone(),
            id: plan.id,
            version: plan.version,
            output: Form::of(&objects, settings.partitioned)?,
            backup: backup.map(|backup| Form::of(backup, false)).transpose()?,
            receiver: settings.receiver.clone(),
            converted,
        })
    }

    /// The names of what comes out of the processors.
    pub(crate) fn output(&self) -> &Names {
        &self.output.names
    }

    /// The request that a group's part becomes, if it becomes none of the objects.
    fn request(&self, group: &Group, id: [u8; 16], newest: ServerTime) -> Option<Request> {
        let receiver = self.receiver.as_ref()?;
        matches!(group, Group::Output(_))
            .then(|| Request::new(id, newest, receiver.clone(), self.output.compression))
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
            extension: match (group, &self.converted) {
                (Group::Output(_), Some(converted)) => &converted.extension,
                _ => &names.extension,
            },
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
    /// Writes the objects and then the intent, all durable; records that are not converted fail at `now`.
    pub(crate) fn write(self, now: ServerTime) -> Result<Intent> {
        let Self {
            forms,
            spool,
            mut batch,
            places,
            totals,
        } = self;
        let newest = batch.newest.unwrap_or_default();
        let mut writing = Writing {
            forms: &forms,
            spool: &spool,
            batch: batch.number,
            newest,
            totals,
            objects: Vec::new(),
        };
        for (group, part) in batch.take_parts() {
            match (&forms.converted, &group) {
                (Some(Converted { schema, .. }), Group::Output(_)) => {
                    let mut misfits = Misfits {
                        batch: &mut batch,
                        now,
                        count: 0,
                    };
                    writing.convert(schema, &group, part, &mut misfits)?;
                }
                _ => writing.write(&group, part)?,
            }
        }
        for (group, part) in batch.take_parts() {
            writing.write(&group, part)?;
        }
        let Writing {
            totals, objects, ..
        } = writing;
        spool.sync()?;
        let intent = Intent {
            batch: batch.number,
            places,
            totals,
            newest_arrival: newest.as_millis(),
            objects,
        };
        spool.commit(&intent)?;
        Ok(intent)
    }
}

/// The objects of a batch that are being written.
struct Writing<'a> {
    forms: &'a Forms,
    spool: &'a Spool,
    batch: u64,
    newest: ServerTime,
    totals: DeliveryTotals,
    objects: Vec<Planned>,
}

impl Writing<'_> {
    /// Writes a part as it is.
    fn write(&mut self, group: &Group, part: Part) -> Result<()> {
        let forms = self.forms;
        let form = match (group, &forms.backup) {
            (Group::Backup, Some(backup)) => backup,
            _ => &forms.output,
        };
        let mut unique = Unique::new(forms.id, self.batch, part.index());
        let request = forms.request(group, unique.id(), self.newest);
        let (named, compression) = match &request {
            // As an object it is one of records that failed.
            Some(request) => {
                let output = request.receiver.error_output();
                (&Group::Failed(output), Compression::None)
            }
            None => (group, form.compression),
        };
        let key = forms.key(form, named, &part, &mut unique)?;
        let uncompressed_bytes = part.bytes;
        let written = part.write(self.spool, self.batch, (compression, unique.id()))?;
        self.add(form, key, uncompressed_bytes, written, request);
        Ok(())
    }

    /// Writes the file that the records of a part are converted to, unless none of them can be.
    fn convert(
        &mut self,
        schema: &Schema,
        group: &Group,
        part: Part,
        misfits: &mut Misfits<'_>,
    ) -> Result<()> {
        let forms = self.forms;
        let mut unique = Unique::new(forms.id, self.batch, part.index());
        let key = forms.key(&forms.output, group, &part, &mut unique)?;
        let (uncompressed_bytes, spool) = (part.bytes, self.spool);
        let mut rows = 0;
        let written = part.make(spool, self.batch, |from, output| {
            let (mut frames, mut converter) = (Frames::new(from), Converter::new(schema, output)?);
            while let Some((arrival, data)) = frames.next()? {
                if let Err(misfit) = converter.push(data)? {
                    let pushed = misfits.push(spool, arrival, data, misfit);
                    pushed.map_err(io::Error::other)?;
                }
            }
            let (output, converted) = converter.finish()?;
            rows = converted;
            Ok(output)
        })?;
        self.totals.failed = self.totals.failed.saturating_add(misfits.count);
        if rows == 0 {
            return spool.remove(&written.0);
        }
        self.add(&forms.output, key, uncompressed_bytes, written, None);
        Ok(())
    }

    fn add(
        &mut self,
        form: &Form,
        key: String,
        uncompressed_bytes: u64,
        (file, bytes): (String, u64),
        request: Option<Request>,
    ) {
        self.totals = self.totals.plus(DeliveryTotals {
            objects: request.is_none().into(),
            bytes,
            uncompressed_bytes,
            ..DeliveryTotals::default()
        });
        self.objects.push(Planned {
            place: form.place.clone(),
            key,
            file,
            bytes,
            encoding: form.compression.content_encoding().map(str::to_owned),
            request,
        });
    }
}

/// Records that are not converted, which go into the batch that they are from.
struct Misfits<'a> {
    batch: &'a mut Batch,
    now: ServerTime,
    count: u64,
}

impl Misfits<'_> {
    fn push(
        &mut self,
        spool: &Spool,
        arrival: ServerTime,
        data: &[u8],
        misfit: Misfit,
    ) -> Result<()> {
        let failed = Failed {
            record: record(arrival, Bytes::copy_from_slice(data)),
            output: ErrorOutput::FormatConversion,
            code: misfit.code.into(),
            message: misfit.message,
            attempts: 1,
            transformer: None,
            document: None,
        };
        let mut line = Vec::new();
        failed_line(&failed, self.now, &mut line);
        self.count += 1;
        let (group, no_keys) = (Group::Failed(failed.output), PartitionKeys::default());
        self.batch.push(spool, group, arrival, &no_keys, &line)
    }
}
