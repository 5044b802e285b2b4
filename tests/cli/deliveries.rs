//! `afflux delivery`.

use std::path::{Path, PathBuf};

use afflux_testkit::video::Camera;
use afflux_testkit::wait;
use serde_json::{Value, json};

use super::serve::get;
use crate::support::{World, delivered};

/// All files below a directory, in the order of their names.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    let below = entries.into_iter().map(|path| match path.is_dir() {
        true => files(&path),
        false => vec![path],
    });
    below.flatten().collect()
}

/// What they hold.
fn text(directory: &Path) -> String {
    let files = files(directory).into_iter();
    files
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect()
}

fn described(world: &World, name: &str) -> Value {
    let describe = ["delivery", "describe", name, "--output", "json"];
    world.afflux.run(&describe).json()
}

fn until_delivered(world: &World, name: &str, records: u64) {
    wait::until_true("everything is delivered", || {
        let described = described(world, name);
        assert_eq!(described["last_error"], Value::Null);
        described["records"] == records
    });
}

#[test]
fn a_delivery_stream_is_made_followed_changed_paused_and_deleted() {
    let world = World::start();
    world.ok(&["stream", "create", "readings"]);
    let put = |lines: &str| {
        let put = ["put", "readings", "--key", "k"];
        world.afflux.run_with(&put, lines.as_bytes()).ok();
    };
    put("{\"room\":1,\"t\":20}\n{\"room\":2,\"t\":21}\nnonsense\n");
    let directory = world.file("lake");
    std::fs::create_dir(&directory).unwrap();
    let to = directory.to_str().unwrap();
    world.ok(&[
        "delivery",
        "create",
        "lake",
        "--stream",
        "readings",
        "--to",
        to,
        "--interval",
        "0",
        "--partition-by",
        "{room: .room}",
        "--prefix",
        "room=!{partitionKeyFromQuery:room}/",
        "--error-prefix",
        "failed/!{firehose:error-output-type}/",
    ]);
    until_delivered(&world, "lake", 3);
    assert_eq!(text(&directory.join("room=1")), "{\"room\":1,\"t\":20}\n");
    assert_eq!(text(&directory.join("room=2")), "{\"room\":2,\"t\":21}\n");
    let failed = text(&directory.join("failed/processing-failed"));
    let failed: Value = serde_json::from_str(&failed).unwrap();
    assert_eq!(failed["rawData"], "bm9uc2Vuc2U=");

    world.ok(&["delivery", "pause", "lake"]);
    put("{\"room\":1,\"t\":22}\n");
    world.ok(&[
        "delivery",
        "update",
        "lake",
        "--prefix",
        "later/!{partitionKeyFromQuery:room}/",
    ]);
    assert_eq!(described(&world, "lake")["paused"], true);
    assert!(!directory.join("later").exists());
    world.ok(&["delivery", "resume", "lake"]);
    until_delivered(&world, "lake", 4);
    assert_eq!(text(&directory.join("later/1")), "{\"room\":1,\"t\":22}\n");

    let status = described(&world, "lake");
    assert_eq!(status["version"], 2);
    assert_eq!(
        (&status["objects"], &status["failed"]),
        (&json!(4), &json!(1))
    );
    assert!(
        status["last_object"]
            .as_str()
            .unwrap()
            .starts_with("later/1/lake-2-")
    );
    let list = world.ok(&["delivery", "list"]);
    assert!(list.contains("lake") && list.contains("later/1/"), "{list}");
    let replay = ["delivery", "replay", "lake", "again", "--prefix"];
    let times = ["--from", "2020-01-01T00:00:00Z", "--until"];
    let prefix = "again/!{partitionKeyFromQuery:room}/";
    world.ok(&[&replay[..], &[prefix], &times, &["2020-01-02T00:00:00Z"]].concat());
    assert_eq!(described(&world, "again")["finished"], true);
    assert!(!directory.join("again").exists(), "nothing is that old");
    world.ok(&["delivery", "delete", "again"]);
    world.ok(&["delivery", "delete", "lake"]);
    let list = world.afflux.run(&["delivery", "list", "--output", "json"]);
    assert_eq!(list.json(), json!([]));
    assert!(directory.join("later/1").exists(), "objects stay");
}

