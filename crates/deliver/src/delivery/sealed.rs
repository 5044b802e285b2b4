//! A batch that has ended: it becomes files of the spool and an intent, while the next one fills.

use std::io;
use std::sync::Arc;

use afflux_transform::{
    Compression, Converter, ErrorOutput, Failed, Misfit, PartitionKeys, Schema, failed_line,
};
use afflux_types::ServerTime;
use bytes::Bytes;
use parking_lot::Mutex;

use super::batch::{Batch, Group, Part};
use super::endpoint::Request;
use super::forms::{Facts, Form, Forms};
use super::frames::{Frames, record};
use super::helpers::{Helpers, make_each};
use super::manifest::{Holds, Listed, Manifest};
use super::settings::Place;
use super::spool::{Holding, Intent, Planned, Spool, Written};
use super::state::{DeliveryTotals, Places};
use super::video::Reel;
use crate::fault::Result;
use crate::seal::seal;

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
    /// What it brings, as far as that is known.
    pub(super) manifest: Option<Manifest>,
    /// Who helps to write it.
    pub(super) helpers: Helpers,
}

impl Sealed {
    /// Writes the objects and then the intent, all durable; records that are not converted fail at `now`.
    pub(crate) fn write(self, now: ServerTime) -> Result<Intent> {
        let Self {
            forms,
            spool,
            batch,
            places,
            mut totals,
            reels,
            manifest,
            helpers,
        } = self;
        let (number, newest) = (batch.number, batch.newest.unwrap_or_default());
        let writing = Writing {
            forms: &forms,
            spool: &spool,
            number,
            newest,
            now,
            batch: Mutex::new(batch),
        };
        let (mut objects, mut listed) = (Vec::new(), Vec::new());
        // What is not converted is in the batch again, as records that failed.
        for _ in ["records", "misfits"] {
            let parts = writing.batch.lock().take_parts();
            let weigh = |(group, part): &(Group, Part)| writing.weigh(group, part);
            let made = make_each(&helpers, parts, weigh, |(group, part)| {
                writing.write_object(&group, part)
            });
            for made in made? {
                totals = totals.plus(made.totals);
                objects.extend(made.object);
                listed.extend(made.listed);
            }
        }
        let mut indices = writing.batch.into_inner().parts() + 1..;
        for (reel, index) in reels.iter().zip(indices.by_ref()) {
            let named = (reel.hour.place.clone(), reel.key());
            let text = (Holding::Playlist, reel.text());
            objects.push(write_text(&spool, (number, index), named, text)?);
        }
        if let (Some(manifest), Some(index)) = (manifest, indices.next()) {
            let manifest = manifest.with((totals.records, totals.failed), listed);
            let named = (forms.output.place.clone(), manifest.key());
            let text = (Holding::Manifest, seal(&manifest));
            objects.push(write_text(&spool, (number, index), named, text)?);
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

/// Bytes that a thread has in memory while it writes an object: what it reads and writes at once, and what it
/// compresses with.
const WRITING_BYTES: u64 = 4 << 20;

/// The objects of a batch are being written, some of them at the same time.
struct Writing<'a> {
    forms: &'a Forms,
    spool: &'a Spool,
    /// Of the batch.
    number: u64,
    newest: ServerTime,
    now: ServerTime,
    /// Takes the records that are not converted.
    batch: Mutex<Batch>,
}

/// What is known of a part that was written.
#[derive(Default)]
struct Made {
    /// None if it holds nothing.
    object: Option<Planned>,
    /// What a manifest says of it, if there is one.
    listed: Option<Listed>,
    /// What it adds to those of its batch.
    totals: DeliveryTotals,
}

impl Writing<'_> {
    /// Bytes in memory while a part is written. Columns are there until a group of rows is complete.
    fn weigh(&self, group: &Group, part: &Part) -> u64 {
        match self.conversion(group) {
            Some(_) => part.bytes.saturating_add(WRITING_BYTES),
            None => WRITING_BYTES,
        }
    }

    fn conversion(&self, group: &Group) -> Option<&(Schema, Form)> {
        let converted = self.forms.converted.as_ref();
        converted.filter(|_| matches!(group, Group::Output(_)))
    }

    /// Writes the object that a part becomes, durable but for its name.
    fn write_object(&self, group: &Group, part: Part) -> Result<Made> {
        match self.conversion(group) {
            Some(converted) => self.convert(converted, part),
            None => self.write(group, part),
        }
    }

    /// Writes a part as it is.
    fn write(&self, group: &Group, part: Part) -> Result<Made> {
        let forms = self.forms;
        let form = match (group, &forms.backup) {
            (Group::Backup, Some(backup)) => backup,
            (Group::Video, _) => &forms.video,
            _ => &forms.output,
        };
        let mut unique = forms.unique(self.number, part.index());
        let request = forms.request(group, unique.id(), self.newest);
        let (error, compression) = match (&request, group) {
            // As an object it is one of records that failed.
            (Some(request), _) => (Some(request.receiver.error_output()), Compression::None),
            (None, Group::Failed(output)) => (Some(*output), form.compression),
            (None, _) => (None, form.compression),
        };
        let facts = Facts {
            oldest: part.oldest,
            keys: &part.keys,
            error,
        };
        let key = forms.key(form, facts, &mut unique)?;
        let (uncompressed_bytes, records) = (part.bytes, part.records);
        let written = part.write(self.spool, self.number, (compression, unique.id()))?;
        let holding = match group {
            Group::Video => Holding::Video,
            Group::Output(_) | Group::Failed(_) | Group::Backup => Holding::Records,
        };
        let listed = self.list(form, &key, &written).map(|listed| Listed {
            holds: Holds::of(group, forms.is_enveloped),
            compression,
            uncompressed_bytes,
            records: (*group != Group::Video).then_some(records.into()),
            ..listed
        });
        let object = planned(form, (holding, key), written, request);
        Ok(Made::of(object, listed, uncompressed_bytes))
    }

    /// Writes the file that the records of a part are converted to, unless none of them can be.
    fn convert(&self, (schema, form): &(Schema, Form), part: Part) -> Result<Made> {
        let facts = Facts {
            oldest: part.oldest,
            keys: &part.keys,
            error: None,
        };
        let mut unique = self.forms.unique(self.number, part.index());
        let key = self.forms.key(form, facts, &mut unique)?;
        let uncompressed_bytes = part.bytes;
        let (mut rows, mut misfits) = (0, 0);
        let file = part.make(self.spool, self.number, |from, output| {
            let (mut frames, mut converter) = (Frames::new(from), Converter::new(schema, output)?);
            while let Some((arrival, data)) = frames.next()? {
                if let Err(misfit) = converter.push(data)? {
                    misfits += 1;
                    let failed = self.fail(arrival, data, misfit);
                    failed.map_err(io::Error::other)?;
                }
            }
            let (output, converted) = converter.finish()?;
            rows = converted;
            Ok(output)
        })?;
        let mut made = match rows {
            0 => {
                self.spool.remove(&file.file)?;
                Made::default()
            }
            _ => {
                let listed = self.list(form, &key, &file).map(|listed| Listed {
                    holds: Holds::Parquet,
                    uncompressed_bytes,
                    records: Some(rows),
                    ..listed
                });
                let object = planned(form, (Holding::Records, key), file, None);
                Made::of(object, listed, uncompressed_bytes)
            }
        };
        made.totals.failed = misfits;
        Ok(made)
    }

    /// What a manifest says of a file, if there is one.
    fn list(&self, form: &Form, key: &str, written: &Written) -> Option<Listed> {
        let sha256 = written.sha256.clone()?;
        let is_elsewhere = form.place != self.forms.output.place;
        Some(Listed {
            place: is_elsewhere.then(|| form.place.clone()),
            key: key.to_owned(),
            holds: Holds::Records,
            compression: Compression::None,
            bytes: written.bytes,
            uncompressed_bytes: written.bytes,
            records: None,
            sha256,
        })
    }

    /// Puts a record that is not converted into the batch that it is from.
    fn fail(&self, arrival: ServerTime, data: &[u8], misfit: Misfit) -> Result<()> {
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
        let (group, no_keys) = (Group::Failed(failed.output), PartitionKeys::default());
        let mut batch = self.batch.lock();
        batch.push(self.spool, group, arrival, &no_keys, &line)
    }
}

impl Made {
    fn of(object: Planned, listed: Option<Listed>, uncompressed_bytes: u64) -> Self {
        let totals = DeliveryTotals {
            objects: object.request.is_none().into(),
            bytes: object.bytes,
            uncompressed_bytes,
            ..DeliveryTotals::default()
        };
        Self {
            object: Some(object),
            listed,
            totals,
        }
    }
}

fn planned(
    form: &Form,
    (holding, key): (Holding, String),
    Written { file, bytes, .. }: Written,
    request: Option<Request>,
) -> Planned {
    Planned {
        holding,
        place: form.place.clone(),
        key,
        file,
        bytes,
        encoding: form.compression.content_encoding().map(str::to_owned),
        request,
    }
}

/// Writes what is not counted among the objects.
fn write_text(
    spool: &Spool,
    index: (u64, u32),
    (place, key): (Place, String),
    (holding, text): (Holding, String),
) -> Result<Planned> {
    // Only ZIP has an id in it.
    let form = (Compression::None, [0; 16]);
    let Written { file, bytes, .. } = spool.object(index, form, (None, text.as_bytes()))?;
    Ok(Planned {
        holding,
        place,
        key,
        file,
        bytes,
        encoding: None,
        request: None,
    })
}
