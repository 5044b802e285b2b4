//! What only this API knows of streams.
//!
//! Rows of the engine's settings: [`StreamBook`](afflux_engine::StreamBook) says what holds of them.

mod book;
mod row;

pub(crate) use book::{Book, token_key};

use std::collections::BTreeMap;

use afflux_aws::video::input::{ImageGenerationConfiguration, NotificationConfiguration};
use afflux_aws::video::values::DefaultStorageTier;

/// What only this API knows of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attributes {
    pub(crate) device_name: Option<String>,
    pub(crate) media_type: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Kept and shown: there is one place for media here.
    pub(crate) storage_tier: DefaultStorageTier,
    pub(crate) notification: Option<NotificationConfiguration>,
    pub(crate) images: Option<ImageGenerationConfiguration>,
    /// How often something was changed here; part of the stream's version.
    pub(crate) changes: u64,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            device_name: None,
            media_type: None,
            tags: BTreeMap::new(),
            storage_tier: DefaultStorageTier::Hot,
            notification: None,
            images: None,
            changes: 0,
        }
    }
}
