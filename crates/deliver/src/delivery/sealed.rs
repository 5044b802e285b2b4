//! A batch that has ended: it becomes files of the spool and an intent, while the next one fills.

use std::io;
use std::sync::Arc;

use afflux_transform::{
    Compression, Converted, Converter, ErrorOutput, Failed, Misfit, PartitionKeys, Schema,
    failed_line,
};
use afflux_types::ServerTime;
use bytes::Bytes;

use super::batch::{Batch, Group, Part};
use super::endpoint::Request;
use super::forms::{Facts, Form, Forms};
use super::frames::{Frames, record};
use super::spool::{Holding, Intent, Planned, Spool};
use super::state::{DeliveryTotals, Places};
use super::tables::{Append, Layout, NewFile};
use super::video::Reel;
use crate::fault::Result;

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
            mut batch,
            places,
            totals,
            reels,
        } = self;
        let newest = batch.newest.unwrap_or_default();
        let mut writing = Writing {
            forms: &forms,
            spool: &spool,
            batch: batch.number,
            newest,
            totals,
            objects: Vec::new(),
            files: Vec::new(),
        };
        for (group, part) in batch.take_parts() {
            let mut misfits = Misfits {
                batch: &mut batch,
                now,
                output: match layout {
                    Some(_) => ErrorOutput::Iceberg,
                    None => ErrorOutput::FormatConversion,
                },
                count: 0,
            };
            match (&group, layout, &forms.converted) {
                (Group::Output(_), Some(layout), _) => {
                    writing.append(layout, part, &mut misfits)?
                }
                (Group::Output(_), None, Some(converted)) => {
                    writing.convert(converted, part, &mut misfits)?;
                }
                _ => writing.write(&group, part)?,
            }
        }
        for (group, part) in batch.take_parts() {
            writing.write(&group, part)?;
        }
        for (index, reel) in (batch.parts() + 1..).zip(&reels) {
            writing.write_playlist(index, reel)?;
        }
        if let Some(reel) = reels.last() {
            spool.write_reel(batch.number, reel)?;
        }
        let append = layout.and_then(|layout| writing.appended(layout));
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
            append,
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
    /// Those of them that become part of a table.
    files: Vec<NewFile>,
}

impl Writing<'_> {
    /// Writes a part as it is.
    fn write(&mut self, group: &Group, part: Part) -> Result<()> {
        let forms = self.forms;
        let form = match (group, &forms.backup) {
            (Group::Backup, Some(backup)) => backup,
            (Group::Video, _) => &forms.video,
            _ => &forms.output,
        };
        let mut unique = forms.unique(self.batch, part.index());
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
        let uncompressed_bytes = part.bytes;
        let written = part.write(self.spool, self.batch, (compression, unique.id()))?;
        let holding = match group {
            Group::Video => Holding::Video,
            Group::Output(_) | Group::Failed(_) | Group::Backup => Holding::Records,
        };
        self.add(form, (holding, key), uncompressed_bytes, written, request);
        Ok(())
    }

    /// Writes the file that the records of a part are converted to, unless none of them can be.
    fn convert(
        &mut self,
        (schema, form): &(Schema, Form),
        part: Part,
        misfits: &mut Misfits<'_>,
    ) -> Result<()> {
        let facts = Facts {
            oldest: part.oldest,
            keys: &part.keys,
            error: None,
        };
        let mut unique = self.forms.unique(self.batch, part.index());
        let key = self.forms.key(form, facts, &mut unique)?;
        let uncompressed_bytes = part.bytes;
        if let Some((written, _)) = self.write_parquet(schema, part, misfits)? {
            let named = (Holding::Records, key);
            self.add(form, named, uncompressed_bytes, written, None);
        }
        Ok(())
    }

    /// Writes the file of a table that the records of a part are converted to, unless none of them can be.
    fn append(&mut self, layout: &Layout, part: Part, misfits: &mut Misfits<'_>) -> Result<()> {
        let name = self.forms.file_name(self.batch, part.index());
        let uncompressed_bytes = part.bytes;
        let Some((written, converted)) = self.write_parquet(&layout.schema, part, misfits)? else {
            return Ok(());
        };
        let (file, bytes) = written;
        self.totals = self.totals.plus(DeliveryTotals {
            objects: 1,
            rows: converted.rows,
            bytes,
            uncompressed_bytes,
            ..DeliveryTotals::default()
        });
        let key = format!("{}/{name}", layout.prefix);
        self.objects.push(Planned {
            file,
            ..Planned::plain(layout.place.clone(), key, bytes)
        });
        self.files.push(NewFile {
            location: format!("{}/{name}", layout.location),
            bytes,
            rows: converted.rows,
            columns: converted.columns(),
            offsets: converted.offsets(),
        });
        Ok(())
    }

    /// What is to become part of a table, if anything is; it is counted.
    fn appended(&mut self, layout: &Layout) -> Option<Append> {
        let files = std::mem::take(&mut self.files);
        if files.is_empty() {
            return None;
        }
        self.totals.commits += 1;
        Some(Append {
            table: layout.table.clone(),
            uuid: layout.uuid.clone(),
            files,
        })
    }

    /// Writes a part as a Parquet file, unless it would have no rows.
    fn write_parquet(
        &mut self,
        schema: &Schema,
        part: Part,
        misfits: &mut Misfits<'_>,
    ) -> Result<Option<((String, u64), Converted)>> {
        let spool = self.spool;
        let mut converted = None;
        let written = part.make(spool, self.batch, |from, mut output| {
            let mut converter = Converter::new(schema, &mut output)?;
            let mut frames = Frames::new(from);
            while let Some((arrival, data)) = frames.next()? {
                if let Err(misfit) = converter.push(data)? {
                    let pushed = misfits.push(spool, arrival, data, misfit);
                    pushed.map_err(io::Error::other)?;
                }
            }
            converted = Some(converter.finish()?);
            Ok(output)
        })?;
        self.totals.failed = self.totals.failed.saturating_add(misfits.count);
        match converted.filter(|converted| converted.rows > 0) {
            Some(converted) => Ok(Some((written, converted))),
            None => {
                spool.remove(&written.0)?;
                Ok(None)
            }
        }
    }

    fn add(
        &mut self,
        form: &Form,
        (holding, key): (Holding, String),
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
            holding,
            place: form.place.clone(),
            key,
            file,
            bytes,
            encoding: form.compression.content_encoding().map(str::to_owned),
            request,
        });
    }

    /// Writes a playlist, which is not counted: it is there again with the next batch.
    fn write_playlist(&mut self, index: u32, reel: &Reel) -> Result<()> {
        // Only ZIP has an id in it.
        let form = (Compression::None, [0; 16]);
        let text = reel.text();
        let from = (None, text.as_bytes());
        let (file, bytes) = self.spool.object((self.batch, index), form, from)?;
        self.objects.push(Planned {
            holding: Holding::Playlist,
            place: reel.hour.place.clone(),
            key: reel.key(),
            file,
            bytes,
            encoding: None,
            request: None,
        });
        Ok(())
    }
}

/// Records that are not converted, which go into the batch that they are from.
struct Misfits<'a> {
    batch: &'a mut Batch,
    now: ServerTime,
    output: ErrorOutput,
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
            output: self.output,
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
