//! The QUIC endpoint: accepts connections and their streams, and isolates them from each other.
//!
//! Every connection and every QUIC stream is a task of its own. A panic ends that task only and is
//! counted. Invariants: at most `limits.connections` connections are past their first packet, and
//! each has at most `limits.connection_streams` tasks.

use std::sync::Arc;
use std::time::Duration;

use afflux_types::{Error, ErrorKind};
use quinn::{Connection, Endpoint, Incoming, VarInt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::auth::is_loopback;
use crate::error::{QUIC_OK, quic_code};
use crate::handle::{self, Client};
use crate::server::State;
use crate::shutdown::Stopping;

use super::transport::Transports;

/// Handlers get this long to acknowledge what they took and to say goodbye.
const DRAIN: Duration = Duration::from_secs(3);
/// Then the peers get this long to see the connection close.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves connections until the switch is turned, then drains them.
pub(crate) async fn serve(
    endpoint: Endpoint,
    transports: Transports,
    state: Arc<State>,
    mut stopping: Stopping,
) {
    let most = usize::try_from(state.config.limits.connections).unwrap_or(usize::MAX);
    let most = most.min(Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    loop {
        let incoming = tokio::select! {
            () = stopping.wait() => break,
            Some(ended) = connections.join_next() => {
                state.count_panic("quic connection", ended);
                continue;
            }
            incoming = endpoint.accept() => incoming,
        };
        let Some(incoming) = incoming else { break };
        // Half full: who connects must first prove that its address is its own.
        if places.available_permits() < most / 2 && incoming.may_retry() {
            if let Err(error) = incoming.retry() {
                tracing::debug!(%error, "validate a client's address");
            }
            continue;
        }
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            state.metrics.connections_refused_total.inc();
            incoming.refuse();
            continue;
        };
        let profile = if is_loopback(incoming.remote_address()) {
            &transports.loopback
        } else {
            &transports.network
        };
        let arriving = Arriving {
            incoming,
            profile: Arc::clone(profile),
            place,
        };
        let span = tracing::info_span!("connection", peer = %arriving.incoming.remote_address());
        connections.spawn(
            arriving
                .serve(Arc::clone(&state), stopping.clone())
                .instrument(span),
        );
    }
    endpoint.set_server_config(None);
    let drained = async { while connections.join_next().await.is_some() {} };
    let late = tokio::time::timeout(DRAIN, drained).await.is_err();
    if late {
        tracing::warn!(
            connections = connections.len(),
            "connections did not drain in time"
        );
    }
    endpoint.close(QUIC_OK, b"the server is stopping");
    connections.shutdown().await;
    let _ = tokio::time::timeout(FAREWELL, endpoint.wait_idle()).await;
}

/// A connection before its handshake.
struct Arriving {
    incoming: Incoming,
    profile: Arc<quinn::ServerConfig>,
    place: OwnedSemaphorePermit,
}

impl Arriving {
    async fn serve(self, state: Arc<State>, stopping: Stopping) {
        let _place = self.place;
        let connecting = match self.incoming.accept_with(self.profile) {
            Ok(connecting) => connecting,
            Err(error) => return tracing::debug!(%error, "accept a QUIC connection"),
        };
        let limit = Duration::from_secs(state.config.limits.handshake_seconds);
        match tokio::time::timeout(limit, connecting).await {
            Ok(Ok(connection)) => {
                let _counted = state.metrics.connected();
                serve_streams(connection, Arc::clone(&state), stopping).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "QUIC handshake"),
            Err(_) => tracing::debug!("the QUIC handshake took too long"),
        }
    }
}

/// Gives each QUIC stream of a connection its task, until the peer or the server ends it.
async fn serve_streams(connection: Connection, state: Arc<State>, mut stopping: Stopping) {
    tracing::debug!("connected");
    let client = Arc::new(Client::new(connection.clone(), Arc::clone(&state)));
    let mut streams = JoinSet::new();
    let mut allowed = streams_at_first(state.config.limits.connection_streams);
    loop {
        let accepted = tokio::select! {
            () = stopping.wait() => break,
            Some(ended) = streams.join_next() => {
                state.count_panic("quic stream", ended);
                continue;
            }
            accepted = connection.accept_bi() => accepted,
        };
        match accepted {
            Ok((send, recv)) => {
                let task = handle::serve(send, recv, Arc::clone(&client), stopping.clone());
                streams.spawn(task.in_current_span());
                let most = state.config.limits.connection_streams;
                let used = u64::try_from(streams.len()).unwrap_or(u64::MAX);
                if used > allowed / 2 && allowed < most {
                    allowed = allowed.saturating_mul(2).min(most);
                    connection.set_max_concurrent_bi_streams(narrow(allowed));
                }
            }
            Err(reason) => {
                tracing::debug!(%reason, "disconnected");
                break;
            }
        }
    }
    // Handlers end by themselves: their streams are broken, or they see the switch.
    while let Some(ended) = streams.join_next().await {
        state.count_panic("quic stream", ended);
    }
    connection.close(QUIC_OK, b"the server is stopping");
}

/// QUIC streams that a new connection may open. The transport keeps some 50 bytes for each one that is
/// allowed, used or not, so idle connections are allowed few, and busy ones soon more.
pub(super) fn streams_at_first(most: u64) -> u64 {
    most.min(64)
}

/// A number of streams, whose limit is far below.
fn narrow(streams: u64) -> VarInt {
    VarInt::from_u32(u32::try_from(streams).unwrap_or(u32::MAX))
}

/// Closes a connection whose peer holds resources without using them.
pub(crate) fn close_idle(connection: &Connection, seconds: u64) {
    let error = Error::new(
        ErrorKind::Invalid,
        format!("a QUIC stream was opened and said nothing for {seconds} s"),
    );
    tracing::debug!(%error, "close connection");
    connection.close(quic_code(&error), error.message().as_bytes());
}
