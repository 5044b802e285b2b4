//! A server as a child process: started, killed, stopped and started again on its own ports.
//!
//! A server that dies unasked makes the next call here fail with its standard error, which is kept
//! in a file over all restarts. The process is killed and reaped when [`Server`] is dropped.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::wait;

/// How a server is to be started.
#[derive(Clone, Debug)]
pub struct Plan {
    binary: PathBuf,
    data_dir: PathBuf,
    addresses: Option<(SocketAddr, SocketAddr)>,
    args: Vec<String>,
    stderr: PathBuf,
}

/// A running server, or one that was killed and waits for its restart.
#[derive(Debug)]
pub struct Server {
    plan: Plan,
    child: Option<Child>,
    ready: Ready,
}

/// What the server says when it is ready.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Where it takes QUIC.
    pub quic: SocketAddr,
    /// Where it takes HTTP.
    pub http: SocketAddr,
    /// The SHA-256 of its certificate.
    pub fingerprint: String,
}

/// A server that ended before it was ready.
#[derive(Debug)]
pub struct Refused {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to the standard error.
    pub stderr: String,
}

impl Plan {
    /// A server of `binary` on loopback that keeps its data in `data_dir`.
    #[must_use]
    pub fn new(binary: impl Into<PathBuf>, data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        let stderr = data_dir.with_extension("stderr");
        Self {
            binary: binary.into(),
            data_dir,
            addresses: None,
            args: Vec::new(),
            stderr,
        }
    }

    /// Keeps the standard error in this file instead of one beside the data.
    #[must_use]
    pub fn stderr(mut self, file: impl Into<PathBuf>) -> Self {
        self.stderr = file.into();
        self
    }

    /// Adds arguments to the command line.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    /// Listens at these addresses instead of free ones on loopback.
    #[must_use]
    pub fn listen(mut self, quic: SocketAddr, http: SocketAddr) -> Self {
        self.addresses = Some((quic, http));
        self
    }

    /// Starts the server and returns when it is ready.
    ///
    /// # Errors
    /// [`Refused`] if it ends before that.
    pub fn try_start(mut self) -> Result<Server, Refused> {
        let chosen = self.addresses.is_some();
        loop {
            let (quic, http) = self.addresses.unwrap_or_else(free_addresses);
            match self.spawn(quic, http) {
                Ok((child, ready)) => {
                    // A restart has to come back where its clients look for it.
                    self.addresses = Some((ready.quic, ready.http));
                    return Ok(Server {
                        plan: self,
                        child: Some(child),
                        ready,
                    });
                }
                Err(refused)
                    if !chosen
                        && refused.stderr.contains("in use")
                        && !refused.stderr.contains("LOCK") => {}
                Err(refused) => return Err(refused),
            }
        }
    }

    /// Starts the server and returns when it is ready.
    ///
    /// # Panics
    /// If it ends before that.
    #[must_use]
    pub fn start(self) -> Server {
        match self.try_start() {
            Ok(server) => server,
            Err(refused) => panic!(
                "the server ended with {}:\n{}",
                refused.status, refused.stderr
            ),
        }
    }

    fn spawn(&self, quic: SocketAddr, http: SocketAddr) -> Result<(Child, Ready), Refused> {
        let written_before = fs::metadata(&self.stderr).map_or(0, |metadata| metadata.len());
        let (mut child, stdout) = self.launch(quic, http);
        match read_ready(stdout) {
            Some(ready) => Ok((child, ready)),
            None => Err(Refused {
                status: child.wait().expect("a child can be waited for"),
                stderr: read_from(&self.stderr, written_before),
            }),
        }
    }

    fn launch(&self, quic: SocketAddr, http: SocketAddr) -> (Child, ChildStdout) {
        let stderr = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.stderr);
        let stderr =
            stderr.unwrap_or_else(|error| panic!("open {}: {error}", self.stderr.display()));
        let mut command = Command::new(&self.binary);
        // The machine's own settings must not change what a test sees.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AFFLUX_")) {
            command.env_remove(name);
        }
        let mut child = command
            .arg("serve")
            .arg("--data-dir")
            .arg(&self.data_dir)
            .args(["--quic", &quic.to_string(), "--http", &http.to_string()])
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("start {}: {error}", self.binary.display()));
        let stdout = child.stdout.take().expect("the standard output was piped");
        (child, stdout)
    }
}

impl Server {
    /// Kills the server as a power switch would: no signal handler runs.
    ///
    /// # Panics
    /// If it had ended by itself before.
    pub fn kill(&mut self) {
        let mut child = self.running();
        child.kill().expect("a running child can be killed");
        child.wait().expect("a child can be waited for");
    }

    /// Asks the server to stop with SIGTERM and returns how it ended.
    ///
    /// # Panics
    /// If it had ended by itself before, or does not end.
    pub fn terminate(&mut self) -> ExitStatus {
        let mut child = self.running();
        kill_process(pid_of(&child), Signal::TERM).expect("a running child takes signals");
        wait::until("the server has stopped", || {
            child.try_wait().expect("a child can be waited for")
        })
    }

