//! A batch that has ended: it becomes files of the spool and an intent, while the next one fills.

use std::io;
use std::sync::Arc;

use afflux_transform::{
    Compression, Converted, Converter, ErrorOutput, Failed, Misfit, PartitionKeys, Schema,
    failed_line,
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
use super::tables::{Append, Layout, NewFile};
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
    /// Whether records came out of the processors.
    pub(crate) fn has_output(&self) -> bool {
        self.batch.has_output()
    }

    /// Writes the objects and then the intent, all durable; records that are not converted fail at `now`. What goes to
    /// a table is laid out as that is.
    pub(crate) fn write(self, now: ServerTime, layout: Option<&Layout>) -> Result<Intent> {
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
            layout,
            batch: Mutex::new(batch),
        };
        let (mut objects, mut listed, mut files) = (Vec::new(), Vec::new(), Vec::new());
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
                files.extend(made.file);
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
        let append = layout.filter(|_| !files.is_empty()).map(|layout| Append {
            table: layout.table.clone(),
            uuid: layout.uuid.clone(),
            files,
        });
        totals.commits += u64::from(append.is_some());
        spool.sync()?;
        let intent = Intent {
            batch: number,
            places,
            totals,
            newest_arrival: newest.as_millis(),
            objects,
            append,
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
    layout: Option<&'a Layout>,
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
    /// What becomes part of a table.
    file: Option<NewFile>,
    /// What it adds to those of its batch.
    totals: DeliveryTotals,
}

/// What the part of a group becomes.
enum Becomes<'a> {
    Itself,
    /// A Parquet file of these columns, in this form.
    Converted(&'a Schema, &'a Form),
    /// A file of a table.
    Appended(&'a Layout),
}

impl Writing<'_> {
    /// Bytes in memory while a part is written. Columns are there until a group of rows is complete.
    fn weigh(&self, group: &Group, part: &Part) -> u64 {
        match self.becomes(group) {
            Becomes::Converted(..) | Becomes::Appended(_) => {
                part.bytes.saturating_add(WRITING_BYTES)
            }
            Becomes::Itself => WRITING_BYTES,
        }
    }

    fn becomes(&self, group: &Group) -> Becomes<'_> {
        match (group, self.layout, &self.forms.converted) {
            (Group::Output(_), Some(layout), _) => Becomes::Appended(layout),
            (Group::Output(_), None, Some((schema, form))) => Becomes::Converted(schema, form),
            _ => Becomes::Itself,
        }
    }

    /// Writes the object that a part becomes, durable but for its name.
    fn write_object(&self, group: &Group, part: Part) -> Result<Made> {
        match self.becomes(group) {
            Becomes::Itself => self.write(group, part),
            Becomes::Converted(schema, form) => self.convert(schema, form, part),
            Becomes::Appended(layout) => self.append(layout, part),
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
    fn convert(&self, schema: &Schema, form: &Form, part: Part) -> Result<Made> {
        let facts = Facts {
            oldest: part.oldest,
            keys: &part.keys,
            error: None,
        };
        let mut unique = self.forms.unique(self.number, part.index());
        let key = self.forms.key(form, facts, &mut unique)?;
        let uncompressed_bytes = part.bytes;
        self.write_parquet(schema, part, |written, converted| {
            let listed = self.list(form, &key, &written).map(|listed| Listed {
                holds: Holds::Parquet,
                uncompressed_bytes,
                records: Some(converted.rows),
                ..listed
            });
            let object = planned(form, (Holding::Records, key), written, None);
            Made::of(object, listed, uncompressed_bytes)
        })
    }

    /// Writes the file of a table that the records of a part are converted to, unless none of them can be.
    fn append(&self, layout: &Layout, part: Part) -> Result<Made> {
        let name = self.forms.file_name(self.number, part.index());
        let uncompressed_bytes = part.bytes;
        self.write_parquet(&layout.schema, part, |written, converted| {
            let Written { file, bytes, .. } = written;
            let key = format!("{}/{name}", layout.prefix);
            let object = Planned {
                file,
                ..Planned::plain(layout.place.clone(), key, bytes)
            };
            let mut made = Made::of(object, None, uncompressed_bytes);
            made.totals.rows = converted.rows;
            made.file = Some(NewFile {
                location: format!("{}/{name}", layout.location),
                bytes,
                rows: converted.rows,
                columns: converted.columns(),
                offsets: converted.offsets(),
            });
            made
        })
    }

    /// Writes a part as a Parquet file and gives what `make` makes of that, unless it would have no rows.
    fn write_parquet(
        &self,
        schema: &Schema,
        part: Part,
        make: impl FnOnce(Written, Converted) -> Made,
    ) -> Result<Made> {
        let (mut converted, mut misfits) = (None, 0);
        let written = part.make(self.spool, self.number, |from, mut output| {
            let mut converter = Converter::new(schema, &mut output)?;
            let mut frames = Frames::new(from);
            while let Some((arrival, data)) = frames.next()? {
                if let Err(misfit) = converter.push(data)? {
                    misfits += 1;
                    let failed = self.fail(arrival, data, misfit);
                    failed.map_err(io::Error::other)?;
                }
            }
            converted = Some(converter.finish()?);
            Ok(output)
        })?;
        let mut made = match converted.filter(|converted| converted.rows > 0) {
            Some(converted) => make(written, converted),
            None => {
                self.spool.remove(&written.file)?;
                Made::default()
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
            output: match self.layout {
                Some(_) => ErrorOutput::Iceberg,
                None => ErrorOutput::FormatConversion,
            },
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
            file: None,
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
        file,
        encoding: form.compression.content_encoding().map(str::to_owned),
        request,
        ..Planned::plain(form.place.clone(), key, bytes)
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
        file,
        ..Planned::plain(place, key, bytes)
    })
}
