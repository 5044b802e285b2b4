//! Delivery streams: what streams hold as objects in directories and buckets, as requests to HTTP endpoints and
//! as documents of search clusters, each record exactly once where the destination allows it.
//!
//! [`Deliveries`] belongs to a server; [`verify()`] and [`records()`] need only a directory with manifests. The
//! deciding parts do no I/O; the writing parts are synchronous and run over a trait, so that tests end them at
//! every single operation.
//!
#![doc = include_str!("../DELIVERY.md")]
#![forbid(unsafe_code)]

mod blocking;
mod delivery;
mod entries;
mod fault;
mod fs;
mod inits;
mod seal;
mod source;
#[cfg(test)]
mod testing;
mod waiting;

pub use delivery::{
    AllowedEndpoint, BUFFER_BYTES_DEFAULT, BUFFER_BYTES_MAX, BUFFER_BYTES_MIN,
    BUFFER_SECONDS_DEFAULT, BUFFER_SECONDS_MAX, BucketHome, BucketReport, BucketSettings,
    BucketState, CatalogLogin, CatalogSettings, Catalogs, ClusterSettings, ContentEncoding,
    DeliveredRecord, Deliveries, DeliveryDescription, DeliveryOptions, DeliverySettings,
    DeliverySource, DeliveryStatus, DeliveryTotals, EndpointSettings, Endpoints, FunctionSettings,
    Functions, KafkaCluster, KafkaClusters, KafkaSettings, LastObject, Login, MessageKey,
    ObjectSettings, Owner, Place, Receiver, Records, Start, StoreSettings, Stores, TableSettings,
    VerifiedDelivery, VerifiedShard, records, verify,
};
