//! Decodes what nothing here decodes, with a program that the operator names: `ffmpeg`.
//!
//! The fragment goes to its input as fragmented MP4, and frames come from its output, three bytes a
//! pixel. It gets a bounded time, and is ended when the last frame that is wanted has come.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use afflux_media::{Init, Limits, StoredFragment, Track, playback};
use afflux_types::{Error, Result};
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::decode::shown_at;
use super::{Look, Raster};

/// How long one fragment may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The pictures of a fragment at some offsets, as `decode::pictures` has them.
pub(super) async fn pictures(
    program: &Path,
    (init, track): (&Init, &Track),
    fragment: &StoredFragment,
    offsets: &[i64],
    look: Look,
) -> Result<Vec<Option<Bytes>>> {
    let part = fragment
        .tracks()
        .find(|part| part.meta().track_id == track.id());
    let part = part.ok_or_else(|| Error::invalid("the fragment has no video"))?;
    let samples = part.samples(&Limits::default())?;
    let wanted = shown_at(&samples, track.timescale(), offsets);
    let mut input = vec![playback::init_segment(init)];
    input.extend(playback::fragment_bytes(fragment, 1, &[])?);
    let mut child = start(program)?;
    let decoded = tokio::time::timeout(TIMEOUT, async {
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::internal("the decoder has no pipes"));
        };
        let feed = feed(stdin, input);
        let read = read(stdout, track, &wanted, look);
        tokio::pin!(feed);
        tokio::pin!(read);
        tokio::select! {
            done = &mut read => done,
            // A program that closes its input early may still have frames to show.
            () = &mut feed => read.await,
        }
    });
    let decoded = decoded.await;
    stop(child).await;
    decoded.map_err(|error| Error::unavailable("the decoder is too slow").with_source(error))?
}

fn start(program: &Path) -> Result<Child> {
    Command::new(program)
        .args(["-v", "error", "-i", "pipe:0", "-map", "0:v:0"])
        .args(["-fps_mode", "passthrough", "-f", "rawvideo"])
        .args(["-pix_fmt", "rgb24", "pipe:1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            Error::unavailable(format!("start {}", program.display())).with_source(error)
        })
}

async fn stop(mut child: Child) {
    if let Err(error) = child.kill().await {
        tracing::debug!(%error, "end the decoder");
    }
}

async fn feed(mut stdin: tokio::process::ChildStdin, input: Vec<Bytes>) {
    for piece in input {
        if stdin.write_all(&piece).await.is_err() {
            return;
        }
    }
}

async fn read(
    mut stdout: tokio::process::ChildStdout,
    track: &Track,
    wanted: &[usize],
    look: Look,
) -> Result<Vec<Option<Bytes>>> {
    let size = |pixels: u32| usize::try_from(pixels).unwrap_or(usize::MAX);
    let last = wanted.last().copied().unwrap_or(0);
    let mut files: Vec<Option<Bytes>> = vec![None; wanted.len()];
    for index in 0..=last {
        let raster = Raster::new(size(track.width()), size(track.height()));
        let mut raster = raster.ok_or_else(|| Error::invalid("the picture is too large"))?;
        if stdout.read_exact(raster.rgb()).await.is_err() {
            break;
        }
        if wanted.binary_search(&index).is_err() {
            continue;
        }
        let file = tokio::task::spawn_blocking(move || raster.encode(look)).await;
        let file = file.ok().flatten();
        for (slot, of) in files.iter_mut().zip(wanted) {
            if *of == index {
                slot.clone_from(&file);
            }
        }
    }
    Ok(files)
}
