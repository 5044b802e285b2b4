//! Both ends of the uploads: constant bytes, and records in checked batches.
//!
//! A batch is the length and the CRC-32C of its body, four bytes each, then the records: a length of four bytes and
//! the bytes. The sender copies every record into its batch and the receiver gathers every batch into one buffer, as
//! any protocol above QUIC does at least once.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, checksum};
use quinn::{RecvStream, SendStream};

use super::super::{Stopwatch, len_u64, noise};

/// Chunks taken per read where the load does not say: each read takes the connection's lock.
pub(super) const READ_CHUNKS: usize = 64;
/// More than a sensible caller asks for at once, so that a request cannot make a large allocation.
const READ_CHUNKS_MAX: usize = 1_024;
/// The largest batch body that the receiver accepts.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// Length and checksum.
const BATCH_HEADER_BYTES: usize = 8;

/// Writes constant bytes for `limit`, `write_chunks` chunks of `chunk_bytes` at a time, then ends the stream.
pub(super) async fn send_bulk(
    stream: &mut SendStream,
    chunk_bytes: usize,
    write_chunks: usize,
    limit: Duration,
) -> Result<()> {
    let chunk = Bytes::from(noise(chunk_bytes));
    let clock = Stopwatch::start();
    while clock.elapsed() < limit {
        let mut chunks = vec![chunk.clone(); write_chunks];
        stream
            .write_all_chunks(&mut chunks)
            .await
            .context("write")?;
    }
    stream.finish().context("finish a stream")
}

/// Writes batches of records for `limit`, then ends the stream.
pub(super) async fn send_records(
    stream: &mut SendStream,
    record_bytes: usize,
    batch_records: usize,
    limit: Duration,
) -> Result<()> {
    let record = noise(record_bytes);
    let length = u32::try_from(record_bytes).context("length of a record")?;
    let clock = Stopwatch::start();
    while clock.elapsed() < limit {
        let mut body = BytesMut::with_capacity((record_bytes + 4) * batch_records);
        for _ in 0..batch_records {
            body.put_u32_le(length);
            body.put_slice(&record);
        }
        let mut header = BytesMut::with_capacity(BATCH_HEADER_BYTES);
        header.put_u32_le(u32::try_from(body.len()).context("length of a batch")?);
        header.put_u32_le(crc(&body)?);
        let mut chunks = [header.freeze(), body.freeze()];
        stream
            .write_all_chunks(&mut chunks)
            .await
            .context("write a batch")?;
    }
    stream.finish().context("finish a stream")
}

/// Reads to the end of the stream and returns the count of bytes.
pub(super) async fn receive_bulk(stream: &mut RecvStream, read_chunks: usize) -> Result<u64> {
    let mut total = 0;
    if read_chunks <= 1 {
        while let Some(chunk) = stream.read_chunk(usize::MAX, true).await.context("read")? {
            total += len_u64(chunk.bytes.len());
        }
        return Ok(total);
    }
    let mut chunks = vec![Bytes::new(); read_chunks.min(READ_CHUNKS_MAX)];
    while let Some(count) = stream.read_chunks(&mut chunks).await.context("read")? {
        total += chunks
            .iter()
            .take(count)
            .map(|chunk| len_u64(chunk.len()))
            .sum::<u64>();
    }
    Ok(total)
}

/// Reads batches to the end of the stream, checks each, and returns the count of record bytes.
pub(super) async fn receive_records(stream: &mut RecvStream) -> Result<u64> {
    let mut total = 0;
    let mut gathered = BytesMut::new();
    let mut chunks = vec![Bytes::new(); READ_CHUNKS];
    while let Some(count) = stream
        .read_chunks(&mut chunks)
        .await
        .context("read a batch")?
    {
        for chunk in chunks.iter().take(count) {
            gathered.extend_from_slice(chunk);
        }
        while let Some(body) = next_batch(&mut gathered)? {
            total += check_records(body)?;
        }
    }
    if !gathered.is_empty() {
        bail!("the stream ended {} bytes into a batch", gathered.len());
    }
    Ok(total)
}

fn next_batch(gathered: &mut BytesMut) -> Result<Option<Bytes>> {
    let mut peek: &[u8] = gathered;
    let (Ok(length), Ok(expected)) = (peek.try_get_u32_le(), peek.try_get_u32_le()) else {
        return Ok(None);
    };
    let length = usize::try_from(length).context("length of a batch")?;
    if length > BATCH_BYTES_MAX {
        bail!("a batch of {length} bytes is above the limit of {BATCH_BYTES_MAX}");
    }
    if peek.len() < length {
        gathered.reserve(length - peek.len());
        return Ok(None);
    }
    gathered.advance(BATCH_HEADER_BYTES);
    let body = gathered.split_to(length).freeze();
    let found = crc(&body)?;
    if found != expected {
        bail!("a batch has the checksum {found:08x} instead of {expected:08x}");
    }
    Ok(Some(body))
}

fn check_records(mut body: Bytes) -> Result<u64> {
    let mut total = 0;
    while body.has_remaining() {
        let length = body.try_get_u32_le().context("length of a record")?;
        let length = usize::try_from(length).context("length of a record")?;
        if length > body.len() {
            bail!(
                "a record of {length} bytes in a batch with {} left",
                body.len()
            );
        }
        body.advance(length);
        total += len_u64(length);
    }
    Ok(total)
}

fn crc(body: &[u8]) -> Result<u32> {
    u32::try_from(checksum(CrcAlgorithm::Crc32Iscsi, body)).context("CRC-32C of a batch")
}
