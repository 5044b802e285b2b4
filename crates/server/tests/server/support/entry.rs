//! Builds batches and reads them back.

use afflux_entry::{Batch, BatchBuilder, Header, Kind, Producer};
use afflux_wire::EntryRope;
use bytes::{Bytes, BytesMut};

/// An entry with these payloads, as a producer sends it.
pub(crate) fn batch(producer: Option<Producer>, payloads: &[&[u8]]) -> Bytes {
    let mut builder = BatchBuilder::default();
    for payload in payloads {
        builder.push(b"key", None, payload);
    }
    let (body, count) = builder.take();
    let pieces = std::slice::from_ref(&body);
    let header = Header::for_body(Kind::Batch, count, producer, None, pieces);
    let mut entry = BytesMut::from(&header.encode()[..]);
    entry.extend_from_slice(&body);
    entry.freeze()
}

/// An entry of one producer whose only record holds its sequence.
pub(crate) fn numbered(id: u64, sequence: u64) -> Bytes {
    batch(
        Some(Producer { id, sequence }),
        &[sequence.to_string().as_bytes()],
    )
}

/// The payloads of a batch as text.
pub(crate) fn records(entry: &EntryRope) -> Vec<String> {
    let body = entry.contiguous();
    Batch::records(&body, entry.header.record_count)
        .map(|record| String::from_utf8(record.unwrap().data.to_vec()).unwrap())
        .collect()
}
