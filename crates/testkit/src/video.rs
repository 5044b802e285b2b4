//! Cameras and players: ffmpeg as the maker and as the judge of fragmented MP4.

use std::path::Path;
use std::process::{Command, Stdio};

/// What a made-up camera films.
#[derive(Clone, Copy, Debug)]
pub struct Camera {
    /// Samples of video in all.
    pub samples: u32,
    /// Samples from one key frame to the next: one fragment.
    pub samples_per_fragment: u32,
    /// The codec and, for some, sound.
    pub codec: Codec,
}

/// Video codecs, and one with sound beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// AV1.
    Av1,
    /// H.264 with Opus.
    H264Opus,
}

impl Camera {
    /// A short H.264 film: `fragments` of half a second.
    #[must_use]
    pub fn short(fragments: u32) -> Self {
        Self {
            samples: fragments * 15,
            samples_per_fragment: 15,
            codec: Codec::H264,
        }
    }

    /// The arguments of ffmpeg up to the output.
    #[must_use]
    pub fn args(self) -> Vec<String> {
        let gop = self.samples_per_fragment.to_string();
        let mut text = String::from("-hide_banner -loglevel error -nostdin");
        text.push_str(" -f lavfi -i testsrc2=size=640x360:rate=30");
        if self.codec == Codec::H264Opus {
            text.push_str(
                " -f lavfi -i sine=frequency=440:sample_rate=48000 -c:a libopus -b:a 64k -shortest",
            );
        }
        text.push_str(match self.codec {
            Codec::H264 | Codec::H264Opus => " -c:v libx264 -preset ultrafast -tune zerolatency",
            Codec::H265 => {
                " -c:v libx265 -preset ultrafast -x265-params log-level=none -tag:v hvc1"
            }
            Codec::Av1 => " -c:v libsvtav1 -preset 13 -svtav1-params lp=2",
        });
        text.push_str(
            " -pix_fmt yuv420p -movflags frag_keyframe+empty_moov+default_base_moof+cmaf",
        );
        let mut args: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        args.extend(["-g".into(), gop.clone(), "-keyint_min".into(), gop]);
        args.extend(["-frames:v".into(), self.samples.to_string()]);
        if self.codec == Codec::H264Opus {
            args.extend([
                "-t".into(),
                format!("{:.3}", f64::from(self.samples) / 30.0),
            ]);
        }
        args.extend(["-f".into(), "mp4".into()]);
        args
    }

    /// Films into memory.
    ///
    /// # Panics
    /// If ffmpeg fails.
    #[must_use]
    pub fn film(self) -> Vec<u8> {
        let output = Command::new("ffmpeg").args(self.args()).arg("-").output();
        let output = output.unwrap_or_else(|error| panic!("run ffmpeg: {error}"));
        assert!(
            output.status.success(),
            "ffmpeg failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }
}

/// A box at the top of an MP4 file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopBox<'a> {
    /// Its four letters.
    pub name: [u8; 4],
    /// All of its bytes.
    pub bytes: &'a [u8],
}

/// The boxes at the top of `mp4`.
///
/// # Panics
/// If a box is cut or malformed: the input is ffmpeg's.
#[must_use]
pub fn boxes(mp4: &[u8]) -> Vec<TopBox<'_>> {
    let mut found = Vec::new();
    let mut rest = mp4;
    while !rest.is_empty() {
        let (head, _) = rest.split_first_chunk::<8>().expect("a box has a head");
        let [a, b, c, d, name @ ..] = *head;
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        assert!(len >= 8, "a box of {len} bytes");
        let (bytes, after) = rest.split_at_checked(len).expect("a box is whole");
        found.push(TopBox { name, bytes });
        rest = after;
    }
    found
}

/// An MP4 file cut into what comes before the first fragment and the fragments.
///
/// # Panics
/// As [`boxes`].
#[must_use]
pub fn split(mp4: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut init = Vec::new();
    let mut fragments: Vec<Vec<u8>> = Vec::new();
    for TopBox { name, bytes } in boxes(mp4) {
        match &name {
            b"ftyp" | b"moov" => init.extend_from_slice(bytes),
            b"moof" => fragments.push(bytes.to_vec()),
            b"mdat" => fragments
                .last_mut()
                .expect("moof before mdat")
                .extend_from_slice(bytes),
            _ => {}
        }
    }
    (init, fragments)
}

/// Decodes every sample and returns how many samples the video track has.
///
/// # Panics
/// If ffmpeg finds anything to complain about, or ffprobe cannot count.
#[must_use]
pub fn play(path: &Path) -> u64 {
    let played = Command::new("ffmpeg")
        .args([
            "-hide_banner",
            "-loglevel",
            "error",
            "-nostdin",
            "-xerror",
            "-i",
        ])
        .arg(path)
        .args(["-f", "null", "-"])
        .output()
        .unwrap_or_else(|error| panic!("run ffmpeg: {error}"));
    let stderr = String::from_utf8_lossy(&played.stderr);
    assert!(
        played.status.success() && stderr.trim().is_empty(),
        "{} does not play: {stderr}",
        path.display()
    );
    count(path)
}

/// How many samples the video track has, decoded one by one.
///
/// # Panics
/// If ffprobe does not accept the file.
#[must_use]
pub fn count(path: &Path) -> u64 {
    let probed = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-select_streams", "v:0"])
        .args(["-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"])
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("run ffprobe: {error}"));
    let stdout = String::from_utf8_lossy(&probed.stdout);
    let number = stdout.trim().trim_end_matches(',').parse();
    number.unwrap_or_else(|_| {
        let stderr = String::from_utf8_lossy(&probed.stderr);
        panic!(
            "ffprobe cannot count the samples of {}: {stdout} {stderr}",
            path.display()
        )
    })
}

/// The codecs of all tracks, as ffprobe names them.
///
/// # Panics
/// If ffprobe does not accept the file.
#[must_use]
pub fn codecs(path: &Path) -> Vec<String> {
    let probed = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-show_entries",
            "stream=codec_name",
            "-of",
            "csv=p=0",
        ])
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("run ffprobe: {error}"));
    assert!(
        probed.status.success(),
        "ffprobe: {}",
        String::from_utf8_lossy(&probed.stderr)
    );
    let text = String::from_utf8_lossy(&probed.stdout);
    let mut names: Vec<String> = text
        .lines()
        .map(|line| line.trim_end_matches(',').to_owned())
        .collect();
    names.sort();
    names
}
