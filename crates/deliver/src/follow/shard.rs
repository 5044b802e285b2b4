//! Follows one shard to its end, through every failure.
//!
//! ```text
//! open (recovers) ──► subscribe ──► entries, gaps ──► end ──► done
//!      ▲                                 │
//!      └───────── back off ◄─── failure ─┘
//! ```
//!
//! There is one way back from any failure: let go of the shard, and open it again as after a crash.

use std::sync::Arc;
use std::time::Duration;

use afflux_types::{Error, ErrorKind, Position, Result, ShardId};
use bytes::Bytes;
use tokio::sync::watch;

use super::init::find_init;
use super::lanes::Lanes;
use super::{Context, stopped};
use crate::manifest::GapReason;
use crate::source::{Feed, Happening, Source};
use crate::status::Stage;
use crate::write::{Lane, Moment, Progress, Written};

/// The first wait after a failure; each further one is twice as long.
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
/// The longest wait: a freed disk or a mounted directory is noticed within this.
const BACK_OFF_MAX: Duration = Duration::from_secs(30);

/// Why following a shard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Followed {
    /// Everything in it is archived, and it will not grow.
    ToTheEnd,
    /// The archive was told to stop.
    UntilStopped,
}

/// Waits longer after each failure in a row.
#[derive(Debug)]
pub(crate) struct BackOff(Duration);

impl BackOff {
    pub(crate) fn new() -> Self {
        Self(BACK_OFF_MIN)
    }

    /// One that begins with a longer wait.
    pub(crate) fn starting(wait: Duration) -> Self {
        Self(wait)
    }

    /// How long to wait now.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = wait.saturating_mul(2).min(BACK_OFF_MAX);
        wait
    }

    pub(crate) fn reset(&mut self) {
        self.0 = BACK_OFF_MIN;
    }
}

/// Waits, or returns early and true when the archive is to stop.
pub(crate) async fn wait(duration: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::time::timeout(duration, stopped(stop)).await.is_ok()
}

/// One shard that is followed.
pub(super) struct Follower<S> {
    pub(super) context: Arc<Context<S>>,
    pub(super) lanes: Arc<Lanes>,
    pub(super) shard: ShardId,
    /// Whether a parent's archive leads here: then the archive begins with the shard's first record.
    pub(super) from_parent: bool,
}

impl<S: Source> Follower<S> {
    /// Follows the shard to its end, or until the archive is told to stop.
    pub(super) async fn follow(self) -> Followed {
        let mut stop = self.context.stop.clone();
        let mut back_off = BackOff::new();
        loop {
            let error = match self.attempt(&mut stop, &mut back_off).await {
                Ok(followed) => return followed,
                Err((stage, error)) => {
                    self.context.status.failed(Some(self.shard), stage, &error);
                    tracing::warn!(
                        stream = %self.context.stream, shard = %self.shard, error = %error.chain(),
                        "archiving a shard failed and is tried again"
                    );
                    error
                }
            };
            // What was written before the stream failed is good. After a failed write the lane has
            // let go of the shard already, and this does nothing.
            let shard = self.shard;
            let sealed = self
                .lanes
                .on(shard, move |lane| lane.seal_if_open(shard))
                .await;
            if let Ok(Some(progress)) = sealed {
                self.note(&progress);
            }
            if self.is_over(&error).await
                || *stop.borrow()
                || wait(back_off.next(), &mut stop).await
            {
                return Followed::UntilStopped;
            }
        }
    }

    async fn attempt(
        &self,
        stop: &mut watch::Receiver<bool>,
        back_off: &mut BackOff,
    ) -> Result<Followed, (Stage, Error)> {
        let opening = |error| (Stage::Opening, error);
        let (shard, context) = (self.shard, &self.context);
        let start = match self.from_parent {
            true => Position::ZERO,
            false => context.source.horizon(shard).await.map_err(opening)?,
        };
        let open = self.lanes.on(shard, move |lane| {
            let opened = lane.open(shard, start)?;
            Ok((opened, lane.progress(shard)?))
        });
        let (opened, progress) = open.await.map_err(opening)?;
        self.note(&progress);
        if opened.closed {
            context.status.recovered(Some(shard));
            return Ok(Followed::ToTheEnd);
        }
        let mut feed = context
            .source
            .subscribe(shard, opened.next)
            .await
            .map_err(opening)?;
        context.status.recovered(Some(shard));
        let files = progress.totals.files;
        let mut progress = progress;
        loop {
            let next = next(&mut feed, self.time_left(&progress));
            let happening = tokio::select! {
                biased;
                () = stopped(stop) => None,
                happening = next => Some(happening),
            };
            let Some(happening) = happening else {
                self.seal().await.map_err(|error| (Stage::Writing, error))?;
                return Ok(Followed::UntilStopped);
            };
            let happening = happening.map_err(|error| (Stage::Reading, error))?;
            let done = self.handle(happening, &mut progress).await;
            let done = done.map_err(|error| (Stage::Writing, error))?;
            context
                .status
                .behind(shard, feed.millis_behind(), context.clock.elapsed());
            if progress.totals.files > files {
                back_off.reset();
            }
            if done {
                return Ok(Followed::ToTheEnd);
            }
        }
    }