    /// Starts the server again on the same ports and directory.
    ///
    /// # Panics
    /// If it still runs, or ends before it is ready.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "the server still runs");
        let (child, ready) = self
            .plan
            .spawn(self.ready.quic, self.ready.http)
            .unwrap_or_else(|refused| {
                panic!(
                    "the restarted server ended with {}:\n{}",
                    refused.status, refused.stderr
                )
            });
        self.child = Some(child);
        self.ready = ready;
    }

    /// Starts the server again and kills it while it is still starting, after `pauses` moments.
    ///
    /// # Panics
    /// If it still runs.
    pub fn stumble(&mut self, pauses: u32) {
        assert!(self.child.is_none(), "the server still runs");
        let (mut child, _stdout) = self.plan.launch(self.ready.quic, self.ready.http);
        (0..pauses).for_each(|_| wait::pause());
        let _ = child.kill();
        let _ = child.wait();
    }

    /// What it said when it became ready.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Where it takes QUIC.
    #[must_use]
    pub fn quic(&self) -> SocketAddr {
        self.ready.quic
    }

    /// Where it takes HTTP.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.ready.http
    }

    /// Where it keeps its data.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.plan.data_dir
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Everything that it and its predecessors wrote to the standard error.
    #[must_use]
    pub fn stderr(&self) -> String {
        read_from(&self.plan.stderr, 0)
    }

    /// Bytes of memory that are its own: not shared, not mapped from a file.
    ///
    /// The mapped log is page cache, which the system takes back; what a slow client could make
    /// grow is this.
    ///
    /// # Panics
    /// If the process does not run.
    #[must_use]
    pub fn anonymous_bytes(&self) -> u64 {
        let child = self.child.as_ref().expect("the server runs");
        let path = format!("/proc/{}/smaps_rollup", child.id());
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {path}: {error}"));
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Anonymous:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kilobytes: u64 = kilobytes
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("{path} has no line Anonymous"));
        kilobytes << 10
    }

    fn running(&mut self) -> Child {
        let mut child = self.child.take().expect("the server runs");
        if let Ok(Some(status)) = child.try_wait() {
            panic!(
                "the server had ended by itself with {status}:\n{}",
                self.stderr()
            );
        }
        child
    }
}

impl Drop for Server {
    #[expect(
        clippy::print_stderr,
        reason = "the reader of a failed test needs the server's words"
    )]
    fn drop(&mut self) {
        if thread::panicking() {
            let stderr = self.stderr();
            let tail: Vec<&str> = stderr.lines().rev().take(40).collect();
            eprintln!("the server's last words:");
            tail.iter().rev().for_each(|line| eprintln!("  {line}"));
        }
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Reads the line that says where the server listens, and drains what may follow.
fn read_ready(stdout: ChildStdout) -> Option<Ready> {
    let mut lines = BufReader::new(stdout);
    let mut line = String::new();
    lines.read_line(&mut line).ok().filter(|&len| len > 0)?;
    let value: Value = serde_json::from_str(&line)
        .unwrap_or_else(|error| panic!("the server's first line is not JSON: {error}: {line}"));
    let field = |name: &str| {
        let text = value.get(name).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("the server's first line has no {name}: {line}"))
            .to_owned()
    };
    let address = |name: &str| {
        let text = field(name);
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not an address: {text}"))
    };
    let ready = Ready {
        quic: address("quic"),
        http: address("http"),
        fingerprint: field("fingerprint"),
    };
    // A full pipe would stop the server.
    thread::Builder::new()
        .name("server-stdout".into())
        .spawn(move || std::io::copy(&mut lines, &mut std::io::sink()))
        .expect("a thread can be started");
    Some(ready)
}

fn read_from(path: &Path, offset: u64) -> String {
    let skip = usize::try_from(offset).expect("a log of errors is short");
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    read.map_or_else(
        |error| format!("(read {}: {error})", path.display()),
        |_| String::from_utf8_lossy(bytes.get(skip..).unwrap_or_default()).into_owned(),
    )
}

/// Two free ports on loopback below the range that the system gives to clients, so that none of
/// them takes a server's port while it restarts.
fn free_addresses() -> (SocketAddr, SocketAddr) {
    (
        next_port(|address| UdpSocket::bind(address).is_ok()),
        next_port(|address| TcpListener::bind(address).is_ok()),
    )
}

fn next_port(is_free: impl Fn(SocketAddr) -> bool) -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 18_000;
    // Several test processes start at different places.
    let origin = std::process::id() % u32::from(COUNT);
    let origin = u16::try_from(origin).expect("less than COUNT");
    wait::until("a port is free", || {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + origin.wrapping_add(step) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        is_free(address).then_some(address)
    })
}
