"""A clip file as a list of H.264 access units, ready to be sent over RTP.

Nothing is re-encoded. GStreamer demuxes the file once; the access units (Annex B, with the parameter sets repeated
before every IDR picture) lie one after the other in an unnamed temporary file, and only their index stays in memory,
so that a long clip costs no memory of its own.
"""

import mmap
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import Gst, GstApp  # noqa: E402,F401  (GstApp gives appsink and appsrc their methods)

Gst.init(None)

H264_CAPS = "video/x-h264"
# What a reader calls a codec, by the caps name GStreamer gives it.
CODEC_NAMES = {
    "video/x-h264": "H.264",
    "video/x-h265": "H.265",
    "video/x-av1": "AV1",
    "video/x-vp8": "VP8",
    "video/x-vp9": "VP9",
    "video/x-prores": "ProRes",
    "video/x-raw": "raw video",
    "image/jpeg": "Motion JPEG",
}
# No new access unit, error or end for this long means that the demuxer hangs on a broken file.
STALL_S = 20
# A file whose video is shorter than this share of its stated length is probably cut off (or has longer sound).
READ_AT_LEAST = 0.8


class ClipError(Exception):
    """The file cannot be served as it is; the message names the file and says why."""


@dataclass(frozen=True)
class AccessUnit:
    """One picture: where its bytes lie, when it is shown (from the clip's first picture), how long."""

    offset: int
    size: int
    time_ns: int
    duration_ns: int
    key: bool


class Clip:
    """All access units of one file; `length_ns` is the time from one loop's first picture to the next loop's."""

    def __init__(self, path, caps, units, data):
        self.path = path
        self.caps = caps
        self.units = units
        self.length_ns = units[-1].time_ns + units[-1].duration_ns
        self._data = data

    def bytes_of(self, unit):
        """The Annex B bytes of one access unit."""
        return self._data[unit.offset : unit.offset + unit.size]


def load(path):
    """Reads the H.264 video of `path` (MP4, Matroska, MPEG-TS, whatever the demuxers know) without re-encoding it."""
    path = Path(path)
    if not path.is_file():
        raise ClipError(f"{path}: no such file")
    spool = tempfile.TemporaryFile(prefix="rtsp-cameras-")  # noqa: SIM115  (lives as long as its mapping)
    caps, pictures, stated_ns = _demux(path, spool)
    units = _units(path, pictures)
    spool.flush()
    data = mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ)
    spool.close()
    clip = Clip(path, caps, units, data)
    if clip.length_ns < READ_AT_LEAST * stated_ns:
        read_s, stated_s = clip.length_ns / Gst.SECOND, stated_ns / Gst.SECOND
        print(f"{path}: {read_s:.1f} s of video in a file of {stated_s:.1f} s: is it cut off?", file=sys.stderr)
    return clip


def _demux(path, spool):
    """Writes every access unit to `spool`; returns its caps, (offset, size, pts_ns, key) of each, the file's length."""
    pipeline = Gst.Pipeline()
    source, parsebin = Gst.ElementFactory.make("filesrc"), Gst.ElementFactory.make("parsebin")
    parser, sink = Gst.ElementFactory.make("h264parse"), Gst.ElementFactory.make("appsink")
    if not all((source, parsebin, parser, sink)):
        raise ClipError("GStreamer lacks filesrc, parsebin, h264parse or appsink: install its base and bad plugins")
    source.set_property("location", str(path))
    parser.set_property("config-interval", -1)
    sink.set_property("caps", Gst.Caps.from_string(f"{H264_CAPS},stream-format=byte-stream,alignment=au"))
    # Nobody waits for anybody's first buffer: the demuxer has one thread for video and audio, and would block on it.
    sink.set_property("async", False)
    sink.set_property("sync", False)
    sink.set_property("max-buffers", 16)
    found = []

    def on_pad(_bin, pad):
        structure = (pad.get_current_caps() or pad.query_caps(None)).get_structure(0)
        name = structure.get_name()
        if name == H264_CAPS and not sink.get_static_pad("sink").is_linked():
            found.append(name)
            pipeline.add(parser)
            pipeline.add(sink)
            parser.link(sink)
            parser.sync_state_with_parent()
            sink.sync_state_with_parent()
            pad.link(parser.get_static_pad("sink"))
            return
        if name.startswith(("video/", "image/")):
            version = structure.get_value("mpegversion") if name == "video/mpeg" else None
            found.append(f"MPEG-{version}" if version else name)
        ignored = Gst.ElementFactory.make("fakesink")
        ignored.set_property("sync", False)
        ignored.set_property("async", False)
        pipeline.add(ignored)
        ignored.sync_state_with_parent()
        pad.link(ignored.get_static_pad("sink"))

    parsebin.connect("pad-added", on_pad)
    pipeline.add(source)
    pipeline.add(parsebin)
    source.link(parsebin)
    pipeline.set_state(Gst.State.PLAYING)
    try:
        return _drain(path, pipeline, sink, found, spool)
    finally:
        pipeline.set_state(Gst.State.NULL)


