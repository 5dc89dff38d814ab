"""A plate drawn flat, at about 1.5 pixels a millimetre: characters, frame, relief, dirt.

`draw_plate` gives a picture of reflectance, 0 to 1, with one channel (luma) or three (RGB).
"""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .glyphs import Style, stroke_glyph
from .texts import Text, draw_text

PX_PER_MM = 1.5
LUMA = np.array([0.299, 0.587, 0.114], np.float32)

# Mean reflectance of ground and characters, RGB.
COLOURS = {
    "private": ((0.86, 0.86, 0.85), (0.07, 0.07, 0.08)),
    "transport": ((0.86, 0.68, 0.08), (0.07, 0.07, 0.07)),
    "state": ((0.05, 0.18, 0.62), (0.86, 0.87, 0.88)),
    "army": ((0.62, 0.06, 0.07), (0.86, 0.85, 0.83)),
}


@cache
def font_files() -> list[Path]:
    """The converted fonts (`fetch_fonts.sh`)."""
    folder = Path(os.environ.get("PLATE_FONTS", Path.home() / ".cache/stopline/plate_fonts"))
    files = sorted(folder.glob("*.ttf"))
    if not files:
        raise SystemExit(f"no fonts in {folder}: run fetch_fonts.sh first")
    return files


_FONTS: dict = {}
_GLYPHS: dict = {}


