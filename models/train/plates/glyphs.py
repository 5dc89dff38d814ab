"""Characters as strokes of one width, which is what is pressed into a Vietnamese plate.

Each character is a few centre lines in a box of `w × h`; a pen of `stroke` is drawn along them. The face is made here, from
what the plates look like: narrow, one stroke width, round bowls with straight sides. How open, round or flat a character is
varies from plate to plate, so that no one cut of the face is learnt.
"""

import cv2
import numpy as np


def _arc(cx, cy, rx, ry, a0, a1):
    """An arc of an ellipse; degrees, 0 to the right, 90 down."""
    n = max(4, int(abs(a1 - a0) / 15) + 1)
    a = np.deg2rad(np.linspace(a0, a1, n))
    return np.stack([cx + rx * np.cos(a), cy + ry * np.sin(a)], 1).tolist()


class Style:
    """How one plate's characters are cut."""

    def __init__(self, rng):
        self.round = rng.uniform(0.7, 1.0)  # radius of bowls, in half widths
        self.open = rng.uniform(15, 50)  # where C, G, S, 2, 3, 5 end, degrees
        self.waist = rng.uniform(0.44, 0.5)  # where 3, 8, B, S narrow
        self.bar = rng.uniform(0.60, 0.74)  # crossbar of 4 and A
        self.flat_three = rng.random() < 0.15
        self.open_four = rng.random() < 0.45
        self.straight_six = rng.random() < 0.3
        self.flag = rng.uniform(0.35, 0.75)  # length of the flag of 1
        self.pointed_a = rng.random() < 0.6
        self.gamma_g = rng.random() < 0.5
        self.short_m = rng.uniform(0.45, 1.0)


