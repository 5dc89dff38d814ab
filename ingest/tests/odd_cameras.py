#!/usr/bin/python3
"""RTSP cameras out of the ordinary, for live.rs: /jpeg (MJPEG), /sound (no video), /h265.

Prints {"port":N} and serves until its standard input closes."""

import json
import os

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PICTURE = "videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=10/1"
PIPELINES = {
    "/jpeg": f"( {PICTURE} ! jpegenc ! rtpjpegpay name=pay0 )",
    "/sound": "( audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay0 )",
    "/h265": f"( {PICTURE} ! x265enc key-int-max=5 tune=zerolatency speed-preset=ultrafast"
    " ! h265parse ! rtph265pay name=pay0 config-interval=-1 )",
}


def main():
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    for path, pipeline in PIPELINES.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(pipeline)
        server.get_mount_points().add_factory(path, factory)
    server.attach(None)
    print(json.dumps({"port": server.get_bound_port()}), flush=True)
    loop = GLib.MainLoop()
    GLib.unix_fd_add_full(
        GLib.PRIORITY_DEFAULT, 0, GLib.IOCondition.IN | GLib.IOCondition.HUP, lambda *_: bool(os.read(0, 4096)) or loop.quit()
    )
    loop.run()


main()
