#!/usr/bin/python3
"""Simulated RTSP cameras: clips served in real time, over and over, by GStreamer's RTSP server.

    rtsp_cameras.py --camera north=main.mp4,sub.mp4 --camera south=main.mp4 [--port 8554] [--user U --password P]

Each camera has `rtsp://HOST:PORT/ID/main` and, with a second file, `/ID/sub`. H.264 goes out as it lies in the file.
A camera's clips begin when its first session is made ready, and both streams show the same moment from then on, for
every client, until nobody looks any more. Who comes within ten seconds still gets the clip from its first picture (what
is past at once, the rest in real time), who comes later begins with the latest key frame. At the end the clip begins
anew while the RTP timestamps go on. With --in-step all cameras share one beginning, as a site's cameras share one time.
Sender reports carry this machine's clock. When all is ready one JSON line is printed on standard output:

    {"ready":true,"port":N,"cameras":{"ID":{"main":"rtsp://127.0.0.1:N/ID/main","sub":"rtsp://…"|null}}}

Runs until SIGTERM or SIGINT (and, as asked, until its parent ends or its standard input closes).
Exit status: 0 stopped as asked, 1 cannot serve, 2 wrong arguments or a clip that cannot be served.
"""

import argparse
import json
import os
import re
import signal
import sys
from pathlib import Path

import gi

gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")

import clip as clips  # noqa: E402
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

CAMERA_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
ROLE = "viewer"
SESSION_CLEANUP_S = 5
# Who comes this soon after the beginning gets the clip from its first picture.
FROM_THE_FIRST_NS = 10 * Gst.SECOND
# The first session's pipeline is filled meanwhile, so that its first pictures are not late.
LEAD_NS = 200 * Gst.MSECOND


class Timeline:
    """When the clips of one camera (or of all) began, as long as any session lasts."""

    def __init__(self):
        self.clock = Gst.SystemClock.obtain()
        self.sessions, self.start_ns = 0, 0

    def join(self, media):
        """Ties the session's pipeline to this beginning; returns how far the clips are now, in ns."""
        now_ns = self.clock.get_time()
        if self.sessions == 0:
            self.start_ns = now_ns + LEAD_NS
        self.sessions += 1
        media.connect("unprepared", self._leave)
        pipeline = media.get_element().get_parent()
        pipeline.use_clock(self.clock)
        # Without a start time of its own the pipeline keeps the base time it is given, instead of "now" at PLAY.
        pipeline.set_start_time(Gst.CLOCK_TIME_NONE)
        pipeline.set_base_time(self.start_ns)
        return max(0, now_ns - self.start_ns)

    def _leave(self, _media):
        self.sessions -= 1


class Feeder:
    """Hands one session's appsrc its access units, one whenever it runs dry; the sink's clock sets the pace."""

    def __init__(self, clip, once, elapsed_ns):
        self.clip, self.once = clip, once
        self.next, self.loop_start_ns = 0, 0
        if elapsed_ns > FROM_THE_FIRST_NS and not once:
            loops, within_ns = divmod(elapsed_ns, clip.length_ns)
            self.loop_start_ns = loops * clip.length_ns
            self.next = max((n for n, unit in enumerate(clip.units) if unit.key and unit.time_ns <= within_ns), default=0)

    def on_need_data(self, source, _length):
        if self.next == len(self.clip.units):
            if self.once:
                source.emit("end-of-stream")
                return
            self.next = 0
            self.loop_start_ns += self.clip.length_ns
        unit = self.clip.units[self.next]
        self.next += 1
        buffer = Gst.Buffer.new_wrapped(self.clip.bytes_of(unit))
        buffer.pts = buffer.dts = self.loop_start_ns + unit.time_ns
        buffer.duration = unit.duration_ns
        if not unit.key:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        source.emit("push-buffer", buffer)


class Factory(GstRtspServer.RTSPMediaFactory):
    """Makes a pipeline of its own for every client session."""

    def __init__(self, clip, once, timeline):
        super().__init__()
        self.clip, self.once, self.timeline = clip, once, timeline
        self.set_shared(False)
        self.set_launch("( appsrc name=source format=time is-live=false ! rtph264pay name=pay0 pt=96 mtu=1400 )")

    def do_configure(self, media):
        GstRtspServer.RTSPMediaFactory.do_configure(self, media)
        source = media.get_element().get_child_by_name("source")
        source.set_property("caps", self.clip.caps)
        source.connect("need-data", Feeder(self.clip, self.once, self.timeline.join(media)).on_need_data)


def camera_argument(text):
    """`ID=MAIN[,SUB]` as (id, main path, sub path or None)."""
    name, equals, files = text.partition("=")
    if not equals or not files:
        raise argparse.ArgumentTypeError(f"expected ID=MAIN.mp4[,SUB.mp4], found {text!r}")
    if not CAMERA_ID.fullmatch(name):
        raise argparse.ArgumentTypeError(f"camera id {name!r}: expected letters, digits, '.', '_' or '-'")
    if Path(files).is_file():  # a file name may hold a comma itself
        return name, Path(files), None
    main, comma, sub = files.partition(",")
    if not main or (comma and not sub):
        raise argparse.ArgumentTypeError(f"camera {name}: expected MAIN.mp4[,SUB.mp4], found {files!r}")
    return name, Path(main), Path(sub) if comma else None


