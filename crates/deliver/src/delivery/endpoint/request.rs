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
    pub(crate) record: Framed,
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

    /// The records of a file that can be sent, and those that cannot.
    pub(super) fn sort(&self, frames: Bytes) -> (Vec<Framed>, Vec<GivenUp>) {
        let (mut good, mut given_up) = (Vec::new(), Vec::new());
        for record in records(frames) {
            let checked = match &self.receiver {
                Receiver::Http(_) => Ok(()),
                Receiver::OpenSearch(_) => opensearch::check(&record),
            };
            match checked {
                Ok(()) => good.push(record),
                Err(refusal) => given_up.push(GivenUp {
                    record,
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
        }
    }

    /// The lines of the error object, for records that were given up at `now`.
    pub(crate) fn lines(&self, given_up: &[GivenUp], now: ServerTime) -> Vec<u8> {
        let mut lines = Vec::new();
        for one in given_up {
            let framed = &one.record;
            let failed = Failed {
                record: record(framed.arrival, framed.data.clone()),
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
            Receiver::Http(_) => None,
            Receiver::OpenSearch(cluster) => Some(opensearch::document(self, cluster, record)),
        }
    }
}
