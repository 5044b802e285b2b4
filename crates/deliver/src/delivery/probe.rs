//! Finds out, once for each bucket in an object store, what the store does with a write that must not
//! replace an object.
//!
//! # Shape
//! An object is created twice, one after the other, and then another one by several at the same time: both
//! times only one may have succeeded. It costs twelve requests, and the objects, which stand below
//! [`PREFIX`], are removed. While the store cannot be asked it is asked again, less and less often.
//!
//! What a store does under load in a long time cannot be seen so: a fault that is found is there, one
//! that is not found may be there too. Nothing here depends on the answer but the header that a store
//! which knows no such writes is spared.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use afflux_engine::random;
use afflux_types::Result;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::waiting::BackOff;

/// What the names of the probe's objects begin with.
pub(crate) const PREFIX: &str = ".afflux-probe";
/// Who create one object at the same time.
const RACERS: usize = 8;
/// How long a store may take to answer everything.
const TIMEOUT: Duration = Duration::from_secs(30);
const BACK_OFF: Duration = Duration::from_secs(1);
/// Of what a store says.
const REASON_CHARS_MAX: usize = 400;

/// What is known of a bucket in an object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketReport {
    /// The bucket's name.
    pub name: String,
    /// What its store does.
    pub state: BucketState,
}

/// What the store of a bucket does with a write that must not replace an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BucketState {
    /// It was not asked yet.
    #[default]
    Unknown,
    /// It refuses it if the object is there.
    CreateOnly,
    /// It writes over the object.
    Overwrites,
    /// Of several at the same time it accepts more than one.
    Races,
    /// It does not take such writes at all.
    Unconditional,
    /// It refuses the credentials, and says this.
    Denied(String),
    /// It has no such bucket.
    Missing,
    /// It cannot be reached, or fails: so.
    Unreachable(String),
}

impl BucketState {
    /// The state in a word, for machines.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::CreateOnly => "create-only",
            Self::Overwrites => "overwrites",
            Self::Races => "races",
            Self::Unconditional => "unconditional",
            Self::Denied(_) => "denied",
            Self::Missing => "missing",
            Self::Unreachable(_) => "unreachable",
        }
    }

    /// Whether that was the store's answer and stays so.
    fn is_known(&self) -> bool {
        matches!(
            self,
            Self::CreateOnly | Self::Overwrites | Self::Races | Self::Unconditional
        )
    }

    fn of(error: &object_store::Error) -> Self {
        use object_store::Error::{NotFound, PermissionDenied, Unauthenticated};
        match error {
            NotFound { .. } => Self::Missing,
            PermissionDenied { .. } | Unauthenticated { .. } => Self::Denied(reason(error)),
            _ => Self::Unreachable(reason(error)),
        }
    }
}

impl fmt::Display for BucketState {
    /// What it means for delivery, in a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = match self {
            Self::Unknown => return f.write_str("the store was not asked yet"),
            Self::CreateOnly => {
                return f.write_str("the store refuses to write over an object that is there");
            }
            Self::Denied(reason) => {
                return write!(f, "the store refuses the credentials: {reason}");
            }
            Self::Missing => return f.write_str("the store has no bucket of this name"),
            Self::Unreachable(reason) => return write!(f, "the store cannot be used: {reason}"),
            Self::Overwrites => "writes over an object that is there",
            Self::Races => "lets several writers create one object",
            Self::Unconditional => "knows no writes that leave an object that is there",
        };
        write!(
            f,
            "the store {fault}: each record is in one object all the same, because names are not used again \
             and always have the same bytes, but another writer could be overwritten"
        )
    }
}

/// What is known of a bucket; a cell that its probe fills.
#[derive(Debug, Default)]
pub(crate) struct Probed(Mutex<BucketState>);

impl Probed {
    pub(crate) fn state(&self) -> BucketState {
        self.0.lock().clone()
    }

