//! `afflux video`: what is typed and printed; the video itself is judged in `tests/video`.

use afflux_testkit::video::Camera;
use serde_json::Value;

use crate::support::World;

fn rows(world: &World, args: &[&str]) -> Vec<Value> {
    world.afflux.run(args).json().as_array().unwrap().clone()
}

#[test]
fn a_video_stream_is_created_filled_and_listed() {
    let world = World::start();
    world.ok(&["video", "create", "cam"]);
    let described = world
        .afflux
        .run(&["stream", "describe", "cam", "--output", "json"])
        .json();
    assert_eq!(described["kind"], "video");
    let file = world.file("film.mp4");
    std::fs::write(&file, Camera::short(4).film()).unwrap();
    let start = "2026-11-21T10:00:00Z";
    let put = [
        "video",
        "put",
        "cam",
        file.to_str().unwrap(),
        "--start",
        start,
        "--output",
        "json",
    ];
    let done = world.afflux.run(&put).json();
    assert_eq!(done["stream"], "cam");
    assert_eq!(done["fragments"], 4);
    let list = rows(&world, &["video", "list", "cam", "--output", "json"]);
    assert_eq!(list.len(), 4);
    for fragment in &list {
        assert_eq!(fragment["fragment_number"].as_str().unwrap().len(), 47);
        assert_eq!(fragment["duration_ms"], 500);
        assert_eq!(fragment["key_frame"], true);
    }
    assert!(
        list[2]["producer_time"]
            .as_str()
            .unwrap()
            .starts_with("2026-11-21T10:00:01")
    );
    assert!(world.ok(&["video", "list", "cam"]).lines().count() >= 4);
    let from = [
        "video",
        "list",
        "cam",
        "--from",
        "2026-11-21T10:00:01Z",
        "--output",
        "json",
    ];
    assert_eq!(rows(&world, &from).len(), 2);
    let to = [
        "video",
        "list",
        "cam",
        "--to",
        "2026-11-21T10:00:00.5Z",
        "--output",
        "json",
    ];
    assert_eq!(rows(&world, &to).len(), 1);
    let server = [
        "video",
        "list",
        "cam",
        "--axis",
        "server",
        "--from",
        "2100-01-01T00:00:00Z",
        "--output",
        "json",
    ];
    assert!(rows(&world, &server).is_empty());
}

#[test]
fn mistakes_are_named() {
    let world = World::start();
    world.ok(&["video", "create", "cam"]);
    world.ok(&["stream", "create", "records"]);
    let out = world.file("clip.mp4");
    let out = out.to_str().unwrap();
    let film = Camera::short(1).film();
    world
        .afflux
        .run_with(&["video", "put", "nowhere", "-"], &film)
        .fails(1);
    world
        .afflux
        .run_with(&["video", "put", "records", "-"], &film)
        .fails(1);
    world
        .afflux
        .run_with(&["video", "put", "cam", "-", "--start", "soon"], &film)
        .fails(2);
    world
        .afflux
        .run(&["video", "put", "cam", "/nowhere.mp4"])
        .fails(2);
    world.afflux.run(&["video", "list", "nowhere"]).fails(1);
    world
        .afflux
        .run(&["video", "list", "cam", "--from", "soon"])
        .fails(2);
    world.afflux.run(&["video", "create", "cam"]).fails(1);
    let clip = [
        "video",
        "clip",
        "cam",
        "--from",
        "2026-01-01T00:00:00Z",
        "--to",
        "2026-01-02T00:00:00Z",
    ];
    world
        .afflux
        .run(&[&clip[..], &["-o", out]].concat())
        .fails(1);
    assert!(
        !std::path::Path::new(out).exists(),
        "a clip of nothing was written"
    );
    world
        .afflux
        .run_with(
            &[
                "video",
                "put",
                "cam",
                "-",
                "--start",
                "2026-01-01T00:00:00Z",
            ],
            &film,
        )
        .ok();
    world
        .afflux
        .run(&[&clip[..], &["-o", "/nowhere/clip.mp4"]].concat())
        .fails(1);
}
