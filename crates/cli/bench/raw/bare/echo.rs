//! Both ends of the echo: one message of a fixed size at a time, there and back on one stream.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use hdrhistogram::Histogram;
use quinn::{ReadExactError, RecvStream, SendStream};
use tokio::time::{MissedTickBehavior, interval};

use super::super::{Stopwatch, noise};
use super::Latency;

/// The largest message that a request may ask the server to buffer.
const MESSAGE_BYTES_MAX: u32 = 1 << 20;
/// Round trips that warm the path up before any is counted.
const WARM_UP: u32 = 200;
/// How often the background load writes: finer than tokio's timer makes no sense.
const BACKGROUND_TICK: Duration = Duration::from_millis(2);

/// Sends every message back until the client ends the stream; returns the count of bytes.
pub(super) async fn answer(
    send: &mut SendStream,
    receive: &mut RecvStream,
    bytes: u32,
) -> Result<u64> {
    if bytes > MESSAGE_BYTES_MAX {
        bail!("a message of {bytes} bytes is above the limit of {MESSAGE_BYTES_MAX}");
    }
    let mut message = vec![0; usize::try_from(bytes).context("length of a message")?];
    let mut total = 0_u64;
    loop {
        match receive.read_exact(&mut message).await {
            Ok(()) => {}
            Err(ReadExactError::FinishedEarly(0)) => break,
            Err(error) => return Err(error).context("receive a message"),
        }
        send.write_all(&message).await.context("answer a message")?;
        total += u64::from(bytes);
    }
    send.finish().context("finish an echo")?;
    Ok(total)
}

/// Sends messages of `bytes` and awaits each, for `limit`.
pub(super) async fn ask(
    send: &mut SendStream,
    receive: &mut RecvStream,
    bytes: u32,
    limit: Duration,
) -> Result<Latency> {
    let message = noise(usize::try_from(bytes).context("length of a message")?);
    let mut answer = vec![0; message.len()];
    let mut times = Histogram::<u64>::new(3)?;
    let mut turn = 0_u32;
    let mut clock = Stopwatch::start();
    while clock.elapsed() < limit {
        let trip = Stopwatch::start();
        send.write_all(&message).await.context("send a message")?;
        receive
            .read_exact(&mut answer)
            .await
            .context("receive an answer")?;
        if turn < WARM_UP {
            turn += 1;
            clock = Stopwatch::start();
        } else {
            times.record(u64::try_from(trip.elapsed().as_nanos())?)?;
        }
    }
    send.finish().context("finish an echo")?;
    let percentile = |of: f64| times.value_at_percentile(of) as f64 / 1e3;
    Ok(Latency {
        count: times.len(),
        p50_us: percentile(50.0),
        p99_us: percentile(99.0),
        p999_us: percentile(99.9),
    })
}

/// Writes constant bytes at a steady rate until it is dropped.
pub(super) async fn background(stream: &mut SendStream, bytes_per_second: u64) -> Result<()> {
    let ticks_per_second = 1_000 / u64::try_from(BACKGROUND_TICK.as_millis())?;
    let chunk = Bytes::from(noise(usize::try_from(bytes_per_second / ticks_per_second)?));
    let mut ticks = interval(BACKGROUND_TICK);
    // After a stall the rate goes on as before instead of catching up in a burst.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        stream
            .write_chunk(chunk.clone())
            .await
            .context("write in the background")?;
    }
}