    /// Notes it, and says so if it is new.
    fn set(&self, bucket: &str, state: &BucketState) {
        let before = std::mem::replace(&mut *self.0.lock(), state.clone());
        if before == *state {
            return;
        }
        match state {
            BucketState::Unknown | BucketState::CreateOnly => {
                tracing::info!(bucket, state = state.name(), "{state}");
            }
            _ => tracing::warn!(bucket, state = state.name(), "{state}"),
        }
    }
}

/// Asks a store until it has answered.
pub(crate) async fn probe(bucket: String, store: Arc<dyn ObjectStore>, probed: Arc<Probed>) {
    let mut back_off = BackOff::starting(BACK_OFF);
    loop {
        let state = match keys() {
            Ok(keys) => ask_once(&store, &keys).await,
            Err(error) => BucketState::Unreachable(error.chain()),
        };
        probed.set(&bucket, &state);
        if state.is_known() {
            return;
        }
        tokio::time::sleep(back_off.next()).await;
    }
}

/// Names that no object has.
fn keys() -> Result<[Key; 2]> {
    let mut id = [0; 16];
    random(&mut id)?;
    let id = u128::from_be_bytes(id);
    Ok(["one", "race"].map(|what| Key::from(format!("{PREFIX}/{id:032x}-{what}"))))
}

async fn ask_once(store: &Arc<dyn ObjectStore>, keys: &[Key; 2]) -> BucketState {
    let asked = tokio::time::timeout(TIMEOUT, ask(store, keys)).await;
    let state = asked.unwrap_or_else(|_| {
        BucketState::Unreachable(format!("no answer within {} s", TIMEOUT.as_secs()))
    });
    let removed = async {
        for key in keys {
            match store.delete(key).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    // Who may write need not be allowed to delete.
    if let Ok(Err(error)) = tokio::time::timeout(TIMEOUT, removed).await
        && state.is_known()
    {
        let reason = reason(&error);
        tracing::warn!(
            reason,
            "objects below {PREFIX} were not removed from a bucket"
        );
    }
    state
}

async fn ask(store: &Arc<dyn ObjectStore>, [one, race]: &[Key; 2]) -> BucketState {
    if let Err(error) = write(&**store, one, PutMode::Create).await {
        return refused(&**store, one, &error).await;
    }
    match write(&**store, one, PutMode::Create).await {
        Ok(()) => return BucketState::Overwrites,
        Err(object_store::Error::AlreadyExists { .. }) => {}
        Err(error) => return BucketState::of(&error),
    }
    let mut racers = JoinSet::new();
    for _ in 0..RACERS {
        let (store, key) = (Arc::clone(store), race.clone());
        racers.spawn(async move { write(&*store, &key, PutMode::Create).await });
    }
    let (mut winners, mut failure) = (0_usize, None);
    for finished in racers.join_all().await {
        match finished {
            Ok(()) => winners += 1,
            Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(error) => failure = Some(error),
        }
    }
    match (winners, failure) {
        (0, Some(error)) => BucketState::of(&error),
        (0 | 1, _) => BucketState::CreateOnly,
        _ => BucketState::Races,
    }
}

/// What it means that a store did not create an object: it does not if it writes without the condition, and
/// still not with it.
async fn refused(store: &dyn ObjectStore, key: &Key, error: &object_store::Error) -> BucketState {
    let state = BucketState::of(error);
    if !matches!(state, BucketState::Unreachable(_)) {
        return state;
    }
    if write(store, key, PutMode::Overwrite).await.is_err() {
        return state;
    }
    match write(store, key, PutMode::Create).await {
        Err(error) if matches!(BucketState::of(&error), BucketState::Unreachable(_)) => {
            BucketState::Unconditional
        }
        // It was a passing fault.
        _ => state,
    }
}

async fn write(store: &dyn ObjectStore, key: &Key, mode: PutMode) -> object_store::Result<()> {
    let payload = PutPayload::from_static(b"probe");
    let written = store.put_opts(key, payload, PutOptions::from(mode));
    written.await.map(drop)
}

fn reason(error: &object_store::Error) -> String {
    let sources = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let last = sources.last().map(ToString::to_string);
    let reason = last.unwrap_or_else(|| error.to_string());
    reason.chars().take(REASON_CHARS_MAX).collect()
}
