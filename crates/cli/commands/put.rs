//! `afflux put`: each line of the input becomes a record.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use afflux_client::{Producer, ProducerOptions};
use afflux_types::limits::RECORD_BYTES_MAX;
use afflux_types::{PartitionKey, StreamName};
use anyhow::{Context, Result, bail};
use serde_json::json;
use tokio::fs::File;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, BufReader};

use super::connect::connect;
use crate::args::Put;
use crate::printer::{Printer, Usage, usage};

pub(crate) async fn run(args: Put) -> Result<ExitCode> {
    let stream: StreamName = usage(args.stream.parse())?;
    if let Some(key) = &args.key {
        usage(PartitionKey::check(key.as_bytes()))?;
    }
    let mut input = open(&args.lines).await?;
    let client = connect(&args.connection).await?;
    let options = ProducerOptions {
        linger: Duration::from_millis(1),
        ..ProducerOptions::default()
    };
    let producer = client.producer(&stream, options).await?;
    let mut printer = Printer::new(args.connection.output);
    let bar = printer.progress(None);
    let mut line = Vec::new();
    let mut records = 0_u64;
    while read_line(&mut input, &mut line).await? {
        send(&producer, args.key.as_deref(), &line).await?;
        records += 1;
        bar.inc(u64::try_from(line.len()).unwrap_or(0));
    }
    producer.flush().await?;
    bar.finish_and_clear();
    let value = json!({ "stream": stream.as_str(), "records": records });
    printer.result(&value, || {
        format!("{records} records are durable in {stream}")
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn send(producer: &Producer, key: Option<&str>, line: &[u8]) -> Result<()> {
    match key {
        Some(key) => producer.send(key, line).await?,
        None => {
            let key = format!("{:016x}", rand::random::<u64>());
            producer.send(&key, line).await?;
        }
    }
    Ok(())
}

/// Opens a file, or the standard input for `-`.
pub(crate) async fn open(path: &Path) -> Result<BufReader<Box<dyn AsyncRead + Unpin + Send>>> {
    let input: Box<dyn AsyncRead + Unpin + Send> = if path == Path::new("-") {
        Box::new(tokio::io::stdin())
    } else {
        let file = File::open(path).await;
        Box::new(file.map_err(|error| Usage(format!("open {}: {error}", path.display())))?)
    };
    Ok(BufReader::with_capacity(256 << 10, input))
}

/// Reads a line without its end into `line`; false at the end of the input.
///
/// A line longer than any record ends the command before it is held whole.
async fn read_line(input: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> Result<bool> {
    line.clear();
    loop {
        let chunk = input.fill_buf().await.context("read the input")?;
        if chunk.is_empty() {
            return Ok(!line.is_empty());
        }
        let end = chunk.iter().position(|&byte| byte == b'\n');
        let taken = end.unwrap_or(chunk.len());
        line.extend_from_slice(chunk.get(..taken).unwrap_or_default());
        input.consume(end.map_or(taken, |end| end + 1));
        if line.len() > RECORD_BYTES_MAX {
            bail!("a line has more than {RECORD_BYTES_MAX} bytes, the largest record");
        }
        if end.is_some() {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(input: &[u8], capacity: usize) -> Vec<Vec<u8>> {
        let mut reader = BufReader::with_capacity(capacity, input);
        let (mut line, mut all) = (Vec::new(), Vec::new());
        while read_line(&mut reader, &mut line).await.unwrap() {
            all.push(line.clone());
        }
        all
    }

    #[tokio::test]
    async fn lines_are_cut_the_same_however_they_arrive() {
        for capacity in 1..8 {
            let found = lines(b"one\r\n\ntwo\nlast", capacity).await;
            assert_eq!(
                found,
                [b"one".to_vec(), vec![], b"two".to_vec(), b"last".to_vec()]
            );
        }
    }
}
