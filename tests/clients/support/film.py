"""Films that ffmpeg makes, and what it sees in films."""

import json
import subprocess

from support.server import PATIENCE_SECONDS, output

# What media is read as is Matroska files one after the other, at which ffmpeg wonders.
ANOTHER_FILE = b"Found unknown-length element with ID 0x18538067"
FFMPEG = ["ffmpeg", "-v", "error", "-nostdin"]

AAC = "-c:a aac -b:a 64k"
ALAW = "-c:a pcm_alaw -ar 8000 -ac 1"
MULAW = "-c:a pcm_mulaw -ar 8000 -ac 1"

FRAGMENTED = "-movflags frag_keyframe+empty_moov+default_base_moof+cmaf -f mp4"
# A cluster, and with it a fragment, for each group of pictures.
MATROSKA = "-f matroska -cluster_size_limit 50M -cluster_time_limit 60000"


def h264(group):
    """Pictures, some of which refer to later ones, in groups of so many."""
    return f"-c:v libx264 -preset veryfast -bf 2 -g {group} -sc_threshold 0 -pix_fmt yuv420p"


def hevc(group):
    groups = f"keyint={group}:min-keyint={group}:scenecut=0"
    return f"-c:v libx265 -x265-params log-level=error:{groups} -pix_fmt yuv420p -tag:v hvc1"


def filming(codecs, form, seconds, rate=25, pace="", file="pipe:1"):
    """What ffmpeg is to do to make a film of pictures that change and of a tone."""
    source = f"{pace} -f lavfi -i testsrc2=s=320x180:r={rate} {pace} -f lavfi -i sine=r=48000"
    return f"{source} -t {seconds} {codecs} {form} {file}".split()


# For longer than any test looks; a fragment each second.
LIVE = filming(f"{h264(25)} {AAC}", FRAGMENTED, seconds=600, pace="-re")


def film(codecs, form, seconds, rate=25):
    return ffmpeg(*filming(codecs, form, seconds, rate))


def ffmpeg(*arguments, input=None):
    """What ffmpeg makes without a complaint."""
    command = [*FFMPEG, *arguments]
    ran = subprocess.run(command, input=input, capture_output=True, timeout=5 * PATIENCE_SECONDS)
    said = [line for line in ran.stderr.splitlines() if ANOTHER_FILE not in line]
    assert ran.returncode == 0 and not said, said
    return ran.stdout


def hashes(film, *options, before=()):
    """Track and hash of each frame that ffmpeg makes of a file, an address or bytes."""
    source, data = ("pipe:0", film) if isinstance(film, bytes) else (film, None)
    made = ffmpeg(*before, "-i", source, *options, "-f", "framemd5", "pipe:1", input=data)
    lines = [line.split(",") for line in made.decode().splitlines() if line[0] != "#"]
    return [(line[0].strip(), line[-1].strip()) for line in lines]


def packets(film):
    """Track and hash of each packet, sorted; nothing is decoded."""
    return sorted(hashes(film, "-c", "copy", "-map", "0"))


def frames(film, kind="v", *before):
    """The hash of each frame of a track, decoded, in the order in which they are shown."""
    options = ["-map", f"0:{kind}:0", "-fps_mode", "passthrough"]
    return [each for _, each in hashes(film, *options, before=before)]


def frames_of_tracks(film):
    """The hash of each frame by track."""
    tracks = {}
    for track, each in hashes(film):
        tracks.setdefault(track, []).append(each)
    return tracks


def probe(film, entries, *options):
    """What ffprobe says of a file or an address."""
    command = ["ffprobe", "-v", "error", "-of", "json", *options, "-show_entries", entries, film]
    return json.loads(output(command))
