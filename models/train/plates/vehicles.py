"""Rough drawings of what surrounds a plate: rears of motorcycles, fronts and rears of cars, trucks and buses, roads.

They are not meant to look like photographs. They give the locator the things it mistakes for plates (lamps, stickers,
numbers, grilles, shoes, stripes) and put plates where plates are.
"""

import cv2
import numpy as np

from .faces import soft_noise


def tone(rng, lo=0.0, hi=1.0, colour=0.15) -> tuple[float, float, float]:
    """A colour, mostly grey."""
    return tuple(np.clip(rng.uniform(lo, hi) + rng.normal(0, colour, 3), 0, 1).tolist())


def poly(im, points, colour) -> None:
    """A filled polygon, corners in pixels."""
    cv2.fillPoly(im, [np.round(np.array(points) * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)


def oval(im, cx, cy, rx, ry, colour, angle=0.0, thickness=-1) -> None:
    """An ellipse."""
    cv2.ellipse(im, (int(cx), int(cy)), (max(1, int(rx)), max(1, int(ry))), angle, 0, 360, colour, thickness, cv2.LINE_AA)


def road(rng, h: int, w: int) -> np.ndarray:
    """Asphalt, concrete or clutter, with stripes, edges and stains."""
    im = np.full((h, w, 3), tone(rng, 0.15, 0.75, 0.03), np.float32)
    im += rng.uniform(0.02, 0.15) * soft_noise(rng, h, w, int(rng.integers(3, 9)))[..., None]
    im += rng.uniform(0, 0.04) * rng.standard_normal((h, w, 1)).astype(np.float32)
    for _ in range(rng.poisson(2)):
        p, q = rng.uniform(-0.2, 1.2, 2) * (w, h), rng.uniform(-0.2, 1.2, 2) * (w, h)
        cv2.line(im, tuple(int(v) for v in p), tuple(int(v) for v in q), tone(rng, 0, 1, 0.1), int(rng.uniform(1, 0.06 * w) + 1), cv2.LINE_AA)
    if rng.random() < 0.2:
        hazard(im, rng)
    for _ in range(rng.poisson(1.5)):
        box(im, rng, rng.uniform(0, 1) * w, rng.uniform(0, 1) * h, rng.uniform(0.03, 0.4) * w, rng.uniform(0.03, 0.4) * h, tone(rng, colour=0.2))
    return im


def hazard(im, rng) -> None:
    """A kerb in slanting stripes."""
    h, w = im.shape[:2]
    a, b, width = tone(rng, 0.0, 0.3, 0.03), rng.choice([0, 1]), rng.uniform(0.05, 0.15) * w
    colour = (0.8, 0.7, 0.1) if b else (0.85, 0.85, 0.85)
    x = 0 if rng.random() < 0.5 else w - width
    n = int(rng.integers(4, 10))
    for i in range(n):
        y = i * h / n
        poly(im, [(x, y), (x + width, y - width), (x + width, y - width + h / n), (x, y + h / n)], a if i % 2 else colour)


def box(im, rng, cx, cy, bw, bh, colour) -> None:
    """A slightly turned rectangle."""
    a = rng.normal(0, 0.06)
    c, s = np.cos(a), np.sin(a)
    corners = [(-bw / 2, -bh / 2), (bw / 2, -bh / 2), (bw / 2, bh / 2), (-bw / 2, bh / 2)]
    poly(im, [(cx + c * x - s * y, cy + s * x + c * y) for x, y in corners], colour)


def lettering(im, rng, cx, cy, height, colour) -> None:
    """A word or a number that is no plate: a make, a telephone number, the time in the picture."""
    n = int(rng.integers(2, 13))
    letters = "0123456789 :/-" if rng.random() < 0.5 else "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghiklmnorstu "
    text = "".join(rng.choice(list(letters), n))
    scale = max(0.2, height / 22)
    font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_PLAIN]))
    cv2.putText(im, text, (int(cx - n * height * 0.35), int(cy)), font, scale, colour, max(1, int(scale * rng.uniform(1, 3))), cv2.LINE_AA)


def sticker(im, rng, cx, cy, size) -> None:
    """A label: a light patch with or without something on it."""
    box(im, rng, cx, cy, size, size * rng.uniform(0.3, 1.2), tone(rng, 0.4, 1, 0.15))
    if rng.random() < 0.5:
        lettering(im, rng, cx, cy, size * 0.2, tone(rng, 0, 0.6))


