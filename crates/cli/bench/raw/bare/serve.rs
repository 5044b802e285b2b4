//! The server's role: accepts the connections of one client, does what each asks, and ends with the last of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use afflux_quic::{Side, transport_config};
use afflux_wire::transport::Profile;
use anyhow::{Context as _, Result, anyhow};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, EndpointConfig, RecvStream, SendStream, ServerConfig};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls_pki_types::PrivateKeyDer;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::Stopwatch;
use super::super::process::own_cpu;
use super::fanout::Pushes;
use super::request::Task;
use super::{ALPN, Packets, Ready, Report, SERVER_NAME, Threads, echo, memory_peak_bytes, upload};

/// How long the server waits for its client to appear.
const CLIENT_WAIT: Duration = Duration::from_secs(30);

/// Serves one client on `address` until it has closed all its connections.
///
/// `ready` is called once, when connections are accepted.
///
/// # Errors
/// If the address is taken, no client comes within 30 seconds, or a connection breaks.
pub(crate) fn serve(
    profile: &Profile,
    threads: Threads,
    address: SocketAddr,
    ready: impl FnOnce(&Ready) -> Result<()>,
) -> Result<Report> {
    threads.runtime()?.block_on(run(profile, address, ready))
}

async fn run(
    profile: &Profile,
    address: SocketAddr,
    ready: impl FnOnce(&Ready) -> Result<()>,
) -> Result<Report> {
    let (config, certificate) = identity(profile)?;
    let endpoint = afflux_quic::bind(
        address,
        profile.socket_buffer_bytes,
        EndpointConfig::default(),
        Some(config),
    )?;
    let address = endpoint.local_addr().context("ask for the address")?;
    ready(&Ready {
        address,
        certificate,
    })?;

    let pushes = Arc::new(Pushes::default());
    let mut tasks = JoinSet::new();
    let first = timeout(CLIENT_WAIT, endpoint.accept())
        .await
        .context("wait for a client")?
        .context("the endpoint closed")?;
    let clock = Stopwatch::start();
    let cpu = own_cpu();
    tasks.spawn(serve_connection(
        first.await.context("accept")?,
        Arc::clone(&pushes),
    ));

    let mut packets = Packets::default();
    let mut bytes = 0;
    while !tasks.is_empty() {
        tokio::select! {
            Some(incoming) = endpoint.accept() => {
                let connection = incoming.await.context("accept")?;
                tasks.spawn(serve_connection(connection, Arc::clone(&pushes)));
            }
            Some(ended) = tasks.join_next() => {
                let (connection, received) = ended.context("join a connection")??;
                packets.add(&connection);
                bytes += received;
            }
        }
    }
    let took = clock.elapsed();
    let cpu = own_cpu().saturating_sub(cpu);
    endpoint.wait_idle().await;
    Ok(Report {
        bytes,
        took,
        cpu,
        memory_peak_bytes: memory_peak_bytes()?,
        packets,
        latency: None,
    })
}

/// Carries out the one task of a connection and waits until the client closes it.
async fn serve_connection(
    connection: Connection,
    pushes: Arc<Pushes>,
) -> Result<(Connection, u64)> {
    let (mut send, mut receive) = connection.accept_bi().await.context("accept a stream")?;
    let task = Task::read_from(&mut receive).await?;
    let served = serve_task(task, &mut send, &mut receive, &pushes).await;
    // A background load ends by closing its connection in the middle of a write: not a failure.
    let bytes = match served {
        Ok(bytes) => bytes,
        Err(_)
            if matches!(
                connection.close_reason(),
                Some(quinn::ConnectionError::ApplicationClosed(_))
            ) =>
        {
            0
        }
        Err(error) => return Err(error),
    };
    connection.closed().await;
    Ok((connection, bytes))
}

async fn serve_task(
    task: Task,
    send: &mut SendStream,
    receive: &mut RecvStream,
    pushes: &Pushes,
) -> Result<u64> {
    let bytes = match task {
        Task::Sink { read_chunks } => upload::receive_bulk(receive, read_chunks).await?,
        Task::Records => upload::receive_records(receive).await?,
        Task::Echo { bytes } => return echo::answer(send, receive, bytes).await,
        Task::Push {
            connections,
            write_bytes,
            duration_ms,
        } => {
            let limit = Duration::from_millis(duration_ms);
            pushes.push(send, connections, write_bytes, limit).await?;
            return Ok(0);
        }
    };
    send.write_all(&bytes.to_le_bytes())
        .await
        .context("confirm")?;
    send.finish().context("finish a confirmation")?;
    Ok(bytes)
}

/// A certificate for this run only, and the server's settings with it.
fn identity(profile: &Profile) -> Result<(ServerConfig, Vec<u8>)> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([SERVER_NAME.to_owned()]).context("make a certificate")?;
    let key = PrivateKeyDer::try_from(signing_key.serialize_der())
        .map_err(|error| anyhow!("use the new key: {error}"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .context("choose TLS 1.3")?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .context("use the new certificate")?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let crypto = QuicServerConfig::try_from(tls).context("use TLS for QUIC")?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport_config(profile, Side::Server)?));
    Ok((config, cert.der().to_vec()))
}
