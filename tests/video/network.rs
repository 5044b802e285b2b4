//! Cameras on bad networks: cut off, moved, slow; and a server that dies meanwhile.

use std::time::Duration;

use afflux_testkit::net::{LossyProxy, Weather};
use afflux_testkit::seed::Seed;
use afflux_testkit::video::{Camera, play, split};
use afflux_testkit::wait;

use super::{assert_each_once, fragments};
use crate::support::{World, video};

const STORM: Weather = Weather {
    lost_per_mille: 30,
    late_per_mille: 100,
    late: Duration::from_millis(15),
    delay: Duration::from_millis(2),
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_survives_blackouts_and_dead_servers_with_each_fragment_once() {
    let seed = Seed::from_env();
    let mut world = World::start();
    world.peer().await.create(video("cam")).await;
    let proxy = LossyProxy::start(world.server.quic(), STORM, seed.derive(1));
    let (init, parts) = split(&Camera::short(24).film());
    let spool = world.file("spool");
    std::fs::create_dir(&spool).unwrap();
    let args = [
        "video",
        "put",
        "cam",
        "-",
        "--spool",
        spool.to_str().unwrap(),
    ];
    let mut put = world.afflux.at(proxy.address()).spawn(&args);
    put.write(&init);
    for (n, part) in parts.iter().enumerate() {
        match n {
            // Fragments go on to be made while nothing gets through.
            4 => proxy.black_out(),
            8 => {
                let lost = proxy.lost();
                wait::until_true("the network has lost something", || proxy.lost() > lost);
                proxy.restore();
            }
            12 => world.server.kill(),
            15 => world.server.restart(),
            18 => proxy.change_address(),
            _ => {}
        }
        put.write(part);
        if n == 3 || n == 11 {
            // What follows is to meet a session that is under way.
            let peer = world.peer().await;
            while fragments(&peer, "cam").await.len() < n / 2 {}
        }
    }
    put.wait().ok();
    let peer = world.peer().await;
    assert_each_once(&fragments(&peer, "cam").await, parts.len());
    let out = world.file("clip.mp4");
    let range = [
        "--from",
        "2000-01-01T00:00:00Z",
        "--to",
        "2100-01-01T00:00:00Z",
    ];
    let mut args = vec!["video", "clip", "cam", "-o", out.to_str().unwrap()];
    args.extend(range);
    world.afflux.run(&args).ok();
    assert_eq!(play(&out), 24 * 15);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_put_through_a_storm_arrive_once_and_in_order() {
    let seed = Seed::from_env();
    let world = World::start();
    world.ok(&["stream", "create", "s"]);
    let proxy = LossyProxy::start(world.server.quic(), STORM, seed.derive(2));
    let lines: Vec<String> = (0..3_000).map(|n| format!("line {n:06}")).collect();
    let mut put = world
        .afflux
        .at(proxy.address())
        .spawn(&["put", "s", "--key", "one"]);
    for (n, chunk) in lines.chunks(500).enumerate() {
        put.write((chunk.join("\n") + "\n").as_bytes());
        if n % 2 == 1 {
            proxy.change_address();
        }
    }
    put.wait().ok();
    let tail = [
        "tail",
        "s",
        "--from",
        "trim-horizon",
        "--no-follow",
        "--output",
        "json",
    ];
    let got: Vec<String> = world
        .afflux
        .at(proxy.address())
        .run(&tail)
        .json_lines()
        .iter()
        .map(|record| record["data"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(got, lines);
}