def motorcycle(im, rng, cx, cy, s) -> tuple[float, float, float]:
    """A rear, `s` wide, its plate's place about (cx, cy). Gives that place and the plate's width."""
    dark = tone(rng, 0.0, 0.18, 0.02)
    paint = tone(rng, 0.02, 0.9, 0.25)
    pw = s * rng.uniform(0.30, 0.46)
    # Tyre and mudguard below, body and lamp above, exhaust to a side, legs outside.
    oval(im, cx + rng.normal(0, 0.03) * s, cy + 0.65 * s, 0.13 * s, 0.5 * s, tone(rng, 0, 0.12, 0.01))
    poly(im, [(cx - 0.2 * s, cy - 0.5 * s), (cx + 0.2 * s, cy - 0.5 * s), (cx + 0.13 * s, cy + 0.65 * s), (cx, cy + rng.uniform(0.6, 0.85) * s), (cx - 0.13 * s, cy + 0.65 * s)], dark)
    if rng.random() < 0.5:
        sticker(im, rng, cx + rng.normal(0, 0.02) * s, cy + rng.uniform(0.42, 0.6) * s, 0.16 * s)
    side = rng.choice([-1, 1], p=[0.25, 0.75])
    oval(im, cx + side * 0.36 * s, cy + rng.uniform(-0.1, 0.25) * s, 0.1 * s, 0.2 * s, tone(rng, 0.05, 0.7, 0.04), side * rng.uniform(0, 25))
    oval(im, cx + side * 0.37 * s, cy + rng.uniform(0.1, 0.3) * s, 0.06 * s, 0.07 * s, tone(rng, 0, 0.9, 0.03))
    for k in (-1, 1):
        x = cx + k * rng.uniform(0.28, 0.42) * s
        cv2.line(im, (int(x), int(cy - 0.6 * s)), (int(x + k * 0.06 * s), int(cy + 0.2 * s)), tone(rng, 0.1, 0.8, 0.03), int(rng.uniform(0.03, 0.07) * s) + 1, cv2.LINE_AA)
        if rng.random() < 0.7:  # legs and shoes
            fx, fy = cx + k * rng.uniform(0.4, 0.7) * s, cy + rng.uniform(-0.3, 0.2) * s
            cv2.line(im, (int(cx + k * 0.3 * s), int(cy - 0.9 * s)), (int(fx), int(fy)), tone(rng, 0, 1, 0.15), int(0.14 * s) + 1, cv2.LINE_AA)
            oval(im, fx + k * 0.06 * s, fy, 0.13 * s, 0.06 * s, tone(rng, 0, 1, 0.1))
    top = cy - rng.uniform(0.25, 0.4) * s
    body = [(-0.22, -0.1), (-0.38, -0.45), (-0.3, -0.85), (0.3, -0.85), (0.38, -0.45), (0.22, -0.1)]
    poly(im, [(cx + x * s * rng.uniform(0.85, 1.15), top + y * s * 0.7) for x, y in body], paint)
    lamps(im, rng, cx, top - rng.uniform(0.02, 0.25) * s, s)
    if rng.random() < 0.6:
        box(im, rng, cx, cy - pw * 0.36 - rng.uniform(0.02, 0.08) * s, 0.14 * s, 0.05 * s, tone(rng, 0.1, 0.9, 0.1))
    if rng.random() < 0.75:
        rider(im, rng, cx, top - 0.55 * s, s)
    return cx + rng.normal(0, 0.03) * s, cy, pw


def lamps(im, rng, cx, cy, s) -> None:
    """A rear lamp, lit or not, with its glow."""
    lit = rng.random() < 0.4
    red = (1.0, rng.uniform(0, 0.35), rng.uniform(0, 0.3)) if rng.random() < 0.8 else (1.0, 0.6, 0.1)
    w, h = rng.uniform(0.08, 0.22) * s, rng.uniform(0.03, 0.09) * s
    colour = tuple(v if lit else v * 0.5 for v in red)
    if rng.random() < 0.5:
        oval(im, cx, cy, w, h, colour)
    else:
        for k in (-1, 1):
            poly(im, [(cx + k * 0.02 * s, cy + h), (cx + k * w, cy - h), (cx + k * w * 1.5, cy - h * 0.3), (cx + k * w * 0.8, cy + h)], colour)
    if lit:
        oval(im, cx, cy, w * 0.7, h * 0.6, (1.0, 0.85, 0.8))
        glow = np.zeros_like(im)
        oval(glow, cx, cy, w * 1.5, h * 3, red)
        im += rng.uniform(0.1, 0.6) * cv2.GaussianBlur(glow, (0, 0), max(1.0, 0.08 * s))


