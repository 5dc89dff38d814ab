"""A small RTSP client for the tests: one video track over TCP, with the RTP packets and sender reports as they come."""

import hashlib
import re
import socket
import struct
from dataclasses import dataclass, field
from urllib.parse import urlsplit

NAL_IDR, NAL_SPS, NAL_PPS, NAL_FU_A = 5, 7, 8, 28
NTP_TO_UNIX_S = 2_208_988_800


@dataclass
class Picture:
    """One access unit as received: RTP timestamp (90 kHz, wrapping) and the types of its NAL units in order."""

    rtp_time: int
    nal_types: list = field(default_factory=list)


@dataclass(frozen=True)
class SenderReport:
    unix_s: float
    rtp_time: int


class RtspError(Exception):
    def __init__(self, status, headers):
        super().__init__(f"RTSP status {status}")
        self.status, self.headers = status, headers


class RtspClient:
    def __init__(self, url, user=None, password=None, scheme="Digest"):
        self.url, self.user, self.password, self.scheme = url, user, password, scheme
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=20)
        self.stream = self.socket.makefile("rb")
        self.sequence, self.session, self.challenge = 0, None, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()

    def request(self, method, url=None, **headers):
        """Sends one request, answers a Digest challenge once, returns (headers, body)."""
        url = url or self.url
        for retry in (False, True):
            self.sequence += 1
            lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self.sequence}"]
            if self.session:
                lines.append(f"Session: {self.session}")
            if self.user is not None and (self.challenge or self.scheme == "Basic"):
                lines.append(f"Authorization: {self._authorization(method, url)}")
            lines += [f"{name}: {value}" for name, value in headers.items()]
            self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            status, answer, body = self._response()
            if status == 401 and self.user is not None and self.scheme == "Digest" and not retry:
                self.challenge = dict(re.findall(r'(\w+)="([^"]*)"', answer["www-authenticate"]))
                continue
            if status != 200:
                raise RtspError(status, answer)
            return answer, body
        raise AssertionError("unreachable")

    def _authorization(self, method, url):
        if self.scheme == "Basic":
            return "Basic dTpw"
        realm, nonce = self.challenge["realm"], self.challenge["nonce"]
        first = hashlib.md5(f"{self.user}:{realm}:{self.password}".encode()).hexdigest()
        second = hashlib.md5(f"{method}:{url}".encode()).hexdigest()
        response = hashlib.md5(f"{first}:{nonce}:{second}".encode()).hexdigest()
        return (
            f'Digest username="{self.user}", realm="{realm}", nonce="{nonce}", uri="{url}", response="{response}"'
        )

    def _response(self):
        while True:
            first = self.stream.read(1)
            if first != b"$":
                break
            self._frame()  # media that arrives between a request and its answer
        status = int((first + self.stream.readline()).split()[1])
        headers = {}
        while line := self.stream.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, self.stream.read(int(headers.get("content-length", 0))).decode()

    def _frame(self):
        channel, length = struct.unpack(">BH", self.stream.read(3))
        return channel, self.stream.read(length)

    def play(self):
        _, sdp = self.request("DESCRIBE", Accept="application/sdp")
        control = re.findall(r"^a=control:(\S+)", sdp, re.MULTILINE)[-1]
        track = control if control.startswith("rtsp://") else f"{self.url}/{control}"
        answer, _ = self.request("SETUP", track, Transport="RTP/AVP/TCP;unicast;interleaved=0-1")
        self.session = answer["session"].split(";")[0]
        self.request("PLAY", Range="npt=0-")
        return sdp

    def pictures_and_reports(self):
        """Yields a Picture at each marker bit and every SenderReport; ends with the connection or an RTCP BYE."""
        picture = None
        while first := self.stream.read(1):
            if first != b"$":
                raise AssertionError(f"expected an interleaved frame, found {first!r}")
            channel, data = self._frame()
            if channel == 1:
                if data[1] == 200:
                    seconds, fraction, rtp_time = struct.unpack(">III", data[8:20])
                    yield SenderReport(seconds - NTP_TO_UNIX_S + fraction / 2**32, rtp_time)
                if any(kind == 203 for kind in _rtcp_kinds(data)):
                    return
                continue
            rtp_time = struct.unpack(">I", data[4:8])[0]
            if picture is None or picture.rtp_time != rtp_time:
                picture = Picture(rtp_time)
            kind = data[12] & 0x1F
            if kind != NAL_FU_A:
                picture.nal_types.append(kind)
            elif data[13] & 0x80:
                picture.nal_types.append(data[13] & 0x1F)
            if data[1] & 0x80:
                yield picture


def _rtcp_kinds(data):
    at = 0
    while at + 4 <= len(data):
        yield data[at + 1]
        at += 4 * (struct.unpack(">H", data[at + 2 : at + 4])[0] + 1)