def _font_glyph(path: Path, c: str) -> np.ndarray:
    """A character of a font, cut to its ink, 140 pixels tall for a capital."""
    key = (path, c)
    if key not in _GLYPHS:
        font = _FONTS.setdefault(path, ImageFont.truetype(str(path), 190))
        page = Image.new("L", (360, 360))
        ImageDraw.Draw(page).text((90, 60), c, 255, font=font)
        a = np.array(page)
        ys, xs = np.where(a > 40)
        _GLYPHS[key] = a[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    return _GLYPHS[key]


@dataclass
class Face:
    """How the characters of one plate are cut."""

    style: Style
    font: Path | None
    stroke: float  # of the character height
    spread: float  # width of a character, of its height
    gap: float  # between characters, of the character width


def draw_face(rng, wide: bool) -> Face:
    """A face for one plate; `wide` for cars' characters."""
    files = font_files()
    font = files[rng.integers(len(files))] if rng.random() < 0.3 else None
    spread = rng.normal(0.53, 0.05) if wide else rng.normal(0.44, 0.04)
    return Face(Style(rng), font, float(np.clip(rng.normal(0.135, 0.018), 0.09, 0.19)), float(np.clip(spread, 0.34, 0.68)), rng.uniform(0.18, 0.4))


def _glyph(face: Face, c: str, height: int) -> np.ndarray:
    width = int(height * face.spread)
    if face.font is None:
        return stroke_glyph(c, height, width, face.stroke * height, face.style)
    g = _font_glyph(face.font, c)
    reference = _font_glyph(face.font, "0").shape[1]
    w = max(3, int(width * g.shape[1] / reference))
    return cv2.resize(g, (w, height), interpolation=cv2.INTER_AREA)


def _line(face: Face, rng, text: str, height: int) -> np.ndarray:
    """One line of text as a mask."""
    cell, gap = int(height * face.spread), max(2, int(height * face.spread * face.gap))
    fixed = rng.random() < 0.5
    parts = []
    for c in text:
        if c in "-.":
            side = max(3, int(height * face.stroke * rng.uniform(0.8, 1.25)))
            w = side if c == "." or rng.random() < 0.35 else int(side * rng.uniform(1.2, 2.2))
            y = int(height * rng.uniform(0.42, 0.5)) if c == "-" or rng.random() < 0.1 else height - side - int(rng.uniform(0, 0.08) * height)
            g = np.zeros((height, w), np.uint8)
            cv2.ellipse(g, (w // 2, y + side // 2), (max(1, w // 2), max(1, side // 2)), 0, 0, 360, 255, -1) if rng.random() < 0.5 else g[y : y + side].fill(255)
        else:
            g = _glyph(face, c, height)
            if fixed and c in "1I" and g.shape[1] < cell:
                left = (cell - g.shape[1]) // 2
                g = np.pad(g, ((0, 0), (left, cell - g.shape[1] - left)))
        parts += [g, np.zeros((height, gap), np.uint8)]
    return np.hstack(parts[:-1])


def _place(mask: np.ndarray, line: np.ndarray, cx: float, y: int, max_w: float) -> None:
    """Sets a line into the plate, squeezed when it is too wide."""
    h = line.shape[0]
    if line.shape[1] > max_w:
        line = cv2.resize(line, (int(max_w), h), interpolation=cv2.INTER_AREA)
    x = int(np.clip(cx - line.shape[1] / 2, 0, mask.shape[1] - line.shape[1]))
    y = int(np.clip(y, 0, mask.shape[0] - h))
    region = mask[y : y + h, x : x + line.shape[1]]
    np.maximum(region, line, out=region)


def _layout(text: Text, rng) -> np.ndarray:
    """Mask of the characters on the whole plate."""
    w, h = (int(v * PX_PER_MM) for v in text.size_mm)
    mask = np.zeros((h, w), np.uint8)
    face = draw_face(rng, wide=text.size_mm[0] > 250)
    if len(text.lines) == 1:
        ch = int(h * rng.uniform(0.62, 0.78))
        line = _line(face, rng, text.lines[0], ch)
        wanted = w * rng.uniform(0.86, 0.95)
        if line.shape[1] < wanted * 0.93:
            line = cv2.resize(line, (int(wanted * rng.uniform(0.9, 1)), ch), interpolation=cv2.INTER_LINEAR)
        _place(mask, line, w / 2 + rng.normal(0, 0.008) * w, (h - ch) // 2 + int(rng.normal(0, 0.02) * h), w * 0.95)
        return mask
    ch = int(h * rng.uniform(0.37, 0.42))
    gap = (h - 2 * ch) * rng.uniform(0.26, 0.4)
    top = (h - 2 * ch - gap) / 2 + rng.normal(0, 0.012) * h
    ch_top = int(ch * (rng.uniform(0.86, 1.0) if rng.random() < 0.3 else 1))
    first, second = _line(face, rng, text.lines[0], ch_top), _line(face, rng, text.lines[1], ch)
    # The number fills the line on most plates; the face is stretched until it does.
    wanted = w * rng.uniform(0.8, 0.94) * (0.85 if len(text.number) == 4 and rng.random() < 0.7 else 1)
    stretch = float(np.clip(wanted / second.shape[1], 0.75, 1.5))
    second = cv2.resize(second, (int(second.shape[1] * stretch), ch), interpolation=cv2.INTER_LINEAR)
    stretch *= rng.uniform(0.85, 1.05)
    first = cv2.resize(first, (int(first.shape[1] * stretch), ch_top), interpolation=cv2.INTER_LINEAR)
    _place(mask, first, w / 2 + rng.normal(0, 0.012) * w, int(top), w * 0.94)
    _place(mask, second, w / 2 + rng.normal(0, 0.012) * w, int(top + ch + gap), w * 0.95)
    return mask


def soft_noise(rng, h: int, w: int, cells: int) -> np.ndarray:
    """Smooth random field, about -1 to 1."""
    grid = rng.standard_normal((max(2, cells), max(2, int(cells * w / max(h, 1))))).astype(np.float32)
    return cv2.resize(grid, (w, h), interpolation=cv2.INTER_CUBIC)


def _colours(name: str, rng, channels: int):
    ground, ink = (np.array(c, np.float32) for c in COLOURS[name])
    ground = np.clip(ground * rng.uniform(0.75, 1.1) + rng.normal(0, 0.02, 3), 0.02, 1).astype(np.float32)
    ink = ink + rng.uniform(-0.04, 0.22 if ink.mean() < 0.5 else 0.05) * rng.random()
    ink = np.clip(ink + rng.normal(0, 0.015, 3), 0.02, 1).astype(np.float32)
    if channels == 1:
        return np.array([ground @ LUMA], np.float32), np.array([ink @ LUMA], np.float32)
    return ground, ink


def _furniture(im: np.ndarray, mask: np.ndarray, ground, ink, rng, channels: int) -> None:
    """Border, bolts, stickers, scratches."""
    h, w = mask.shape

    def tone(lo, hi):
        v = np.full(channels, rng.uniform(lo, hi), np.float32)
        return (v + rng.normal(0, 0.03, channels)).tolist()

    if rng.random() < 0.7:
        o, t = int(rng.uniform(0, 5)), int(rng.uniform(2, 6))
        colour = ink.tolist() if rng.random() < 0.75 else tone(0.3, 0.9)
        cv2.rectangle(im, (o, o), (w - 1 - o, h - 1 - o), colour, t, cv2.LINE_AA)
    if rng.random() < 0.6:
        spots = [(0.5, 0.06), (0.5, 0.94), (0.2, 0.06), (0.8, 0.06), (0.2, 0.94), (0.8, 0.94), (0.05, 0.5), (0.95, 0.5), (0.3, 0.5), (0.7, 0.5)]
        for i in rng.permutation(len(spots))[: rng.integers(1, 5)]:
            x, y = spots[i]
            centre = (int((x + rng.normal(0, 0.02)) * w), int((y + rng.normal(0, 0.015)) * h))
            cv2.circle(im, centre, int(rng.uniform(3, 8)), tone(0.05, 0.9), -1, cv2.LINE_AA)
    if rng.random() < 0.08:
        sticker = [0.1, 0.5, 0.2] if channels == 3 else [0.35]
        cv2.circle(im, (int(rng.uniform(0.05, 0.95) * w), int(rng.uniform(0.1, 0.9) * h)), 15, sticker, -1, cv2.LINE_AA)
    for _ in range(rng.poisson(0.25)):
        a, b = rng.uniform(0, 1, 2) * (w, h), rng.uniform(0, 1, 2) * (w, h)
        cv2.line(im, tuple(int(v) for v in a), tuple(int(v) for v in b), tone(0.1, 0.9), int(rng.uniform(1, 5)), cv2.LINE_AA)


def draw_plate(rng, channels: int = 1, text: Text | None = None) -> tuple[np.ndarray, Text]:
    """A plate seen straight, `h × w × channels`, and what stands on it."""
    text = text or draw_text(rng)
    mask = _layout(text, rng)
    h, w = mask.shape
    ground, ink = _colours(text.colours, rng, channels)
    alpha = mask.astype(np.float32) / 255
    if rng.random() < 0.2:  # worn paint
        alpha *= np.clip(1 - rng.uniform(0.1, 0.7) * np.clip(soft_noise(rng, h, w, 9) + rng.uniform(-0.8, 0.4), 0, 1), 0, 1)
    im = ground + alpha[..., None] * (ink - ground)
    im = np.ascontiguousarray(im, np.float32)
    _furniture(im, mask, ground, ink, rng, channels)
    if rng.random() < 0.6:  # pressed characters: light and dark flanks
        relief = cv2.GaussianBlur(mask, (0, 0), rng.uniform(1.2, 3)).astype(np.float32) / 255
        angle, step = rng.uniform(0, 2 * np.pi), 2
        dx, dy = int(round(step * np.cos(angle))), int(round(step * np.sin(angle)))
        slope = relief - np.roll(relief, (dy, dx), (0, 1))
        im += rng.uniform(0.05, 0.5) * slope[..., None]
    if rng.random() < 0.25:  # dirt: brown dust, thicker in patches
        patch = np.clip(soft_noise(rng, h, w, int(rng.integers(3, 12))) * rng.uniform(0.3, 1) + rng.uniform(-0.7, 0.3), 0, 0.85)[..., None]
        dust = np.array([0.36, 0.30, 0.24], np.float32) if channels == 3 else np.array([0.31], np.float32)
        im = im * (1 - patch) + dust * rng.uniform(0.5, 1.3) * patch
    return np.clip(im, 0, 1), text
