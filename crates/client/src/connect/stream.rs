//! One activity's QUIC stream: frames and entries in and out.

use afflux_wire::message::{Activity, Open};
use afflux_wire::{Decoder, EntryLimits, Frame, Item, Stamped};
use bytes::Bytes;
use quinn::{RecvStream, SendStream, VarInt};

use super::trouble::Trouble;

/// Pieces that are taken from the transport at once.
const PIECES: usize = 32;

/// The closing code of an activity that ends on purpose.
pub(crate) const NO_ERROR: VarInt = VarInt::from_u32(0);

/// Both directions of an activity.
pub(crate) struct Stream {
    pub(crate) writer: Writer,
    pub(crate) reader: Reader,
}

/// The direction to the server; reset when it is dropped before [`Writer::finish`].
pub(crate) struct Writer {
    send: SendStream,
    finished: bool,
}

/// The direction from the server; stopped when it is dropped.
pub(crate) struct Reader {
    receive: RecvStream,
    decoder: Decoder,
    pieces: [Bytes; PIECES],
}

impl Stream {
    /// Opens a QUIC stream on `connection` for `activity`.
    pub(crate) async fn open(
        connection: &quinn::Connection,
        token: &str,
        activity: Activity,
        entries: EntryLimits,
    ) -> Result<Self, Trouble> {
        let (send, receive) = connection
            .open_bi()
            .await
            .map_err(|error| Trouble::lost("open a QUIC stream", error))?;
        let mut stream = Self {
            writer: Writer {
                send,
                finished: false,
            },
            reader: Reader {
                receive,
                decoder: Decoder::new(Stamped::Yes, entries),
                pieces: [const { Bytes::new() }; PIECES],
            },
        };
        let open = Open {
            token: token.to_owned(),
            activity: Some(activity),
        };
        // If it is stopped already, the other direction has the reason.
        let _ = stream.writer.frame(&open.into()).await?;
        Ok(stream)
    }
}

/// Whether the server still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Written {
    All,
    /// The server stopped reading. Why, it says in the other direction.
    Stopped,
}

impl Writer {
    pub(crate) async fn frame(&mut self, frame: &Frame) -> Result<Written, Trouble> {
        self.pieces(&mut [frame.encode()]).await
    }

    /// Writes all pieces without copying them; afterwards they are empty.
    pub(crate) async fn pieces(&mut self, pieces: &mut [Bytes]) -> Result<Written, Trouble> {
        match self.send.write_all_chunks(pieces).await {
            Ok(()) => Ok(Written::All),
            Err(quinn::WriteError::Stopped(_)) => Ok(Written::Stopped),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the direction after everything that was written.
    pub(crate) fn finish(&mut self) {
        self.finished = self.send.finish().is_ok();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.finished {
            // Fails only if the direction is closed already.
            let _ = self.send.reset(NO_ERROR);
        }
    }
}

impl Reader {
    /// The next frame or entry; `None` at the end. A `Failure` frame is returned as trouble.
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Item>, Trouble> {
        loop {
            match self.decoder.next()? {
                Some(Item::Frame(Frame::Failure(failure))) => {
                    return Err(Trouble::Refused(failure));
                }
                Some(item) => return Ok(Some(item)),
                None => {}
            }
            let Some(count) = self.receive.read_chunks(&mut self.pieces).await? else {
                self.decoder.finish()?;
                return Ok(None);
            };
            for piece in self.pieces.iter_mut().take(count) {
                self.decoder.push(std::mem::take(piece));
            }
        }
    }

    /// The next frame, where nothing else may come and the stream may not end.
    pub(crate) async fn frame(&mut self, waiting_for: &'static str) -> Result<Frame, Trouble> {
        match self.next().await? {
            Some(Item::Frame(frame)) => Ok(frame),
            Some(Item::Entry(_)) => Err(afflux_wire::WireError::Unexpected {
                frame: "an entry",
                state: waiting_for,
            }
            .into()),
            None => Err(afflux_wire::WireError::Cut { what: waiting_for }.into()),
        }
    }
}
