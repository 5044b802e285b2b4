//! Delivery streams: records from a stream, through processors, into objects, each exactly once; and
//! fragments of video, as they are, see [`video`].
//!
//! ```text
//!  engine ──one reader a shard──► follow ──blocking threads──► work ──► batch ──► spool
//!                                   │ └─► transformer ──► HTTP          groups     files, intent
//!  Deliveries ── create, update,    └── publish ──► directory, bucket,  ──► state: places, totals
//!                pause, delete                     endpoint, cluster,
//!                                                  topic, table
//! ```
//!
//! # Exactly once
//! A batch is what came from all shards between two places in each. When it ends, its objects are files
//! of the spool, and then an intent names them, the objects' names, and the places behind it, all durable.
//! Then the objects are written, then the places are noted in the engine's settings, and then the files
//! are removed. Before the intent, a failure leaves nothing, and the records are read again; from the
//! intent on, the same bytes are written under the same names until all are there, and nothing is read or
//! processed twice, so that a transformer whose answers change cannot make a record appear twice; before
//! it, a transformer may be asked again for what it has changed already. Names
//! follow from the delivery stream, the batch and the object, and are never used again.
//!
//! A part that is converted to a Parquet file is so when its batch ends, and what cannot be converted joins the
//! batch as records that failed: both are files of the spool before the intent.
//!
//! With manifests one more object of the batch says what it brought, for whoever wants to prove that nothing is
//! missing without asking the server: see [`manifest`].
//!
//! What goes to a table of Apache Iceberg is files of the intent and one commit behind them: see [`tables`].
//!
//! What goes to an HTTP endpoint is delivered at least once; what goes to a search cluster too, but there it
//! replaces itself; what goes to Kafka exactly once: see [`endpoint`].

mod batch;
mod complete;
mod context;
#[cfg(test)]
mod crash_tests;
mod deliveries;
mod endpoint;
mod envelope;
#[cfg(test)]
mod fault_tests;
mod follow;
mod forms;
mod frames;
mod functions;
mod helpers;
mod http;
mod manifest;
mod options;
mod output;
mod probe;
mod publish;
mod room;
mod running;
mod sealed;
mod settings;
mod spool;
mod state;
mod status;
mod stores;
mod tables;
mod taken;
mod transformer;
mod unique;
mod verify;
mod video;
mod work;

pub use deliveries::Deliveries;
pub use endpoint::{
    AllowedEndpoint, ClusterSettings, ContentEncoding, EndpointSettings, Endpoints, KafkaCluster,
    KafkaClusters, KafkaSettings, Login, MessageKey, Receiver,
};
pub use functions::{FunctionSettings, Functions};
pub use options::DeliveryOptions;
pub use probe::{BucketReport, BucketState};
pub use running::DeliveryDescription;
pub use settings::{
    BUFFER_BYTES_DEFAULT, BUFFER_BYTES_MAX, BUFFER_BYTES_MIN, BUFFER_SECONDS_DEFAULT,
    BUFFER_SECONDS_MAX, DeliverySettings, DeliverySource, ObjectSettings, Place, Start,
};
pub use state::{DeliveryTotals, LastObject};
pub use status::DeliveryStatus;
pub use stores::{BucketHome, BucketSettings, StoreSettings, Stores};
pub use tables::{CatalogLogin, CatalogSettings, Catalogs, TableSettings};
pub use transformer::Owner;
pub use verify::{DeliveredRecord, Records, VerifiedDelivery, VerifiedShard, records, verify};
