//! Publishes a complete batch: its objects, then what names them, playlists or a table's commit, and its requests;
//! and notes that.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use afflux_types::{ErrorKind, Result, ServerTime};
use tokio::task::JoinSet;

use super::context::Context;
use super::publish::{publish, sync};
use super::sealed::Sealed;
use super::spool::{Holding, Intent, Planned, Spool};
use super::state::State;
use super::tables::{self, Append};
use crate::blocking::{blocking, ended};
use crate::source::Source;
use crate::waiting::{BackOff, wait};

/// Objects of a batch that are written at a time.
const WRITERS: usize = 4;

/// Makes files of a batch that has ended, and its intent; its table is as it is then.
pub(super) async fn write_batch<S: Source>(
    context: &Arc<Context<S>>,
    sealed: Sealed,
    now: ServerTime,
) -> Result<Intent> {
    let access = context.access();
    let layout = match &context.plan.settings.table {
        Some(table) if sealed.has_output() => {
            let open = || tables::open(&access, table);
            Some(persist(context, &table.full_name(), open).await?)
        }
        _ => None,
    };
    blocking("write a batch", move || sealed.write(now, layout.as_ref())).await
}

/// Makes data files part of their table.
async fn append_files<S: Source>(context: &Context<S>, number: u64, append: &Append) -> Result<()> {
    let (access, delivery) = (context.access(), context.plan.id);
    let batch = tables::Batch { delivery, number };
    let append_once = || tables::append(&access, batch, append);
    persist(context, &append.table.full_name(), append_once).await
}

/// Publishes every object of a complete batch, then what names them and its requests, and notes that.
pub(super) async fn publish_batch<S: Source>(
    context: &Arc<Context<S>>,
    spool: &Spool,
    state: State,
    intent: Intent,
) -> Result<State> {
    let is_object = |object: &&Planned| object.request.is_none();
    let objects: Vec<_> = intent.objects.iter().filter(is_object).cloned().collect();
    let are_there: BTreeSet<String> = objects.iter().map(|object| object.file.clone()).collect();
    // An endpoint that takes nothing does not hold back what goes elsewhere.
    for objects in in_order(objects) {
        publish_objects(context, spool, objects).await?;
    }
    if let Some(append) = &intent.append {
        append_files(context, intent.batch, append).await?;
    }
    let intent = context.sender().deliver_all(spool, intent).await?;
    let given_up = intent.objects.iter().filter(is_object);
    let given_up = given_up.filter(|object| !are_there.contains(&object.file));
    publish_objects(context, spool, given_up.cloned().collect()).await?;
    let after = state.after(&intent, context.clock.wall());
    after.save(&context.settings, context.plan.id).await?;
    context.status.delivered(&after);
    context.release(&after).await;
    let spool = spool.clone();
    blocking("clear a spool", move || spool.forget(&intent)).await?;
    Ok(after)
}

/// What is written one after the other: nothing names what is not there.
pub(super) fn in_order(objects: Vec<Planned>) -> impl Iterator<Item = Vec<Planned>> {
    let (manifests, objects): (Vec<_>, Vec<_>) = objects
        .into_iter()
        .partition(|object| object.holding == Holding::Manifest);
    let (playlists, objects) = objects.into_iter().partition(Planned::is_playlist);
    [objects, playlists, manifests].into_iter()
}

/// Publishes objects, and makes their names durable.
async fn publish_objects<S: Source>(
    context: &Arc<Context<S>>,
    spool: &Spool,
    objects: Vec<Planned>,
) -> Result<()> {
    let mut objects = objects.into_iter();
    let mut writers = JoinSet::new();
    let mut directories = BTreeSet::new();
    loop {
        while writers.len() < WRITERS
            && let Some(object) = objects.next()
        {
            writers.spawn(publish_object(Arc::clone(context), spool.clone(), object));
        }
        match writers.join_next().await {
            Some(written) => directories.extend(ended(written)?),
            None => break,
        }
    }
    let fs = Arc::clone(&context.fs);
    blocking("sync directories", move || sync(&*fs, &directories)).await
}

/// Writes an object, however often that takes; gives the directory that has its name, if it is a file.
async fn publish_object<S: Source>(
    context: Arc<Context<S>>,
    spool: Spool,
    object: Planned,
) -> Result<Option<PathBuf>> {
    let to = (&context.stores, &context.room);
    let write = || publish(&spool, to, object.clone());
    persist(&context, &object.key, write).await
}

/// Does something about `what`, an object or a table, however often that takes.
async fn persist<S: Source, T, F: Future<Output = Result<T>>>(
    context: &Context<S>,
    what: &str,
    attempt: impl Fn() -> F,
) -> Result<T> {
    let mut stop = context.stop.clone();
    let mut back_off = BackOff::new();
    loop {
        let error = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        context.status.failed(&error);
        tracing::warn!(
            delivery = %context.plan.name, what, error = %error.chain(),
            "a delivery failed and is tried again"
        );
        // Nothing that is tried again would help.
        if error.kind() == ErrorKind::DataLoss || wait(back_off.next(), &mut stop).await {
            return Err(error);
        }
    }
}
