//! Finds the codec initialisation of a fragment by looking back in the stream.
//!
//! Needed where a delivery goes on in the middle of a camera's session: the init is then before the
//! place where reading begins. Only headers are looked at, in windows that grow as they move back.

use afflux_entry::{HEADER_LEN, Header, Kind};
use afflux_media::{Init, InitId, Limits};
use afflux_types::{Error, ErrorKind, Position, Result, ShardId};
use bytes::Bytes;

use crate::source::Source;

/// Fragments in the first window; each further one is larger by [`WINDOW_GROWTH`].
const WINDOW: u64 = 16;
const WINDOW_GROWTH: u64 = 4;

/// The init `id` at or before `before`; `None` if the shard does not hold it any more.
pub(crate) async fn find_init(
    source: &impl Source,
    shard: ShardId,
    before: Position,
    id: InitId,
) -> Result<Option<Init>> {
    let horizon = source.horizon(shard).await?;
    let (mut end, mut window) = (before, WINDOW);
    loop {
        let start = Position::new(end.get().saturating_sub(window)).max(horizon);
        let found = scan(source, shard, start, end, id).await?;
        if found.is_some() || start <= horizon {
            return Ok(found);
        }
        end = start;
        window = window.saturating_mul(WINDOW_GROWTH);
    }
}

/// Looks at the entries between two positions, both included.
async fn scan(
    source: &impl Source,
    shard: ShardId,
    start: Position,
    end: Position,
    id: InitId,
) -> Result<Option<Init>> {
    let mut place = start;
    loop {
        let slice = match source.read(shard, place).await {
            // Retention went on while we looked.
            Err(error) if error.kind() == ErrorKind::Expired => return Ok(None),
            read => read?,
        };
        let mut rest = slice;
        if rest.is_empty() {
            return Ok(None);
        }
        while !rest.is_empty() {
            let (header, body) = take_entry(&mut rest)?;
            if header.stamp.is_some_and(|stamp| stamp.position > end) {
                return Ok(None);
            }
            if header.kind == Kind::Init
                && let Ok(init) = Init::decode(&body, &Limits::default())
                && init.id() == id
            {
                return Ok(Some(init));
            }
            place = place.max(header.end());
        }
    }
}

fn take_entry(rest: &mut Bytes) -> Result<(Header, Bytes)> {
    let damaged = |error: afflux_entry::EntryError| {
        Error::new(ErrorKind::DataLoss, "look for a codec initialisation").with_source(error)
    };
    let header = Header::decode(rest).map_err(damaged)?;
    let needed = header.entry_len();
    if rest.len() < needed {
        return Err(damaged(afflux_entry::EntryError::Short {
            len: rest.len(),
            needed,
        }));
    }
    let body = rest.split_to(needed).slice(HEADER_LEN..);
    Ok((header, body))
}
