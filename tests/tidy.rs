//! The project's own rules, as tests: who may depend on whom, where `unsafe` may stand, how long a
//! file may grow, that documents point at things that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The crates from the bottom to the top, and what each may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("afflux-types", &[]),
    ("afflux-entry", &["types"]),
    ("afflux-media", &["types"]),
    ("afflux-aws", &["types"]),
    ("afflux-transform", &["types", "entry"]),
    ("afflux-log", &["types", "entry"]),
    ("afflux-wire", &["types", "entry"]),
    ("afflux-quic", &["types", "wire"]),
    ("afflux-engine", &["types", "entry", "log"]),
    ("afflux-kinesis", &["types", "entry", "engine", "aws"]),
    (
        "afflux-video",
        &["types", "entry", "engine", "media", "aws"],
    ),
    (
        "afflux-client",
        &["types", "entry", "wire", "quic", "media"],
    ),
    ("afflux-rtsp", &["types", "media"]),
    (
        "afflux-deliver",
        &["types", "entry", "engine", "media", "transform"],
    ),
    (
        "afflux-firehose",
        &["types", "entry", "engine", "aws", "transform", "deliver"],
    ),
    (
        "afflux-server",
        &[
            "types", "entry", "log", "wire", "quic", "media", "aws", "engine", "kinesis", "video",
            "deliver", "firehose",
        ],
    ),
];

/// Crates that do no I/O: names that must not appear in their sources.
const PURE: &[&str] = &["types", "entry", "transform", "wire", "media", "aws"];
const IMPURE_NAMES: &[&str] = &["std::fs", "std::net", "std::thread", "tokio::"];

/// The only modules that may hold `unsafe`.
const UNSAFE_MODULES: &[&str] = &["crates/log/src/map.rs"];

/// Lines of a source file without its tests. Lists and formats excepted by name, nothing else.
const FILE_LINES_MAX: usize = 500;
const LONG_FILES: &[&str] = &["crates/wire/src/message.rs"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if ![
                    "target",
                    ".git",
                    ".venv",
                    "node_modules",
                    "corpus",
                    "artifacts",
                ]
                .contains(&name.as_str())
                {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap()
        .to_string_lossy()
        .into_owned()
}

fn dependencies(manifest: &toml::Table, table: &str) -> BTreeSet<String> {
    let names = manifest.get(table).and_then(toml::Value::as_table);
    names
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .filter(|name| name.starts_with("afflux-"))
        .collect()
}

#[test]
fn crates_depend_only_downwards() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let path = entry.unwrap().path().join("Cargo.toml");
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let manifest: toml::Table = text.parse().unwrap();
        let name = manifest["package"]["name"].as_str().unwrap();
        if name == "afflux-testkit" {
            continue;
        }
        let allowed = allowed
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not in the table of arrows"));
        for dependency in dependencies(&manifest, "dependencies") {
            let short = dependency.trim_start_matches("afflux-");
            assert!(
                allowed.contains(&short),
                "{name} may not depend on {dependency}"
            );
        }
    }
}

#[test]
fn pure_crates_name_no_io() {
    for name in PURE {
        for path in files(&root().join("crates").join(name).join("src"), "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for (number, line) in without_tests(&text).enumerate() {
                let code = line.split("//").next().unwrap();
                for banned in IMPURE_NAMES {
                    assert!(
                        !code.contains(banned),
                        "{}:{}: {banned} in a crate without I/O",
                        relative(&path),
                        number + 1
                    );
                }
            }
        }
    }
}

#[test]
fn unsafe_stands_only_where_it_is_argued() {
    for path in files(&root().join("crates"), "rs") {
        let name = relative(&path);
        let text = fs::read_to_string(&path).unwrap();
        let found = text.lines().any(|line| {
            let code = line.split("//").next().unwrap().trim_start();
            code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl")
        });
        assert!(
            !found || UNSAFE_MODULES.contains(&name.as_str()),
            "{name} holds unsafe code"
        );
    }
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let lib = entry.unwrap().path().join("src/lib.rs");
        let Ok(text) = fs::read_to_string(&lib) else {
            continue;
        };
        let has_module = UNSAFE_MODULES
            .iter()
            .any(|module| root().join(module).starts_with(lib.parent().unwrap()));
        assert!(
            has_module || text.contains("#![forbid(unsafe_code)]"),
            "{} does not forbid unsafe code",
            relative(&lib)
        );
    }
}

