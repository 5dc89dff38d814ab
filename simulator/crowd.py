#!/usr/bin/python3
"""A crowd of cheap RTSP cameras, for measuring: hundreds of streams out of one process, next to no work for each.

    crowd.py --clip sub=sub.mp4 --clip main=main.mp4 [--phases 25] [--port 0] [--break-every SECONDS]

`rtsp://127.0.0.1:PORT/CLIP/ANYTHING` is a camera that shows the clip over and over, H.264 in RTP interleaved in the RTSP
connection (RFC 2326 section 10.12, RFC 6184), with sender reports every five seconds. It is always on air: who connects
joins in the middle of a group of pictures. ANYTHING chooses one of the phases, so that the key frames of a crowd do not
come all at once; a phase is put into packets once, for all who watch it. No log-in, no UDP, no TLS: `rtsp_cameras.py`,
a real server, is for tests of the protocol.

With `--break-every` each connection lives about that long (exponentially distributed) and is then closed, reset, or left
without another word; one in ten is not answered at all.

One JSON line tells when all is ready: {"ready":true,"port":N}. Runs until its standard input closes or SIGTERM.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import struct
import sys
import time
import zlib
from base64 import b64encode

import clip as clips

LARGEST_PAYLOAD = 1400
REPORT_EVERY_S = 5
NTP_EPOCH = 2_208_988_800
# A watcher that leaves so much unread is cut off: it would only grow.
MOST_UNREAD = 16 << 20
CLOCK_HZ = 90_000
# Share of the connections that are accepted and never answered, with --break-every.
UNANSWERED = 0.1


class Film:
    """A clip's access units as RTP payloads."""

    def __init__(self, path):
        clip = clips.load(path)
        self.units = [(payloads(clip.bytes_of(unit)), unit.time_ns / 1e9, unit.key) for unit in clip.units]
        self.length_s = clip.length_ns / 1e9
        sets = {nal[0] & 31: nal for nal in nals(clip.bytes_of(clip.units[0])) if nal[0] & 31 in (7, 8)}
        encoded = ",".join(b64encode(sets[kind]).decode() for kind in (7, 8))
        profile = sets[7][1:4].hex()
        self.sdp = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=crowd\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
            "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
            f"a=fmtp:96 packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={encoded}\r\n"
            "a=control:track\r\n"
        )


def nals(unit):
    """The NAL units of an Annex B access unit."""
    found = []
    for part in unit.split(b"\x00\x00\x01"):
        part = part.rstrip(b"\x00")
        if part:
            found.append(part)
    return found


def payloads(unit):
    """RTP payloads of an access unit: single NAL units, and FU-A of those that are too long (RFC 6184 section 5.8)."""
    out = []
    for nal in nals(unit):
        if len(nal) <= LARGEST_PAYLOAD:
            out.append(nal)
            continue
        indicator, kind, rest = (nal[0] & 0xE0) | 28, nal[0] & 31, nal[1:]
        pieces = [rest[i : i + LARGEST_PAYLOAD - 2] for i in range(0, len(rest), LARGEST_PAYLOAD - 2)]
        for i, piece in enumerate(pieces):
            edge = 0x80 if i == 0 else 0x40 if i == len(pieces) - 1 else 0
            out.append(bytes((indicator, edge | kind)) + piece)
    return out


