"""From clean frames to what a street camera sends: lens, haze or rain, sensor noise, sharpening, text, H.264."""
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

OSD_FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf"
POOL, SHIFT = 7, 96
"""So many noise pictures, cut out at another place for every frame."""


class Sensor:
    """Degrades frames one after the other; equal seeds give equal clips."""

    def __init__(self, size, settings: dict, osd: str, start, seed=1):
        self.w, self.h = size
        self.s, self.osd, self.start = settings, osd, start
        self.rnd = np.random.default_rng(seed)
        yy, xx = np.mgrid[0:self.h, 0:self.w].astype(np.float32)
        r2 = ((xx - self.w / 2) ** 2 + (yy - self.h / 2) ** 2) / ((self.w / 2) ** 2 + (self.h / 2) ** 2)
        # haze grows with distance: towards the top of a picture that looks down a street
        haze = np.minimum(settings["haze"] * (0.35 + 0.9 * np.clip(1 - yy / self.h, 0, 1) ** 1.5), 0.9)
        vignette = 1 - 0.15 * r2
        deep = lambda plane: np.repeat(plane[..., None].astype(np.float32), 3, 2)
        self.gain, self.veil = deep((1 - haze) * vignette), deep(haze * vignette * settings.get("haze_level", 205.0))
        k = settings.get("saturation", 0.92)
        self.colours = (np.full((3, 3), (1 - k) / 3) + k * np.eye(3)).astype(np.float32)
        self.pool = [self._noise() for _ in range(POOL)]
        self.fixed = deep(self.rnd.normal(0, 0.5, (self.h, self.w)))
        self.font = ImageFont.truetype(OSD_FONT, max(12, round(self.h * 0.024)))
        self.drops = self.rnd.random((int(900 * settings.get("rain", 0)), 4))

    def _noise(self):
        """Fine noise on brightness, coarser on colour, as after a camera's demosaicking and noise filter."""
        h, w = self.h + SHIFT, self.w + SHIFT
        fine = cv2.GaussianBlur(self.rnd.normal(0, 1, (h, w)).astype(np.float32), (0, 0), 0.6)[..., None]
        half = self.rnd.normal(0, 1, (h // 2, w // 2, 3)).astype(np.float32)
        coarse = cv2.resize(cv2.GaussianBlur(half, (0, 0), 0.9), (w, h))
        return fine / fine.std() * 0.8 + coarse / coarse.std() * 0.45

    def frame(self, image: np.ndarray, n: int, seconds: float) -> np.ndarray:
        s = self.s
        x = cv2.transform(image.astype(np.float32), self.colours)
        if s["blur_px"] > 0:
            x = cv2.GaussianBlur(x, (0, 0), s["blur_px"])
        if s.get("glow", 0) > 0:   # light scattered in lens and dirt around lamps
            bright = np.maximum(x - 200.0, 0)
            wide = cv2.GaussianBlur(cv2.resize(bright, (self.w // 8, self.h // 8), interpolation=cv2.INTER_AREA), (0, 0), 5.0)
            x += s["glow"] * 3.0 * cv2.resize(wide, (self.w, self.h))
        x = cv2.multiply(x, self.gain, scale=1 + 0.005 * float(np.sin(n * 0.7))) + self.veil
        if len(self.drops):
            x = self._rain(x, n)
        # shot noise grows with the root of the light
        strength = s["noise"] * (0.9 + 0.09 * np.sqrt(np.maximum(x[..., 1], 0)))
        dy, dx = self.rnd.integers(0, SHIFT, 2)
        noise = self.pool[n % POOL][dy:dy + self.h, dx:dx + self.w]
        x += cv2.multiply(noise, cv2.merge([strength] * 3))
        cv2.scaleAdd(self.fixed, s["noise"], x, x)
        if s["sharpen"] > 0:
            x = cv2.addWeighted(x, 1 + s["sharpen"], cv2.GaussianBlur(x, (0, 0), 1.5), -s["sharpen"], 0)
        return self._text(cv2.add(x, 0, dtype=cv2.CV_8U), seconds)

    def _rain(self, x, n):
        layer = np.zeros((self.h, self.w), np.uint8)
        for a, b, c, d in self.drops:
            u = int((a + 0.003 * n) % 1 * self.w)
            v = int((b + n * (0.23 + 0.2 * c)) % 1 * self.h)
            length = int(self.h * (0.02 + 0.05 * d))
            cv2.line(layer, (u, v), (u + length // 9, v + length), int(40 + 70 * c), 1 + int(d > 0.8), cv2.LINE_AA)
        f = cv2.GaussianBlur(layer, (0, 0), 0.8).astype(np.float32)[..., None] / 255
        return x * (1 - f * 0.6) + 190 * f * 0.6

    def _text(self, x, seconds):
        moment = self.start + timedelta(seconds=seconds)
        words = f"{self.osd}  {moment:%d/%m/%Y %H:%M:%S}.{moment.microsecond // 100000}"
        height = round(self.h * 0.045)
        strip = Image.fromarray(x[:height, :, ::-1])
        ImageDraw.Draw(strip).text((round(self.h * 0.012), round(self.h * 0.007)), words, font=self.font, fill=(255, 255, 255),
                                   stroke_width=max(1, self.h // 540), stroke_fill=(0, 0, 0))
        x[:height] = np.array(strip)[:, :, ::-1]
        return x


def encode(frames: list[Path], out: Path, world, camera, threads=2, first=0, wait=False):
    """Writes `<camera>.mp4` (the main stream) and `<camera>-sub.mp4`; for the camera "main": main.mp4 and sub.mp4.
    With `wait`, frames that are still being rendered are waited for."""
    s, (w, h) = world.config["degrade"], camera.size
    fps = world.fps
    sensor = Sensor((w, h), s, _osd(world, camera), world.start)
    out.mkdir(parents=True, exist_ok=True)
    name = camera.name
    sub = "sub" if name == "main" else f"{name}-sub"
    sw, sh = s["sub_size_px"]
    gop = str(round(fps * 2))
    code = lambda rate: ["-c:v", "libx264", "-profile:v", "main", "-preset", "medium", "-b:v", f"{rate}k", "-maxrate",
                         f"{round(rate * 1.6)}k", "-bufsize", f"{rate * 2}k", "-g", gop, "-bf", "0", "-pix_fmt", "yuv420p",
                         "-threads", str(threads), "-movflags", "+faststart", "-map_metadata", "-1"]
    command = ["ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{w}x{h}", "-r", str(fps),
               "-i", "-", "-map", "0", *code(s["main_kbit_s"]), str(out / f"{name}.mp4"),
               "-map", "0", "-vf", f"scale={sw}:{sh}:flags=area", *code(s["sub_kbit_s"]), str(out / f"{sub}.mp4")]
    pipe = subprocess.Popen(command, stdin=subprocess.PIPE)
    for n, path in enumerate(frames, first):
        while wait and not path.is_file():
            time.sleep(1)
        image = cv2.imread(str(path))
        if image is None or image.shape != (h, w, 3):
            pipe.kill()
            raise SystemExit(f"{path}: expected a {w}x{h} picture")
        pipe.stdin.write(sensor.frame(image, n, n / fps).tobytes())
    pipe.stdin.close()
    if pipe.wait():
        raise SystemExit("ffmpeg failed")
    return out / f"{name}.mp4", out / f"{sub}.mp4"


def _osd(world, camera) -> str:
    for table in world.config["camera"]:
        if table["name"] == camera.name:
            return table.get("osd", camera.name)
    return camera.name