/// The lines of a file up to its inline test module.
fn without_tests(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]") && !line.starts_with("#[cfg(all(test"))
}

#[test]
fn files_stay_short() {
    for path in files(&root().join("crates"), "rs") {
        let name = relative(&path);
        if LONG_FILES.contains(&name.as_str())
            || name.contains("/tests")
            || name.ends_with("tests.rs")
        {
            continue;
        }
        let lines = without_tests(&fs::read_to_string(&path).unwrap()).count();
        assert!(
            lines <= FILE_LINES_MAX,
            "{name} has {lines} lines; {FILE_LINES_MAX} are the most"
        );
    }
}

#[test]
fn files_open_with_a_sentence() {
    for path in files(&root().join("crates"), "rs") {
        // A module's tests, moved to a file of their own, are about that module.
        if path.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//!"),
            "{} does not open with a //! doc",
            relative(&path)
        );
    }
}

#[test]
fn every_source_file_is_declared() {
    for path in files(&root().join("crates"), "rs") {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        if ["lib", "main", "mod"].contains(&stem.as_str()) || !relative(&path).contains("/src/") {
            continue;
        }
        let dir = path.parent().unwrap();
        let parents = [
            dir.join("mod.rs"),
            dir.join("lib.rs"),
            dir.join("main.rs"),
            dir.with_extension("rs"),
        ];
        let declaration = format!("mod {stem};");
        let declared = parents
            .iter()
            .any(|parent| fs::read_to_string(parent).is_ok_and(|text| text.contains(&declaration)));
        assert!(declared, "no module declares {}", relative(&path));
    }
}

#[test]
fn no_assertion_is_a_bare_match() {
    for path in files(root(), "rs") {
        let text = fs::read_to_string(&path).unwrap();
        let bare = text.lines().any(|line| {
            line.trim_start().starts_with("matches!(") && line.trim_end().ends_with(");")
        });
        assert!(
            !bare,
            "{} has a matches! that asserts nothing",
            relative(&path)
        );
    }
}

#[test]
fn markdown_links_lead_somewhere() {
    for path in files(root(), "md") {
        let text = fs::read_to_string(&path).unwrap();
        for part in text.split("](").skip(1) {
            let Some((target, _)) = part.split_once(')') else {
                continue;
            };
            let target = target.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") || target.contains(' ') {
                continue;
            }
            let file = path.parent().unwrap().join(target);
            assert!(
                file.exists(),
                "{} links to {target}, which does not exist",
                relative(&path)
            );
        }
    }
}

#[test]
fn every_fixture_folder_says_where_it_came_from() {
    for entry in fs::read_dir(root().join("fixtures")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let here = path.join("README.md").exists();
            let below = fs::read_dir(&path).unwrap().all(|entry| {
                let path = entry.unwrap().path();
                path.is_file() || path.join("README.md").exists()
            });
            assert!(here || below, "{} has no README.md", relative(&path));
        }
    }
}

#[test]
fn every_fuzz_target_is_listed() {
    let manifest: toml::Table = fs::read_to_string(root().join("tests/fuzz/Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let listed: BTreeSet<String> = manifest["bin"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bin| bin["path"].as_str().unwrap().to_owned())
        .collect();
    let found: BTreeSet<String> = files(&root().join("tests/fuzz/fuzz_targets"), "rs")
        .iter()
        .map(|path| {
            format!(
                "fuzz_targets/{}",
                path.file_name().unwrap().to_string_lossy()
            )
        })
        .collect();
    assert_eq!(listed, found);
}

#[test]
fn readme_names_every_limit() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let limits = fs::read_to_string(root().join("crates/types/src/limits.rs")).unwrap();
    for line in limits.lines() {
        let Some(rest) = line.strip_prefix("pub const ") else {
            continue;
        };
        let name = rest.split(':').next().unwrap();
        assert!(
            readme.contains(&format!("`{name}`")),
            "README.md does not name the limit {name}"
        );
    }
}
