//! Follows all shards of a stream and delivers what they hold, through every failure.
//!
//! ```text
//! open (finds a complete batch) ──► readers, one a shard ──► work ──► complete batch ──► publish
//!      ▲                                                                                  │ commit
//!      └───────────────────────── back off ◄──────────── failure ◄────────────────────────┘
//! ```
//!
//! One batch is published while the next one fills. There is one way back from any failure: drop what
//! is not complete, and open again as after a crash.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use afflux_types::{Error, Position, Result, ShardId};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::complete::{publish_batch, write_batch};
use super::context::Context;
use super::publish::free_number;
use super::spool::Spool;
use super::state::State;
use super::taken::{Slice, Taken};
use super::transformer::Transformer;
use super::video::Film;
use super::work::{Ending, Moment, Stop, Work};
use crate::blocking::{blocking, ended};
use crate::fault;
use crate::inits::find_init;
use crate::source::{Feed as _, Happening, Lineage, Source};
use crate::waiting::{BackOff, stopped, wait};

/// Slices of the log that wait for their turn.
const SLICES: usize = 2;

/// What a reader says.
type Said = (ShardId, Result<(Happening, u64)>);

/// Delivers until told to stop; what was taken is complete then, if the disk lets it be.
pub(crate) async fn run<S: Source>(context: Arc<Context<S>>) {
    let mut stop = context.stop.clone();
    let mut back_off = BackOff::new();
    loop {
        let batches = context.status.batches();
        let error = match Delivery::open(&context).await {
            Ok(mut delivery) => match delivery.follow(&mut stop).await {
                Ok(()) => return,
                Err(error) => error,
            },
            Err(error) => error,
        };
        if *stop.borrow() {
            return;
        }
        context.status.failed(&error);
        tracing::warn!(
            delivery = %context.plan.name, error = %error.chain(),
            "a delivery failed and is tried again"
        );
        if context.status.batches() > batches {
            back_off.reset();
        }
        if wait(back_off.next(), &mut stop).await {
            return;
        }
    }
}

/// A delivery stream that is open.
struct Delivery<S> {
    context: Arc<Context<S>>,
    work: Arc<Mutex<Work>>,
    spool: Spool,
    /// How far it is with all batches that are published.
    state: State,
    /// Shards whose reader was started.
    started: BTreeSet<ShardId>,
    readers: JoinSet<()>,
    tell: mpsc::Sender<Said>,
    hear: mpsc::Receiver<Said>,
    transformer: Option<Arc<Transformer>>,
    /// What is left of the slice that is being taken.
    slice: Option<Slice>,
    /// A piece of it that is with the transformer.
    changing: JoinSet<Result<Taken>>,
    /// The batch that is being published.
    publishing: JoinSet<Result<State>>,
}

impl<S: Source> Delivery<S> {
    async fn open(context: &Arc<Context<S>>) -> Result<Self> {
        let plan = &context.plan;
        let state = State::load(&context.settings, plan.id)?;
        context.status.delivered(&state);
        let spool = Spool::new(Arc::clone(&context.fs), &context.root, plan.id)
            .digesting(plan.settings.manifests);
        let (opening, root, batches) = (spool.clone(), context.root.clone(), state.batches);
        let intent = blocking("open a spool", move || opening.open(&root, batches)).await?;
        let state = match intent {
            Some(intent) => publish_batch(context, &spool, state, intent).await?,
            None => state,
        };
        let (opening, batches) = (spool.clone(), state.batches);
        let film = blocking("open a film", move || Film::open(&opening, batches)).await?;
        let files = (spool.clone(), film);
        let work = Work::new(plan.clone(), files, context.memory.clone(), &state)?;
        let heard = (&context.status, &context.stop);
        let transformer = Transformer::open(&context.functions, &context.owner, plan, heard)?;
        let (tell, hear) = mpsc::channel(SLICES);
        Ok(Self {
            context: Arc::clone(context),
            work: Arc::new(Mutex::new(work)),
            spool,
            state,
            started: BTreeSet::new(),
            readers: JoinSet::new(),
            tell,
            hear,
            transformer: transformer.map(Arc::new),
            slice: None,
            changing: JoinSet::new(),
            publishing: JoinSet::new(),
        })
    }

