//! What a delivery stream's task works with.

use std::path::PathBuf;
use std::sync::Arc;

use afflux_engine::{Engine, Settings};
use afflux_types::{Clock, Position, StreamName};
use tokio::sync::watch;

use super::batch::Memory;
use super::endpoint::{Endpoints, Producer, Sender};
use super::functions::Functions;
use super::helpers::Helpers;
use super::room::Room;
use super::state::State;
use super::status::Status;
use super::stores::Stores;
use super::tables::{Access, Catalogs};
use super::transformer::Owner;
use super::work::Plan;
use crate::fs::FileSystem;

/// What a delivery stream's task works with.
#[derive(Debug)]
pub(crate) struct Context<S> {
    pub(crate) source: S,
    /// The stream that holds nothing but what this delivery was given, and a handle that finds it.
    pub(crate) buffer: Option<(Engine, StreamName)>,
    pub(crate) settings: Settings,
    pub(crate) fs: Arc<dyn FileSystem>,
    /// The server's data directory.
    pub(crate) root: PathBuf,
    pub(crate) stores: Stores,
    pub(crate) functions: Functions,
    pub(crate) endpoints: Endpoints,
    pub(crate) kafka: Producer,
    pub(crate) catalogs: Catalogs,
    pub(crate) owner: Owner,
    pub(crate) memory: Memory,
    pub(crate) room: Room,
    pub(crate) helpers: Helpers,
    pub(crate) clock: Clock,
    pub(crate) plan: Plan,
    pub(crate) status: Arc<Status>,
    /// Becomes true when the delivery is to complete its batch and end.
    pub(crate) stop: watch::Receiver<bool>,
}

impl<S> Context<S> {
    /// What its table is reached through.
    pub(super) fn access(&self) -> Access {
        Access {
            catalogs: self.catalogs.clone(),
            stores: self.stores.clone(),
            fs: Arc::clone(&self.fs),
        }
    }

    /// Who sends the delivery stream's requests.
    pub(super) fn sender(&self) -> Sender {
        let Plan { name, settings, .. } = &self.plan;
        Sender {
            endpoints: self.endpoints.clone(),
            kafka: self.kafka.clone(),
            source: self
                .owner
                .caller(name, &settings.source)
                .delivery_stream_arn,
            room: self.room.clone(),
            clock: self.clock.clone(),
            status: Arc::clone(&self.status),
            stop: self.stop.clone(),
        }
    }

    /// Gives back the disk of what was delivered, where nobody else may want it.
    pub(super) async fn release(&self, state: &State) {
        let Some((engine, buffer)) = &self.buffer else {
            return;
        };
        for (shard, place) in state.places.iter() {
            let trimmed = async {
                let shard = engine.shard(buffer, shard).await?;
                shard.trim(Position::new(place.next)).await
            };
            if let Err(error) = trimmed.await {
                tracing::warn!(
                    delivery = %self.plan.name, error = %error.chain(),
                    "what was delivered stays on the disk for now"
                );
            }
        }
    }
}
