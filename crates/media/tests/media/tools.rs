//! ffmpeg and ffprobe, run on bytes.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;

pub(crate) const INSTALL: &str =
    "ffmpeg and ffprobe must be on PATH (Debian: apt-get install ffmpeg)";

/// What a tool printed and whether it had anything to complain about.
pub(crate) struct Said {
    pub(crate) output: String,
    pub(crate) complaints: String,
    pub(crate) is_ok: bool,
}

/// Runs a tool that reads `input` from its standard input.
pub(crate) fn tool(name: &str, arguments: &[&str], input: &[u8]) -> Said {
    let mut child = Command::new(name)
        .args(["-hide_banner", "-loglevel", "warning"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect(INSTALL);
    let mut stdin = child.stdin.take().expect("it was piped");
    let output = thread::scope(|scope| {
        // The tool may stop reading before the end; what it says about that is what counts.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().expect("it was started")
    });
    Said {
        output: String::from_utf8(output.stdout).expect("tools write text"),
        complaints: String::from_utf8_lossy(&output.stderr).into_owned(),
        is_ok: output.status.success(),
    }
}

/// What ffprobe shows of each stream.
pub(crate) fn probe(arguments: &[&str], input: &[u8]) -> Said {
    let arguments = [arguments, &["-of", "csv=p=0", "-i", "pipe:0"]];
    tool("ffprobe", &arguments.concat(), input)
}

/// The frames of each stream, decoded; nothing may be worth a warning.
pub(crate) fn frames(input: &[u8]) -> Vec<u32> {
    let entries = "stream=nb_read_frames";
    let said = probe(&["-count_frames", "-show_entries", entries], input);
    assert!(
        said.is_ok && said.complaints.is_empty(),
        "ffprobe: {}",
        said.complaints
    );
    said.output
        .lines()
        .map(|line| line.trim_end_matches(',').parse().expect("a count"))
        .collect()
}

/// A hash over the bytes of all packets of each stream.
pub(crate) fn packets(input: &[u8]) -> String {
    streamhash(&["-c", "copy"], input)
}

/// A hash over what each stream is with these options.
pub(crate) fn streamhash(options: &[&str], input: &[u8]) -> String {
    let arguments = [
        &["-i", "pipe:0", "-map", "0"],
        options,
        &["-f", "streamhash", "-hash", "md5", "-"],
    ];
    let said = tool("ffmpeg", &arguments.concat(), input);
    assert!(said.is_ok, "ffmpeg: {}", said.complaints);
    said.output
}

/// Decodes everything; the first error ends it.
pub(crate) fn decodes(input: &[u8]) {
    let said = tool(
        "ffmpeg",
        &["-xerror", "-i", "pipe:0", "-map", "0", "-f", "null", "-"],
        input,
    );
    // Raw sound does not say where its channels are.
    let complaints = said.complaints.lines();
    let complaints: Vec<&str> = complaints
        .filter(|line| !line.is_empty() && !line.contains("Guessed Channel Layout"))
        .collect();
    assert!(
        said.is_ok && complaints.is_empty(),
        "ffmpeg: {complaints:?}"
    );
}
