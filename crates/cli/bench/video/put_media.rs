//! A camera that sends Matroska by `PutMedia`: HTTP/1.1 by hand, one chunk for each frame, so that
//! nothing between the camera and the socket holds frames back.
//!
//! Behind the last frame of a fragment stands the tag that says so, as the producer SDKs write it when
//! they end: without it a fragment would be complete only when the next one starts.

use std::sync::Arc;

use afflux_media::mkv;
use afflux_types::{Clock, StreamName};
use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;

use super::frames::{FRAGMENT_TIME, FRAMES, Footage, Frame};
use super::tape::Tape;
use crate::bench::raw::Stopwatch;

/// Identifiers of Matroska elements.
const CLUSTER: u32 = 0x1F43_B675;
const TIMESTAMP: u8 = 0xE7;
const SIMPLE_BLOCK: u8 = 0xA3;
/// Sizes of eight bytes: the marker, and what says that the size is not known.
const SIZE_MARKER: u64 = 1 << 56;
const SIZE_UNKNOWN: u64 = SIZE_MARKER | (SIZE_MARKER - 1);
/// The flag of a frame that needs no other.
const KEY_FLAG: u8 = 0x80;
const FRAGMENT_MS: u64 = FRAGMENT_TIME.as_secs() * 1_000;

/// An open connection.
pub(super) struct Link {
    stream: OwnedWriteHalf,
    /// The timestamp of the first fragment, in milliseconds.
    first_ms: u64,
    acks: JoinHandle<Result<()>>,
}

impl Link {
    pub(super) async fn open(
        authority: &str,
        stream: &StreamName,
        footage: &Footage,
        tape: &Arc<Tape>,
        clock: Stopwatch,
    ) -> Result<Self> {
        let connected = TcpStream::connect(authority).await;
        let connected = connected.with_context(|| format!("connect to {authority}"))?;
        connected.set_nodelay(true)?;
        let (reading, writing) = connected.into_split();
        let first_ms = u64::try_from(Clock::system().wall().as_millis())?;
        let head = format!(
            "POST /putMedia HTTP/1.1\r\nHost: {authority}\r\nx-amzn-stream-name: {stream}\r\n\
             x-amzn-fragment-timecode-type: ABSOLUTE\r\nx-amzn-producer-start-timestamp: 0\r\n\
             x-amzn-fragment-acknowledgment-required: 1\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
        );
        let mut lines = BufReader::new(reading).lines();
        let mut link = Self {
            stream: writing,
            first_ms,
            acks: tokio::spawn(async { Ok(()) }),
        };
        link.stream.write_all(head.as_bytes()).await?;
        accepted(&mut lines).await?;
        link.acks = tokio::spawn(follow(lines, first_ms, Arc::clone(tape), clock));
        link.chunk(BytesMut::new(), mkv::header(&footage.init))
            .await?;
        Ok(link)
    }

    pub(super) async fn send(&mut self, frame: Frame) -> Result<()> {
        let stamp = frame.stamp;
        let mut head = BytesMut::new();
        if stamp.is_key() {
            head.put_u32(CLUSTER);
            head.put_u64(SIZE_UNKNOWN);
            head.put_u8(TIMESTAMP);
            head.put_u64(SIZE_MARKER | 8);
            head.put_u64(self.first_ms + u64::from(stamp.fragment) * FRAGMENT_MS);
        }
        let time = u64::from(stamp.frame) * FRAGMENT_MS / u64::from(FRAMES);
        head.put_u8(SIMPLE_BLOCK);
        head.put_u64(SIZE_MARKER | u64::try_from(4 + frame.len())?);
        // The track's number, as an element's size is written.
        head.put_u8(0x81);
        head.put_i16(i16::try_from(time)?);
        head.put_u8(if stamp.is_key() { KEY_FLAG } else { 0 });
        head.extend_from_slice(&frame.head);
        self.chunk(head, frame.rest).await?;
        if stamp.is_last() {
            let end = mkv::tags([(mkv::END_OF_FRAGMENT, "")]);
            self.chunk(BytesMut::new(), end).await?;
        }
        Ok(())
    }

    /// Ends when the server has acknowledged everything.
    pub(super) async fn finish(mut self) -> Result<()> {
        self.stream.write_all(b"0\r\n\r\n").await?;
        self.acks.await.context("reading acks panicked")?
    }

    async fn chunk(&mut self, head: BytesMut, rest: Bytes) -> Result<()> {
        let size = format!("{:x}\r\n", head.len() + rest.len());
        let pieces = Bytes::from(size).chain(head.freeze());
        let mut pieces = pieces.chain(rest).chain(&b"\r\n"[..]);
        let sent = self.stream.write_all_buf(&mut pieces).await;
        sent.context("send a frame")
    }
}

/// Reads the heads of the answer: that it goes on, and that the request is taken.
async fn accepted(lines: &mut Lines<BufReader<OwnedReadHalf>>) -> Result<()> {
    loop {
        let status = lines.next_line().await?.context("no answer")?;
        while lines
            .next_line()
            .await?
            .is_some_and(|line| !line.is_empty())
        {}
        match status.split(' ').nth(1) {
            Some("100") => {}
            Some("200") => return Ok(()),
            _ => bail!("PutMedia was answered {status:?}"),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ack {
    event_type: String,
    fragment_timecode: Option<u64>,
}

/// Reads acknowledgements, each in a chunk of its own, until the answer ends.
async fn follow(
    mut lines: Lines<BufReader<OwnedReadHalf>>,
    first_ms: u64,
    tape: Arc<Tape>,
    clock: Stopwatch,
) -> Result<()> {
    while let Some(line) = lines.next_line().await.context("read an ack")? {
        // The end of the chunks.
        if line == "0" {
            return Ok(());
        }
        if !line.starts_with('{') {
            continue;
        }
        let now = clock.elapsed();
        let ack: Ack = serde_json::from_str(&line).with_context(|| format!("read {line:?}"))?;
        ensure!(
            ack.event_type != "ERROR",
            "PutMedia was answered an error: {line}"
        );
        if ack.event_type == "PERSISTED" {
            let number = ack
                .fragment_timecode
                .and_then(|time| Some(time.checked_sub(first_ms)? / FRAGMENT_MS))
                .and_then(|number| usize::try_from(number).ok());
            tape.durable(number, now);
        }
    }
    bail!("PutMedia's answer was cut")
}