    /// Until the open file must be finished; `None` if there is none.
    fn time_left(&self, progress: &Progress) -> Option<Duration> {
        let now = self.context.clock.elapsed();
        progress
            .deadline
            .map(|deadline| deadline.saturating_sub(now))
    }

    /// Takes in what the stream said, or nothing when time is up; true at the shard's end.
    async fn handle(&self, happening: Option<Happening>, progress: &mut Progress) -> Result<bool> {
        let (shard, clock) = (self.shard, &self.context.clock);
        let (now, wall) = (clock.elapsed(), clock.wall());
        let mut end = false;
        *progress = match happening {
            None => {
                self.lanes
                    .on(shard, move |lane| lane.finish_if_due(shard, now))
                    .await?
            }
            Some(Happening::Entries(slice)) => self.write(slice).await?,
            Some(Happening::Lagged(to)) => {
                let reason = GapReason::Retention;
                self.lanes
                    .on(shard, move |lane| lane.gap(shard, to, reason, wall))
                    .await?
            }
            Some(Happening::End(position, children)) => {
                end = true;
                let reason = GapReason::Retention;
                let close = move |lane: &mut Lane| {
                    lane.gap(shard, position, reason, wall)?;
                    lane.close(shard, &children)
                };
                self.lanes.on(shard, close).await?
            }
        };
        self.note(progress);
        Ok(end)
    }

    async fn write(&self, slice: Bytes) -> Result<Progress> {
        let (shard, context) = (self.shard, &self.context);
        loop {
            let now = Moment {
                elapsed: context.clock.elapsed(),
                wall: context.clock.wall(),
            };
            let entries = slice.clone();
            let write = move |lane: &mut Lane| lane.write(shard, &entries, now);
            let (written, progress) = self.lanes.on(shard, write).await?;
            let id = match written {
                Written::All => return Ok(progress),
                Written::NeedsInit(id) => id,
            };
            // The writer has stopped before the fragment; it skips what it has when it goes on.
            let at = progress.next;
            match find_init(&context.source, shard, at, id).await? {
                Some(init) => {
                    self.lanes
                        .on(shard, move |lane| lane.set_init(shard, init))
                        .await?
                }
                None => {
                    tracing::warn!(
                        stream = %context.stream, %shard, position = %at, init = %id,
                        "fragments are not archived because their initialisation is gone"
                    );
                    self.lanes
                        .on(shard, move |lane| lane.give_up_init(shard, id))
                        .await?;
                }
            }
        }
    }

    async fn seal(&self) -> Result<()> {
        let shard = self.shard;
        let progress = self.lanes.on(shard, move |lane| lane.seal(shard)).await?;
        self.note(&progress);
        Ok(())
    }

    /// Whether a failure means that the stream is gone for good.
    async fn is_over(&self, error: &Error) -> bool {
        let gone = |error: &Error| error.kind() == ErrorKind::NotFound;
        gone(error)
            && self
                .context
                .source
                .describe()
                .await
                .is_err_and(|error| gone(&error))
    }

    fn note(&self, progress: &Progress) {
        self.context.status.progressed(self.shard, progress);
    }
}

/// The feed's next happening; `None` when the time is up before.
async fn next(feed: &mut impl Feed, within: Option<Duration>) -> Result<Option<Happening>> {
    match within {
        None => feed.next().await.map(Some),
        Some(within) => match tokio::time::timeout(within, feed.next()).await {
            Ok(happening) => happening.map(Some),
            Err(_) => Ok(None),
        },
    }
}
