//! A batch that has ended: it becomes files of the spool and an intent, while the next one fills.

use std::io;
use std::sync::Arc;

use afflux_transform::{
    Compression, Converter, ErrorOutput, Failed, Misfit, PartitionKeys, Schema, failed_line,
};
use afflux_types::ServerTime;
use bytes::Bytes;

use super::batch::{Batch, Group, Part};
use super::endpoint::Request;
use super::forms::{Facts, Form, Forms};
use super::frames::{Frames, record};
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
            reels,
            manifest,
        } = self;
        let newest = batch.newest.unwrap_or_default();
        let mut writing = Writing {
            forms: &forms,
            spool: &spool,
            batch: batch.number,
            newest,
            totals,
            objects: Vec::new(),
            listed: Vec::new(),
        };
        for (group, part) in batch.take_parts() {
            match (&forms.converted, &group) {
                (Some(converted), Group::Output(_)) => {
                    let mut misfits = Misfits {
                        batch: &mut batch,
                        now,
                        count: 0,
                    };
                    writing.convert(converted, part, &mut misfits)?;
                }
                _ => writing.write(&group, part)?,
            }
        }
        for (group, part) in batch.take_parts() {
            writing.write(&group, part)?;
        }
        let mut indices = batch.parts() + 1..;
        for (index, reel) in indices.by_ref().zip(&reels) {
            writing.write_playlist(index, reel)?;
        }
        for (index, manifest) in indices.zip(manifest) {
            writing.write_manifest(index, manifest)?;
        }
        if let Some(reel) = reels.last() {
            spool.write_reel(batch.number, reel)?;
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
    /// Those of them that a manifest lists.
    listed: Vec<Listed>,
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
        let (uncompressed_bytes, records) = (part.bytes, part.records);
        let written = part.write(self.spool, self.batch, (compression, unique.id()))?;
        let holding = match group {
            Group::Video => Holding::Video,
            Group::Output(_) | Group::Failed(_) | Group::Backup => Holding::Records,
        };
        if request.is_none() {
            self.list(form, &key, &written, |listed| Listed {
                holds: Holds::of(group, forms.is_enveloped),
                compression,
                uncompressed_bytes,
                records: (*group != Group::Video).then_some(records.into()),
                ..listed
            });
        }
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
            return spool.remove(&written.file);
        }
        self.list(form, &key, &written, |listed| Listed {
            holds: Holds::Parquet,
            uncompressed_bytes,
            records: Some(rows),
            ..listed
        });
        let named = (Holding::Records, key);
        self.add(form, named, uncompressed_bytes, written, None);
        Ok(())
    }

    /// Lists an object for the manifest, if there is to be one.
    fn list(
        &mut self,
        form: &Form,
        key: &str,
        written: &Written,
        with: impl FnOnce(Listed) -> Listed,
    ) {
        let Some(sha256) = written.sha256.clone() else {
            return;
        };
        let is_elsewhere = form.place != self.forms.output.place;
        self.listed.push(with(Listed {
            place: is_elsewhere.then(|| form.place.clone()),
            key: key.to_owned(),
            holds: Holds::Records,
            compression: Compression::None,
            bytes: written.bytes,
            uncompressed_bytes: written.bytes,
            records: None,
            sha256,
        }));
    }

    fn add(
        &mut self,
        form: &Form,
        (holding, key): (Holding, String),
        uncompressed_bytes: u64,
        Written { file, bytes, .. }: Written,
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
        let (place, key) = (reel.hour.place.clone(), reel.key());
        self.write_text(index, Holding::Playlist, (place, key), &reel.text())
    }

    /// Writes the manifest of what was written before.
    fn write_manifest(&mut self, index: u32, manifest: Manifest) -> Result<()> {
        let manifest = Manifest {
            records: self.totals.records,
            failed: self.totals.failed,
            objects: std::mem::take(&mut self.listed),
            ..manifest
        };
        let (place, key) = (self.forms.output.place.clone(), manifest.key());
        self.write_text(index, Holding::Manifest, (place, key), &seal(&manifest))
    }

    /// Writes what is not counted among the objects.
    fn write_text(
        &mut self,
        index: u32,
        holding: Holding,
        (place, key): (Place, String),
        text: &str,
    ) -> Result<()> {
        // Only ZIP has an id in it.
        let form = (Compression::None, [0; 16]);
        let from = (None, text.as_bytes());
        let Written { file, bytes, .. } = self.spool.object((self.batch, index), form, from)?;
        self.objects.push(Planned {
            holding,
            place,
            key,
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
