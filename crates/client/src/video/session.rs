//! The task that carries a session's fragments to the server, over as many QUIC streams as it takes.

use std::convert::Infallible;
use std::sync::Arc;

use afflux_types::{Error, Result};
use afflux_wire::message::{
    Activity, FragmentAck, FragmentEnd, FragmentState, Upload, UploadInit, UploadOpened,
};
use afflux_wire::{EntryLimits, Frame, Item, WireError};
use bytes::Bytes;

use super::Shared;
use super::queue::Next;
use super::spool::Stored;
use crate::connect::{Backoff, Client, Reader, Stream, Trouble, Writer, Written};

/// Bytes of data in one frame.
const DATA_BYTES: usize = 256 << 10;

/// Carries fragments until the uploader is over or has stopped.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut backoff = shared.client.backoff();
    loop {
        let trouble = tokio::select! {
            result = stream(&shared, &mut backoff) => match result {
                Ok(never) => match never {},
                Err(trouble) => trouble,
            },
            () = shared.over() => return,
        };
        let outcome = tokio::select! {
            outcome = Client::pause(&mut backoff, trouble) => outcome,
            () = shared.over() => return,
        };
        if let Err(error) = outcome {
            shared.stop(error);
            return;
        }
    }
}

/// Opens a QUIC stream for the session; returns it with what the server has.
pub(super) async fn open(
    client: &Client,
    stream: &str,
    session_id: Bytes,
) -> Result<(Stream, UploadOpened), Trouble> {
    let upload = Upload {
        stream: stream.to_owned(),
        session_id,
    };
    let mut opened = client
        .open(Activity::Upload(upload), EntryLimits::NONE)
        .await?;
    match opened.reader.frame("instead of UploadOpened").await? {
        Frame::UploadOpened(answer) => Ok((opened, answer)),
        other => Err(Trouble::unexpected(&other, "instead of UploadOpened")),
    }
}

async fn stream(shared: &Shared, backoff: &mut Backoff) -> Result<Infallible, Trouble> {
    let session_id = shared.session.to_bytes();
    let (stream, opened) = open(&shared.client, shared.stream.as_str(), session_id).await?;
    let durable = shared.queue.lock().handle_opened(&opened)?;
    for number in durable {
        let ack = FragmentAck {
            number,
            state: FragmentState::Persisted.into(),
            ..FragmentAck::default()
        };
        settle(shared, &ack).await?;
    }
    let Stream {
        mut writer,
        mut reader,
    } = stream;
    tokio::select! {
        written = write(shared, &mut writer) => written,
        read = read(shared, &mut reader, backoff) => read,
    }
}

async fn write(shared: &Shared, writer: &mut Writer) -> Result<Infallible, Trouble> {
    loop {
        let next = shared.queue.lock().poll_transmit();
        let written = match next {
            Next::Init(init) => writer.frame(&UploadInit { init }.into()).await?,
            Next::Start(start) => writer.frame(&start.into()).await?,
            Next::Data(pieces) => data(writer, pieces).await?,
            Next::End(number) => writer.frame(&FragmentEnd { number }.into()).await?,
            Next::Load(number) => {
                let stored = shared.spool(move |spool| spool.load(number)).await;
                let stored = stored.map_err(Trouble::Fatal)?;
                whole(shared, writer, stored).await?
            }
            Next::Wait => {
                shared.pushed.notified().await;
                Written::All
            }
        };
        if written == Written::Stopped {
            // The reader learns why.
            std::future::pending::<()>().await;
        }
    }
}

/// Writes a fragment from the spool.
async fn whole(shared: &Shared, writer: &mut Writer, stored: Stored) -> Result<Written, Trouble> {
    let number = stored.start.number;
    if shared.queue.lock().loaded(number, &stored.init) {
        let init = UploadInit { init: stored.init };
        let _ = writer.frame(&init.into()).await?;
    }
    let _ = writer.frame(&stored.start.into()).await?;
    let _ = data(writer, stored.data).await?;
    writer.frame(&FragmentEnd { number }.into()).await
}

async fn data(writer: &mut Writer, pieces: Vec<Bytes>) -> Result<Written, Trouble> {
    let mut written = Written::All;
    for mut piece in pieces {
        while !piece.is_empty() {
            let part = piece.split_to(piece.len().min(DATA_BYTES));
            written = writer.pieces(&mut Frame::fragment_data(part)).await?;
        }
    }
    Ok(written)
}

async fn read(
    shared: &Shared,
    reader: &mut Reader,
    backoff: &mut Backoff,
) -> Result<Infallible, Trouble> {
    loop {
        match reader.next().await? {
            Some(Item::Frame(Frame::FragmentAck(ack))) => {
                backoff.reset();
                if shared.queue.lock().handle_ack(&ack)?.is_some() {
                    settle(shared, &ack).await?;
                }
            }
            Some(Item::Frame(other)) => {
                return Err(Trouble::unexpected(&other, "among FragmentAcks"));
            }
            Some(Item::Entry(_)) | None => {
                return Err(WireError::Cut {
                    what: "an upload's acknowledgements",
                }
                .into());
            }
        }
    }
}

/// Tells of a fragment's new state, and frees what a durable one held.
async fn settle(shared: &Shared, ack: &FragmentAck) -> Result<(), Trouble> {
    let number = ack.number;
    if ack.state() == FragmentState::Persisted {
        if shared.spool.is_some() {
            let removed = shared.spool(move |spool| spool.remove(number)).await;
            removed.map_err(Trouble::Fatal)?;
        }
        shared.queue.lock().settle(number);
    }
    if let Some(hook) = &shared.on_state {
        hook(ack);
    }
    shared.progress.notify_waiters();
    Ok(())
}

impl Shared {
    /// Runs blocking work on the spool.
    pub(super) async fn spool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&super::spool::Directory) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let spool = self
            .spool
            .clone()
            .ok_or_else(|| Error::internal("a fragment was looked for without a spool"))?;
        tokio::task::spawn_blocking(move || work(&spool))
            .await
            .map_err(|error| Error::internal("spool").with_source(error))?
    }
}