def _lines(c: str, w: float, h: float, s: Style):
    """Centre lines of `c` in a box from (0, 0) to (w, h)."""
    r = min(w, h) / 2 * s.round
    rx = w / 2
    m = s.waist * h
    o = s.open
    top_l, top_r = _arc(r, r, r, r, 180, 270), _arc(w - r, r, r, r, 270, 360)
    low_r, low_l = _arc(w - r, h - r, r, r, 0, 90), _arc(r, h - r, r, r, 90, 180)
    ring = top_l + top_r + low_r + low_l
    ring.append(ring[0])
    if c in "0O":
        return [ring]
    if c == "Q":
        return [ring, [[w * 0.55, h * 0.78], [w, h * 1.0]]]
    if c == "1":
        return [[[w - s.flag * w, 0.2 * h], [w, 0], [w, h]]]
    if c == "2":
        return [_arc(rx, rx * 0.95, rx, rx * 0.95, 180 + o * 0.3, 395) + [[0, h], [w, h]]]
    if c == "3":
        low = _arc(rx, (m + h) / 2, rx, (h - m) / 2, 265, 505 + 20 - o * 0.5)
        if s.flat_three:
            return [[[0, 0], [w * 0.95, 0], [w * 0.4, m]] + low]
        return [_arc(rx, m / 2, rx * 0.94, m / 2, 180 + o, 450) + [[w * 0.35, m]], low]
    if c == "4":
        y = s.bar * h
        if s.open_four:
            return [[[w * 0.55, 0], [0, y], [w, y]], [[w * 0.72, y - h * 0.25], [w * 0.72, h]]]
        return [[[w * 0.75, h], [w * 0.75, 0], [0, y], [w, y]]]
    if c == "5":
        y = h * 0.40
        return [[[w * 0.93, 0], [w * 0.08, 0], [0.03 * w, y + 0.06 * h]] + _arc(rx, (y + h) / 2, rx, (h - y) / 2, 215, 530 - o)]
    if c in "69":
        y = h * 0.42
        bowl = _arc(rx, (y + h) / 2, rx, (h - y) / 2, 0, 360)
        if s.straight_six:
            stem = [[w * 0.72, 0], [w * 0.04, (y + h) / 2 - 0.06 * h]]
        else:
            stem = [[0, (y + h) / 2]] + _arc(rx, min(rx, h * 0.3), rx, min(rx, h * 0.3), 180, 360 - o)
        lines = [bowl, stem]
        return lines if c == "6" else [[[w - x, h - y] for x, y in line] for line in lines]
    if c == "7":
        return [[[0, 0], [w, 0], [w * 0.36, h]]]
    if c == "8":
        return [_arc(rx, m / 2, rx * 0.92, m / 2, 0, 360), _arc(rx, (m + h) / 2, rx, (h - m) / 2, 0, 360)]
    if c == "A":
        y = s.bar * h
        e = w * 0.5 * y / h
        peak = [[rx, 0]] if s.pointed_a else [[rx * 0.8, 0], [rx * 1.2, 0]]
        return [[[0, h]] + peak + [[w, h]], [[rx - e, y], [rx + e, y]]]
    if c == "B":
        q = min(rx, m / 2)
        return [
            [[0, m], [0, 0], [w * 0.95 - q, 0]] + _arc(w * 0.95 - q, m / 2, q, m / 2, 270, 450) + [[0, m]],
            [[0, m], [w - q, m]] + _arc(w - q, (m + h) / 2, q, (h - m) / 2, 270, 450) + [[0, h], [0, m]],
        ]
    if c == "C":
        return [_arc(rx, rx, rx, rx, 360 - o, 180) + _arc(rx, h - rx, rx, rx, 180, o)]
    if c == "D":
        return [[[0, 0], [0, h], [w - r, h]] + _arc(w - r, h - r, r, r, 90, 0) + _arc(w - r, r, r, r, 0, -90) + [[0, 0]]]
    if c == "E":
        return [[[w, 0], [0, 0], [0, h], [w, h]], [[0, h * 0.48], [w * 0.85, h * 0.48]]]
    if c == "F":
        return [[[w, 0], [0, 0], [0, h]], [[0, h * 0.5], [w * 0.85, h * 0.5]]]
    if c == "G":
        end = [[w, h - rx], [w, h * 0.54], [w * 0.5, h * 0.54]]
        tail = [[[w, h - rx], [w, h]]] if s.gamma_g else []
        return [_arc(rx, rx, rx, rx, 360 - o, 180) + _arc(rx, h - rx, rx, rx, 180, 0) + end] + tail
    if c == "H":
        return [[[0, 0], [0, h]], [[w, 0], [w, h]], [[0, h * 0.48], [w, h * 0.48]]]
    if c == "I":
        return [[[rx, 0], [rx, h]]]
    if c == "J":
        return [[[w, 0], [w, h - rx]] + _arc(rx, h - rx, rx, rx, 0, 170)]
    if c == "K":
        return [[[0, 0], [0, h]], [[w, 0], [0, h * 0.6]], [[w * 0.36, h * 0.4], [w, h]]]
    if c == "L":
        return [[[0, 0], [0, h], [w, h]]]
    if c == "M":
        return [[[0, h], [0, 0], [rx, h * s.short_m], [w, 0], [w, h]]]
    if c == "N":
        return [[[0, h], [0, 0], [w, h], [w, 0]]]
    if c in "PR":
        b = h * 0.54
        q = min(rx, b / 2)
        lines = [[[0, h], [0, 0], [w - q, 0]] + _arc(w - q, b / 2, q, b / 2, 270, 450) + [[0, b]]]
        return lines + ([[[w * 0.45, b], [w, h]]] if c == "R" else [])
    if c == "S":
        return [_arc(rx, m / 2, rx, m / 2, 360 - o, 90)[:-1] + _arc(rx, (m + h) / 2, rx, (h - m) / 2, 270, 540 - o)]
    if c == "T":
        return [[[0, 0], [w, 0]], [[rx, 0], [rx, h]]]
    if c == "U":
        return [[[0, 0], [0, h - rx]] + _arc(rx, h - rx, rx, rx, 180, 0) + [[w, 0]]]
    if c == "V":
        return [[[0, 0], [rx, h], [w, 0]]]
    if c == "W":
        return [[[0, 0], [w * 0.25, h], [rx, h * 0.3], [w * 0.75, h], [w, 0]]]
    if c == "X":
        return [[[0, 0], [w, h]], [[w, 0], [0, h]]]
    if c == "Y":
        return [[[0, 0], [rx, h * 0.5], [w, 0]], [[rx, h * 0.5], [rx, h]]]
    if c == "Z":
        return [[[0, 0], [w, 0], [0, h], [w, h]]]
    raise ValueError(f"no glyph for {c!r}")


# Wider or narrower than the rest, of the plate's character width.
WIDTHS = {"1": 0.55, "I": 0.3, "M": 1.18, "W": 1.25, "A": 1.08, "V": 1.05, "N": 1.04, "L": 0.92, "E": 0.92, "F": 0.92}


def stroke_glyph(c: str, height: int, width: int, stroke: float, style: Style) -> np.ndarray:
    """Mask of one character, `height` tall and about `width` wide outside, 0 to 255."""
    width = max(int(stroke) + 2, int(width * WIDTHS.get(c, 1.0)))
    mask = np.zeros((height, width), np.uint8)
    half = stroke / 2
    for line in _lines(c, width - stroke, height - stroke, style):
        points = np.round((np.array(line, np.float32) + half) * 16).astype(np.int32)
        cv2.polylines(mask, [points.reshape(-1, 1, 2)], False, 255, max(1, round(stroke)), cv2.LINE_AA, 4)
    return mask