def parse_arguments(argv):
    parser = argparse.ArgumentParser(prog="rtsp_cameras.py", description=__doc__.splitlines()[0])
    parser.add_argument("--camera", action="append", required=True, type=camera_argument, metavar="ID=MAIN[,SUB]")
    parser.add_argument("--port", type=int, default=8554, help="0 lets the system choose (default: %(default)s)")
    parser.add_argument("--bind", default="127.0.0.1", metavar="ADDRESS", help="default: %(default)s")
    parser.add_argument("--user", help="ask for this user by Digest; Basic is refused")
    parser.add_argument("--password")
    parser.add_argument("--once", action="store_true", help="end each session's stream after the clip's last picture")
    parser.add_argument("--in-step", action="store_true", help="the clips of all cameras begin together")
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when the starting process has ended")
    parser.add_argument("--exit-on-stdin-close", action="store_true", help="stop at the end of standard input")
    arguments = parser.parse_args(argv)
    if not 0 <= arguments.port <= 65535:
        parser.error(f"--port: expected 0..65535, found {arguments.port}")
    if (arguments.user is None) != (arguments.password is None):
        parser.error("--user and --password go together")
    names = [name for name, _, _ in arguments.camera]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        parser.error(f"--camera: id given twice: {', '.join(doubled)}")
    return arguments


def require_digest(server, user, password):
    """Only `user` may look, and the password never crosses the wire."""
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", ROLE)
    auth.add_digest(user, password, token)
    server.set_auth(auth)


def permit(factory):
    permissions = GstRtspServer.RTSPPermissions()
    for permission in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role(ROLE, permission, True)
    factory.set_permissions(permissions)


def serve(arguments, loaded):
    """Starts the server on the default main context; returns it with its port and the cameras' addresses."""
    server = GstRtspServer.RTSPServer()
    server.set_address(arguments.bind)
    server.set_service(str(arguments.port))
    if arguments.user is not None:
        require_digest(server, arguments.user, arguments.password)
    mounts = server.get_mount_points()
    shared = Timeline() if arguments.in_step else None
    for name, main, sub in arguments.camera:
        timeline = shared or Timeline()
        for role, path in (("main", main), ("sub", sub)):
            if path is not None:
                factory = Factory(loaded[path], arguments.once, timeline)
                if arguments.user is not None:
                    permit(factory)
                mounts.add_factory(f"/{name}/{role}", factory)
    if server.attach(None) == 0:
        raise OSError(f"cannot listen on {arguments.bind} port {arguments.port}: in use, or not an address of this machine")
    port = server.get_bound_port()
    host = f"[{arguments.bind}]" if ":" in arguments.bind else arguments.bind
    cameras = {
        name: {"main": f"rtsp://{host}:{port}/{name}/main", "sub": sub and f"rtsp://{host}:{port}/{name}/sub"}
        for name, _, sub in arguments.camera
    }
    GLib.timeout_add_seconds(SESSION_CLEANUP_S, lambda: server.get_session_pool().cleanup() or True)
    return server, port, cameras


def stop_conditions(loop, arguments, parent):
    def stop(*_):
        loop.quit()
        return GLib.SOURCE_REMOVE

    for number in (signal.SIGTERM, signal.SIGINT):
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, stop)
    if arguments.exit_with_parent:
        # A pidfd watches the process. PR_SET_PDEATHSIG would watch the thread that started us, which may end earlier.
        GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, parent, GLib.IOCondition.IN, stop)
    if arguments.exit_on_stdin_close:
        def drain(descriptor, _condition):
            return GLib.SOURCE_CONTINUE if os.read(descriptor, 4096) else stop()

        GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, 0, GLib.IOCondition.IN | GLib.IOCondition.HUP, drain)


def main(argv):
    # Taken first: a parent that ends while the clips are read must be noticed too.
    parent_id = os.getppid()
    arguments = parse_arguments(argv)
    parent = None
    if arguments.exit_with_parent:
        try:
            parent = os.pidfd_open(parent_id)
        except ProcessLookupError:
            return 0
        if os.getppid() != parent_id:
            return 0
    try:
        loaded = {path: None for _, main, sub in arguments.camera for path in (main, sub) if path}
        for path in loaded:
            loaded[path] = clips.load(path)
    except clips.ClipError as error:
        print(f"rtsp_cameras.py: {error}", file=sys.stderr)
        return 2
    loop = GLib.MainLoop()
    stop_conditions(loop, arguments, parent)
    try:
        server, port, cameras = serve(arguments, loaded)
    except OSError as error:
        print(f"rtsp_cameras.py: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"ready": True, "port": port, "cameras": cameras}), flush=True)
    loop.run()
    del server
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
