//! The `afflux` program as a user runs it: arguments in, exit code and two outputs back.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::wait;

/// The program, and the server that it talks to.
#[derive(Clone, Debug)]
pub struct Afflux {
    binary: PathBuf,
    server: Option<SocketAddr>,
    env: Vec<(String, String)>,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    what: String,
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The bytes of the standard output.
    pub stdout: Vec<u8>,
    /// The text of the standard error.
    pub stderr: String,
}

/// A program that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    what: String,
    child: Child,
    /// Its standard input, until it is taken or closed.
    pub stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: tempfile::NamedTempFile,
}

impl Afflux {
    /// The program at `binary`, without a server.
    #[must_use]
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            server: None,
            env: Vec::new(),
        }
    }

    /// The same program with another server.
    #[must_use]
    pub fn at(&self, server: SocketAddr) -> Self {
        Self {
            server: Some(server),
            ..self.clone()
        }
    }

    /// The same program with a variable in its environment.
    #[must_use]
    pub fn env(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.env.push((name.to_owned(), value.to_owned()));
        other
    }

    /// Starts the program.
    #[must_use]
    pub fn spawn(&self, args: &[impl AsRef<OsStr>]) -> Running {
        self.spawn_with(args, Stdio::piped(), Stdio::piped())
    }

    /// Runs the program to its end with nothing on its standard input.
    #[must_use]
    pub fn run(&self, args: &[impl AsRef<OsStr>]) -> Ended {
        self.spawn_with(args, Stdio::null(), Stdio::piped()).wait()
    }

    /// Runs the program to its end with `input` on its standard input.
    #[must_use]
    pub fn run_with(&self, args: &[impl AsRef<OsStr>], input: &[u8]) -> Ended {
        let mut running = self.spawn(args);
        running.feed(input.to_vec());
        running.wait()
    }

    /// Starts the program with these ends of its pipes.
    #[must_use]
    pub fn spawn_with(&self, args: &[impl AsRef<OsStr>], stdin: Stdio, stdout: Stdio) -> Running {
        let words: Vec<String> = args
            .iter()
            .map(|arg| arg.as_ref().to_string_lossy().into_owned())
            .collect();
        let what = format!("afflux {}", words.join(" "));
        let stderr = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        let mut command = Command::new(&self.binary);
        // The machine's own settings must not change what a test sees.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AFFLUX_")) {
            command.env_remove(name);
        }
        if let Some(server) = self.server {
            command.env("AFFLUX_SERVER", server.to_string());
        }
        let mut child = command
            .args(args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr.reopen().expect("a temporary file can be opened"))
            .spawn()
            .unwrap_or_else(|error| panic!("start {what}: {error}"));
        Running {
            what,
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(BufReader::new),
            child,
            stderr,
        }
    }
}

impl Running {
    /// Writes `input` from a thread of its own and closes the standard input after it.
    ///
    /// A program that ends before it has read everything is no failure here.
    pub fn feed(&mut self, input: Vec<u8>) {
        let mut stdin = self.stdin.take().expect("the standard input is still open");
        thread::Builder::new()
            .name("feed".into())
            .spawn(move || {
                let _ = stdin.write_all(&input);
            })
            .expect("a thread can be started");
    }

    /// Writes to the standard input, which stays open.
    ///
    /// # Panics
    /// If it was taken or closed.
    pub fn write(&mut self, input: &[u8]) {
        let stdin = self
            .stdin
            .as_mut()
            .expect("the standard input is still open");
        let written = stdin.write_all(input).and_then(|()| stdin.flush());
        if let Err(error) = written {
            panic!("write to {}: {error}\n{}", self.what, self.stderr());
        }
    }

    /// The next line of the standard output without its end; `None` when there are no more.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let stdout = self.stdout.as_mut().expect("the standard output is piped");
        let len = stdout
            .read_line(&mut line)
            .unwrap_or_else(|error| panic!("read {}: {error}", self.what));
        (len > 0).then(|| line.trim_end_matches('\n').to_owned())
    }

    /// Gives away the standard output, for another program to read.
    ///
    /// # Panics
    /// If it was given away before.
    #[must_use]
    pub fn take_stdout(&mut self) -> ChildStdout {
        self.stdout
            .take()
            .expect("the standard output is still here")
            .into_inner()
    }

    /// What it wrote to the standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        let bytes = std::fs::read(self.stderr.path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to stop with SIGTERM.
    ///
    /// # Panics
    /// If it has ended.
    pub fn terminate(&self) {
        // Not an interrupt: a shell's background jobs, and so everything below them, ignore it.
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    }

    /// Closes the standard input, reads the rest of the output and waits for the end.
    ///
    /// # Panics
    /// If it does not end.
    #[must_use]
    pub fn wait(mut self) -> Ended {
        drop(self.stdin.take());
        let mut stdout = self.stdout.take();
        let reader = thread::Builder::new().name("stdout".into()).spawn(move || {
            let mut bytes = Vec::new();
            if let Some(stdout) = &mut stdout {
                let _ = stdout.read_to_end(&mut bytes);
            }
            bytes
        });
        let reader = reader.expect("a thread can be started");
        let status = wait::until(&format!("`{}` has ended", self.what), || {
            self.child.try_wait().expect("a child can be waited for")
        });
        Ended {
            what: self.what.clone(),
            code: status.code(),
            stdout: reader.join().expect("reading does not panic"),
            stderr: self.stderr(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The standard output as text, after checking that the exit code is 0.
    ///
    /// # Panics
    /// If the exit code is another, or the output is no text.
    pub fn ok(&self) -> &str {
        self.ok_bytes();
        self.text()
    }

    /// The bytes of the standard output, after checking that the exit code is 0.
    ///
    /// # Panics
    /// If the exit code is another.
    pub fn ok_bytes(&self) -> &[u8] {
        assert_eq!(self.code, Some(0), "{} failed: {}", self.what, self.stderr);
        &self.stdout
    }

    /// The standard error, after checking that the exit code is `code`.
    ///
    /// # Panics
    /// If the exit code is another, or the standard error is empty.
    pub fn fails(&self, code: i32) -> &str {
        assert_eq!(
            self.code,
            Some(code),
            "{} ended otherwise\nstdout: {}\nstderr: {}",
            self.what,
            String::from_utf8_lossy(&self.stdout),
            self.stderr
        );
        assert!(
            !self.stderr.trim().is_empty(),
            "{} failed without a word",
            self.what
        );
        assert!(
            !self.stderr.contains("panicked at"),
            "{} panicked: {}",
            self.what,
            self.stderr
        );
        &self.stderr
    }

    /// The standard output as text.
    ///
    /// # Panics
    /// If it is not text.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap_or_else(|_| panic!("{} wrote no text", self.what))
    }

    /// The standard output as one JSON document, after checking that the exit code is 0.
    ///
    /// # Panics
    /// If it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        let text = self.ok();
        serde_json::from_str(text)
            .unwrap_or_else(|error| panic!("{}: {error}: {text:?}", self.what))
    }

    /// The standard output as one JSON document per line.
    ///
    /// # Panics
    /// If it is not, or the exit code is not 0.
    #[must_use]
    pub fn json_lines(&self) -> Vec<Value> {
        let parse = |line| {
            serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{}: {error}: {line:?}", self.what))
        };
        self.ok().lines().map(parse).collect()
    }
}
