//! What only this API knows of streams.
//!
//! # Shape
//! One row of the engine's settings for each stream whose attributes are not the defaults; a stream
//! that another door made has none. Rows are found by the stream's id, which is never reused, so that
//! nothing inherits from a stream that had its name. Everything is in memory too: reads look at no
//! disk.
//!
//! # Invariants
//! - A change is visible once it is durable, and changes happen one after another.
//! - Rows of streams that other doors deleted are removed at open.

mod book;
mod row;

pub(crate) use book::{Book, random, token_key};

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
