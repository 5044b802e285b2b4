use std::net::Ipv4Addr;
use std::time::Duration;

use super::super::transport::TransportProfile;
use super::{Load, Threads, both};

const LIMIT: Duration = Duration::from_millis(30);

/// The payload that the client counted, by stock socket and gathering socket.
fn bytes(load: Load) -> [u64; 2] {
    let gathering = TransportProfile::for_peer(Ipv4Addr::LOCALHOST.into());
    [TransportProfile::plain(), gathering].map(|profile| {
        let (sent, _) = both(&profile, Threads::One, load, LIMIT).unwrap();
        sent.bytes
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
        let profile = TransportProfile::for_peer(Ipv4Addr::LOCALHOST.into());
        let (sent, _) = both(&profile, threads, load, LIMIT).unwrap();
        let latency = sent.latency.unwrap();
        assert_eq!(sent.bytes, latency.count * 100);
        assert!(latency.p50_us <= latency.p999_us);
    }
}