def _drain(path, pipeline, sink, found, spool):
    caps, pictures, offset = None, [], 0
    bus = pipeline.get_bus()
    last_s = time.monotonic()
    while True:
        # Returns at once while the sink is not running yet and after its end; the bus then sets the pace.
        sample = sink.try_pull_sample(100 * Gst.MSECOND) if sink.get_parent() else None
        if sample is not None:
            last_s = time.monotonic()
            caps = sample.get_caps()
            buffer = sample.get_buffer()
            data = buffer.extract_dup(0, buffer.get_size())
            pts_ns = buffer.pts if buffer.pts != Gst.CLOCK_TIME_NONE else None
            pictures.append((offset, len(data), pts_ns, not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)))
            offset += spool.write(data)
            continue
        awaited = Gst.MessageType.ERROR | Gst.MessageType.EOS | Gst.MessageType.ELEMENT
        message = bus.timed_pop_filtered(10 * Gst.MSECOND, awaited)
        if message is None:
            if time.monotonic() - last_s > STALL_S:
                raise ClipError(f"{path}: no picture read for {STALL_S} s: is the file damaged?")
        elif message.type == Gst.MessageType.ELEMENT:
            structure = message.get_structure()
            if structure.get_name() == "missing-plugin":
                detail = structure.get_value("detail")
                found.append(detail.get_structure(0).get_name() if isinstance(detail, Gst.Caps) else str(detail))
        elif message.type == Gst.MessageType.ERROR and H264_CAPS not in found:
            raise ClipError(_not_h264(path, found, message.parse_error()[0].message))
        elif message.type == Gst.MessageType.ERROR:
            error, detail = message.parse_error()
            reason = f"{error.message} {' '.join(detail.split())}"
            raise ClipError(f"{path}: cannot read on after {len(pictures)} pictures: {reason}")
        else:
            break
    if not pictures:
        raise ClipError(_not_h264(path, found, "it holds no video"))
    known, stated_ns = pipeline.query_duration(Gst.Format.TIME)
    return caps, pictures, stated_ns if known else 0


def _not_h264(path, found, reason):
    names = [CODEC_NAMES.get(name, name) for name in found]
    if not names:
        return f"{path}: expected H.264 video: {reason}"
    return (
        f"{path}: expected H.264, found {', '.join(names)}; convert it with: "
        f"ffmpeg -i {path.name} -an -c:v libx264 -bf 0 -pix_fmt yuv420p {path.stem}_h264.mp4"
    )


def _units(path, pictures):
    """Times from the first key picture on; refuses what RTP timestamps cannot carry in order."""
    first = next((i for i, picture in enumerate(pictures) if picture[3]), None)
    if first is None:
        raise ClipError(f"{path}: H.264 without any key picture")
    pictures = pictures[first:]
    if any(picture[2] is None for picture in pictures):
        raise ClipError(f"{path}: H.264 without timestamps (a raw stream?): put it into an MP4 file with its frame rate")
    times = [picture[2] - pictures[0][2] for picture in pictures]
    gaps = [after - before for before, after in zip(times, times[1:])]
    if any(gap <= 0 for gap in gaps):
        at = next(i for i, gap in enumerate(gaps) if gap <= 0)
        raise ClipError(
            f"{path}: H.264 with B-frames (picture {at + 1} is shown before picture {at}), which cameras do not send; "
            f"convert it with: ffmpeg -i {path.name} -an -c:v libx264 -bf 0 -pix_fmt yuv420p {path.stem}_nobframes.mp4"
        )
    # The last picture is shown as long as a usual one, so that the loop's seam looks like any other pair of pictures.
    usual_ns = int(statistics.median(gaps)) if gaps else Gst.SECOND
    return [
        AccessUnit(offset, size, time_ns, duration_ns, key)
        for (offset, size, _, key), time_ns, duration_ns in zip(pictures, times, [*gaps, usual_ns])
    ]
