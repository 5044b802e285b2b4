"""A camera that offers RTSP: GStreamer's own server, with the system's Python.

Prints its port. SIGUSR1 lets the connections that there are send nothing more; later ones do again.
With `--lose N` every Nth picture or part of one is lost on its way.
"""

import argparse
import random
import signal

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

# What a live camera shows is noise, each time a bit darker or brighter: no two pictures are the same.
VIDEO = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 bitrate=300 ! "
    "video/x-h264,profile=baseline ! rtph264pay config-interval=-1 name=pay0 pt=96",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=25 bitrate=300 ! "
    "rtph265pay config-interval=-1 name=pay0 pt=96",
    "jpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
}
SOUND = {
    "aac": "avenc_aac ! rtpmp4gpay name=pay1 pt=97",
    "alaw": "alawenc ! rtppcmapay name=pay1 pt=8",
    "mulaw": "mulawenc ! rtppcmupay name=pay1 pt=0",
}
# What a file has is sent as it is.
PARSED = {
    "h264": "h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96",
    "h265": "h265parse config-interval=-1 ! rtph265pay name=pay0 pt=96",
}
PARSED_SOUND = {
    "aac": "aacparse ! rtpmp4gpay name=pay1 pt=97",
    "alaw": "rtppcmapay name=pay1 pt=8",
    "mulaw": "rtppcmupay name=pay1 pt=0",
}


def pipeline(options):
    if options.file:
        parts = [f"filesrc location={options.file} ! qtdemux name=demux"]
        parts.append(f"demux.video_0 ! queue ! {PARSED[options.video]}")
        if options.sound:
            parts.append(f"demux.audio_0 ! queue ! {PARSED_SOUND[options.sound]}")
    else:
        size = f"width={options.width},height={options.width * 9 // 16 // 2 * 2}"
        parts = [
            "videotestsrc is-live=true pattern=snow ! "
            f"video/x-raw,format=I420,framerate=25/1,{size} ! "
            f"videobalance brightness={random.uniform(-0.3, 0.3)} ! {VIDEO[options.video]}"
        ]
        if options.sound:
            rate = 48000 if options.sound == "aac" else 8000
            parts.append(
                "audiotestsrc is-live=true wave=pink-noise ! audioconvert ! "
                f"audio/x-raw,rate={rate},channels=1 ! {SOUND[options.sound]}"
            )
    return f"( {' '.join(parts)} )"


class Faults:
    """Loses packets, and stops the flow of the media that exist when `stall` is called."""

    def __init__(self, lose):
        self.lose = lose
        self.round = 0

    def stall(self):
        self.round += 1
        return GLib.SOURCE_CONTINUE

    def watch(self, _factory, media):
        born = self.round
        passed = 0

        def probe(_pad, _info):
            nonlocal passed
            passed += 1
            lost = self.lose and passed % self.lose == 0
            stalled = self.round > born
            return Gst.PadProbeReturn.DROP if lost or stalled else Gst.PadProbeReturn.OK

        kind = Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST
        for name in ("pay0", "pay1"):
            element = media.get_element().get_by_name(name)
            if element:
                element.get_static_pad("src").add_probe(kind, probe)


def protect(server, factory, user, password):
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_role("user")
    for permission in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("user", permission, True)
    factory.set_permissions(permissions)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default="0")
    parser.add_argument("--video", choices=[*VIDEO], default="h264")
    parser.add_argument("--sound", choices=[*SOUND])
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--file")
    parser.add_argument("--lose", type=int, default=0)
    parser.add_argument("--user")
    parser.add_argument("--password")
    options = parser.parse_args()

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(pipeline(options))
    factory.set_shared(False)
    faults = Faults(options.lose)
    factory.connect("media-configure", faults.watch)
    if options.user:
        protect(server, factory, options.user, options.password)
    server.get_mount_points().add_factory("/live", factory)
    if not server.attach(None):
        raise SystemExit(f"cannot listen on port {options.port}")
    GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGUSR1, faults.stall)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
