//! One fragment as a small Matroska file.

use std::collections::VecDeque;
use std::sync::Arc;

use afflux_engine::Shard;
use afflux_media::{Init, InitId, Limits, StoredFragment, Tag, mkv};
use afflux_types::{Error, ErrorKind, FragmentNumber, Result};
use bytes::{Bytes, BytesMut};

use crate::context::Context;
use crate::library::{Entry, Recording};

/// Pieces below this are joined: a frame is a head of ten bytes and its data.
const PIECE_BYTES_MIN: usize = 16 << 10;
/// Joined pieces are kept together up to this size.
const JOINED_BYTES: usize = 64 << 10;

/// Which tags stand around a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Those of `GetMedia`.
    Live,
    /// Those of `GetMediaForFragmentList`.
    List,
}

/// Turns entries of the log into Matroska.
#[derive(Debug)]
pub(super) struct Reel {
    ctx: Arc<Context>,
    shard: Shard,
    recording: Arc<Recording>,
    style: Style,
    limits: Limits,
    /// For the initialisation that was needed last.
    writer: Option<(InitId, mkv::Writer)>,
}

impl Reel {
    pub(super) fn new(ctx: &Arc<Context>, shard: Shard, style: Style) -> Self {
        Self {
            recording: ctx.library.of(shard.stream_name()),
            ctx: Arc::clone(ctx),
            shard,
            style,
            limits: Limits::default(),
            writer: None,
        }
    }

    pub(super) fn shard(&self) -> &Shard {
        &self.shard
    }

    /// A fragment's file, in pieces.
    pub(super) async fn play(&mut self, entry: &Entry) -> Result<VecDeque<Bytes>> {
        let lost = |what: &str| Error::new(ErrorKind::DataLoss, what);
        let stamp = entry
            .header
            .stamp
            .ok_or_else(|| lost("a stored entry has no place"))?;
        let fragment = StoredFragment::decode(entry.body())?;
        let number = FragmentNumber::new(stamp.position, stamp.arrival);
        self.load(fragment.meta().init_id, number).await?;
        let Some((_, writer)) = &self.writer else {
            return Err(lost("a fragment's codec initialisation is not in the log"));
        };
        let cluster = writer.cluster(&fragment)?;
        let own = fragment.tags();
        let mut file = Joined::default();
        file.push(writer.header().clone());
        file.push(self.tags_before(&fragment, number));
        for piece in cluster.pieces {
            file.push(piece);
        }
        file.push(mkv::tags(
            own.iter().map(|tag: &Tag| (tag.name(), tag.value())),
        ));
        if self.style == Style::Live {
            file.push(self.tags_after(number));
        }
        Ok(file.finish())
    }

    /// What is sent last when no more can be.
    pub(super) fn fault(&self, error: &Error) -> Bytes {
        let (id, text) = match error.kind() {
            ErrorKind::NotFound | ErrorKind::Expired => ("4000", "Requested fragment is not found"),
            ErrorKind::Unavailable => ("3002", "Error writing to the stream"),
            _ => ("5000", "Internal service error"),
        };
        match self.style {
            Style::Live => mkv::tags([
                ("AWS_KINESISVIDEO_ERROR_CODE", text),
                ("AWS_KINESISVIDEO_ERROR_ID", id),
            ]),
            Style::List => mkv::tags([
                ("AWS_KINESISVIDEO_EXCEPTION_ERROR_CODE", id),
                ("AWS_KINESISVIDEO_EXCEPTION_MESSAGE", text),
            ]),
        }
    }

    /// Makes an initialisation the loaded one.
    async fn load(&mut self, id: InitId, number: FragmentNumber) -> Result<()> {
        if self.writer.as_ref().is_some_and(|(of, _)| *of == id) {
            return Ok(());
        }
        self.writer = None;
        let body = self.recording.init(&self.shard, id, number.position());
        if let Some(body) = body.await? {
            let init = Init::decode(&body, &self.limits)?;
            self.writer = Some((id, mkv::Writer::new(&init, &self.limits)));
        }
        Ok(())
    }

    fn tags_before(&self, fragment: &StoredFragment, number: FragmentNumber) -> Bytes {
        let name = number.to_string();
        let server = seconds(number.server_time().as_millis());
        let producer = seconds(fragment.meta().producer_time.as_millis());
        let common = [
            ("AWS_KINESISVIDEO_FRAGMENT_NUMBER", name.as_str()),
            ("AWS_KINESISVIDEO_SERVER_TIMESTAMP", &server),
            ("AWS_KINESISVIDEO_PRODUCER_TIMESTAMP", &producer),
        ];
        // The names that the second operation documents, beside those that parsers look for.
        let documented = [
            ("AWS_KINESISVIDEO_SERVER_SIDE_TIMESTAMP", server.as_str()),
            ("AWS_KINESISVIDEO_PRODUCER_SIDE_TIMESTAMP", &producer),
        ];
        match self.style {
            Style::Live => mkv::tags(common),
            Style::List => mkv::tags(common.into_iter().chain(documented)),
        }
    }

    fn tags_after(&self, number: FragmentNumber) -> Bytes {
        let is_newest = number.position().advance(1) >= self.shard.watermarks().durable;
        let age = self.ctx.now().since(number.server_time());
        let behind = if is_newest { 0 } else { age.as_millis() }.to_string();
        mkv::tags([
            ("AWS_KINESISVIDEO_MILLIS_BEHIND_NOW", behind.as_str()),
            (
                "AWS_KINESISVIDEO_CONTINUATION_TOKEN",
                number.to_string().as_str(),
            ),
        ])
    }
}

/// A time as the service writes it: `1511852109.126`.
fn seconds(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let millis = millis.unsigned_abs();
    format!("{sign}{}.{:03}", millis / 1_000, millis % 1_000)
}

/// Pieces, the small ones joined.
#[derive(Debug, Default)]
struct Joined {
    whole: VecDeque<Bytes>,
    small: BytesMut,
}

impl Joined {
    fn push(&mut self, piece: Bytes) {
        if piece.len() >= PIECE_BYTES_MIN {
            self.pass();
            self.whole.push_back(piece);
            return;
        }
        self.small.extend_from_slice(&piece);
        if self.small.len() >= JOINED_BYTES {
            self.pass();
        }
    }

    fn pass(&mut self) {
        if !self.small.is_empty() {
            self.whole.push_back(self.small.split().freeze());
        }
    }

    fn finish(mut self) -> VecDeque<Bytes> {
        self.pass();
        self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_with_a_fraction() {
        assert_eq!(seconds(1_511_852_109_126), "1511852109.126");
        assert_eq!(seconds(5), "0.005");
        assert_eq!(seconds(-1_500), "-1.500");
    }

    #[test]
    fn small_pieces_are_joined_in_order() {
        let mut joined = Joined::default();
        let mut expected = Vec::new();
        for (len, byte) in [(10, 1), (20_000, 2), (10, 3), (12, 4), (30_000, 5), (1, 6)] {
            joined.push(Bytes::from(vec![byte; len]));
            expected.extend(vec![byte; len]);
        }
        let pieces: Vec<Bytes> = joined.finish().into();
        assert_eq!(pieces.concat(), expected);
        assert_eq!(pieces.len(), 5);
    }
}