    async fn follow(&mut self, stop: &mut watch::Receiver<bool>) -> Result<()> {
        self.start_readers().await?;
        loop {
            let deadline = self.time_left();
            let has_room = !self.work.lock().batch().is_full();
            tokio::select! {
                biased;
                () = stopped(stop) => return self.end().await,
                Some(published) = self.publishing.join_next() => {
                    self.state = ended(published)?;
                    self.work.lock().begin_next(self.now().elapsed);
                    self.take_rest().await?;
                }
                () = tokio::time::sleep(deadline.unwrap_or_default()), if deadline.is_some() => {}
                Some(changed) = self.changing.join_next() => {
                    self.put(ended(changed)?).await?;
                }
                said = self.hear.recv(), if has_room && self.slice.is_none() => {
                    self.take(said).await?;
                }
            }
            if self.publishing.is_empty() && self.is_due() {
                self.begin_publishing();
            }
        }
    }

    /// Starts the readers of shards whose parents have been taken to their end.
    async fn start_readers(&mut self) -> Result<()> {
        let described = self.context.source.describe().await?;
        let known: BTreeSet<ShardId> = described.shards.iter().map(|shard| shard.id).collect();
        let places = {
            let mut work = self.work.lock();
            work.keep(|shard| known.contains(&shard));
            work.places().clone()
        };
        for Lineage { id, parents } in &described.shards {
            let is_next = parents
                .iter()
                .all(|parent| !known.contains(parent) || places.is_closed(*parent));
            let is_wanted = self.work.lock().is_wanted(*id);
            if !is_next || !is_wanted || !self.started.insert(*id) {
                continue;
            }
            let (context, shard) = (Arc::clone(&self.context), *id);
            let (from, tell) = (places.next(shard), self.tell.clone());
            self.readers.spawn(async move {
                let said = read(&context.source, shard, from, &tell).await;
                if let Err(error) = said {
                    let _ = tell.send((shard, Err(error))).await;
                }
            });
        }
        Ok(())
    }

    async fn take(&mut self, said: Option<Said>) -> Result<()> {
        let Some((shard, said)) = said else {
            return Err(Error::internal("a delivery has no readers"));
        };
        let (happening, millis_behind) = said?;
        if !self.work.lock().is_wanted(shard) {
            return Ok(());
        }
        let now = self.now();
        let status = &self.context.status;
        status.behind(shard, millis_behind, now.elapsed);
        match happening {
            Happening::Entries(entries) => {
                let slice = Slice::new(shard, entries);
                if self.transformer.is_some() {
                    self.slice = Some(slice);
                    return self.change_next().await;
                }
                self.take_all(slice).await
            }
            Happening::Lagged(to) => {
                self.work.lock().skip(shard, to);
                Ok(())
            }
            Happening::End(end) => {
                {
                    let mut work = self.work.lock();
                    work.skip(shard, end);
                    work.close(shard);
                }
                status.ended(shard);
                self.start_readers().await
            }
        }
    }

    /// Takes a slice, and ends batches in it where they are to end.
    async fn take_all(&mut self, mut slice: Slice) -> Result<()> {
        loop {
            let (shard, now) = (slice.shard(), self.now());
            let ending = match self.publishing.is_empty() {
                true => Ending::Allowed,
                false => Ending::NotYet,
            };
            let (rest, stop) = self
                .on_work(move |work| {
                    let stop = work.take_all(&mut slice, ending, now)?;
                    Ok((slice, stop))
                })
                .await?;
            slice = rest;
            match stop {
                None => return Ok(()),
                Some(Stop::BatchEnds) if self.publishing.is_empty() => self.begin_publishing(),
                Some(Stop::BatchEnds) => {
                    self.slice = Some(slice);
                    return Ok(());
                }
                Some(Stop::NeedsNumber(hour, number)) => {
                    let Context { fs, stores, .. } = &*self.context;
                    let number = free_number(fs, stores, (&hour, number)).await?;
                    self.work.lock().learn_number(hour, number);
                }
                Some(Stop::NeedsInit(at, init)) => {
                    match find_init(&self.context.source, shard, at, init).await? {
                        Some(init) => self.on_work(move |work| work.learn_init(init)).await?,
                        None => self.work.lock().give_up_init(init),
                    }
                }
            }
        }
    }