#[test]
fn a_cluster_takes_records_instead_of_objects() {
    let world = World::with_config("[[endpoints]]\nurl = 'http://127.0.0.1:9/search'\n");
    let directory = world.file("failed");
    std::fs::create_dir(&directory).unwrap();
    let to = directory.to_str().unwrap();
    let create = ["delivery", "create", "search", "--to", to];
    let url = ["--opensearch-url", "http://127.0.0.1:9/search"];
    let index = ["--index", "orders", "--rotation", "week"];
    for (typed, code) in [
        (&url[..], 1),
        (&index, 1),
        (
            &[
                "--opensearch-url",
                "http://127.0.0.1:9/",
                "--index",
                "orders",
            ],
            1,
        ),
    ] {
        let typed = [&create[..], typed].concat();
        world.afflux.run(&typed).fails(code);
    }
    let made = world.ok(&[&create[..], &url, &index, &["--interval", "60"]].concat());
    assert!(made.contains("http://127.0.0.1:9/search"), "{made}");
    world.ok(&["delivery", "update", "search", "--index", "views"]);
    let settings = &described(&world, "search")["settings"];
    let cluster = &settings["receiver"]["opensearch"];
    assert_eq!(cluster["index"]["name"], "views");
    assert_eq!(cluster["index"]["rotation"], "week");
    assert_eq!(cluster["buffer_seconds"], 60);
}

#[cfg(feature = "kafka")]
#[test]
fn a_topic_takes_records_instead_of_objects() {
    let world = World::with_config("[[kafka]]\nname = 'events'\nbrokers = ['127.0.0.1:9']\n");
    let directory = world.file("failed");
    std::fs::create_dir(&directory).unwrap();
    let create = [
        "delivery",
        "create",
        "out",
        "--to",
        directory.to_str().unwrap(),
    ];
    let (kafka, topic) = (["--kafka", "events"], ["--topic", "orders"]);
    let unknown = ["--kafka", "others", "--topic", "orders"];
    let also_a_cluster = [
        "--kafka",
        "events",
        "--topic",
        "orders",
        "--opensearch-url",
        "u",
    ];
    let lone_key = ["--key", "none"];
    for (typed, code) in [
        (&kafka[..], 1),
        (&topic, 1),
        (&lone_key, 1),
        (&unknown, 1),
        (&also_a_cluster, 2),
    ] {
        let typed = [&create[..], typed].concat();
        world.afflux.run(&typed).fails(code);
    }
    let made = world.ok(&[&create[..], &kafka, &topic, &["--interval", "60"]].concat());
    let to = "delivers to topic orders of Kafka cluster events";
    assert!(made.contains(to), "{made}");
    world.ok(&[
        "delivery", "update", "out", "--key", "none", "--topic", "views",
    ]);
    let settings = &described(&world, "out")["settings"];
    assert_eq!(settings["processors"], json!([]));
    assert_eq!(
        settings["receiver"]["kafka"],
        json!({
            "cluster": "events",
            "topic": "views",
            "key": "none",
            "buffer_bytes": 5 << 20,
            "buffer_seconds": 60,
        })
    );
}

#[cfg(not(feature = "kafka"))]
#[test]
fn a_build_without_kafka_says_how_to_have_it() {
    let world = World::start();
    let directory = world.file("failed");
    std::fs::create_dir(&directory).unwrap();
    let create = [
        "delivery",
        "create",
        "out",
        "--to",
        directory.to_str().unwrap(),
    ];
    let typed = [&create[..], &["--kafka", "events", "--topic", "orders"]].concat();
    let created = world.afflux.run(&typed);
    let error = created.fails(1);
    let sentence = "this build has no Kafka: build with --features kafka";
    assert!(error.contains(sentence), "{error}");
}

