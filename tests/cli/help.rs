//! Help, versions, and what is typed wrongly.

use afflux_testkit::command::Afflux;

use crate::support::BINARY;

const COMMANDS: &[&[&str]] = &[
    &[],
    &["serve"],
    &["demo"],
    &["stream"],
    &["stream", "create"],
    &["stream", "list"],
    &["stream", "describe"],
    &["stream", "delete"],
    &["stream", "split"],
    &["stream", "merge"],
    &["put"],
    &["tail"],
    &["consumer"],
    &["consumer", "register"],
    &["consumer", "list"],
    &["consumer", "deregister"],
    &["video"],
    &["video", "create"],
    &["video", "put"],
    &["video", "pull"],
    &["video", "list"],
    &["video", "clip"],
    &["video", "tail"],
    &["delivery"],
    &["delivery", "create"],
    &["delivery", "list"],
    &["delivery", "describe"],
    &["delivery", "update"],
    &["delivery", "verify"],
    &["delivery", "pause"],
    &["delivery", "resume"],
    &["delivery", "replay"],
    &["delivery", "delete"],
    &["aws-env"],
    &["check"],
    &["bench"],
];

#[test]
fn every_command_explains_itself() {
    let afflux = Afflux::new(BINARY);
    for command in COMMANDS {
        let help = afflux.run(&[command, &["--help"][..]].concat());
        let text = help.ok();
        assert!(text.contains("Usage: afflux"), "{command:?}: {text}");
        let about = text.lines().next().unwrap();
        assert!(
            about.len() > 10 && !about.starts_with("Usage"),
            "{command:?} has no sentence about it"
        );
    }
}

#[test]
fn commands_that_one_does_not_guess_have_examples() {
    let afflux = Afflux::new(BINARY);
    for command in [
        &[][..],
        &["serve"],
        &["demo"],
        &["stream", "create"],
        &["stream", "split"],
        &["put"],
        &["tail"],
        &["video", "put"],
        &["video", "pull"],
        &["video", "clip"],
        &["video", "tail"],
        &["check"],
        &["bench"],
    ] {
        let help = afflux.run(&[command, &["--help"]].concat());
        assert!(
            help.ok().contains("Examples:\n  afflux") || help.text().contains("| afflux"),
            "{command:?}"
        );
    }
}

#[test]
fn wrong_usage_ends_with_2_and_a_word_on_the_right_one() {
    let afflux = Afflux::new(BINARY);
    for args in [
        &[][..],
        &["strem"],
        &["stream"],
        &["stream", "create"],
        &["tail"],
        &["put", "s", "--unknown"],
        &["video", "clip", "cam"],
        &["stream", "list", "--output", "xml"],
    ] {
        let refused = afflux.run(args);
        let words = refused.fails(2);
        assert!(
            words.contains("Usage") || words.contains("usage") || words.contains("--help"),
            "{args:?}: {words}"
        );
        assert!(
            refused.stdout.is_empty(),
            "{args:?} wrote to the standard output"
        );
    }
}

#[test]
fn the_version_is_the_packages() {
    let afflux = Afflux::new(BINARY);
    let version = afflux.run(&["--version"]);
    assert_eq!(
        version.ok().trim(),
        format!("afflux {}", env!("CARGO_PKG_VERSION"))
    );
}
