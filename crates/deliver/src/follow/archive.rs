//! Follows all shards of a stream, each after its parents.

use std::any::Any;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use afflux_types::{Error, ErrorKind, Result, ShardId};
use tokio::task::{JoinError, JoinSet};

use super::lanes::Lanes;
use super::shard::{BackOff, Followed, Follower, wait};
use super::{Context, stopped};
use crate::blocking::blocking;
use crate::fault::Fault;
use crate::fs::{FileSystem, make_dirs};
use crate::names::LOCK;
use crate::source::{Described, Lineage, Source};
use crate::status::Stage;
use crate::write::{LaneOptions, Policy, WriterOptions};

/// Archives the stream until told to stop; all files are finished then, if the disk lets them be.
pub(crate) async fn run<S: Source>(context: Arc<Context<S>>) {
    let mut stop = context.stop.clone();
    let mut back_off = BackOff::new();
    loop {
        match Archive::open(&context).await {
            Ok(mut archive) => {
                context.status.recovered(None);
                return archive.follow().await;
            }
            Err(error) => {
                context.status.failed(None, Stage::Opening, &error);
                tracing::warn!(
                    stream = %context.stream, error = %error.chain(),
                    "opening an archive failed and is tried again"
                );
            }
        }
        if wait(back_off.next(), &mut stop).await {
            return;
        }
    }
}

/// An archive whose directory is locked.
struct Archive<S> {
    context: Arc<Context<S>>,
    lanes: Arc<Lanes>,
    /// Shards whose task has been started.
    started: BTreeSet<ShardId>,
    /// Shards that are archived to their end.
    done: BTreeSet<ShardId>,
    tasks: JoinSet<(ShardId, Followed)>,
    _lock: Box<dyn Any + Send + Sync>,
}

impl<S: Source> Archive<S> {
    async fn open(context: &Arc<Context<S>>) -> Result<Self> {
        let described = context.source.describe().await?;
        let settings = &context.settings;
        let options = LaneOptions {
            directory: settings.directory.clone(),
            stream: context.stream.clone(),
            stream_identity: described.identity,
            writer: WriterOptions {
                policy: Policy {
                    bytes: settings.file_bytes,
                    age: settings.file_age(),
                },
                compression: settings.compression,
            },
            open_max: context.limits.open_files,
        };
        let lock = lock(context).await?;
        Ok(Self {
            context: Arc::clone(context),
            lanes: Arc::new(Lanes::new(&context.fs, &options, context.limits.threads)),
            started: BTreeSet::new(),
            done: BTreeSet::new(),
            tasks: JoinSet::new(),
            _lock: lock,
        })
    }

    async fn follow(&mut self) {
        let mut stop = self.context.stop.clone();
        let mut back_off = BackOff::new();
        loop {
            let described = self.context.source.describe().await;
            let status = &self.context.status;
            let failed = described.as_ref().err().map(Error::kind);
            match described {
                Ok(described) => {
                    status.recovered(None);
                    back_off.reset();
                    self.start(&described);
                }
                Err(error) => status.failed(None, Stage::Reading, &error),
            }
            match failed {
                Some(ErrorKind::NotFound) => break,
                Some(_) if wait(back_off.next(), &mut stop).await => break,
                Some(_) => continue,
                None => {}
            }
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(joined) = self.tasks.join_next() => self.ended(joined),
                else => {
                    stopped(&mut stop).await;
                    break;
                }
            }
            while let Some(joined) = self.tasks.try_join_next() {
                self.ended(joined);
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }

    fn ended(&mut self, joined: Result<(ShardId, Followed), JoinError>) {
        match joined {
            Ok((shard, Followed::ToTheEnd)) => {
                self.done.insert(shard);
            }
            Ok((_, Followed::UntilStopped)) => {}
            Err(error) => {
                tracing::error!(stream = %self.context.stream, %error, "a shard's task ended badly");
            }
        }
    }

    /// Starts every shard whose parents are archived.
    fn start(&mut self, described: &Described) {
        let listed: BTreeSet<ShardId> = described.shards.iter().map(|shard| shard.id).collect();
        for Lineage { id, parents } in &described.shards {
            // A parent that is not listed has expired: there is nothing left to wait for.
            let mut known = parents
                .iter()
                .filter(|parent| listed.contains(parent))
                .peekable();
            let from_parent = known.peek().is_some();
            if !known.all(|parent| self.done.contains(parent)) || !self.started.insert(*id) {
                continue;
            }
            let follower = Follower {
                context: Arc::clone(&self.context),
                lanes: Arc::clone(&self.lanes),
                shard: *id,
                from_parent,
            };
            let shard = *id;
            self.tasks
                .spawn(async move { (shard, follower.follow().await) });
        }
    }
}

/// Makes the stream's directory and locks it against other processes.
async fn lock<S: Source>(context: &Arc<Context<S>>) -> Result<Box<dyn Any + Send + Sync>> {
    let (fs, root) = (Arc::clone(&context.fs), context.settings.directory.clone());
    let stream = context.stream.as_str().to_owned();
    blocking("open an archive", move || {
        make_dirs(&*fs, &root, stream.as_ref())?;
        let path = root.join(stream).join(LOCK);
        fs.lock(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => Fault::Locked { path },
            _ => Fault::io("lock", &path)(error),
        })
    })
    .await
}

/// Finds out whether files can be made durable in a directory, which must exist.
pub(crate) async fn probe(fs: Arc<dyn FileSystem>, directory: &Path) -> Result<()> {
    let root = directory.to_owned();
    blocking("look at a directory", move || {
        let path = root.join(PROBE);
        fs.list(&root).map_err(Fault::io("list", &root))?;
        let mut file = fs.create(&path).map_err(Fault::io("create", &path))?;
        let written = file.write_all(b"probe").and_then(|()| file.sync());
        written.map_err(Fault::io("write", &path))?;
        fs.remove(&path).map_err(Fault::io("remove", &path))?;
        fs.sync_dir(&root)
            .map_err(Fault::io("sync directory", &root))
    })
    .await
}

/// Made and removed again when something begins to write to a directory.
const PROBE: &str = ".afflux-probe";
