//! The client's role: connects, asks for one load, and measures it from the first request to the last confirmation.

use std::sync::Arc;
use std::time::Duration;

use afflux_quic::{Side, transport_config};
use afflux_wire::transport::Profile;
use anyhow::{Context as _, Result, bail};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, EndpointConfig, RecvStream, SendStream, VarInt};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use tokio::task::JoinSet;

use super::super::Stopwatch;
use super::super::process::own_cpu;
use super::request::Task;
use super::{
    ALPN, Latency, Load, Packets, Ready, Report, SERVER_NAME, Threads, echo, memory_peak_bytes,
    upload,
};

/// Runs `load` against `server` for `limit`.
///
/// # Errors
/// If the server cannot be reached, a connection breaks, or the counts of the two sides differ.
pub(crate) fn send(
    profile: &Profile,
    threads: Threads,
    server: &Ready,
    load: Load,
    limit: Duration,
) -> Result<Report> {
    threads
        .runtime()?
        .block_on(run(profile, server, load, limit))
}

/// What a load measured, without the counts of its connections.
struct Outcome {
    bytes: u64,
    took: Duration,
    cpu: Duration,
    latency: Option<Latency>,
}

async fn run(profile: &Profile, server: &Ready, load: Load, limit: Duration) -> Result<Report> {
    let mut endpoint = afflux_quic::bind(
        afflux_quic::local_address(server.address),
        profile.socket_buffer_bytes,
        EndpointConfig::default(),
        None,
    )?;
    endpoint.set_default_client_config(trust(profile, server)?);
    let count = match load {
        Load::Fanout { connections, .. } => connections,
        Load::Echo {
            background_bytes_per_second: 1..,
            ..
        } => 2,
        _ => 1,
    };
    let mut connections = Vec::new();
    for _ in 0..count {
        connections.push(connect(&endpoint, server).await?);
    }
    let outcome = perform(&connections, load, limit).await?;
    let mut packets = Packets::default();
    for connection in &connections {
        packets.add(connection);
        connection.close(VarInt::from_u32(0), b"done");
    }
    endpoint.wait_idle().await;
    Ok(Report {
        bytes: outcome.bytes,
        took: outcome.took,
        cpu: outcome.cpu,
        memory_peak_bytes: memory_peak_bytes()?,
        packets,
        latency: outcome.latency,
    })
}

async fn perform(connections: &[Connection], load: Load, limit: Duration) -> Result<Outcome> {
    let clock = Stopwatch::start();
    let cpu = own_cpu();
    let first = connections.first().context("a load without connections")?;
    let mut latency = None;
    let bytes = match load {
        Load::Bulk {
            chunk_bytes,
            write_chunks,
            read_chunks,
        } => {
            let (mut send, mut receive) = open(first, Task::Sink { read_chunks }).await?;
            upload::send_bulk(&mut send, chunk_bytes, write_chunks, limit).await?;
            confirmation(&mut receive).await?
        }
        Load::Records {
            record_bytes,
            batch_records,
        } => {
            let (mut send, mut receive) = open(first, Task::Records).await?;
            upload::send_records(&mut send, record_bytes, batch_records, limit).await?;
            confirmation(&mut receive).await?
        }
        Load::Fanout {
            connections: count,
            write_bytes,
        } => receive_pushes(connections, count, write_bytes, limit).await?,
        Load::Echo {
            bytes,
            background_bytes_per_second,
        } => {
            let measured = measure_echo(
                first,
                connections.get(1),
                bytes,
                background_bytes_per_second,
                limit,
            )
            .await?;
            latency = Some(measured);
            measured.count * u64::from(bytes)
        }
    };
    Ok(Outcome {
        bytes,
        took: clock.elapsed(),
        cpu: own_cpu().saturating_sub(cpu),
        latency,
    })
}

async fn receive_pushes(
    connections: &[Connection],
    count: u32,
    write_bytes: u32,
    limit: Duration,
) -> Result<u64> {
    let duration_ms = u64::try_from(limit.as_millis()).context("duration of a push")?;
    let task = Task::Push {
        connections: count,
        write_bytes,
        duration_ms,
    };
    let mut receivers = JoinSet::new();
    for connection in connections {
        let connection = connection.clone();
        receivers.spawn(async move {
            let (_send, mut receive) = open(&connection, task).await?;
            upload::receive_bulk(&mut receive, upload::READ_CHUNKS).await
        });
    }
    let mut bytes = 0;
    while let Some(received) = receivers.join_next().await {
        bytes += received.context("join a receiver")??;
    }
    Ok(bytes)
}

async fn measure_echo(
    quiet: &Connection,
    busy: Option<&Connection>,
    bytes: u32,
    background_bytes_per_second: u64,
    limit: Duration,
) -> Result<Latency> {
    let (mut send, mut receive) = open(quiet, Task::Echo { bytes }).await?;
    let echo = echo::ask(&mut send, &mut receive, bytes, limit);
    let Some(busy) = busy else {
        return echo.await;
    };
    let (mut upload, _confirmation) = open(
        busy,
        Task::Sink {
            read_chunks: upload::READ_CHUNKS,
        },
    )
    .await?;
    let latency = tokio::select! {
        latency = echo => latency,
        stopped = echo::background(&mut upload, background_bytes_per_second) => {
            stopped?;
            bail!("the background load ended before the echo")
        }
    };
    // Before its streams are dropped, which would look like an upload that has ended well.
    busy.close(0_u32.into(), b"");
    latency
}

async fn open(connection: &Connection, task: Task) -> Result<(SendStream, RecvStream)> {
    let (mut send, receive) = connection.open_bi().await.context("open a stream")?;
    task.write_to(&mut send).await?;
    Ok((send, receive))
}

async fn confirmation(receive: &mut RecvStream) -> Result<u64> {
    let mut count = [0; 8];
    receive
        .read_exact(&mut count)
        .await
        .context("await the confirmation")?;
    Ok(u64::from_le_bytes(count))
}

async fn connect(endpoint: &Endpoint, server: &Ready) -> Result<Connection> {
    endpoint
        .connect(server.address, SERVER_NAME)
        .with_context(|| format!("connect to {}", server.address))?
        .await
        .with_context(|| format!("connect to {}", server.address))
}

/// Trusts the certificate of this server and no other.
fn trust(profile: &Profile, server: &Ready) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(server.certificate.clone()))
        .context("trust the server's certificate")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .context("choose TLS 1.3")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let crypto = QuicClientConfig::try_from(tls).context("use TLS for QUIC")?;
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport_config(profile, Side::Client)?));
    Ok(config)
}
