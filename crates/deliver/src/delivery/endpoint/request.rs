//! The records of a request in the spool, and what is made of them.
//!
//! The same file gives the same requests whenever it is sent, and error objects of what is never taken.

use std::sync::Arc;

use afflux_transform::{Compression, Document, Failed, failed_line};
use afflux_types::ServerTime;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::receiver::Receiver;
use super::refusal::Refusal;
use super::{http, opensearch};
use crate::delivery::frames::{self, record};

/// Records of a request.
pub(crate) const RECORDS_MAX: u32 = 10_000;
/// Bytes in the spool of a request before its last record: with one of 10 MiB behind it, and in base64, that
/// are 62 MiB of the 64 that a body may have.
pub(crate) const FRAMES_BYTES_MAX: u64 = 36 << 20;

/// A request that is to be sent until it is taken or given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The same in every attempt, and that of no other request: the id of a delivery stream is random.
    pub(crate) id: String,
    /// In milliseconds since 1970-01-01 UTC, the same in every attempt.
    pub(crate) timestamp: i64,
    pub(crate) receiver: Receiver,
    /// Of the error object.
    pub(crate) compression: Compression,
    /// Of the error object too.
    pub(crate) object_id: [u8; 16],
}

/// A record of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Framed {
    /// Its place in the file, from zero.
    pub(crate) ordinal: usize,
    pub(crate) arrival: ServerTime,
    pub(crate) data: Bytes,
}

/// A record that nobody takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GivenUp {
    /// Its place in the file.
    pub(crate) ordinal: usize,
    pub(crate) refusal: Arc<Refusal>,
    /// How often it was sent.
    pub(crate) attempts: u32,
}

/// The records of a file; none from where it is not one any more.
pub(crate) fn records(frames: Bytes) -> impl Iterator<Item = Framed> {
    let records = frames::records(frames).enumerate();
    records.map(|(ordinal, (arrival, data))| Framed {
        ordinal,
        arrival,
        data,
    })
}

/// Those records of a file that stand at `ordinals`, which are in their order.
pub(super) fn pick(frames: Bytes, ordinals: &[usize]) -> Vec<Framed> {
    let is_wanted = |record: &Framed| ordinals.binary_search(&record.ordinal).is_ok();
    records(frames).filter(is_wanted).collect()
}

impl Request {
    pub(crate) fn new(
        object_id: [u8; 16],
        made: ServerTime,
        receiver: Receiver,
        compression: Compression,
    ) -> Self {
        let id = u128::from_be_bytes(object_id);
        Self {
            id: format!(
                "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
                id >> 96,
                id >> 80 & 0xffff,
                id >> 64 & 0xffff,
                id >> 48 & 0xffff,
                id & 0xffff_ffff_ffff
            ),
            timestamp: made.as_millis(),
            receiver,
            compression,
            object_id,
        }
    }

    /// Where the records of a file are that can be sent, and those that cannot.
    pub(super) fn sort(&self, frames: Bytes) -> (Vec<usize>, Vec<GivenUp>) {
        let (mut good, mut given_up) = (Vec::new(), Vec::new());
        for record in records(frames) {
            let checked = match &self.receiver {
                Receiver::Http(_) | Receiver::Kafka(_) => Ok(()),
                Receiver::OpenSearch(_) => opensearch::check(&record),
            };
            match checked {
                Ok(()) => good.push(record.ordinal),
                Err(refusal) => given_up.push(GivenUp {
                    ordinal: record.ordinal,
                    refusal: Arc::new(refusal),
                    attempts: 0,
                }),
            }
        }
        (good, given_up)
    }

    /// The body of an attempt with some of the records.
    pub(super) fn body(&self, records: &[Framed]) -> std::io::Result<Vec<u8>> {
        match &self.receiver {
            Receiver::Http(endpoint) => http::body(self, endpoint, records),
            Receiver::OpenSearch(cluster) => Ok(opensearch::body(self, cluster, records)),
            Receiver::Kafka(_) => Err(std::io::ErrorKind::Unsupported.into()),
        }
    }

    /// The lines of the error object, for records of a file that were given up at `now`, in their order.
    pub(crate) fn lines(&self, frames: Bytes, given_up: &[GivenUp], now: ServerTime) -> Vec<u8> {
        let mut lines = Vec::new();
        let ordinals: Vec<usize> = given_up.iter().map(|one| one.ordinal).collect();
        for (framed, one) in pick(frames, &ordinals).iter().zip(given_up) {
            let failed = Failed {
                record: record(framed.arrival, self.receiver.payload(&framed.data)),
                output: self.receiver.error_output(),
                code: one.refusal.code.clone(),
                message: one.refusal.message.clone(),
                attempts: one.attempts,
                transformer: None,
                document: self.document(framed),
            };
            failed_line(&failed, now, &mut lines);
        }
        lines
    }

    fn document(&self, record: &Framed) -> Option<Document> {
        match &self.receiver {
            Receiver::Http(_) | Receiver::Kafka(_) => None,
            Receiver::OpenSearch(cluster) => Some(opensearch::document(self, cluster, record)),
        }
    }
}
