//! Finds out, when a shard is opened, which producers it had taken entries from.
//!
//! The newest marker holds everything up to itself; the headers after it hold the rest. Markers stand
//! near the starts of segments, so this reads the last segment, and one before it for each whose
//! marker was not written before the process ended.

use afflux_entry::{HEADER_LEN, Header, Kind, SealedHead};
use afflux_log::{ReadError, ShardLog};
use afflux_types::{Error, ErrorKind, Position, Result};

use super::marker;
use super::producers::{ProducerTable, Taken};

/// What the log tells about a shard's producers.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) producers: ProducerTable,
    /// Whether the last segment lacks its marker.
    pub(crate) marker_due: bool,
}

/// Rebuilds the table of producers from a shard's log.
pub(crate) fn recover(log: &ShardLog) -> Result<Recovered> {
    let marks = log.watermarks();
    let mut marker_due = false;
    for segment in log.segments().iter().rev() {
        let from = segment.first.max(marks.trim_horizon);
        let (producers, found) = replay(log, from, marks.durable)?;
        if found {
            return Ok(Recovered {
                producers,
                marker_due,
            });
        }
        marker_due = true;
        if segment.first <= marks.trim_horizon {
            return Ok(Recovered {
                producers,
                marker_due,
            });
        }
    }
    Ok(Recovered {
        producers: ProducerTable::default(),
        marker_due: false,
    })
}

/// Reads headers from `from` to the end; also says whether a marker was among them.
fn replay(log: &ShardLog, from: Position, durable: Position) -> Result<(ProducerTable, bool)> {
    let mut table = ProducerTable::default();
    let mut found = false;
    let mut position = from;
    while position < durable {
        // A slice is a view of the map, so asking for the whole segment costs nothing, and includes
        // entries without records at its end, which no position could ask for.
        let slice = match log.read(position, usize::MAX) {
            Ok(slice) => slice,
            Err(ReadError::Trimmed { horizon }) if horizon > position => {
                position = horizon;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for entry in Entries::new(&slice.bytes) {
            let (header, body) = entry?;
            found |= apply(&mut table, &header, body);
        }
        if slice.end <= position {
            break;
        }
        position = slice.end;
    }
    Ok((table, found))
}

/// Takes one entry into account; true if it replaced the table.
fn apply(table: &mut ProducerTable, header: &Header, body: &[u8]) -> bool {
    if header.kind == Kind::Marker {
        return match marker::decode(body) {
            Ok(snapshot) => {
                *table = snapshot;
                true
            }
            Err(error) => {
                tracing::warn!(%error, "a shard marker cannot be read; an older one is used");
                false
            }
        };
    }
    if let (Some(producer), Some(stamp)) = (header.producer, header.stamp) {
        let (checksum, key) = if header.sealed {
            // Its own checksum is of the sealed bytes; a header that was read has room for this.
            let head = SealedHead::split(body).map(|(head, _)| head);
            head.map_or((0, 0), |head| (head.retry, head.key))
        } else {
            (header.checksum, 0)
        };
        table.record(
            producer,
            Taken {
                position: stamp.position,
                arrival: stamp.arrival,
                serial: 0,
                record_count: header.record_count,
                checksum,
                key,
            },
        );
    }
    false
}

/// The entries of a slice as the log has it.
#[derive(Debug)]
pub(crate) struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Entries<'a> {
    pub(crate) fn new(slice: &'a [u8]) -> Self {
        Self { rest: slice }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(Header, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = Header::decode_stored(self.rest).map_err(|error| {
            Error::new(ErrorKind::DataLoss, "read an entry's header").with_source(error)
        });
        let header = match entry {
            Ok(header) => header,
            Err(error) => {
                self.rest = &[];
                return Some(Err(error));
            }
        };
        let Some((entry, rest)) = self.rest.split_at_checked(header.entry_len()) else {
            self.rest = &[];
            return Some(Err(Error::new(ErrorKind::DataLoss, "an entry is cut")));
        };
        self.rest = rest;
        let body = entry.get(HEADER_LEN..).unwrap_or_default();
        Some(Ok((header, body)))
    }
}
