"""Plays an address to its end with GStreamer, and prints what came: frames of pictures and of sound.

Needs the system's Python: the bindings are not in package registries.
"""

import argparse
import json
import os
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402


class Player:
    def __init__(self, decoder, address, frames):
        self.enough = frames
        self.loop = GLib.MainLoop()
        self.pictures, self.samples, self.rate, self.error = 0, 0, 0, None
        self.pipeline = Gst.Pipeline.new()
        self.source = Gst.ElementFactory.make(decoder)
        self.source.set_property("uri", address)
        self.source.connect("pad-added", self.attach)
        self.pipeline.add(self.source)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::eos", lambda *_: self.loop.quit())
        bus.connect("message::error", self.fail)

    def attach(self, _source, pad):
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("sync", False)
        sink.set_property("async", False)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))
        pad.add_probe(Gst.PadProbeType.BUFFER, self.count)

    def count(self, pad, info):
        caps = pad.get_current_caps().get_structure(0)
        if caps.get_name().startswith("video/"):
            self.pictures += 1
            if self.pictures == self.enough:
                GLib.idle_add(self.loop.quit)
        else:
            self.rate = caps.get_int("rate")[1]
            width = 4 if "32" in caps.get_string("format") else 2
            self.samples += info.get_buffer().get_size() // (width * caps.get_int("channels")[1])
        return Gst.PadProbeReturn.OK

    def fail(self, _bus, message):
        error, about = message.parse_error()
        self.error = f"{error.message} {about}"
        self.loop.quit()

    def play(self, seconds):
        GLib.timeout_add_seconds(seconds, self.late)
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        return self.error

    def late(self):
        self.error = "not played in time"
        self.loop.quit()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--decoder", default="uridecodebin3", help="the element that plays")
    parser.add_argument("--frames", type=int, help="stop after so many pictures")
    parser.add_argument("--seconds", type=int, default=60, help="fail after so many")
    given = parser.parse_args()
    Gst.init(None)
    player = Player(given.decoder, given.address, given.frames)
    if error := player.play(given.seconds):
        sys.exit(f"{error} (after {player.pictures} pictures)")
    seen = {"pictures": player.pictures, "samples": player.samples, "rate": player.rate}
    print(json.dumps(seen), flush=True)
    # GStreamer 1.22 may abort when it is stopped while it loads something.
    os._exit(0)


main()
