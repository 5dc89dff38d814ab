"""Training pictures of the locator: a vehicle's crop or a whole picture, letterboxed to 192 × 192, with plate corners."""

from pathlib import Path

import cv2
import numpy as np

from . import vehicles
from .camera import draw_lens, shoot
from .faces import draw_plate, soft_noise

SIDE = 192
PAD = 114
MOST = 4  # plates in one picture
CANVAS = 288  # long side while drawing


class Backgrounds:
    """Pictures that hold no plate of ours: rendered vehicles with their plates' corners, and free photographs."""

    def __init__(self, folder: Path):
        z = np.load(folder / "backgrounds.npz", allow_pickle=True)
        self.vehicles, self.corners, self.photos = list(z["vehicles"]), list(z["corners"]), list(z["photos"])


def _paste(im: np.ndarray, rng, quad: np.ndarray, plate: np.ndarray) -> None:
    h, w = plate.shape[:2]
    long_side = np.linalg.norm(quad[1] - quad[0])
    while w > 2 * long_side:
        w, h = w // 2, h // 2
        plate = cv2.resize(plate, (w, h), interpolation=cv2.INTER_AREA)
    m = cv2.getPerspectiveTransform(np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32), quad.astype(np.float32))
    cv2.warpPerspective(plate, m, (im.shape[1], im.shape[0]), im, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)


def _quad(rng, cx, cy, pw, ph) -> np.ndarray:
    c = np.array([[-pw, -ph], [pw, -ph], [pw, ph], [-pw, ph]]) / 2
    c[:, 0] *= 1 - abs(rng.normal(0, 0.12))
    c[:, 1] *= 1 - abs(rng.normal(0, 0.1))
    c[:, 1] += c[:, 0] * rng.normal(0, 0.1)
    c[:, 0] += c[:, 1] * rng.normal(0, 0.1)
    a = np.deg2rad(rng.normal(0, 5))
    c = c @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    return c + rng.normal(0, 0.015, (4, 2)) * (pw, ph) + (cx, cy)


def _holder(im, rng, quad) -> None:
    if rng.random() < 0.5:
        centre = quad.mean(0)
        vehicles.poly(im, centre + (quad - centre) * (1 + rng.uniform(0.02, 0.14, 2)), vehicles.tone(rng, 0, 0.3 if rng.random() < 0.8 else 0.9, 0.02))


def _add(im, rng, quads, whites, cx, cy, pw, two_lines: bool | None = None) -> None:
    """Draws a plate of width `pw` (of a two-line one; a one-line one is wider) at a place."""
    plate, text = draw_plate(rng, 3)
    for _ in range(12):
        if two_lines is None or (len(text.lines) == 2) == two_lines:
            break
        plate, text = draw_plate(rng, 3)
    h, w = plate.shape[:2]
    scale = pw if len(text.lines) == 2 else pw * 1.45
    quad = _quad(rng, cx, cy, scale, scale * h / w)
    inside = (quad[:, 0] > 1).all() and (quad[:, 1] > 1).all() and (quad[:, 0] < im.shape[1] - 1).all() and (quad[:, 1] < im.shape[0] - 1).all()
    if not inside or len(quads) == MOST:
        return
    _holder(im, rng, quad)
    _paste(im, rng, quad, plate)
    quads.append(quad), whites.append(float(np.percentile(plate, 92)))


def _drawn(rng, night: bool):
    """A drawn scene: a motorcycle's crop, a wide picture with one, a car's crop."""
    k = rng.random()
    quads, whites = [], []
    if k < 0.42:
        h, w = CANVAS, int(CANVAS * rng.uniform(0.38, 0.9))
        im = vehicles.road(rng, h, w)
        s = w * rng.uniform(0.6, 1.0)
        if rng.random() < 0.2:  # another vehicle beside it
            vehicles.motorcycle(im, rng, rng.choice([0.0, 1.0]) * w, rng.uniform(0.3, 0.8) * h, s * 0.8)
        place = vehicles.motorcycle(im, rng, w * rng.uniform(0.35, 0.65), h * rng.uniform(0.45, 0.85), s)
    elif k < 0.62:
        w, h = CANVAS, int(CANVAS * rng.uniform(0.5, 0.85))
        im = vehicles.road(rng, h, w)
        s = w * rng.uniform(0.22, 0.6)
        place = vehicles.motorcycle(im, rng, w * rng.uniform(0.25, 0.75), h * rng.uniform(0.3, 0.8), s)
        if rng.random() < 0.25 and s < 0.4 * w:
            other = vehicles.motorcycle(im, rng, (place[0] + 0.5 * w) % w, h * rng.uniform(0.3, 0.8), s)
            _finish(im, rng, quads, whites, other, night, True)
    else:
        w = CANVAS
        h = int(CANVAS * rng.uniform(0.6, 1.15))
        im = vehicles.road(rng, h, w)
        place = vehicles.car(im, rng, w * rng.uniform(0.4, 0.6), h * rng.uniform(0.6, 0.88), w * rng.uniform(0.6, 1.0))
        _finish(im, rng, quads, whites, (place[0], place[1], place[2] * rng.uniform(0.65, 1.0)), night, None)
        return im, quads, whites
    _finish(im, rng, quads, whites, place, night, True)
    return im, quads, whites


