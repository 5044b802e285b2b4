//! The HTTP endpoint: one port for HTTP/1.1 and HTTP/2, with TLS and without, where the AWS-compatible
//! APIs, health and metrics are.
//!
//! Shape: `connection` finds out what a client speaks and ends connections that nobody uses, `request`
//! takes one request from its head to its answer, `body` and `reply` are its two bodies, `local` answers
//! about the server itself. What an operation does is behind [`crate::aws`].
//!
//! Invariants: connections, requests of one connection, heads, bodies and the bodies of all requests
//! together are bounded, as is the time in which a client must send or take something.

mod body;
mod connection;
mod headers;
mod idle;
mod local;
mod page;
mod reply;
mod request;
mod role;
mod stall;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use afflux_types::{Clock, Error, Result};
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto;
use rustls_pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub(crate) use body::Arriving;

use crate::server::State;
use crate::shutdown::Stopping;

/// Requests that are under way get this long when the server stops.
const DRAIN: Duration = Duration::from_secs(2);
/// After a failed accept, mostly for want of file descriptors, others get time to close some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The certificate of a client, which the handshake has verified.
type Device = Arc<CertificateDer<'static>>;

/// What the connections of the endpoint share.
pub(crate) struct Endpoint {
    state: Arc<State>,
    clock: Clock,
    protocol: auto::Builder<TokioExecutor>,
    tls: TlsAcceptor,
    /// Bytes that request bodies may still take, in units of [`body::UNIT`].
    bodies: Arc<Semaphore>,
    stopping: Stopping,
}

impl Endpoint {
    pub(crate) fn new(
        state: Arc<State>,
        clock: Clock,
        tls: Arc<rustls::ServerConfig>,
        stopping: Stopping,
    ) -> Self {
        let limits = &state.config.limits;
        Self {
            protocol: connection::protocol(limits),
            bodies: Arc::new(Semaphore::new(body::units(limits.http_bodies_bytes))),
            tls: tls.into(),
            state,
            clock,
            stopping,
        }
    }

    /// Serves connections until the switch is turned, then lets requests end.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let endpoint = Arc::new(self);
        let state = &endpoint.state;
        let mut stopping = endpoint.stopping.clone();
        let most = usize::try_from(state.config.limits.http_connections).unwrap_or(usize::MAX);
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        let mut connections = JoinSet::new();
        loop {
            while let Some(ended) = connections.try_join_next() {
                state.count_panic("http connection", ended);
            }
            let accepted = tokio::select! {
                () = stopping.wait() => break,
                accepted = accept(&listener, &places) => accepted,
            };
            match accepted {
                Ok((stream, peer, place)) => {
                    let endpoint = Arc::clone(&endpoint);
                    connections.spawn(async move {
                        connection::serve(stream, peer, endpoint).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "accept an HTTP connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        let drained = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(DRAIN, drained).await;
        connections.shutdown().await;
    }
}

/// Binds the HTTP address.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::unavailable(format!("listen on the TCP address {address}")).with_source(error)
    })
}

type Place = tokio::sync::OwnedSemaphorePermit;

/// The next connection, once there is a place for it; others wait in the kernel's queue.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, Place)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

#[cfg(test)]
mod tests;
