//! What each QUIC stream does: reads its first frame, checks the client's rights, and hands over to
//! the activity that the frame names.
//!
//! A handler returns when its activity ends. An [`End::Failed`] is told to the client in a Failure
//! frame, here and nowhere else; an [`End::Lost`] has nobody to tell. A client that does not read
//! cannot be told either: when the server stops, it soon gets a reset ([`End::Stalled`]).

mod admin;
mod channel;
mod convert;
mod fetch;
mod produce;
mod subscribe;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use afflux_engine::Throttled;
use afflux_types::limits::STREAM_NAME_CHARS_MAX;
use afflux_types::{Error, ErrorKind, ShardId, StreamName};
use afflux_wire::Frame;
use afflux_wire::message::{Activity, Failure, Fetch, Open, Produce, Subscribe, Upload};
use quinn::{Connection, RecvStream, SendStream};
use rustls_pki_types::CertificateDer;
use tracing::{Instrument as _, Span};

use crate::auth::Identity;
use crate::listen::quic::close_idle;
use crate::server::State;
use crate::shutdown::Stopping;

pub(crate) use channel::End;
use channel::{Reader, Writer};

type Outcome<T = ()> = Result<T, End>;

/// Clients that the server turns away while it stops come back after this.
const RETRY_AFTER_STOP_MS: u32 = 1_000;
/// Clients whose request failed for a passing reason come back after this.
const RETRY_AFTER_MS: u32 = 100;
/// A client gets this long to take a last frame while the server stops.
const FAREWELL: Duration = Duration::from_secs(2);
/// A write that waits for its client gets this long when the server stops: a client that reads makes
/// room within a round trip, around the world if need be.
const STALLED_AFTER: Duration = Duration::from_millis(300);

/// One connection's peer.
pub(crate) struct Client {
    connection: Connection,
    certificates: Option<Vec<CertificateDer<'static>>>,
    state: Arc<State>,
}

impl Client {
    pub(crate) fn new(connection: Connection, state: Arc<State>) -> Self {
        let certificates = connection
            .peer_identity()
            .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok())
            .map(|certificates| *certificates);
        Self {
            connection,
            certificates,
            state,
        }
    }
}

/// What a handler works with.
struct Exchange {
    reader: Reader,
    writer: Writer,
    state: Arc<State>,
    identity: Identity,
    stopping: Stopping,
    /// The last of the producer's sequences that the shard took, for a producer whose shard moved.
    last_sequence: u64,
}

/// Serves one QUIC stream from its first frame to its end.
pub(crate) async fn serve(
    send: SendStream,
    recv: RecvStream,
    client: Arc<Client>,
    stopping: Stopping,
) {
    let mut reader = Reader::new(recv);
    let seconds = client.state.config.limits.handshake_seconds;
    let mut waiting = stopping.clone();
    let first = tokio::select! {
        first = tokio::time::timeout(Duration::from_secs(seconds), reader.frame()) => first,
        () = waiting.wait() => Ok(Err(stopped())),
    };
    let mut writer = Writer::new(send);
    let mut last_sequence = 0;
    let stopping_at_end = stopping.clone();
    let opened = match first {
        Err(_) => return close_idle(&client.connection, seconds),
        Ok(first) => first.and_then(|frame| Ok(identify(frame, &client)?)),
    };
    let outcome = match opened {
        Err(end) => Err(end),
        Ok((activity, identity)) => {
            let state = Arc::clone(&client.state);
            let mut exchange = Exchange {
                reader,
                writer,
                state,
                identity,
                stopping,
                last_sequence: 0,
            };
            let span = span(&activity, &exchange.identity);
            let outcome = Box::pin(run(&mut exchange, activity))
                .instrument(span)
                .await;
            (reader, writer) = (exchange.reader, exchange.writer);
            last_sequence = exchange.last_sequence;
            outcome
        }
    };
    let about = (&*client, stopping_at_end);
    finish(reader, writer, outcome, last_sequence, about).await;
}

fn identify(frame: Frame, client: &Client) -> Result<(Activity, Identity), Error> {
    let Frame::Open(Open { token, activity }) = frame else {
        return Err(frame
            .unexpected("as the first frame of a QUIC stream")
            .into());
    };
    let identity = client
        .state
        .access
        .identify(&token, client.certificates.as_deref())?;
    let activity = activity.ok_or_else(|| Error::invalid("the Open frame names no activity"))?;
    Ok((activity, identity))
}

