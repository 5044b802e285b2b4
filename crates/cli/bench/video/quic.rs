//! A camera that sends fragmented MP4 over QUIC.

use std::sync::Arc;

use afflux_client::{Client, Uploader, UploaderOptions};
use afflux_types::StreamName;
use afflux_wire::message::{FragmentAck, FragmentState};
use anyhow::Result;
use bytes::{BufMut as _, Bytes, BytesMut};

use super::frames::{FRAGMENT_BYTES, FRAMES, Footage, Frame, bytes_of};
use super::tape::Tape;
use crate::bench::child::Server;
use crate::bench::load;
use crate::bench::raw::Stopwatch;

const TICKS: u32 = TIMESCALE / 30;
const TIMESCALE: u32 = 90_000;

/// An open connection.
pub(super) struct Link {
    uploader: Uploader,
    /// Its connection ends with it.
    _client: Client,
}

impl Link {
    pub(super) async fn open(
        server: &Server,
        stream: &StreamName,
        footage: &Footage,
        tape: &Arc<Tape>,
        clock: Stopwatch,
    ) -> Result<Self> {
        let client = load::client(server).await?;
        let tape = Arc::clone(tape);
        let on_state = move |ack: &FragmentAck| {
            if ack.state() == FragmentState::Persisted {
                tape.durable(usize::try_from(ack.number).ok(), clock.elapsed());
            }
        };
        let options = UploaderOptions {
            on_state: Some(Arc::new(on_state)),
            ..UploaderOptions::default()
        };
        let mut uploader = client.uploader(stream, options).await?;
        uploader.push(footage.init.bytes().clone()).await?;
        Ok(Self {
            uploader,
            _client: client,
        })
    }

    pub(super) async fn send(&mut self, frame: Frame) -> Result<()> {
        if frame.stamp.is_key() {
            self.uploader
                .push(fragment_head(frame.stamp.fragment))
                .await?;
        }
        self.uploader.push(frame.head).await?;
        self.uploader.push(frame.rest).await?;
        Ok(())
    }

    /// Ends when everything is durable.
    pub(super) async fn finish(self) -> Result<()> {
        self.uploader.finish().await?;
        Ok(())
    }
}

/// What stands before the first frame of a fragment of one track: `moof`, and the head of `mdat`.
fn fragment_head(number: u32) -> Bytes {
    let time = u64::from(number) * u64::from(TICKS) * u64::from(FRAMES);
    let full = |version: u8, flags: u32, body: &[u8]| {
        let mut full = (u32::from(version) << 24 | flags).to_be_bytes().to_vec();
        full.extend_from_slice(body);
        full
    };
    let tfhd = boxed(b"tfhd", &[&full(0, 0x02_0000, &1_u32.to_be_bytes())]);
    let tfdt = boxed(b"tfdt", &[&full(1, 0, &time.to_be_bytes())]);
    // Sizes: 8 + mfhd 16, traf 8 + tfhd 16 + tfdt 20 + trun 20 and 12 for each sample.
    let offset = 8 + 16 + 8 + 16 + 20 + 20 + 12 * FRAMES + 8;
    let mut trun = BytesMut::new();
    trun.put_u32(FRAMES);
    trun.put_u32(offset);
    for frame in 0..FRAMES {
        trun.put_u32(TICKS);
        trun.put_u32(bytes_of(frame));
        // A key frame, then frames that depend on it.
        trun.put_u32(if frame == 0 { 0x0200_0000 } else { 0x0101_0000 });
    }
    let trun = boxed(b"trun", &[&full(0, 0x701, &trun)]);
    let traf = boxed(b"traf", &[&tfhd, &tfdt, &trun]);
    let mfhd = boxed(b"mfhd", &[&full(0, 0, &(number + 1).to_be_bytes())]);
    let mut head = boxed(b"moof", &[&mfhd, &traf]);
    head.extend_from_slice(&(8 + FRAGMENT_BYTES).to_be_bytes());
    head.extend_from_slice(b"mdat");
    head.into()
}

fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let len = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut boxed = u32::try_from(len)
        .unwrap_or(u32::MAX)
        .to_be_bytes()
        .to_vec();
    boxed.extend_from_slice(kind);
    for part in parts {
        boxed.extend_from_slice(part);
    }
    boxed
}