class Phase:
    """A clip on air, begun at some moment; all who watch get the same bytes."""

    def __init__(self, film, number, of):
        self.film, self.watchers = film, set()
        self.begun_s = time.time() - film.length_s * number / of
        self.ssrc = random.getrandbits(32)
        self.sequence, self.timestamp = random.getrandbits(16), 0
        self.first = random.getrandbits(31)

    async def run(self):
        at, loop = 0, int((time.time() - self.begun_s) // self.film.length_s)
        into = (time.time() - self.begun_s) % self.film.length_s
        at = next((i for i, unit in enumerate(self.film.units) if unit[1] >= into), 0)
        report_s = 0.0
        while True:
            parts, time_s, _key = self.film.units[at]
            due_s = self.begun_s + loop * self.film.length_s + time_s
            await asyncio.sleep(max(0.0, due_s - time.time()))
            self.timestamp = (self.first + round((loop * self.film.length_s + time_s) * CLOCK_HZ)) & 0xFFFFFFFF
            if self.watchers:
                out = self.packets(parts)
                if time.time() - report_s > REPORT_EVERY_S:
                    report_s = time.time()
                    out = self.report(due_s) + out
                for watcher in list(self.watchers):
                    watcher.send(out)
            at += 1
            if at == len(self.film.units):
                at, loop = 0, loop + 1

    def packets(self, parts):
        out = []
        for i, part in enumerate(parts):
            mark = 0x80 if i == len(parts) - 1 else 0
            head = (0x24, 0, len(part) + 12, 0x80, mark | 96, self.sequence, self.timestamp, self.ssrc)
            out.append(struct.pack(">BBHBBHII", *head))
            out.append(part)
            self.sequence = (self.sequence + 1) & 0xFFFF
        return b"".join(out)

    def report(self, utc_s):
        seconds = int(utc_s)
        fraction = int((utc_s - seconds) * 2**32)
        body = (0x80, 200, 6, self.ssrc, (seconds + NTP_EPOCH) & 0xFFFFFFFF, fraction, self.timestamp, 0, 0)
        return struct.pack(">BBH", 0x24, 1, 28) + struct.pack(">BBHIIIIII", *body)


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, stage):
        self.stage, self.pending, self.phase, self.silent = stage, b"", None, False

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.stage.break_every_s:
            self.silent = random.random() < UNANSWERED
            after_s = random.expovariate(1 / self.stage.break_every_s)
            self.fate = asyncio.get_running_loop().call_later(after_s, self.break_off)

    def connection_lost(self, _error):
        self.leave()
        if self.stage.break_every_s:
            self.fate.cancel()

    def leave(self):
        if self.phase:
            self.phase.watchers.discard(self)

    def break_off(self):
        kind = random.choice(("close", "reset", "silence"))
        if kind == "close":
            self.transport.close()
        elif kind == "reset":
            self.transport.abort()
        else:
            self.silent = True
            self.leave()

    def send(self, out):
        if self.transport.get_write_buffer_size() > MOST_UNREAD:
            self.stage.cut_off += 1
            self.transport.abort()
        else:
            self.transport.write(out)

    def data_received(self, data):
        self.pending += data
        while self.pending:
            if self.pending[0] == 0x24:
                if len(self.pending) < 4 or len(self.pending) < 4 + int.from_bytes(self.pending[2:4], "big"):
                    return
                self.pending = self.pending[4 + int.from_bytes(self.pending[2:4], "big") :]
                continue
            head, end, rest = self.pending.partition(b"\r\n\r\n")
            if not end:
                return
            self.pending = rest
            if not self.silent:
                self.answer(head.decode("latin-1"))

    def answer(self, head):
        lines = head.split("\r\n")
        method, url = lines[0].split(" ")[:2]
        fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        cseq = next((value for name, value in fields.items() if name.lower() == "cseq"), "0")
        path = "/" + url.split("//", 1)[-1].partition("/")[2]
        names = [name for name in path.split("/") if name]
        phase = self.stage.phase(*names[:2]) if len(names) >= 2 else None
        status, more, body = "200 OK", [], ""
        if method == "OPTIONS":
            more = ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"]
        elif method in ("GET_PARAMETER", "SET_PARAMETER"):
            more = ["Session: 1"]
        elif method == "TEARDOWN":
            self.leave()
        elif phase is None:
            status = "404 Not Found"
        elif method == "DESCRIBE":
            body = phase.film.sdp
            more = ["Content-Type: application/sdp", f"Content-Base: {url.rstrip('/')}/"]
        elif method == "SETUP":
            more = ["Session: 1", f"Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc={phase.ssrc:08X}"]
        elif method == "PLAY":
            more = ["Session: 1"]
            self.phase = phase
            phase.watchers.add(self)
        else:
            status = "501 Not Implemented"
        text = [f"RTSP/1.0 {status}", f"CSeq: {cseq}", *more, f"Content-Length: {len(body)}", "", body]
        self.transport.write("\r\n".join(text).encode())


class Stage:
    def __init__(self, films, phases, break_every_s):
        self.break_every_s, self.cut_off = break_every_s, 0
        self.phases = {name: [Phase(film, i, phases) for i in range(phases)] for name, film in films.items()}

    def phase(self, name, camera):
        of = self.phases.get(name)
        return of and of[zlib.crc32(camera.encode()) % len(of)]


async def serve(arguments, films):
    stage = Stage(films, arguments.phases, arguments.break_every)
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = await loop.create_server(lambda: Connection(stage), "127.0.0.1", arguments.port, backlog=1024)
    on_air = [asyncio.create_task(phase.run()) for of in stage.phases.values() for phase in of]
    print(json.dumps({"ready": True, "port": server.sockets[0].getsockname()[1]}), flush=True)
    loop.add_reader(0, lambda: os.read(0, 4096) or stopped.set())
    await stopped.wait()
    for task in on_air:
        task.cancel()
    if stage.cut_off:
        print(f"crowd.py: {stage.cut_off} watchers that did not read were cut off", file=sys.stderr)


def clip_argument(text):
    name, equals, path = text.partition("=")
    if not equals or not name.isalnum():
        raise argparse.ArgumentTypeError(f"expected NAME=FILE with a name of letters and digits, found {text!r}")
    return name, path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clip", action="append", required=True, type=clip_argument, metavar="NAME=FILE")
    parser.add_argument("--phases", type=int, default=25)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--break-every", type=float, metavar="SECONDS")
    arguments = parser.parse_args()
    try:
        films = {name: Film(path) for name, path in arguments.clip}
    except clips.ClipError as error:
        sys.exit(f"crowd.py: {error}")
    asyncio.run(serve(arguments, films))


main()
