use std::net::Ipv4Addr;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use afflux_wire::transport::Profile;
use anyhow::{Context as _, Result, anyhow};

use super::{Load, Report, Threads, send, serve};

const LIMIT: Duration = Duration::from_millis(30);

/// The payload that the client counted, with small packets and with large ones.
fn bytes(load: Load) -> [u64; 2] {
    [Profile::NETWORK, Profile::LOOPBACK].map(|profile| {
        let (sent, _) = both(&profile, Threads::One, load, LIMIT).unwrap();
        sent.bytes
    })
}

/// Runs both roles in this process, each on its own thread; returns the client's report and the
/// server's.
fn both(
    profile: &Profile,
    threads: Threads,
    load: Load,
    limit: Duration,
) -> Result<(Report, Report)> {
    let (announce, announced) = sync_channel(1);
    thread::scope(|scope| {
        let server = thread::Builder::new()
            .name("bench-raw-server".to_owned())
            .spawn_scoped(scope, move || {
                serve(profile, threads, (Ipv4Addr::LOCALHOST, 0).into(), |ready| {
                    announce.send(ready.clone()).context("announce the server")
                })
            })
            .context("start the server's thread")?;
        let sent = match announced.recv() {
            Ok(ready) => send(profile, threads, &ready, load, limit),
            // The server has dropped its end: its own error says why.
            Err(_) => Err(anyhow!("the server did not start")),
        };
        let served = server
            .join()
            .map_err(|_| anyhow!("the server's thread panicked"))?;
        match (sent, served) {
            (Ok(sent), Ok(served)) => Ok((sent, served)),
            (Err(error), Ok(_)) | (_, Err(error)) => Err(error),
        }
    })
}

#[test]
fn every_byte_of_a_bulk_upload_is_confirmed() {
    let (chunk_bytes, write_chunks) = (10_000, 3);
    for read_chunks in [1, 64] {
        for count in bytes(Load::Bulk {
            chunk_bytes,
            write_chunks,
            read_chunks,
        }) {
            assert!(count > 0);
            assert_eq!(count % 30_000, 0);
        }
    }
}

#[test]
fn records_pass_their_checks_whatever_the_packet_size() {
    let (record_bytes, batch_records) = (1_000, 7);
    for count in bytes(Load::Records {
        record_bytes,
        batch_records,
    }) {
        assert!(count > 0);
        assert_eq!(count % 7_000, 0);
    }
}

#[test]
fn fan_out_reaches_every_connection() {
    let (connections, write_bytes) = (3, 20_000);
    for count in bytes(Load::Fanout {
        connections,
        write_bytes,
    }) {
        assert!(count >= 60_000);
        assert_eq!(count % 20_000, 0);
    }
}

#[test]
fn echo_beside_a_background_upload_counts_its_round_trips() {
    let load = Load::Echo {
        bytes: 100,
        background_bytes_per_second: 1_000_000,
    };
    for threads in [Threads::One, Threads::Pool(2)] {
        let (sent, _) = both(&Profile::LOOPBACK, threads, load, LIMIT).unwrap();
        let latency = sent.latency.unwrap();
        assert_eq!(sent.bytes, latency.count * 100);
        assert!(latency.p50_us <= latency.p999_us);
    }
}
