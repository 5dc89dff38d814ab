#!/usr/bin/python3
"""RTSP cameras for the tests, by GStreamer's own server: codecs, log-ins, TLS and addresses out of the ordinary.

    odd_cameras.py [--bind ADDRESS] [--port N] [--basic USER:PASSWORD] [--tls CERT_AND_KEY.pem] /path=KIND …

KIND: h264, h265, jpeg, sound (no video). Prints {"port":N} and serves until its standard input closes.
"""

import argparse
import json
import os

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PICTURE = "videotestsrc is-live=true {pattern} ! video/x-raw,format=I420,width=320,height=240,framerate=10/1"
BALL = PICTURE.format(pattern="pattern=ball")
BARS = PICTURE.format(pattern="")
PIPELINES = {
    "h264": f"( {BALL} ! openh264enc gop-size=5 complexity=low ! h264parse"
    " ! rtph264pay name=pay0 config-interval=-1 )",
    "h265": f"( {BARS} ! x265enc key-int-max=5 tune=zerolatency speed-preset=ultrafast"
    " ! h265parse ! rtph265pay name=pay0 config-interval=-1 )",
    "jpeg": f"( {BARS} ! jpegenc ! rtpjpegpay name=pay0 )",
    "sound": "( audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay0 )",
}
ROLE = "viewer"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--port", default="0")
    parser.add_argument("--basic")
    parser.add_argument("--tls")
    parser.add_argument("mounts", nargs="+")
    arguments = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(arguments.bind)
    server.set_service(arguments.port)
    if arguments.basic or arguments.tls:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", ROLE)
        if arguments.basic:
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*arguments.basic.split(":", 1)), token)
        else:
            auth.set_default_token(token)
        if arguments.tls:
            auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(arguments.tls))
        server.set_auth(auth)
    for mount in arguments.mounts:
        path, kind = mount.split("=")
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(PIPELINES[kind])
        if arguments.basic or arguments.tls:
            permissions = GstRtspServer.RTSPPermissions()
            for permission in ("media.factory.access", "media.factory.construct"):
                permissions.add_permission_for_role(ROLE, permission, True)
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory(path, factory)
    server.attach(None)
    print(json.dumps({"port": server.get_bound_port()}), flush=True)
    loop = GLib.MainLoop()
    GLib.unix_fd_add_full(
        GLib.PRIORITY_DEFAULT, 0, GLib.IOCondition.IN | GLib.IOCondition.HUP, lambda *_: bool(os.read(0, 4096)) or loop.quit()
    )
    loop.run()


main()
