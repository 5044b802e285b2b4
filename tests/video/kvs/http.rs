//! HTTP/1.1 by hand: requests whose bodies are still being written while their answers come.

use std::io;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request under way.
#[derive(Debug)]
pub(super) struct Exchange {
    stream: TcpStream,
    /// What came and was not taken yet, framing included.
    raw: Vec<u8>,
    /// Body bytes that were not taken yet.
    body: Vec<u8>,
    framing: Framing,
}

/// How the end of an answer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// The head has not come yet.
    Head,
    Chunks,
    Length(usize),
    End,
}

impl Exchange {
    /// Begins a request with a body in chunks.
    pub(super) async fn begin(
        server: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Self> {
        let mut exchange = Self {
            stream: TcpStream::connect(server).await?,
            raw: Vec::new(),
            body: Vec::new(),
            framing: Framing::Head,
        };
        exchange.stream.set_nodelay(true)?;
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: {server}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
        exchange.stream.write_all(head.as_bytes()).await?;
        Ok(exchange)
    }

    /// Sends a piece of the body.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let head = format!("{:x}\r\n", bytes.len());
        let chunk = [head.as_bytes(), bytes, b"\r\n"].concat();
        self.stream.write_all(&chunk).await
    }

    /// Ends the body.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        self.stream.write_all(b"0\r\n\r\n").await
    }

    /// The next line of the answer's body; none at its end.
    pub(super) async fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.body.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.body.drain(..=end).collect();
                return Ok(Some(String::from_utf8(line).unwrap().trim().to_owned()));
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// The rest of the answer's body.
    pub(super) async fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.read().await? {}
        Ok(std::mem::take(&mut self.body))
    }

    /// Reads more of the body; false at its end.
    async fn read(&mut self) -> io::Result<bool> {
        loop {
            let before = self.body.len();
            while self.step() {}
            if self.framing == Framing::End {
                return Ok(self.body.len() > before);
            }
            if self.body.len() > before {
                return Ok(true);
            }
            if self.stream.read_buf(&mut self.raw).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Takes what it can of what came; false if it needs more.
    fn step(&mut self) -> bool {
        match self.framing {
            Framing::End => false,
            Framing::Head => match self.take_until(b"\r\n\r\n") {
                Some(head) => {
                    self.framing = framing(&String::from_utf8(head).unwrap());
                    true
                }
                None => false,
            },
            Framing::Length(length) => {
                let some = length.min(self.raw.len());
                self.body.extend(self.raw.drain(..some));
                self.framing = match length - some {
                    0 => Framing::End,
                    left => Framing::Length(left),
                };
                some > 0
            }
            Framing::Chunks => self.take_chunk(),
        }
    }

    fn take_chunk(&mut self) -> bool {
        let Some(line) = self.raw.windows(2).position(|pair| pair == b"\r\n") else {
            return false;
        };
        let size = std::str::from_utf8(&self.raw[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let end = line + 2 + size + 2;
        if self.raw.len() < end {
            return false;
        }
        self.body.extend_from_slice(&self.raw[line + 2..end - 2]);
        self.raw.drain(..end);
        if size == 0 {
            self.framing = Framing::End;
        }
        true
    }

    fn take_until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        let at = self.raw.windows(mark.len()).position(|some| some == mark)?;
        Some(self.raw.drain(..at + mark.len()).collect())
    }
}

/// What an answer's head says of its body. An interim answer has none, and another head behind it.
fn framing(head: &str) -> Framing {
    let head = head.to_ascii_lowercase();
    if head.starts_with("http/1.1 100") {
        return Framing::Head;
    }
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    match length {
        Some("0") => Framing::End,
        Some(length) => Framing::Length(length.parse().unwrap()),
        None => Framing::Chunks,
    }
}

/// Asks one operation and returns its whole answer, which must be a success.
pub(super) async fn ask(server: SocketAddr, path: &str, input: &Value) -> Vec<u8> {
    let headers = [("Content-Type", "application/json")];
    let mut exchange = Exchange::begin(server, path, &headers).await.unwrap();
    exchange.send(input.to_string().as_bytes()).await.unwrap();
    exchange.finish().await.unwrap();
    exchange.rest().await.unwrap()
}

/// As [`ask`], for an answer in JSON.
pub(super) async fn ask_json(server: SocketAddr, path: &str, input: &Value) -> Value {
    match ask(server, path, input).await.as_slice() {
        [] => Value::Null,
        answer => serde_json::from_slice(answer).unwrap(),
    }
}
