//! `afflux archive`.

use afflux_testkit::wait;

use crate::support::{World, archived};

#[test]
fn an_archive_is_added_followed_listed_and_removed() {
    let world = World::start();
    world.ok(&["stream", "create", "s"]);
    let lines: Vec<String> = (0..100).map(|n| format!("line {n}")).collect();
    let input = lines.join("\n");
    world
        .afflux
        .run_with(&["put", "s", "--key", "k"], input.as_bytes())
        .ok();
    for (name, compression) in [("plain", "none"), ("gzip", "gzip"), ("zstd", "zstd")] {
        let directory = world.file(name);
        std::fs::create_dir(&directory).unwrap();
        let add = ["archive", "add", "s", directory.to_str().unwrap()];
        world.ok(&[
            &add[..],
            &["--compression", compression, "--file-seconds", "1"],
        ]
        .concat());
        wait::until_true("everything is archived", || {
            let list = world
                .afflux
                .run(&["archive", "list", "--output", "json"])
                .json();
            assert_eq!(list[0]["stream"], "s");
            assert_eq!(list[0]["last_error"], serde_json::Value::Null);
            list[0]["records"] == 100
        });
        assert!(
            world
                .ok(&["archive", "list"])
                .contains(directory.to_str().unwrap())
        );
        if compression == "none" {
            let data: Vec<String> = archived(&directory, "s")
                .into_iter()
                .map(|record| record.data)
                .collect();
            assert_eq!(data, lines);
        }
        world.ok(&["archive", "remove", "s"]);
        // Its files stay.
        assert!(std::fs::read_dir(directory.join("s")).unwrap().count() > 0);
    }
    let list = world
        .afflux
        .run(&["archive", "list", "--output", "json"])
        .json();
    assert_eq!(list, serde_json::json!([]));
}

#[test]
fn an_archive_needs_a_stream_and_a_directory() {
    let world = World::start();
    world.ok(&["stream", "create", "s"]);
    let directory = world.file("archive");
    std::fs::create_dir(&directory).unwrap();
    let directory = directory.to_str().unwrap();
    world
        .afflux
        .run(&["archive", "add", "nowhere", directory])
        .fails(1);
    world
        .afflux
        .run(&["archive", "add", "s", "/proc/nothing/here"])
        .fails(1);
    world
        .afflux
        .run(&["archive", "add", "s", directory, "--file-seconds", "0"])
        .fails(2);
    world
        .afflux
        .run(&["archive", "add", "s", directory, "--file-bytes", "100"])
        .fails(1);
    world
        .afflux
        .run(&["archive", "add", "s", directory, "--compression", "rar"])
        .fails(2);
    world.afflux.run(&["archive", "remove", "s"]).fails(1);
    world.ok(&["archive", "add", "s", directory]);
    world
        .afflux
        .run(&["archive", "add", "s", directory])
        .fails(1);
}

#[test]
fn a_stream_is_deleted_only_without_its_archive() {
    let world = World::start();
    world.ok(&["stream", "create", "s"]);
    let directory = world.file("archive");
    std::fs::create_dir(&directory).unwrap();
    world.ok(&["archive", "add", "s", directory.to_str().unwrap()]);
    let refused = world.afflux.run(&["stream", "delete", "s"]);
    assert!(
        refused.fails(1).contains("remove it first"),
        "{}",
        refused.stderr
    );
    world.ok(&["archive", "remove", "s"]);
    world.ok(&["stream", "delete", "s"]);
    let list = world
        .afflux
        .run(&["archive", "list", "--output", "json"])
        .json();
    assert_eq!(list, serde_json::json!([]));
}
