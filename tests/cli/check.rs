//! `afflux check`.

use std::io::{Seek, SeekFrom, Write};

use afflux_testkit::command::Afflux;

use crate::support::{BINARY, World, segments};

#[test]
fn a_data_directory_in_order_passes_with_its_counts() {
    let mut world = World::start();
    world.ok(&["stream", "create", "s"]);
    world.afflux.run_with(&["put", "s"], b"a\nb\nc\n").ok();
    assert!(world.server.terminate().success());
    let afflux = Afflux::new(BINARY);
    let directory = world.data_dir().to_str().unwrap().to_owned();
    let report = afflux
        .run(&["check", &directory, "--output", "json"])
        .json();
    assert_eq!(report["shards"], 1);
    assert!(report["entries"].as_u64().unwrap() >= 1);
    assert_eq!(report["damaged"], false);
    assert!(afflux.run(&["check", &directory]).ok().contains("hold"));
}

#[test]
fn a_directory_that_is_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let afflux = Afflux::new(BINARY);
    let missing = dir.path().join("missing");
    let refused = afflux.run(&["check", missing.to_str().unwrap()]);
    assert!(refused.fails(1).contains("missing"), "{}", refused.stderr);
    afflux.run(&["check"]).fails(2);
}

#[test]
fn a_torn_tail_is_cut_by_repair_and_damage_is_not() {
    let mut world = World::start();
    world.ok(&["stream", "create", "s"]);
    world
        .afflux
        .run_with(&["put", "s", "--key", "k"], b"a\nb\nc\n")
        .ok();
    world.server.kill();
    let afflux = Afflux::new(BINARY);
    let directory = world.data_dir().to_str().unwrap().to_owned();
    // Repair touches nothing that is in order, and twice is as good as once.
    for _ in 0..2 {
        let repaired = afflux
            .run(&["check", &directory, "--repair", "--output", "json"])
            .json();
        assert_eq!(repaired["damaged"], false);
    }
    world.server.restart();
    let tail = ["tail", "s", "--from", "trim-horizon", "--no-follow"];
    assert_eq!(world.afflux.run(&tail).ok().lines().count(), 3);
}

#[test]
fn a_changed_byte_is_found_and_named() {
    let mut world = World::start();
    world.ok(&["stream", "create", "s"]);
    for line in [
        "find this text again\n",
        "what follows shows that it was whole\n",
    ] {
        world
            .afflux
            .run_with(&["put", "s", "--key", "k"], line.as_bytes())
            .ok();
    }
    assert!(world.server.terminate().success());
    let segment = segments(world.data_dir()).remove(0);
    let bytes = std::fs::read(&segment).unwrap();
    let at = bytes
        .windows(9)
        .position(|window| window == b"this text")
        .unwrap();
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .open(&segment)
        .unwrap();
    file.seek(SeekFrom::Start(at as u64)).unwrap();
    file.write_all(b"X").unwrap();
    drop(file);
    world.expect_damage();
    let directory = world.data_dir().to_str().unwrap();
    let checked = Afflux::new(BINARY).run(&["check", directory, "--output", "json"]);
    assert_eq!(checked.code, Some(1));
    let report: serde_json::Value = serde_json::from_str(checked.text()).unwrap();
    assert_eq!(report["damaged"], true, "{report:#}");
    let finding = &report["findings"][0];
    assert!(
        finding["shard"].is_string() && finding["offset"].is_u64(),
        "{report:#}"
    );
    // Repair does not paper over it.
    let repaired = Afflux::new(BINARY).run(&["check", directory, "--repair", "--output", "json"]);
    assert_eq!(repaired.code, Some(1));
    assert_eq!(
        bytes.len() as u64,
        std::fs::metadata(&segment).unwrap().len()
    );
}
