//! Records that stay apart in a part of a batch, for what is made of each of them.
//!
//! ```text
//! arrival  8 bytes  milliseconds since 1970-01-01 UTC, signed
//! length   4 bytes
//! payload
//! ```
//! One record after the other, numbers with their highest byte first: the same part gives the same request or
//! file whenever it is made, and the same lines of what fails.

use std::io::{self, Read};

use afflux_transform::{Origin, Record};
use afflux_types::{Position, ServerTime, ShardId};
use bytes::{Buf as _, BufMut as _, Bytes};

const HEAD_BYTES: usize = 12;

/// A record as it stands in a part.
pub(crate) fn frame(arrival: ServerTime, data: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD_BYTES + data.len());
    frame.put_i64(arrival.as_millis());
    frame.put_u32(u32::try_from(data.len()).unwrap_or(u32::MAX));
    frame.put_slice(data);
    frame
}

/// The records of a part in memory; none from where it is not one any more.
pub(crate) fn records(mut frames: Bytes) -> impl Iterator<Item = (ServerTime, Bytes)> {
    std::iter::from_fn(move || {
        let (arrival, len) = head(&frames)?;
        frames.advance(HEAD_BYTES);
        let data = (len <= frames.len()).then(|| frames.split_to(len))?;
        Some((arrival, data))
    })
}

/// A record of a part, for its error object: where it stood in its stream is not said of one that failed here.
pub(crate) fn record(arrival: ServerTime, data: Bytes) -> Record {
    let origin = Origin {
        shard: ShardId::new(0),
        position: Position::ZERO,
        sub_sequence: None,
    };
    Record::new(data, arrival, origin, None)
}

/// The records of a part, one after the other.
pub(crate) struct Frames<R> {
    from: R,
    data: Vec<u8>,
}

impl<R: Read> Frames<R> {
    pub(crate) fn new(from: R) -> Self {
        Self {
            from,
            data: Vec::new(),
        }
    }

    /// The next record.
    pub(crate) fn next(&mut self) -> io::Result<Option<(ServerTime, &[u8])>> {
        self.read(HEAD_BYTES)?;
        if self.data.is_empty() {
            return Ok(None);
        }
        let (arrival, len) = head(&self.data).ok_or(io::ErrorKind::UnexpectedEof)?;
        match self.read(len)? {
            read if read == len => Ok(Some((arrival, &self.data))),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn read(&mut self, len: usize) -> io::Result<usize> {
        self.data.clear();
        let limit = u64::try_from(len).unwrap_or(u64::MAX);
        self.from.by_ref().take(limit).read_to_end(&mut self.data)
    }
}

fn head(mut bytes: &[u8]) -> Option<(ServerTime, usize)> {
    let arrival = bytes.try_get_i64().ok()?;
    let len = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
    Some((ServerTime::from_millis(arrival), len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part() -> Vec<u8> {
        let arrival = ServerTime::from_millis(-7);
        [frame(arrival, b"one"), frame(arrival, b"")].concat()
    }

    fn read(part: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let (mut frames, mut records) = (Frames::new(part), Vec::new());
        while let Some((arrival, data)) = frames.next()? {
            assert_eq!(arrival, ServerTime::from_millis(-7));
            records.push(data.to_vec());
        }
        Ok(records)
    }

    #[test]
    fn records_come_back_from_memory_and_from_a_reader() {
        assert_eq!(read(&part()).unwrap(), [&b"one"[..], b""]);
        let records: Vec<_> = records(part().into()).collect();
        let arrival = ServerTime::from_millis(-7);
        assert_eq!(
            records,
            [(arrival, Bytes::from("one")), (arrival, Bytes::new())]
        );
    }

    #[test]
    fn a_part_that_is_cut_ends_before_its_last_record_or_is_an_error() {
        let part = part();
        for end in [1, 11, 14, part.len() - 1] {
            let cut = &part[..end];
            assert_eq!(
                records(Bytes::copy_from_slice(cut)).count(),
                usize::from(end > 14)
            );
            assert_eq!(read(cut).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