def _finish(im, rng, quads, whites, place, night, two_lines) -> None:
    if night:
        im *= np.float32(rng.uniform(0.1, 0.5))
    if rng.random() < 0.88:
        _add(im, rng, quads, whites, *place, two_lines)
    elif rng.random() < 0.6:
        vehicles.box(im, rng, place[0], place[1], place[2], place[2] * 0.7, vehicles.tone(rng, 0, 1, 0.1))


def _rendered(rng, grounds: Backgrounds, night: bool):
    """A vehicle of a rendered clip; its plate replaced by one that is drawn."""
    i = rng.integers(len(grounds.vehicles))
    im = grounds.vehicles[i].astype(np.float32) / 255
    corners = grounds.corners[i].astype(np.float64).copy()
    if rng.random() < 0.5:
        im, corners[:, 0] = np.ascontiguousarray(im[:, ::-1]), im.shape[1] - corners[:, 0]
        corners = corners[[1, 0, 3, 2]]
    zoom = CANVAS / max(im.shape[:2])
    im = cv2.resize(im, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR)
    corners *= zoom
    width, height = np.linalg.norm(corners[1] - corners[0]), np.linalg.norm(corners[3] - corners[0])
    quads, whites = [], []
    if night:
        im *= np.float32(rng.uniform(0.15, 0.5))
    plate, text = draw_plate(rng, 3)
    for _ in range(12):
        if (len(text.lines) == 2) == (width < 2.6 * height):
            break
        plate, text = draw_plate(rng, 3)
    centre = corners.mean(0)
    quad = centre + (corners - centre) * rng.uniform(1.0, 1.12) + rng.normal(0, 0.02, (4, 2)) * (width, height)
    _holder(im, rng, quad)
    _paste(im, rng, quad, plate)
    quads.append(quad), whites.append(float(np.percentile(plate, 92)))
    return im, quads, whites


