//! The two directions of one QUIC stream, in frames and entries instead of bytes.

use afflux_types::{Error, ErrorKind};
use afflux_wire::{Decoder, EntryLimits, Frame, Item, Stamped, WireError};
use bytes::Bytes;
use quinn::{ReadError, RecvStream, SendStream, WriteError};

use crate::error::{kind_code, quic_code};

/// Chunks that are taken from the transport at once: one wake-up's worth of full packets.
const CHUNKS: usize = 64;

/// Why a handler ended before its activity did.
#[derive(Debug)]
pub(crate) enum End {
    /// The client left or broke off; nobody is there to tell.
    Lost,
    /// The server stops and the client does not read: only a reset reaches it.
    Stalled,
    /// The client is to be told.
    Failed(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<WireError> for End {
    fn from(error: WireError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<afflux_media::Error> for End {
    fn from(error: afflux_media::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ReadError> for End {
    fn from(_: ReadError) -> Self {
        Self::Lost
    }
}

impl From<WriteError> for End {
    fn from(_: WriteError) -> Self {
        Self::Lost
    }
}

/// Whether more may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// Bytes came.
    More,
    /// The client has ended its direction.
    End,
}

/// What the client sends.
#[derive(Debug)]
pub(super) struct Reader {
    recv: RecvStream,
    decoder: Decoder,
    chunks: Box<[Bytes; CHUNKS]>,
}

impl Reader {
    /// A reader that takes control frames only.
    pub(super) fn new(recv: RecvStream) -> Self {
        Self {
            recv,
            decoder: Decoder::new(Stamped::No, EntryLimits::NONE),
            chunks: Box::new([const { Bytes::new() }; CHUNKS]),
        }
    }

    /// Takes entries within `limits` from now on.
    pub(super) fn take_entries(&mut self, limits: EntryLimits) {
        self.decoder.set_entry_limits(limits);
    }

    /// What the bytes so far hold, without waiting.
    pub(super) fn next(&mut self) -> Result<Option<Item>, End> {
        Ok(self.decoder.next()?)
    }

    /// Waits for more bytes. Cancel safe.
    pub(super) async fn fill(&mut self) -> Result<Fill, End> {
        match self.recv.read_chunks(&mut *self.chunks).await? {
            None => {
                self.decoder.finish()?;
                Ok(Fill::End)
            }
            Some(count) => {
                for chunk in self.chunks.iter_mut().take(count) {
                    self.decoder.push(std::mem::take(chunk));
                }
                Ok(Fill::More)
            }
        }
    }

    /// The next frame, where no entry may come. Cancel safe.
    pub(super) async fn frame(&mut self) -> Result<Frame, End> {
        self.frame_or_end().await?.ok_or(End::Lost)
    }

    /// The next frame, or nothing once the client has ended its direction. Cancel safe.
    pub(super) async fn frame_or_end(&mut self) -> Result<Option<Frame>, End> {
        loop {
            match self.next()? {
                Some(Item::Frame(frame)) => return Ok(Some(frame)),
                Some(Item::Entry(_)) => {
                    return Err(Error::invalid("an entry came where a frame belongs").into());
                }
                None => {}
            }
            if self.fill().await? == Fill::End {
                return Ok(None);
            }
        }
    }

    /// Tells the client to send no more, with the reason's code.
    pub(super) fn stop(&mut self, error: &Error) {
        // It has ended already: nothing to stop.
        let _ = self.recv.stop(quic_code(error));
    }
}

/// What the client gets.
///
/// Dropped before [`Writer::finish`], for instance by a panic, it resets the QUIC stream, so that the
/// client does not take the end for a good one.
#[derive(Debug)]
pub(super) struct Writer {
    send: SendStream,
    is_finished: bool,
}

impl Writer {
    pub(super) fn new(send: SendStream) -> Self {
        Self {
            send,
            is_finished: false,
        }
    }

    /// Writes a frame.
    pub(super) async fn frame(&mut self, frame: impl Into<Frame>) -> Result<(), End> {
        self.bytes(frame.into().encode()).await
    }

    /// Writes entries or frames as they are, without copying. Waits while the client does not read.
    pub(super) async fn bytes(&mut self, bytes: Bytes) -> Result<(), End> {
        Ok(self.send.write_chunk(bytes).await?)
    }

    /// Ends this direction after what was written.
    pub(super) fn finish(&mut self) {
        self.is_finished = true;
        // The client has refused the rest: nothing to end.
        let _ = self.send.finish();
    }

    /// Breaks this direction off, with the code of `kind`; what is still on its way is dropped.
    pub(super) fn reset(&mut self, kind: ErrorKind) {
        self.is_finished = true;
        // It is closed already: nothing to reset.
        let _ = self.send.reset(kind_code(kind));
    }

    /// Waits until the client has everything, or wants no more.
    pub(super) async fn delivered(&self) {
        let _ = self.send.stopped().await;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.is_finished {
            self.reset(ErrorKind::Internal);
        }
    }
}