#[test]
fn records_become_parquet_files_with_the_columns_of_a_file() {
    let world = World::start();
    world.ok(&["stream", "create", "readings"]);
    let lines = "{\"room\":1}\n{\"Room\":2}\n{\"room\":\"x\"}\n";
    let put = ["put", "readings", "--key", "k"];
    world.afflux.run_with(&put, lines.as_bytes()).ok();
    let (directory, schema) = (world.file("lake"), world.file("readings.json"));
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(&schema, r#"[{"name": "room", "type": "int"}]"#).unwrap();
    let create = [
        &["delivery", "create", "lake", "--stream", "readings"][..],
        &["--to", directory.to_str().unwrap(), "--interval", "0"],
        &["--prefix", "rows/", "--error-prefix", "failed/"],
    ]
    .concat();
    let refused = |more: &[&str], code| {
        world.afflux.run(&[&create[..], more].concat()).fails(code);
    };
    let convert = ["--parquet-schema", schema.to_str().unwrap()];
    refused(&["--parquet-compression", "gzip"], 1);
    refused(&["--parquet-schema", "/nowhere"], 1);
    refused(&[&convert[..], &["--compression", "gzip"]].concat(), 1);
    refused(
        &[&convert[..], &["--parquet-compression", "rar"]].concat(),
        2,
    );
    world.ok(&[&create[..], &convert, &["--parquet-compression", "zstd"]].concat());
    until_delivered(&world, "lake", 3);
    for file in files(&directory.join("rows")) {
        assert_eq!(file.extension().unwrap(), "parquet");
        assert!(std::fs::read(file).unwrap().ends_with(b"PAR1"));
    }
    let failed: Value = serde_json::from_str(&text(&directory.join("failed"))).unwrap();
    assert_eq!(
        failed["lastErrorCode"],
        "DataFormatConversion.MalformedData"
    );
    assert_eq!(described(&world, "lake")["failed"], 1);
}

#[test]
fn what_is_known_of_a_bucket_is_told() {
    // Nobody listens there: the port was free a moment ago.
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let config =
        format!("[[buckets]]\nname = \"cloud\"\nendpoint = \"http://{address}\"\nregion = \"r\"\n");
    let world = World::with_config(&config);
    world.ok(&["stream", "create", "s"]);
    let create = ["delivery", "create", "lake", "--stream", "s"];
    world.ok(&[&create[..], &["--bucket", "cloud"]].concat());
    wait::until_true("the bucket was looked at", || {
        let buckets = &described(&world, "lake")["buckets"];
        assert_eq!(buckets[0]["bucket"], "cloud");
        buckets[0]["state"] == "unreachable"
    });
    let buckets = &described(&world, "lake")["buckets"];
    let meaning = buckets[0]["meaning"].as_str().unwrap();
    assert!(meaning.contains("refused"), "{meaning}");
    let metrics = get(&world, "/metrics");
    let metric = "afflux_delivery_bucket{bucket=\"cloud\",state=\"unreachable\"} 1";
    assert!(metrics.contains(metric), "{metrics}");
    let list = world.ok(&["delivery", "list"]);
    assert!(list.contains("bucket cloud: unreachable"), "{list}");
}

#[test]
fn video_is_delivered_as_files_with_a_playlist() {
    let world = World::start();
    world.ok(&["video", "create", "cam"]);
    let film = Camera::short(4).film();
    world
        .afflux
        .run_with(&["video", "put", "cam", "-"], &film)
        .ok();
    let directory = world.file("video");
    std::fs::create_dir(&directory).unwrap();
    let to = directory.to_str().unwrap();
    let create = ["delivery", "create", "door", "--stream", "cam", "--to", to];
    for more in [["--compression", "gzip"], ["--partition-by", "{a: .a}"]] {
        let refused = world.afflux.run(&[&create[..], &more].concat());
        let said = refused.fails(1);
        assert!(said.contains("video is delivered as it is"), "{said}");
    }
    world.ok(&[&create[..], &["--interval", "0", "--prefix", "door/"]].concat());
    let list = ["video", "list", "cam", "--output", "json"];
    let fragments = world.afflux.run(&list).json();
    let fragments = u64::try_from(fragments.as_array().unwrap().len()).unwrap();
    until_delivered(&world, "door", fragments);
    let described = described(&world, "door");
    let last = described["last_object"].as_str().unwrap();
    let (hour, last) = last.rsplit_once('/').unwrap();
    assert!(last.starts_with("door-1-") && last.ends_with(".mp4"));
    assert!(hour.starts_with("door/2"), "{hour}");
    let names = std::fs::read_dir(directory.join(hour)).unwrap();
    let names = names.map(|entry| entry.unwrap().path());
    let mut lists = names.filter(|path| path.extension().is_some_and(|end| end == "m3u8"));
    let has_last = |list: PathBuf| std::fs::read_to_string(list).unwrap().contains(last);
    assert!(lists.any(has_last));
}

#[test]
fn what_cannot_be_delivered_is_refused() {
    let world = World::start();
    world.ok(&["stream", "create", "s"]);
    let directory = world.file("lake");
    std::fs::create_dir(&directory).unwrap();
    let to = directory.to_str().unwrap();
    let create = ["delivery", "create", "lake", "--stream"];
    let fails = |more: &[&str], code| {
        world.afflux.run(&[&create[..], more].concat()).fails(code);
    };
    fails(&["s"], 1);
    fails(&["nowhere", "--to", to], 1);
    fails(&["s", "--to", "/proc/nothing/here"], 1);
    fails(&["s", "--bucket", "nothing"], 1);
    fails(&["s", "--to", to, "--bucket", "b"], 2);
    fails(&["s", "--to", to, "--compression", "rar"], 2);
    fails(&["s", "--to", to, "--size-mib", "129"], 1);
    fails(&["s", "--to", to, "--from", "yesterday"], 2);
    fails(&["s", "--to", to, "--interval", "901"], 1);
    fails(&["s", "--to", to, "--prefix", "!{nonsense:x}"], 1);
    fails(&["s", "--to", to, "--partition-by", "{"], 1);
    world.ok(&[&create[..], &["s", "--to", to]].concat());
    fails(&["s", "--to", to], 1);
    world
        .afflux
        .run(&["delivery", "describe", "other"])
        .fails(1);
    world.afflux.run(&["delivery", "delete", "other"]).fails(1);
}

#[test]
fn what_was_delivered_is_verified_without_a_server() {
    let mut world = World::start();
    world.ok(&["stream", "create", "orders"]);
    let directory = world.file("lake");
    std::fs::create_dir(&directory).unwrap();
    let to = directory.to_str().unwrap();
    let create = [
        "delivery", "create", "lake", "--stream", "orders", "--to", to,
    ];
    let how = ["--interval", "0", "--envelope", "--manifest"];
    world.ok(&[&create[..], &how[..]].concat());
    let put = ["put", "orders", "--key", "k"];
    world.afflux.run_with(&put, b"one\ntwo\n").ok();
    until_delivered(&world, "lake", 2);
    let found: Vec<String> = delivered(&directory)
        .into_iter()
        .map(|one| one.data)
        .collect();
    assert_eq!(found, ["one", "two"]);
    // Envelopes can be taken off again, and manifests stay.
    world.ok(&["delivery", "update", "lake", "--envelope", "false"]);
    world.afflux.run_with(&put, b"three\n").ok();
    until_delivered(&world, "lake", 3);
    let plain = files(&directory)
        .into_iter()
        .filter(|path| path.extension().is_none());
    let plain: Vec<_> = plain
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    assert_eq!(plain, ["three\n"]);
    assert!(world.server.terminate().success());

    let verify = ["delivery", "verify", to];
    let text = world.ok(&verify);
    assert!(
        text.starts_with("DELIVERY") && text.contains("lake"),
        "{text}"
    );
    let json = world
        .afflux
        .run(&[&verify[..], &["--output", "json"]].concat())
        .json();
    assert_eq!(
        (&json[0]["records"], &json[0]["missing"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(json[0]["shards"][0]["to_position"], 3, "{json}");
    let object = files(&directory)
        .into_iter()
        .find(|path| !path.starts_with(directory.join("_manifests")));
    std::fs::write(object.unwrap(), b"changed").unwrap();
    let refused = world.afflux.run(&verify);
    assert!(
        refused.fails(1).contains("with the SHA-256"),
        "{}",
        refused.stderr
    );
    world
        .afflux
        .run(&["delivery", "verify", "/nowhere"])
        .fails(1);
}

#[test]
fn a_table_wants_a_program_that_was_built_for_it_and_a_catalog() {
    let world = World::start();
    let to = world.file("failed");
    std::fs::create_dir(&to).unwrap();
    let create = ["delivery", "create", "orders", "--to", to.to_str().unwrap()];
    let table = ["--iceberg", "lake", "--table", "shop.orders"];
    let refused = world.afflux.run(&[&create[..], &table].concat());
    let says = match cfg!(feature = "iceberg") {
        true => "catalog \"lake\" is not among the [[catalogs]]",
        false => "this build has no Iceberg: build with --features iceberg",
    };
    let said = refused.fails(1);
    assert!(said.contains(says), "{said}");
    for typed in [
        &["--iceberg", "lake"][..],
        &["--iceberg", "lake", "--table", "orders"],
    ] {
        world.afflux.run(&[&create[..], typed].concat()).fails(2);
    }
}