    /// Takes what is left of a slice in which a batch was to end that could not.
    async fn take_rest(&mut self) -> Result<()> {
        let has_rest = |_: &mut Slice| self.transformer.is_none();
        match self.slice.take_if(has_rest) {
            Some(slice) => self.take_all(slice).await,
            None => Ok(()),
        }
    }

    /// Has the next piece of the slice changed, if there is one.
    async fn change_next(&mut self) -> Result<()> {
        let next = self.slice.take().filter(|slice| !slice.is_empty());
        let (Some(mut slice), Some(transformer)) = (next, &self.transformer) else {
            return Ok(());
        };
        let transformer = Arc::clone(transformer);
        let (slice, taken) = self
            .on_work(move |work| {
                let taken = work.take(&mut slice)?;
                Ok((slice, taken))
            })
            .await?;
        self.slice = Some(slice);
        self.changing
            .spawn(async move { transformer.change(taken).await });
        Ok(())
    }

    /// Puts what was changed into the batch.
    async fn put(&mut self, changed: Taken) -> Result<()> {
        let now = self.now();
        self.on_work(move |work| work.put(changed, now)).await?;
        self.change_next().await
    }

    fn now(&self) -> Moment {
        let clock = &self.context.clock;
        Moment {
            elapsed: clock.elapsed(),
            wall: clock.wall(),
        }
    }

    /// Ends the batch and begins to publish it.
    fn begin_publishing(&mut self) {
        let (mut sealed, now) = (self.work.lock().seal(), self.now().wall);
        let (context, spool) = (Arc::clone(&self.context), self.spool.clone());
        let state = self.state.clone();
        sealed.helpers = context.helpers.clone();
        self.publishing.spawn(async move {
            let intent = write_batch(&context, sealed, now).await?;
            publish_batch(&context, &spool, state, intent).await
        });
    }

    /// Completes what was taken; a batch that cannot be published now is when the server starts again.
    async fn end(&mut self) -> Result<()> {
        self.readers.abort_all();
        // What is with the transformer is read again when the server starts.
        self.changing.abort_all();
        while let Some(published) = self.publishing.join_next().await {
            match ended(published) {
                Ok(state) => self.state = state,
                Err(_) => return Ok(()),
            }
        }
        if self.work.lock().batch().is_empty() {
            return Ok(());
        }
        self.begin_publishing();
        if let Some(Err(error)) = self.publishing.join_next().await.map(ended) {
            tracing::warn!(
                delivery = %self.context.plan.name, error = %error.chain(),
                "the last batch is delivered when the server starts again"
            );
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        let now = self.context.clock.elapsed();
        let work = self.work.lock();
        self.context.status.waiting(work.batch().bytes());
        work.batch().is_due(now)
    }

    /// Until the batch ends; none if it is empty, or the one before is being published.
    fn time_left(&self) -> Option<Duration> {
        if !self.publishing.is_empty() {
            return None;
        }
        let deadline = self.work.lock().batch().deadline()?;
        Some(deadline.saturating_sub(self.context.clock.elapsed()))
    }

    async fn on_work<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Work) -> fault::Result<T> + Send + 'static,
    ) -> Result<T> {
        let work = Arc::clone(&self.work);
        blocking("work on a delivery", move || job(&mut work.lock())).await
    }
}

/// Reads a shard until nobody listens.
async fn read<S: Source>(
    source: &S,
    shard: ShardId,
    from: Position,
    tell: &mpsc::Sender<Said>,
) -> Result<()> {
    let mut feed = source.subscribe(shard, from).await?;
    loop {
        let happening = feed.next().await?;
        let is_end = matches!(happening, Happening::End(..));
        let said = Ok((happening, feed.millis_behind()));
        if tell.send((shard, said)).await.is_err() || is_end {
            return Ok(());
        }
    }
}