/// What log lines of an activity carry.
fn span(activity: &Activity, identity: &Identity) -> Span {
    let token = identity.name();
    match activity {
        Activity::Produce(Produce { stream, shard, .. }) => {
            tracing::info_span!("produce", stream = shown(stream), shard, token)
        }
        Activity::Subscribe(Subscribe { stream, shard, .. }) => {
            tracing::info_span!("subscribe", stream = shown(stream), shard, token)
        }
        Activity::Upload(Upload { stream, session_id }) => {
            let session = tracing::field::debug(session_id.get(..16));
            tracing::info_span!("upload", stream = shown(stream), session, token)
        }
        Activity::Fetch(Fetch { stream, .. }) => {
            tracing::info_span!("fetch", stream = shown(stream), token)
        }
        Activity::Admin(_) => tracing::info_span!("admin", token),
    }
}

/// A name that was not checked yet, no longer than a name may be.
fn shown(name: &str) -> &str {
    let end = name.floor_char_boundary(STREAM_NAME_CHARS_MAX);
    name.get(..end).unwrap_or_default()
}

async fn run(exchange: &mut Exchange, activity: Activity) -> Outcome {
    let stopping = exchange.stopping.clone();
    match activity {
        // What these took has to be acknowledged, however long the disk takes.
        Activity::Produce(request) => produce::run(exchange, request).await,
        Activity::Upload(request) => upload::run(exchange, request).await,
        Activity::Admin(request) => admin::run(exchange, request).await,
        // These owe nothing.
        Activity::Subscribe(request) => {
            unless_stalled(stopping, subscribe::run(exchange, request)).await
        }
        Activity::Fetch(request) => unless_stalled(stopping, fetch::run(exchange, request)).await,
    }
}

/// Gives up on `work` when the server stops and `work` does not end by itself soon: then it waits for a
/// client that does not read.
async fn unless_stalled(mut stopping: Stopping, work: impl Future<Output = Outcome>) -> Outcome {
    let overdue = async {
        stopping.wait().await;
        tokio::time::sleep(STALLED_AFTER).await;
    };
    tokio::select! {
        biased;
        outcome = work => outcome,
        () = overdue => Err(End::Stalled),
    }
}

/// Tells the client how it ended, and closes both directions.
async fn finish(
    mut reader: Reader,
    mut writer: Writer,
    outcome: Outcome,
    last_sequence: u64,
    (client, stopping): (&Client, Stopping),
) {
    let error = match outcome {
        Ok(()) => return writer.finish(),
        Err(End::Lost) => return,
        Err(End::Stalled) => return reset(reader, writer, client).await,
        Err(End::Failed(error)) => error,
    };
    report(&error);
    client.state.metrics.failed(error.kind());
    let telling = writer.frame(failure(&error, last_sequence));
    match unless_stalled(stopping, telling).await {
        Ok(()) => {}
        Err(End::Stalled) => return reset(reader, writer, client).await,
        Err(End::Lost | End::Failed(_)) => return,
    }
    reader.stop(&error);
    writer.finish();
    if error.kind() == ErrorKind::Unavailable {
        // The connection is about to close: the last frame has to get out first.
        let _ = tokio::time::timeout(FAREWELL, writer.delivered()).await;
    }
}

/// Breaks off both directions, because the server stops and the client does not read.
async fn reset(mut reader: Reader, mut writer: Writer, client: &Client) {
    let error = Error::unavailable("the server is stopping");
    tracing::debug!("the client did not read until the server stopped");
    client.state.metrics.failed(error.kind());
    reader.stop(&error);
    writer.reset(error.kind());
    // The connection is about to close, and that would drop what has not left.
    tokio::time::sleep(client.connection.rtt().min(STALLED_AFTER)).await;
}

fn failure(error: &Error, last_sequence: u64) -> Failure {
    let retry_after_ms = match (error.kind(), Throttled::of(error)) {
        (_, Some(throttled)) => {
            u32::try_from(throttled.retry_after.as_millis()).unwrap_or(u32::MAX)
        }
        (ErrorKind::Unavailable, None) => RETRY_AFTER_STOP_MS,
        (ErrorKind::Throttled, None) => RETRY_AFTER_MS,
        _ => 0,
    };
    let children = convert::children_of(error);
    let moved = error.kind() == ErrorKind::ShardMoved;
    Failure {
        retry_after_ms,
        children,
        last_sequence: if moved { last_sequence } else { 0 },
        ..Failure::of(error)
    }
}

/// Logs an error where it is handled: the client's at debug, ours as an error.
fn report(error: &Error) {
    match error.kind() {
        ErrorKind::Internal | ErrorKind::DataLoss => {
            tracing::error!(error = %error.chain(), "request failed");
        }
        kind => tracing::debug!(kind = kind.name(), error = %error.chain(), "request failed"),
    }
}

fn stopped() -> End {
    End::Failed(Error::unavailable("the server is stopping"))
}

fn stream_name(text: &str) -> Result<StreamName, Error> {
    StreamName::new(text)
}

fn shard_id(number: u32) -> ShardId {
    ShardId::new(number)
}