def _photo(rng, grounds: Backgrounds, night: bool):
    """Plates anywhere on a photograph or on clutter."""
    if rng.random() < 0.7:
        photo = grounds.photos[rng.integers(len(grounds.photos))]
        h, w = photo.shape[:2]
        side = rng.uniform(0.35, 1.0)
        ch, cw = int(h * side), int(w * side)
        y, x = rng.integers(0, h - ch + 1), rng.integers(0, w - cw + 1)
        im = photo[y : y + ch, x : x + cw].astype(np.float32) / 255
        zoom = CANVAS / max(ch, cw)
        im = cv2.resize(im, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
        im = np.ascontiguousarray(im[:, ::-1] if rng.random() < 0.5 else im) * np.float32(rng.uniform(0.5, 1.1))
    else:
        im = vehicles.road(rng, int(CANVAS * rng.uniform(0.6, 1)), CANVAS)
    quads, whites = [], []
    h, w = im.shape[:2]
    if night:
        im *= np.float32(rng.uniform(0.15, 0.6))
    for _ in range(rng.poisson(1)):
        vehicles.sticker(im, rng, rng.uniform(0, w), rng.uniform(0, h), rng.uniform(0.05, 0.3) * w)
    for _ in range(int(rng.choice([0, 1, 2], p=[0.3, 0.5, 0.2]))):
        pw = w * float(np.exp(rng.uniform(np.log(0.09), np.log(0.5))))
        place = (rng.uniform(0.1, 0.9) * w, rng.uniform(0.1, 0.9) * h)
        if all(np.linalg.norm(q.mean(0) - place) > 1.6 * pw + np.ptp(q[:, 0]) for q in quads):
            _add(im, rng, quads, whites, *place, pw)
    return im, quads, whites


def _close(rng, night: bool):
    """A plate's own picture, as a detector of plates cuts it out."""
    plate, text = draw_plate(rng, 3)
    h, w = plate.shape[:2]
    pw = CANVAS * rng.uniform(0.72, 0.92)
    ph = pw * h / w * float(np.exp(rng.normal(-0.04, 0.1)))
    margin = rng.uniform(0.03, 0.3)
    im = vehicles.road(rng, int(ph * (1 + 2 * margin) + 0.12 * pw), CANVAS)
    im *= np.float32(rng.uniform(0.1, 0.5) if night or rng.random() < 0.5 else 1)
    quads, whites = [], []
    quad = _quad(rng, im.shape[1] / 2, im.shape[0] / 2, pw, ph)
    quad = np.clip(quad, 1, (im.shape[1] - 2, im.shape[0] - 2))
    _holder(im, rng, quad)
    _paste(im, rng, quad, plate)
    quads.append(quad), whites.append(float(np.percentile(plate, 92)))
    return im, quads, whites


def _light(im: np.ndarray, rng, night: bool) -> np.ndarray:
    h, w = im.shape[:2]
    if rng.random() < 0.4:
        im = im * (1 + rng.uniform(0, 0.5) * soft_noise(rng, h, w, 3))[..., None]
    if night:
        for _ in range(rng.poisson(0.8)):  # head lights
            spot = np.zeros((h, w, 3), np.float32)
            r = rng.uniform(0.03, 0.12) * w
            vehicles.oval(spot, rng.uniform(0, w), rng.uniform(0, h), r, r, (1.0, 0.97, 0.85))
            im = im + rng.uniform(0.5, 2) * spot + rng.uniform(0.3, 1.5) * cv2.GaussianBlur(spot, (0, 0), rng.uniform(5, 25))
        if rng.random() < 0.5:  # infra-red: no colour
            im = np.repeat(im.mean(2, keepdims=True), 3, 2)
    if rng.random() < 0.25:
        im = im * np.array([rng.normal(1, 0.08) for _ in range(3)], np.float32)
    return im.astype(np.float32)


def draw_scene(rng, grounds: Backgrounds):
    """One input (192 × 192 × 3, 8 bit) and the corners of its plates (`MOST × 4 × 2`, NaN where there is none)."""
    night = rng.random() < 0.25
    k = rng.random()
    if k < 0.55:
        im, quads, whites = _drawn(rng, night)
    elif k < 0.75:
        im, quads, whites = _rendered(rng, grounds, night)
    elif k < 0.9:
        im, quads, whites = _photo(rng, grounds, night)
    else:
        im, quads, whites = _close(rng, night)
    for _ in range(rng.poisson(0.5)):  # the camera's name, the time
        h, w = im.shape[:2]
        y = rng.choice([0.06, 0.96]) * h
        if not any(q[:, 1].min() - 25 < y < q[:, 1].max() + 25 for q in quads):
            vehicles.lettering(im, rng, rng.uniform(0.3, 0.8) * w, y, rng.uniform(8, 18), vehicles.tone(rng, 0.5, 1, 0.3))
    im = _light(im, rng, night)
    h, w = im.shape[:2]
    native = float(np.exp(rng.uniform(np.log(64), np.log(330))))
    if k >= 0.9:
        native = float(np.exp(rng.uniform(np.log(24), np.log(160))))
    elif quads:  # the smallest plate keeps about 14 pixels
        narrow = min(np.ptp(q[:, 0]) for q in quads) / max(h, w)
        native = max(native, 14 / narrow)
    native = min(native, CANVAS)
    zoom = native / max(h, w)
    size = (max(8, round(w * zoom)), max(8, round(h * zoom)))
    lens = draw_lens(rng, rng.uniform(0.2, 0.9), night)
    seen = shoot(im, 1 / zoom, size, min(whites) if whites else float(np.percentile(im, 95)) + 0.05, lens, rng)
    return letterbox(seen, [q * zoom for q in quads], rng)


def letterbox(seen: np.ndarray, quads: list, rng):
    """Fits a picture into the input, in the middle, and its corners with it."""
    h, w = seen.shape[:2]
    zoom = SIDE / max(h, w)
    nw, nh = max(1, round(w * zoom)), max(1, round(h * zoom))
    how = cv2.INTER_AREA if zoom < 1 and rng.random() < 0.5 else cv2.INTER_LINEAR
    out = np.full((SIDE, SIDE, 3), PAD, np.uint8)
    x, y = (SIDE - nw) // 2, (SIDE - nh) // 2
    out[y : y + nh, x : x + nw] = cv2.resize(seen, (nw, nh), interpolation=how)
    corners = np.full((MOST, 4, 2), np.nan, np.float32)
    for i, q in enumerate(quads):
        corners[i] = q * (nw / w, nh / h) + (x, y)
    return out, corners