def rider(im, rng, cx, cy, s) -> None:
    """A back and a helmet."""
    cloth = tone(rng, 0, 1, 0.2)
    poly(im, [(cx - 0.3 * s, cy + 0.2 * s), (cx - 0.42 * s, cy - 0.5 * s), (cx - 0.2 * s, cy - 0.9 * s), (cx + 0.2 * s, cy - 0.9 * s), (cx + 0.42 * s, cy - 0.5 * s), (cx + 0.3 * s, cy + 0.2 * s)], cloth)
    oval(im, cx + rng.normal(0, 0.04) * s, cy - 1.1 * s, 0.2 * s, 0.24 * s, tone(rng, 0, 1, 0.2))
    if rng.random() < 0.25:
        sticker(im, rng, cx, cy - rng.uniform(0.1, 0.6) * s, 0.25 * s)


def car(im, rng, cx, cy, s) -> tuple[float, float, float]:
    """A front or rear, `s` wide, its plate's place about (cx, cy); car, bus or truck. Gives that place and a width for a
    long plate."""
    paint = tone(rng, 0.02, 0.95, 0.18)
    tall = rng.uniform(0.45, 0.8) if rng.random() < 0.6 else rng.uniform(0.8, 1.4)
    low = cy + rng.uniform(0.06, 0.22) * s
    poly(im, [(cx - 0.5 * s, low), (cx - 0.5 * s, low - 0.45 * tall * s), (cx - 0.4 * s, low - tall * s), (cx + 0.4 * s, low - tall * s), (cx + 0.5 * s, low - 0.45 * tall * s), (cx + 0.5 * s, low)], paint)
    glass = tone(rng, 0.02, 0.6, 0.05)
    y = low - tall * s * rng.uniform(0.5, 0.6)
    poly(im, [(cx - 0.43 * s, y), (cx - 0.36 * s, low - tall * s * 0.93), (cx + 0.36 * s, low - tall * s * 0.93), (cx + 0.43 * s, y)], glass)
    for k in (-1, 1):
        oval(im, cx + k * 0.38 * s, low, 0.09 * s, 0.13 * s, tone(rng, 0, 0.12, 0.01))
    box(im, rng, cx, low, 0.98 * s, 0.1 * s, tone(rng, 0, 0.6, 0.05))
    front = rng.random() < 0.45
    ly = low - rng.uniform(0.16, 0.34) * s
    for k in (-1, 1):
        colour = tone(rng, 0.6, 1.0, 0.05) if front else (rng.uniform(0.4, 1), rng.uniform(0, 0.25), rng.uniform(0, 0.2))
        oval(im, cx + k * 0.39 * s, ly, rng.uniform(0.06, 0.1) * s, rng.uniform(0.03, 0.12) * s, colour)
        if rng.random() < 0.25:
            oval(im, cx + k * 0.39 * s, ly, 0.04 * s, 0.03 * s, (1.0, 1.0, 0.95))
    if rng.random() < 0.5:  # grille
        for i in range(int(rng.integers(2, 7))):
            gy = ly + (i - 2) * 0.022 * s
            cv2.line(im, (int(cx - 0.24 * s), int(gy)), (int(cx + 0.24 * s), int(gy)), tone(rng, 0, 0.9, 0.02), max(1, int(0.01 * s)), cv2.LINE_AA)
    if rng.random() < 0.5:
        lettering(im, rng, cx + rng.normal(0, 0.15) * s, low - rng.uniform(0.2, 0.9) * tall * s, rng.uniform(0.03, 0.1) * s, tone(rng))
    if rng.random() < 0.4:
        sticker(im, rng, cx + rng.uniform(-0.4, 0.4) * s, low - rng.uniform(0.3, 0.9) * tall * s, rng.uniform(0.06, 0.2) * s)
    return cx + rng.normal(0, 0.04) * s, cy, s * rng.uniform(0.24, 0.34)
