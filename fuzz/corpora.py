#!/usr/bin/python3
"""Makes the corpora that the fuzz targets start from, in fuzz/corpus: small films of ours, encoded and packetised by FFmpeg.

Nothing of a real camera is in them. What the bytes mean: ingest/src/fuzz.rs.
"""

import re
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
SOURCE = ["-f", "lavfi", "-i", "testsrc2=duration=1:size=64x48:rate=10"]
# Codec number in ingest/src/fuzz.rs, encoder, raw format, pattern that begins an access unit.
CODECS = {
    "h264": (0, ["-c:v", "libx264", "-g", "5", "-bf", "0", "-x264-params", "aud=1"], "h264", rb"\x00\x00\x00\x01\x09"),
    "h264b": (0, ["-c:v", "libx264", "-g", "5", "-bf", "2", "-x264-params", "aud=1"], "h264", rb"\x00\x00\x00\x01\x09"),
    "h265": (1, ["-c:v", "libx265", "-x265-params", "aud=1:keyint=5:bframes=0:log-level=none"], "hevc", rb"\x00\x00\x00\x01\x46"),
    "mjpeg": (2, ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-huffman", "default", "-force_duplicated_matrix", "1"], "mjpeg", rb"\xff\xd8\xff"),
}


def ffmpeg(*arguments):
    command = ["ffmpeg", "-v", "error", "-y", *SOURCE, "-pix_fmt", "yuv420p", *map(str, arguments)]
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True).stdout


def block(data):
    return struct.pack(">H", len(data)) + data


def access_units(name):
    number, encoder, form, begin = CODECS[name]
    stream = ffmpeg(*encoder, "-f", form, "-")
    starts = [match.start() for match in re.finditer(begin, stream)] + [len(stream)]
    return number, [stream[a:b] for a, b in zip(starts, starts[1:])]


def packets(name, flags_of):
    number, units = access_units(name)
    out = b""
    for i, unit in enumerate(units):
        flags = flags_of(i)
        head = b""
        if i == 0:
            flags |= 0x80
            head = struct.pack(">BHH", number, 64, 48) + block(b"") + b"\x00"
        out += bytes((flags,)) + head + struct.pack(">H", 1000) + block(unit)
    return out


def rtp(name):
    """The session description and the RTP packets that FFmpeg sends."""
    _, encoder, _, _ = CODECS[name]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, tempfile.TemporaryDirectory() as folder:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(1)
        port = receiver.getsockname()[1]
        sdp = Path(folder) / "sdp"
        ffmpeg(*encoder, "-sdp_file", sdp, "-f", "rtp", f"rtp://127.0.0.1:{port}?pkt_size=300")
        found = []
        while True:
            try:
                found.append(receiver.recv(4096))
            except TimeoutError:
                return sdp.read_bytes(), found


def sessions(name):
    description, found = rtp(name)
    kind = {"h264": 0, "h264b": 0, "h265": 1, "mjpeg": 2}[name]
    body, last = b"", None
    for packet in found:
        timestamp = packet[4:8]
        body += bytes((packet[1] >> 7 | (2 if timestamp != last else 0),)) + block(packet[12:])
        last = timestamp
    report = struct.pack(">BBHIIIIII", 0x80, 200, 6, 0x51071125, 3_900_000_000, 0, 0, 0, 0)
    body += b"\x81" + block(report)
    yield bytes((kind,)) + body
    yield b"\x03" + block(description.replace(b"\n", b"\r\n").replace(b"\r\r", b"\r")) + body


def main():
    for target in ("decode", "clip", "session"):
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
    for name in CODECS:
        plain = packets(name, lambda i: i % 5 == 0)
        lossy = packets(name, lambda i: (i % 5 == 0) | (2 if i == 3 else 0) | (0x40 if i == 5 else 0))
        for label, data in (("plain", plain), ("lossy", lossy)):
            (CORPUS / "decode" / f"{name}-{label}").write_bytes(b"\x00" + data)
            (CORPUS / "decode" / f"{name}-{label}-gated").write_bytes(b"\x01" + data)
            (CORPUS / "clip" / f"{name}-{label}").write_bytes(b"\xff\xff\x40" + data)
        for i, data in enumerate(sessions(name)):
            (CORPUS / "session" / f"{name}-{i}").write_bytes(data)


main()
